"""The unified sequence: targets, formats, vocabulary, grammar and parser."""

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


def get_format(
    name: str, vocabulary: Vocabulary, alphabet: Alphabet = Alphabet.ATOMIC, leading_blank: bool = True
) -> Format:
    """The format of that name.

    `leading_blank`: whether a blank stands before the first word, as Whisper writes it; the published
    WhisperNER was trained without it, and so can be what is written in the plain alphabet.

    Raises `OptionError` for an unknown name, `VocabularyError` if the vocabulary lacks its tokens.
    """
    if not leading_blank and alphabet is not Alphabet.PLAIN:
        raise OptionError(
            f"leading_blank is false in the alphabet {alphabet.value}: only text of the plain alphabet "
            "may begin without a blank"
        )
    if name == "suffix":
        return SuffixFormat(vocabulary, alphabet, leading_blank)
    if name == "inline":
        return InlineFormat(vocabulary, Style.CLOSED, alphabet, leading_blank)
    if name == "inline-open":
        return InlineFormat(vocabulary, Style.OPEN, alphabet, leading_blank)
    if name == "bio":
        return BioFormat(vocabulary, alphabet, leading_blank)
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
