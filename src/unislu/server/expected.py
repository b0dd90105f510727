"""Expected phrases as clients send them: in our own field, or in those of Deepgram and AssemblyAI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ..recognition.phrases import MAX_WEIGHT, checked_phrases, read_phrases
from ..recognition.written import read_names
from ..sequence.phrases import Phrase

BOOSTS = {"low": 0.5, "default": 1.0, "high": 2.0}
"""The weights of AssemblyAI's `boost_param`."""


def names_of(value: Iterable[str]) -> list[str]:
    """Names from repeated fields, from commas, or from a JSON list. Raises `ValueError`."""
    found: list[str] = []
    for text in value:
        if text.lstrip().startswith("["):
            items = json.loads(text)
            if not all(isinstance(item, str) for item in items):
                raise ValueError("give a list of names")
            found += items
        else:
            found += read_names(text)
    for name in found:
        if not name.isprintable():
            raise ValueError(f"{name[:40]!r} has unprintable characters")
    return found


def _phrases(value: Any) -> Any:
    """Repeated fields: lines as in a vocabulary file, or a JSON list."""
    found: list[Any] = []
    for text in value:
        found += json.loads(text) if text.lstrip().startswith("[") else read_phrases(text)
    return checked_phrases(found)


def _keywords(value: Any) -> Any:
    """Deepgram's `WORD:INTENSIFIER`; 0 leaves a word out, and what is stronger than our strongest counts as
    that.
    """
    found: dict[str, float] = {}
    for item in names_of(value):
        word, colon, strength = item.rpartition(":")
        word = word if colon else strength
        try:
            weight = float(strength) if colon else 1.0
        except ValueError:
            raise ValueError(f"{item[:60]!r} is not WORD:INTENSIFIER, as in Kowalczyk:2") from None
        if not weight >= 0:
            raise ValueError(
                f"{item[:60]!r}: words cannot be suppressed, only expected; give an intensifier above 0"
            )
        if weight:
            found[word] = min(weight, MAX_WEIGHT)
    return _checked("keywords", found)


def _terms(name: str) -> BeforeValidator:
    """Phrases without weights, in the field `name`."""
    return BeforeValidator(lambda value: _checked(name, dict.fromkeys(names_of(value), 1.0)))


def _checked(name: str, weights: dict[str, float]) -> list[Phrase]:
    places = [f"{name}, phrase {number}" for number in range(1, len(weights) + 1)]
    return list(checked_phrases(weights.items(), places)) if weights else []


Phrases = Annotated[list[Any], BeforeValidator(_phrases)]
Keywords = Annotated[list[Any], BeforeValidator(_keywords)]
Keyterms = Annotated[list[Any], _terms("keyterm")]
WordBoost = Annotated[list[Any], _terms("word_boost")]
KeytermsPrompt = Annotated[list[Any], _terms("keyterms_prompt")]
Boost = Literal["low", "default", "high"]
