"""Diarization error rates, by `pyannote.metrics` (the extra `speakers`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unislu.errors import RecordError, needs
from unislu.writers.rttm import Turn

COLLAR = 0.25
"""Seconds on each side of a boundary of the reference that are not scored."""


@dataclass(frozen=True)
class Spoken:
    """Who speaks when in one recording, as recognised."""

    turns: tuple[Turn, ...]
    words: tuple[Turn, ...] = ()
    """Start and end in seconds of every recognised word, and who says it."""


@dataclass(frozen=True)
class SpeakerScores:
    """How well speakers are told apart; rates in percent, speech of several at once counts for each."""

    recordings: int
    right_number: int
    """Recordings in which as many speakers were found as speak."""
    der: float
    """Diarization error rate: the sum of the next three."""
    missed: float
    false_alarm: float
    confusion: float
    word_error: float | None
    """Of the recognised words whose middle lies in a turn, those that were given to somebody who does not
    speak there; None without words.
    """

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        words = "-" if self.word_error is None else f"{self.word_error:.2f}"
        return (
            f"DER {self.der:.2f}   missed {self.missed:.2f}, false alarm {self.false_alarm:.2f}, confusion "
            f"{self.confusion:.2f}; words of a wrong speaker {words}; number of speakers right in "
            f"{self.right_number} of {self.recordings} recordings"
        )


def speaker_scores(pairs: Sequence[tuple[Sequence[Turn], Spoken]]) -> SpeakerScores:
    """Scores of (reference, found) recordings. Raises as `diarization_errors`."""
    errors = diarization_errors([(reference, found.turns) for reference, found in pairs])
    wrong = words = right = 0
    for reference, found in pairs:
        right += len({who for *_, who in reference}) == len({who for *_, who in found.turns})
        # The reference's speaker that the error rate matches with each recognised one.
        mapping = error_rate().optimal_mapping(_annotation(reference), _annotation(found.turns))
        for start, end, who in found.words:
            middle = (start + end) / 2
            there = {speaker for first, last, speaker in reference if first <= middle < last}
            words += bool(there)
            wrong += bool(there) and mapping.get(who) not in there
    return SpeakerScores(
        recordings=len(pairs), right_number=right,
        **{name: 100 * share for name, share in errors.items()},
        word_error=100 * wrong / words if words else None,
    )  # fmt: skip


def read_turns(value: Any, where: str) -> tuple[Turn, ...]:
    """Turns annotated as `[{"start": …, "end": …, "speaker": …}]`. Raises `RecordError` naming the place."""
    if not isinstance(value, list):
        raise RecordError(f"{where}: field `turns`: expected a list, found {type(value).__name__}")
    found = []
    for number, turn in enumerate(value):
        place = f"{where}: field `turns[{number}]`"
        if not isinstance(turn, Mapping) or not isinstance(turn.get("speaker"), str) or not turn["speaker"]:
            raise RecordError(f"{place}: expected an object with `start`, `end` and `speaker`")
        start, end = (_seconds(turn.get(name), place) for name in ("start", "end"))
        if not 0 <= start < end:
            raise RecordError(f"{place}: {start}…{end} s; they must be 0 ≤ start < end")
        found.append((start, end, turn["speaker"]))
    return tuple(found)


def _seconds(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RecordError(f"{place}: {value!r} is not a time in seconds")
    return float(value)


def diarization_errors(pairs: Sequence[tuple[Sequence[Turn], Sequence[Turn]]]) -> dict[str, float]:
    """Errors of (reference, found) turns of several recordings, as shares of the speech in the references.

    Returns:
        `der`, and its parts `missed`, `false_alarm` and `confusion`. Speech of several at once counts for
        each.

    Raises:
        MissingDependencyError: `pyannote.metrics` is not installed.
    """
    metric = error_rate()
    for reference, found in pairs:
        metric(_annotation(reference), _annotation(found), uem=_whole((*reference, *found)))
    values = metric[:]
    total = float(values["total"]) or 1.0
    parts = {name: float(values[key]) / total for name, key in PARTS.items()}
    return {"der": sum(parts.values()), **parts}


PARTS = {"missed": "missed detection", "false_alarm": "false alarm", "confusion": "confusion"}


def error_rate() -> Any:
    """A new diarization error rate, to which recordings are added. Raises `MissingDependencyError`."""
    with needs("scoring speakers", "speakers"):
        from pyannote.metrics.diarization import DiarizationErrorRate
    return DiarizationErrorRate(collar=2 * COLLAR)  # counted over both sides


def _annotation(turns: Sequence[Turn]) -> Any:
    from pyannote.core import Annotation, Segment

    found = Annotation()
    for number, (start, end, speaker) in enumerate(turns):
        if end > start:
            found[Segment(start, end), number] = speaker
    return found


def _whole(turns: Iterable[Turn]) -> Any:
    """The stretch that is scored: everything up to the last end."""
    from pyannote.core import Segment, Timeline

    return Timeline([Segment(0.0, max((end for _, end, _ in turns), default=0.0) + COLLAR)])
