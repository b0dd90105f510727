"""Training's values and the evaluation's are kept apart, by a hash of what is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from random import Random

from unislu.data.compose import Source, Value

#: Values that are too few, or too common, to be kept apart.
SHARED = frozenset(
    "date|on date|past date|coming date|calendar date|month|year|years|time|duration|frequency|age|"
    "age adjective|old age|young age|number|small number|digit|percent|interest|money|price|salary|"
    "large amount|quantity|distance|length|weight|mileage|temperature|body temperature|blood pressure|"
    "dosage|size|color|currency|payment method|language|nationality|religion|country|state|state of|"
    "city|us city|street|department|medical department|relationship|blood type|degree|device|"
    "tech brand|animal|body part|crime|emergency|project|spelling|extension|card security code|"
    "card expiry date|pin|first name|seat number|room number|gate|bare flight number|error code".split("|")
)
_TRIES = 500
_SHARE = 7


def is_held_out(written: str) -> bool:
    """Whether a value belongs to the evaluation: one of seven."""
    return int(hashlib.sha256(written.lower().encode()).hexdigest()[:8], 16) % _SHARE == 0


def kept_apart(sources: Mapping[str, Source], held_out: bool) -> dict[str, Source]:
    """The sources with training's values alone, or with those of the evaluation alone.

    Drawing raises `LookupError` where a source has none: it belongs into `SHARED`.
    """
    return {
        name: source if name in SHARED else _chosen(name, source, held_out)
        for name, source in sources.items()
    }


def _chosen(name: str, source: Source, held_out: bool) -> Source:
    def draw(rng: Random, of: str) -> Value:
        for _ in range(_TRIES):
            value = source(rng, of)
            if is_held_out(value.written) == held_out:
                return value
        raise LookupError(
            f"source {name!r}: no value for {'evaluation' if held_out else 'training'} in {_TRIES}"
        )

    return draw
