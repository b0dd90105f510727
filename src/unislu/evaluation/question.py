"""Questions, answers and annotations of an evaluation.

A *system* is anything that answers questions about audio: a bundle, a checkpoint, a baseline.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from unislu.data.records import Record
from unislu.errors import RecordError
from unislu.evaluation.diarization import Spoken, read_turns
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


def gold_of(record: Record) -> Gold:
    """The annotation of a record, with the phrase of each entity in place of its offsets."""
    spans = record.entities
    phrases = None if spans is None else tuple((s.type, record.text[s.start : s.end]) for s in spans)
    turns = record.extra.get("turns")
    if turns is None:
        return Gold(record.id, record.text, phrases, record.sentiment)
    spoken = read_turns(turns, f"record {record.id!r}")
    # Somebody speaks: an empty text only says that nobody wrote it down.
    text = record.text if record.text or not spoken else None
    return Gold(record.id, text, phrases, record.sentiment, spoken)


def balanced_types(
    example: str, positives: Iterable[str], all_types: Iterable[str], *, seed: int = 0, minimum: int = 1
) -> tuple[str, ...]:
    """The types to request for an example, shuffled: its own and equally many absent ones (WhisperNER).

    The draw depends on the example's id alone, not on the order of the examples or the process.

    Args:
        example: the example's id.
        positives: the types annotated in it.
        all_types: every type of the data set; negatives are drawn from the rest of them.
        seed: another draw of negatives.
        minimum: negatives for an example without any entity (which WhisperNER, section 3.2, also requests).
    """
    wanted = sorted(set(positives))
    others = sorted(set(all_types) - set(wanted))
    digest = hashlib.blake2b(f"{seed}\0{example}".encode(), digest_size=8).digest()
    generator = random.Random(int.from_bytes(digest, "big"))
    count = min(len(others), max(len(wanted), minimum))
    types = wanted + generator.sample(others, count)
    generator.shuffle(types)
    return tuple(types)
