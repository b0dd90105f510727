"""The unified sequence: one target, several formats, one vocabulary, one grammar, one parser contract."""

from __future__ import annotations

from unislu.errors import OptionError
from unislu.sequence.format import Format, Parsed, Rendered
from unislu.sequence.inline import InlineFormat, OpenInlineFormat
from unislu.sequence.labels import ONTONOTES_TO_SLUE, SLUE, LabelSet, normalize_type
from unislu.sequence.prompt import Prompt
from unislu.sequence.suffix import SuffixFormat
from unislu.sequence.target import Span, Target
from unislu.sequence.tokenizer import WhisperTokenizer
from unislu.sequence.vocabulary import Alphabet, TextTokenizer, Vocabulary

_ATOMIC = {format_.name: format_ for format_ in (SuffixFormat, InlineFormat, OpenInlineFormat)}


def get_format(name: str, vocabulary: Vocabulary, alphabet: Alphabet = Alphabet.ATOMIC) -> Format:
    """The format of that name. Raises `OptionError` for an unknown one, `VocabularyError` for lacking tokens."""
    if name not in _ATOMIC:
        raise OptionError(f"unknown format {name!r}: choose from {', '.join(_ATOMIC)}")
    return _ATOMIC[name](vocabulary)


__all__ = [
    "ONTONOTES_TO_SLUE",
    "SLUE",
    "Alphabet",
    "Format",
    "InlineFormat",
    "LabelSet",
    "OpenInlineFormat",
    "Parsed",
    "Prompt",
    "Rendered",
    "Span",
    "SuffixFormat",
    "Target",
    "TextTokenizer",
    "Vocabulary",
    "WhisperTokenizer",
    "get_format",
    "normalize_type",
]
