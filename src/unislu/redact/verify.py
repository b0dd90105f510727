"""Listening again: whether any redacted phrase can still be heard."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..result import Analysis
from .audio import DEFAULT_GUARD, redact_audio
from .matches import Match, Span
from .phrases import Text, letters

if TYPE_CHECKING:
    from ..audio import AudioSource
    from ..recognition.model import Model


TRIES = 4
"""How often a recording is redacted and heard again before it is given up."""
WIDER = 0.3
"""Seconds on either side of a leak that are covered with it, so many more at each try: where a word was
not expected its times are less exact."""


@dataclass(frozen=True)
class Leak:
    """A redacted phrase that is heard again: its entity type and where, in seconds; never its words."""

    type: str
    start: float
    end: float

    def wider(self, number: int) -> Span:
        """What is covered of it after try `number`, in seconds."""
        return max(0.0, self.start - number * WIDER), self.end + number * WIDER

    def __str__(self) -> str:
        return f"{self.type} at {self.start:.1f}–{self.end:.1f} s"


def verify(model: Model, audio: AudioSource, matches: Iterable[Match], **options: Any) -> tuple[Leak, ...]:
    """Hear redacted audio and look for what was redacted, anywhere in it.

    Args:
        model: what heard the original.
        audio: the redacted recording.
        matches: what was redacted.
        options: of `Model.analyze`, as for the original.

    Returns:
        Every place where a phrase is heard again, compared by letters and digits alone; empty = none.
    """
    return find_leaks(model.analyze(audio, **options), matches)


def redact_verified(
    model: Model,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    spans: Iterable[Span],
    matches: Sequence[Match],
    how: str = "beep",
    guard: float = DEFAULT_GUARD,
    **options: Any,
) -> tuple[tuple[str, ...], tuple[Leak, ...]]:
    """Write a redacted recording and hear it again; what is still heard is covered too, and heard again.

    A name that the first hearing missed in one place and found in another comes to light in the second.

    Args:
        model, matches, options: as for `verify`.
        source, target, spans, how, guard: as for `redact_audio`.

    Returns:
        What `redact_audio` noted, and the leaks that are left after `TRIES` tries: do not give away a
        recording that has any.

    Raises:
        As `redact_audio` and `Model.analyze` do.
    """
    covered = list(spans)
    for number in range(1, TRIES + 1):
        notes = redact_audio(source, target, covered, how, guard)
        leaks = verify(model, target, matches, **options)
        if not leaks:
            break
        covered += [leak.wider(number) for leak in leaks]
    return notes, leaks


def find_leaks(analysis: Analysis, matches: Iterable[Match]) -> tuple[Leak, ...]:
    """The places of a transcript where a phrase of `matches` is said, in the order of time."""
    text = Text(analysis.text or "")
    phrases = {letters(match.phrase): match for match in matches}
    found = {
        _leak(analysis, match.type, start, end)
        for match in phrases.values()
        for start, end in text.find(match.phrase)
    }
    return tuple(sorted(found, key=lambda leak: (leak.start, leak.end, leak.type)))


def _leak(analysis: Analysis, entity_type: str, start: int, end: int) -> Leak:
    segments = [s for s in analysis.segments if s.start_char < end and s.end_char > start]
    words = [w for s in segments for w in s.words or () if w.start_char < end and w.end_char > start]
    pieces = words or segments
    if not pieces:
        return Leak(entity_type, 0.0, analysis.duration)
    return Leak(entity_type, min(p.start for p in pieces), max(p.end for p in pieces))
