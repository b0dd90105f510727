"""The transcript cut at its entities, for writers that mark them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..result import Analysis, Entity, Segment


def pieces(analysis: Analysis, start: int = 0, end: int | None = None) -> Iterator[tuple[str, Entity | None]]:
    """The transcript, or its characters `start` to `end`, as (text, entity or None) in order; of overlapping
    entities the first is marked."""
    text = analysis.text or ""
    position, last = start, len(text) if end is None else end
    for entity in apart(analysis.entities or ()):
        first, until = max(position, entity.start_char), min(last, entity.end_char)
        if first >= until:
            continue
        if first > position:
            yield text[position:first], None
        yield text[first:until], entity
        position = until
    if position < last:
        yield text[position:last], None


def turns(analysis: Analysis) -> list[tuple[int | None, int, int]]:
    """(channel, start, end) in characters of each stretch of the transcript that one channel speaks.

    One stretch and no channel if the channels were mixed or only one of them speaks.
    """
    said = [segment for segment in analysis.segments if segment.text]
    if len({segment.channel for segment in said}) < 2:
        return [(None, 0, len(analysis.text or ""))]
    found: list[tuple[int | None, int, int]] = []
    for segment in said:
        if found and found[-1][0] == segment.channel:
            found[-1] = (segment.channel, found[-1][1], segment.end_char)
        else:
            found.append((segment.channel, segment.start_char, segment.end_char))
    return found


def speaker(channel: int) -> str:
    """The name of a channel, counted from 1."""
    return f"Channel {channel + 1}"


def speaker_of(segment: Segment) -> str | None:
    """Who speaks in a segment; None if the channels were mixed."""
    return None if segment.channel is None else speaker(segment.channel)


def apart(entities: Iterable[Entity]) -> list[Entity]:
    """Entities in order without overlaps: the first is kept, and of several that start together the
    longest.
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start_char, -e.end_char)):
        if not kept or entity.start_char >= kept[-1].end_char:
            kept.append(entity)
    return kept


def ranked(scores: dict[str, float]) -> list[tuple[str, float]]:
    """Scores from the highest to the lowest, ties by name."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def printable(text: str) -> str:
    """Text without control characters, so that a file name cannot control the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
