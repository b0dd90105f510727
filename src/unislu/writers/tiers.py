"""A result as tiers of intervals, as linguists' programs show it: segments, words, entities, by speaker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..result import Analysis, Entity, Segment, covered
from .rttm import speaker_turns
from .spans import stretches

SHORTEST = 0.001
"""Seconds. Praat and ELAN know no interval without length, and ELAN counts in milliseconds."""
_NEXT = "; "


@dataclass(frozen=True)
class Interval:
    """A stretch of a tier; times in whole milliseconds."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Tier:
    """Intervals in order, apart from each other."""

    name: str
    speaker: str | None
    intervals: tuple[Interval, ...]


def tiers(analysis: Analysis) -> list[Tier]:
    """The tiers `segments`, `words` and `entities`; with several speakers three for each, `NAME - words`.

    A result with speakers also has the tier `speakers`, of their turns. A tier of what was not asked for is
    left out. Entities without times have those of their segment.
    """
    spoken = stretches(analysis)
    names = list(dict.fromkeys(label for label, _ in spoken)) or [None]
    found = []
    for name in names:
        own = [segment for label, segment in spoken if label == name]
        kinds = {"segments": [(segment.start, segment.end, segment.text) for segment in own]}
        if any(segment.words is not None for segment in own):
            words = [word for segment in own for word in segment.words or ()]
            kinds["words"] = [(word.start, word.end, word.text) for word in words]
        if analysis.entities is not None:
            kinds["entities"] = list(_entities(analysis.entities, own))
        for kind, intervals in kinds.items():
            title = kind if name is None else f"{name} - {kind}"
            found.append(Tier(title, name, apart(intervals)))
    if analysis.speakers is not None:
        found.append(Tier("speakers", None, apart(speaker_turns(analysis))))
    return found


def _entities(entities: Sequence[Entity], own: Sequence[Segment]) -> Iterable[tuple[float, float, str]]:
    """Those that begin in one of the segments, which are one speaker's."""
    for entity in entities:
        inside = covered(own, entity.start_char, entity.start_char + 1)
        if inside:
            segment = own[inside[0]]
            start = segment.start if entity.start is None else entity.start
            end = segment.end if entity.end is None else entity.end
            yield start, end, f"{entity.type}: {entity.text}"


def apart(pieces: Iterable[tuple[float, float, str]]) -> tuple[Interval, ...]:
    """Pieces (start, end, label) as intervals in order that do not overlap and have a length.

    One that begins before the last one's end begins there instead; one that has no room of its own is added
    to the last one's label, so nothing is lost.
    """
    kept: list[Interval] = []
    for start, end, text in sorted(pieces, key=lambda piece: piece[:2]):
        first = max(start, kept[-1].end if kept else 0.0)
        first, last, label = round(first, 3), round(end, 3), " ".join(text.split())
        if last - first >= SHORTEST / 2:
            kept.append(Interval(first, last, label))
        elif kept:
            kept[-1] = Interval(kept[-1].start, kept[-1].end, f"{kept[-1].label}{_NEXT}{label}")
        else:
            kept.append(Interval(first, round(first + SHORTEST, 3), label))
    return tuple(kept)
