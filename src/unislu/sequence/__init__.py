"""The unified sequence: one target, several formats, one vocabulary, one grammar, one parser contract."""

from __future__ import annotations

from unislu.errors import OptionError
from unislu.sequence.bio import BioFormat
from unislu.sequence.copying import CopyFormat
from unislu.sequence.format import Branch, Format
from unislu.sequence.grammar import Allowed, Grammar, State
from unislu.sequence.inline import InlineFormat
from unislu.sequence.labels import ONTONOTES_TO_SLUE, SLUE, LabelSet, normalize_type
from unislu.sequence.notation import Style
from unislu.sequence.prompt import Prompt
from unislu.sequence.reader import Parsed, Rendered
from unislu.sequence.suffix import SuffixFormat
from unislu.sequence.target import Span, Target
from unislu.sequence.tokenizer import WhisperTokenizer
from unislu.sequence.vocabulary import Alphabet, TextTokenizer, Vocabulary

FORMATS = ("suffix", "inline", "inline-open", "bio", "copy", "copy-open")
"""The names that `get_format` knows."""


def get_format(name: str, vocabulary: Vocabulary, alphabet: Alphabet = Alphabet.ATOMIC) -> Format:
    """The format of that name.

    Raises `OptionError` for an unknown name, `VocabularyError` if the vocabulary lacks its tokens.
    """
    if name == "suffix":
        return SuffixFormat(vocabulary, alphabet)
    if name == "inline":
        return InlineFormat(vocabulary, Style.CLOSED, alphabet)
    if name == "inline-open":
        return InlineFormat(vocabulary, Style.OPEN, alphabet)
    if name == "bio":
        return BioFormat(vocabulary, alphabet)
    if name in ("copy", "copy-open"):
        return CopyFormat(vocabulary, Style.CLOSED if name == "copy" else Style.OPEN, alphabet)
    raise OptionError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")


__all__ = [
    "FORMATS",
    "ONTONOTES_TO_SLUE",
    "SLUE",
    "Allowed",
    "Alphabet",
    "BioFormat",
    "Branch",
    "CopyFormat",
    "Format",
    "Grammar",
    "InlineFormat",
    "LabelSet",
    "Parsed",
    "Prompt",
    "Rendered",
    "Span",
    "State",
    "SuffixFormat",
    "Target",
    "TextTokenizer",
    "Vocabulary",
    "WhisperTokenizer",
    "get_format",
    "normalize_type",
]
