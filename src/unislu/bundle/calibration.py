"""Calibration: curves, fitted on dev data, from raw confidences to the share of correct answers.

A bundle stores the curves in its manifest (`calibration`), `unislu calibrate` fits them, and the confidences
of every result have gone through them. They change no answer: each curve rises, and a temperature keeps the
order of the sentiments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = ("words", "entities", "sentiment")
_CLIP = 1e-4
"""Confidences in results have four digits; anything finer is meaningless."""


@dataclass(frozen=True)
class Curve:
    """Platt's: logit of the calibrated confidence = slope · logit of the raw one + offset."""

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, confidence: float) -> float:
        """A confidence 0…1, calibrated."""
        return 1.0 / (1.0 + math.exp(-(self.slope * logit(confidence) + self.offset)))


@dataclass(frozen=True)
class Calibration:
    """The curves that are applied to confidences; None leaves them unchanged."""

    words: Curve | None = None
    entities: Curve | None = None
    temperature: float | None = None
    """For the sentiment: probabilities are raised to the power of 1 / temperature and normalised."""

    @classmethod
    def from_manifest(cls, data: Mapping[str, Any]) -> Calibration:
        """Read a manifest's `calibration`. Raises ValueError with the field's name and value."""
        curves: dict[str, Curve] = {}
        for name in ("words", "entities"):
            if (part := data.get(name)) is not None:
                curves[name] = Curve(_number(part, name, "slope"), _number(part, name, "offset"))
                if curves[name].slope <= 0:
                    raise ValueError(f"calibration.{name}.slope is {curves[name].slope}, not above 0")
        temperature = None
        if (part := data.get("sentiment")) is not None:
            temperature = _number(part, "sentiment", "temperature")
            if temperature <= 0:
                raise ValueError(f"calibration.sentiment.temperature is {temperature}, not above 0")
        return cls(**curves, temperature=temperature)

    def word(self, confidence: float | None) -> float | None:
        """A word's confidence, calibrated."""
        return confidence if confidence is None or self.words is None else self.words(confidence)

    def entity(self, confidence: float) -> float:
        """An entity's confidence, calibrated."""
        return confidence if self.entities is None else self.entities(confidence)

    def sentiment(self, scores: Mapping[str, float]) -> Mapping[str, float]:
        """The probabilities of a window's sentiments, calibrated."""
        return scores if self.temperature is None else tempered(scores, self.temperature)


UNCALIBRATED = Calibration()
"""Leaves everything unchanged."""


def tempered(scores: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Probabilities to the power of 1 / temperature, normalised."""
    logs = {name: math.log(max(score, _CLIP)) / temperature for name, score in scores.items()}
    top = max(logs.values())
    total = math.fsum(math.exp(value - top) for value in logs.values())
    return {name: math.exp(value - top) / total for name, value in logs.items()}


def logit(share: float) -> float:
    """log(p / (1 - p)) of a share 0…1, kept finite."""
    clipped = min(max(share, _CLIP), 1.0 - _CLIP)
    return math.log(clipped / (1.0 - clipped))


def _number(part: Any, name: str, key: str) -> float:
    value = part.get(key) if isinstance(part, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"calibration.{name}.{key} is {value!r}, not a finite number")
    return float(value)
