"""Diarization error rates, by `pyannote.metrics` (the extra `speakers`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unislu.errors import MissingDependencyError
from unislu.result import Analysis

COLLAR = 0.25
"""Seconds on each side of a boundary of the reference that are not scored."""
PAUSE = 1.0
"""Words of one speaker with a shorter pause between them are one turn."""

Turn = tuple[float, float, str]
"""Start and end in seconds, and the speaker."""


def turns_of(result: Analysis) -> list[Turn]:
    """Who speaks when, from the words of a result with speakers; from its segments where words have no
    times.
    """
    turns: list[Turn] = []
    for segment in result.segments:
        pieces = segment.words or ([segment] if segment.text else [])
        for piece in pieces:
            if piece.speaker is None:
                continue
            last = turns[-1] if turns else None
            if last is not None and last[2] == piece.speaker and piece.start - last[1] < PAUSE:
                turns[-1] = (last[0], max(last[1], piece.end), piece.speaker)
            else:
                turns.append((piece.start, piece.end, piece.speaker))
    return turns


def diarization_errors(pairs: Sequence[tuple[Sequence[Turn], Sequence[Turn]]]) -> dict[str, float]:
    """Errors of (reference, found) turns of several recordings, as shares of the speech in the references.

    Returns:
        `der`, and its parts `missed`, `false_alarm` and `confusion`. Speech of several at once counts for each.

    Raises:
        MissingDependencyError: `pyannote.metrics` is not installed.
    """
    try:
        from pyannote.core import Annotation, Segment
        from pyannote.metrics.diarization import DiarizationErrorRate
    except ImportError as error:
        raise MissingDependencyError("diarization errors need pyannote.metrics: pip install 'unislu[speakers]'") from error

    def annotation(turns: Sequence[Turn]) -> Any:
        found = Annotation()
        for number, (start, end, speaker) in enumerate(turns):
            if end > start:
                found[Segment(start, end), number] = speaker
        return found

    metric = DiarizationErrorRate(collar=2 * COLLAR)  # counted over both sides
    for reference, found in pairs:
        metric(annotation(reference), annotation(found))
    total = metric["total"] or 1.0
    parts = {name: metric[key] / total for name, key in PARTS.items()}
    return {"der": sum(parts.values()), **parts}


PARTS = {"missed": "missed detection", "false_alarm": "false alarm", "confusion": "confusion"}
