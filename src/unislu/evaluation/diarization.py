"""Diarization error rates, by `pyannote.metrics` (the extra `speakers`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unislu.errors import MissingDependencyError
from unislu.writers.rttm import Turn

COLLAR = 0.25
"""Seconds on each side of a boundary of the reference that are not scored."""
def diarization_errors(pairs: Sequence[tuple[Sequence[Turn], Sequence[Turn]]]) -> dict[str, float]:
    """Errors of (reference, found) turns of several recordings, as shares of the speech in the references.

    Returns:
        `der`, and its parts `missed`, `false_alarm` and `confusion`. Speech of several at once counts for
        each.

    Raises:
        MissingDependencyError: `pyannote.metrics` is not installed.
    """
    try:
        from pyannote.core import Annotation, Segment, Timeline
        from pyannote.metrics.diarization import DiarizationErrorRate
    except ImportError as error:
        raise MissingDependencyError(
            "diarization errors need pyannote.metrics: pip install 'unislu[speakers]'"
        ) from error

    def annotation(turns: Sequence[Turn]) -> Any:
        found = Annotation()
        for number, (start, end, speaker) in enumerate(turns):
            if end > start:
                found[Segment(start, end), number] = speaker
        return found

    metric: Any = DiarizationErrorRate(collar=2 * COLLAR)  # counted over both sides
    for reference, found in pairs:
        end = max((turn[1] for turn in (*reference, *found)), default=0.0)
        metric(annotation(reference), annotation(found), uem=Timeline([Segment(0.0, end + COLLAR)]))
    values = metric[:]
    total = float(values["total"]) or 1.0
    parts = {name: float(values[key]) / total for name, key in PARTS.items()}
    return {"der": sum(parts.values()), **parts}


PARTS = {"missed": "missed detection", "false_alarm": "false alarm", "confusion": "confusion"}
