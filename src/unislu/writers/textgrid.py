"""Praat's TextGrid in its long text format: tiers over the whole recording, empty where nobody speaks."""

from __future__ import annotations

from collections.abc import Iterator

from ..result import Analysis
from .tiers import Interval, Tier, tiers


def render(analysis: Analysis) -> str:
    """The TextGrid."""
    found = tiers(analysis)
    ends = [interval.end for tier in found for interval in tier.intervals]
    end = max([round(analysis.duration, 3), *ends])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end}",
        "tiers? <exists>",
        f"size = {len(found)}",
        "item []:",
    ]
    for number, tier in enumerate(found, start=1):
        lines += _tier(number, tier, end)
    return "\n".join(lines) + "\n"


def _tier(number: int, tier: Tier, end: float) -> Iterator[str]:
    intervals = list(_gapless(tier.intervals, end))
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier"'
    yield f"        name = {_quoted(tier.name)}"
    yield "        xmin = 0"
    yield f"        xmax = {end}"
    yield f"        intervals: size = {len(intervals)}"
    for place, interval in enumerate(intervals, start=1):
        yield f"        intervals [{place}]:"
        yield f"            xmin = {interval.start}"
        yield f"            xmax = {interval.end}"
        yield f"            text = {_quoted(interval.label)}"


def _gapless(intervals: tuple[Interval, ...], end: float) -> Iterator[Interval]:
    """The intervals and the empty ones between them."""
    position = 0.0
    for interval in intervals:
        if interval.start > position:
            yield Interval(position, interval.start, "")
        yield interval
        position = interval.end
    if position < end:
        yield Interval(position, end, "")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
