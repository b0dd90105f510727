"""The transcript cut at its entities, for writers that mark them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..result import Analysis, Entity


def pieces(analysis: Analysis) -> Iterator[tuple[str, Entity | None]]:
    """The transcript as (text, entity or None) in order; of overlapping entities the first is marked."""
    text = analysis.text or ""
    position = 0
    for entity in apart(analysis.entities or ()):
        if entity.start_char > position:
            yield text[position : entity.start_char], None
        yield entity.text, entity
        position = entity.end_char
    if position < len(text):
        yield text[position:], None


def apart(entities: Iterable[Entity]) -> list[Entity]:
    """Entities in order; of overlapping ones the first, and of those the longest."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start_char, -e.end_char)):
        if not kept or entity.start_char >= kept[-1].end_char:
            kept.append(entity)
    return kept


def ranked(scores: dict[str, float]) -> list[tuple[str, float]]:
    """Scores from the highest to the lowest, ties by name."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def printable(text: str) -> str:
    """Text without control characters: a file name must not steer the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
