"""Questions, answers and annotations of an evaluation.

A *system* is anything that answers questions about audio: a bundle, a checkpoint, a baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from unislu.errors import RecordError
from unislu.evaluation.diarization import Spoken
from unislu.writers.rttm import Turn


@dataclass(frozen=True)
class Gold:
    """The annotation of one utterance: `None` = not annotated, `()` = annotated, none present."""

    id: str
    text: str | None = None
    entities: tuple[tuple[str, str], ...] | None = None
    """(type, phrase) pairs."""
    sentiment: str | None = None
    turns: tuple[Turn, ...] | None = None
    """Who speaks when."""


@dataclass(frozen=True)
class Prediction:
    """A system's answer for one utterance; `None` = no answer, or unknown.

    Raises:
        RecordError: a score or a confidence is not a number from 0 to 1.
    """

    id: str
    text: str | None = None
    entities: tuple[tuple[str, str], ...] | None = None
    """(type, phrase) pairs."""
    sentiment: str | None = None
    sentiment_scores: Mapping[str, float] | None = None
    """Probability of each label, in lower case."""
    confidences: tuple[float | None, ...] | None = None
    """One for each entity."""
    duration: float | None = None
    """Seconds of audio."""
    seconds: float | None = None
    """Seconds of computation."""
    spoken: Spoken | None = None
    """Who speaks when."""

    def __post_init__(self) -> None:
        for name, value in (self.sentiment_scores or {}).items():
            self._check(value, f"sentiment score of {name!r}")
        if self.confidences is not None:
            if len(self.confidences) != len(self.entities or ()):
                raise RecordError(
                    f"prediction {self.id!r}: {len(self.confidences)} confidences of "
                    f"{len(self.entities or ())} entities; give one for each"
                )
            for entity, confidence in zip(self.entities or (), self.confidences, strict=True):
                if confidence is not None:
                    self._check(confidence, f"confidence of {entity[1]!r}")

    def _check(self, value: float, what: str) -> None:
        if not math.isfinite(value) or not -1e-6 <= value <= 1 + 1e-6:
            raise RecordError(f"prediction {self.id!r}: {what} is {value!r}; give a number from 0 to 1")


@dataclass(frozen=True)
class Question:
    """One clip and what to find in it."""

    id: str
    audio: Path
    tasks: tuple[str, ...]
    """Of "asr", "ner", "sa"."""
    types: tuple[str, ...] | None = None
    """Open entity types, or None for the closed set."""
    duration: float | None = None
    """Seconds, if the manifest knows them."""
    speakers: bool = False
    """Whether to tell who speaks."""


class System(Protocol):
    """What can be evaluated."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Everything its answers depend on (hashes, options), as plain values."""
        ...

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        """One answer for each question, in any order, with `duration` and `seconds` filled in."""
        ...
