"""Which tokens open and close an entity in each format, for the bias."""

from __future__ import annotations

from collections.abc import Mapping

from unislu.sequence.format import Format
from unislu.sequence.labels import normalize_type
from unislu.sequence.prompt import Prompt
from unislu.sequence.vocabulary import (
    BIO_BEGIN,
    BIO_CLOSE,
    CLOSE_TEXT,
    OPEN_TEXT,
    OPEN_TYPE,
    Vocabulary,
    closer,
    opener,
)

DEFAULT = "*"


def type_bias(bias: float | Mapping[str, float], entity_type: str) -> float:
    """The bias of a type: its own, else that of `*`, else none."""
    if not isinstance(bias, Mapping):
        return float(bias)
    return float(bias.get(normalize_type(entity_type), bias.get(DEFAULT, 0.0)))


def biased_openers(
    vocabulary: Vocabulary, fmt: Format, prompt: Prompt, bias: float | Mapping[str, float]
) -> dict[tuple[int, ...], float]:
    """The token sequences that open an entity of each type asked for, with the bias of the type."""
    labels = vocabulary.labels.entity_types
    if fmt.name in ("inline", "suffix"):
        asked = [tag for tag in labels if prompt.types is None or normalize_type(tag) in prompt.types]
        return {(vocabulary[opener(tag)],): type_bias(bias, tag) for tag in asked}
    first, last = (BIO_BEGIN, BIO_CLOSE) if fmt.name == "bio" else (OPEN_TYPE, OPEN_TEXT)
    if first not in vocabulary:
        return {}
    names = prompt.types if prompt.types is not None else tuple(normalize_type(tag) for tag in labels)
    encode = vocabulary.tokenizer.encode
    return {
        (vocabulary[first], *encode(name), vocabulary[last]): type_bias(bias, name) for name in names
    }


def closing_ids(vocabulary: Vocabulary, fmt: Format) -> frozenset[int]:
    """The tokens that end an entity."""
    if fmt.name == "bio":
        return frozenset()
    names = [CLOSE_TEXT, *(closer(tag) for tag in vocabulary.labels.entity_types)]
    return frozenset(vocabulary[name] for name in names if name in vocabulary)
