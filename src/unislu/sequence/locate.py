"""Locates phrases in a text, in order: the positions of the entities of the `suffix` format."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a phrase starts (None = nowhere), and the repair that was needed to find it."""

    start: int | None
    repair: str = ""


def locate(text: str, phrases: Sequence[str]) -> list[Place]:
    """A place for each phrase, without overlaps, from left to right.

    Each phrase is searched at or after the end of the previous one, first at word boundaries, then inside
    words, but never so far right that a later phrase loses its place. So all phrases that can be placed in
    order are, and locating them again gives the same places. A phrase that is out of order is put where the
    text is still free, which is a repair.
    """
    latest = _latest(text, phrases)
    places = [Place(None)] * len(phrases)
    cursor = 0
    taken: list[tuple[int, int]] = []
    for number, (phrase, bound) in enumerate(zip(phrases, latest, strict=True)):
        if bound is not None:
            start = _first(text, phrase, cursor, bound)
            cursor = start + len(phrase)
            taken.append((start, cursor))
            places[number] = Place(start)
    for number, (phrase, bound) in enumerate(zip(phrases, latest, strict=True)):
        if bound is None:
            places[number] = _anywhere(text, phrase, taken)
    return places


def is_boundary(text: str, position: int) -> bool:
    """Whether `position` is not inside a word."""
    if not 0 < position < len(text):
        return True
    return not (_in_word(text[position - 1]) and _in_word(text[position]))


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _latest(text: str, phrases: Sequence[str]) -> list[int | None]:
    """For each phrase the last start that leaves room for those after it; None if it is out of order."""
    latest: list[int | None] = [None] * len(phrases)
    bound = len(text)
    for number in reversed(range(len(phrases))):
        start = text.rfind(phrases[number], 0, bound) if phrases[number] else -1
        if start >= 0:
            latest[number] = bound = start
    return latest


def _first(text: str, phrase: str, cursor: int, bound: int) -> int:
    """The first start in `cursor` … `bound`, between word boundaries if there is one."""
    first = start = text.find(phrase, cursor)
    while 0 <= start <= bound:
        if is_boundary(text, start) and is_boundary(text, start + len(phrase)):
            return start
        start = text.find(phrase, start + 1)
    return first


def _anywhere(text: str, phrase: str, taken: list[tuple[int, int]]) -> Place:
    """A free place for a phrase that is out of order; it is marked as taken."""
    start = text.find(phrase) if phrase else -1
    while start >= 0:
        end = start + len(phrase)
        if all(end <= other or start >= stop for other, stop in taken):
            taken.append((start, end))
            return Place(start, "is out of order")
        start = text.find(phrase, start + 1)
    return Place(None, "is not in the transcript, dropped")
