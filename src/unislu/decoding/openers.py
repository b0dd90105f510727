"""The bias of a format's openers."""

from __future__ import annotations

from collections.abc import Mapping

from unislu.decoding.processors import EntityBias, GuidedBias, Processor
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
)

DEFAULT = "*"


def bias_processors(
    vocabulary: Vocabulary, fmt: Format, prompt: Prompt, bias: float | Mapping[str, float]
) -> list[Processor]:
    """What adds the bias of each type to its opener; nothing when every bias is zero.

    `bias`: one number, or one by normalised type, with `*` for the types not listed.
    """
    grammar = fmt.grammar(prompt)
    starts = grammar.biased_openers()
    biases = {entity_type: type_bias(bias, entity_type) for entity_type in starts}
    if not any(biases.values()):
        return []
    if any(token in vocabulary.text_ids for tokens in starts.values() for token in tokens):
        gains: dict[int, float] = {}
        for entity_type, tokens in starts.items():
            for token in tokens:
                gains[token] = max(gains.get(token, biases[entity_type]), biases[entity_type])
        return [GuidedBias(grammar, gains)]
    openers = {
        (tokens[0], *_rest(vocabulary, tokens[0], entity_type)): biases[entity_type]
        for entity_type, tokens in starts.items()
    }
    return [EntityBias(openers, _closers(vocabulary, fmt))]


def type_bias(bias: float | Mapping[str, float], entity_type: str) -> float:
    """The bias of a type: its own, else that of `*`, else none."""
    if not isinstance(bias, Mapping):
        return float(bias)
    return float(bias.get(normalize_type(entity_type), bias.get(DEFAULT, 0.0)))


def _rest(vocabulary: Vocabulary, first: int, entity_type: str) -> tuple[int, ...]:
    """What follows the first token of an opener: the name of an open type and the token after it."""
    for start, last in ((OPEN_TYPE, OPEN_TEXT), (BIO_BEGIN, BIO_CLOSE)):
        if start in vocabulary and first == vocabulary[start]:
            return (*vocabulary.tokenizer.encode(normalize_type(entity_type)), vocabulary[last])
    return ()


def _closers(vocabulary: Vocabulary, fmt: Format) -> frozenset[int]:
    """The tokens that end an entity; none in `bio`, whose tags stand alone."""
    if fmt.name == "bio":
        return frozenset()
    names = (CLOSE_TEXT, *(closer(tag) for tag in vocabulary.labels.entity_types))
    return frozenset(vocabulary[name] for name in names if name in vocabulary)
