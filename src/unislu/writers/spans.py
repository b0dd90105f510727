"""The transcript cut at its entities, for writers that mark them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from ..result import Analysis, Entity, Segment

_SAID = ("iso", "e164", "email", "url", "iban", "number")  # the key of a value that says it, by its kind


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


def stretches(analysis: Analysis) -> list[tuple[str | None, Segment]]:
    """The segments with text and who speaks in them: a speaker, else a channel; None if all are the same.

    A segment in which several speak is cut where the speaker changes.
    """
    found: list[tuple[str | None, Segment]] = []
    for segment in analysis.segments:
        if segment.text:
            found += _by_speaker(analysis, segment)
    several = len({label for label, _ in found}) > 1
    return [(label if several else None, segment) for label, segment in found]


def _by_speaker(analysis: Analysis, segment: Segment) -> Iterator[tuple[str | None, Segment]]:
    if segment.speaker is None or not segment.words:
        yield speaker_of(analysis, segment), segment
        return
    text, names = analysis.text or "", speaker_names(analysis)
    runs = [(label, tuple(words)) for label, words in groupby(segment.words, lambda word: word.speaker)]
    for place, (label, words) in enumerate(runs):
        first = segment.start_char if place == 0 else words[0].start_char
        last = segment.end_char if place == len(runs) - 1 else words[-1].end_char
        yield (
            None if label is None else names[label],
            replace(
                segment,
                start=segment.start if place == 0 else words[0].start,
                end=segment.end if place == len(runs) - 1 else words[-1].end,
                text=text[first:last],
                start_char=first,
                end_char=last,
                words=words,
            ),
        )


def turns(analysis: Analysis) -> list[tuple[str | None, int, int]]:
    """(speaker, start, end) in characters of each stretch of the transcript that one person or channel
    speaks.

    One stretch and no speaker if only one speaks.
    """
    found: list[tuple[str | None, int, int]] = []
    for label, segment in stretches(analysis):
        if label is None:
            return [(None, 0, len(analysis.text or ""))]
        if found and found[-1][0] == label:
            found[-1] = (label, found[-1][1], segment.end_char)
        else:
            found.append((label, segment.start_char, segment.end_char))
    return found or [(None, 0, len(analysis.text or ""))]


def speaker_of(analysis: Analysis, segment: Segment) -> str | None:
    """Who speaks longest in a segment, else its channel, counted from 1; None if neither is known."""
    if segment.speaker is not None:
        return speaker_names(analysis)[segment.speaker]
    return None if segment.channel is None else f"Channel {segment.channel + 1}"


def speaker_names(analysis: Analysis) -> dict[str, str]:
    """The display name of each speaker id: the name, or the id if none is known."""
    return {speaker.id: speaker.name or speaker.id for speaker in analysis.speakers or ()}


def written(entity: Entity) -> str | None:
    """The value of an entity in one phrase: `2026-03-23`, `45.2 USD`, `+14155550134`; None without one."""
    value = entity.value or {}
    if value.get("kind") == "money":
        return f"{value['amount']} {value['currency'] or ''}".strip()
    if value.get("kind") == "percent":
        return f"{value['percent']} %"
    if value.get("kind") == "quantity":
        return f"{value['number']} {value['unit']}"
    found = next((value[key] for key in _SAID if value.get(key) is not None), None)
    return None if found is None else str(found)


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
