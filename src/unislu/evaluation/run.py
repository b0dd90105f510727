"""Runs a system over records and scores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from unislu.evaluation.diarization import read_turns
from unislu.evaluation.profiles import Profile
from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.score import Scores, score
from unislu.evaluation.sentiment import THREE_CLASSES


class _Span(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def type(self) -> str: ...


class RecordLike(Protocol):
    """What is read of a record (`unislu.data.records.Record` is one)."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def entities(self) -> Sequence[_Span] | None: ...
    @property
    def sentiment(self) -> str | None: ...
    @property
    def extra(self) -> Mapping[str, Any]: ...


_Record = TypeVar("_Record", bound=RecordLike)


def gold_of(record: RecordLike) -> Gold:
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


def evaluate_records(
    predict: Callable[[list[_Record]], list[Prediction]],
    records: Sequence[_Record],
    profile: str | Profile = "unislu",
    *,
    classes: tuple[str, ...] = THREE_CLASSES,
) -> Scores:
    """Predicts all records and scores the predictions against their annotations.

    Raises:
        RecordError: an id occurs twice, or `predict` invented one.
    """
    return score([gold_of(record) for record in records], predict(list(records)), profile, classes=classes)
