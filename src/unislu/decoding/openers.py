"""The bias of a format's openers."""

from __future__ import annotations

from collections.abc import Mapping

from unislu.decoding.processors import EntityBias, GuidedBias, Processor
from unislu.sequence.format import Format
from unislu.sequence.labels import normalize_type
from unislu.sequence.prompt import Prompt

DEFAULT = "*"


def bias_processors(fmt: Format, prompt: Prompt, bias: float | Mapping[str, float]) -> list[Processor]:
    """The processors that add the bias of each type to its opener; none if every bias is zero.

    `bias`: one number, or one by normalised type, with `*` for the types not listed.
    """
    openers = fmt.openers(prompt)
    if openers is not None:
        biases = {ids: type_bias(bias, entity_type) for entity_type, ids in openers.items()}
        return [EntityBias(biases, fmt.closers)] if any(biases.values()) else []
    grammar = fmt.grammar(prompt)
    gains: dict[int, float] = {}
    for entity_type, tokens in grammar.biased_openers().items():
        gain = type_bias(bias, entity_type)
        gains |= {token: max(gains.get(token, gain), gain) for token in tokens}
    return [GuidedBias(grammar, gains)] if any(gains.values()) else []


def type_bias(bias: float | Mapping[str, float], entity_type: str) -> float:
    """The bias of a type: its own, else that of `*`, else none."""
    if not isinstance(bias, Mapping):
        return float(bias)
    return float(bias.get(normalize_type(entity_type), bias.get(DEFAULT, 0.0)))
