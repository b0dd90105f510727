"""The values of entities: what their words mean, in a standard form (docs/how-to/values.md).

    read_value("phone number", "four one five, five five five, oh one three four", Reading.of(region="US"))
    {"kind": "phone", "e164": "+14155550134", "digits": "4155550134", "valid": True}

Needs the extra `values`; nothing of it is imported before the first value is read.
"""

from __future__ import annotations

from dataclasses import replace

from unislu.result import Analysis, Entity

from .kinds import KINDS, kind_of
from .reading import Reading, Value, check_region, read_moment

__all__ = [
    "DOUBT",
    "Reading",
    "Value",
    "add_values",
    "check_region",
    "kind_of",
    "read_moment",
    "read_value",
    "with_value",
]

DOUBT = 0.5
"""Factor on the confidence of an entity whose value fails its check: probably misrecognised."""
_LONGEST = 400
_DIGITS = 4


def read_value(type_: str, text: str, reading: Reading) -> Value | None:
    """The value of an entity's words, as plain JSON; None if its type has no values, or the words are none.

    Raises `MissingDependencyError` without the extra `values`.
    """
    kind = kind_of(type_)
    if kind is None or len(text) > _LONGEST:
        return None
    for read in KINDS[kind]:
        value = read(text, reading)
        if value is not None:
            return value
    return None


def add_values(analysis: Analysis, reading: Reading) -> Analysis:
    """The result with the value of every entity that has one; a failed check lowers its confidence."""
    if not analysis.entities:
        return analysis
    return replace(analysis, entities=tuple(with_value(entity, reading) for entity in analysis.entities))


def with_value(entity: Entity, reading: Reading) -> Entity:
    """The entity with its value, if it has one."""
    value = read_value(entity.type, entity.text, reading)
    if value is None:
        return entity
    confidence = entity.confidence
    if confidence is not None and value.get("valid") is False:
        confidence = round(DOUBT * confidence, _DIGITS)
    return replace(entity, value=value, confidence=confidence)
