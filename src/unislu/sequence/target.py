"""An annotated text: its entities and its sentiment, each of which may be unknown.

`None` means "not annotated" and `()` "annotated, none present". The difference decides what a training
example teaches, so no function here turns one into the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from unislu.errors import RecordError


@dataclass(frozen=True, order=True)
class Span:
    """An entity."""

    start: int
    """First character of the text."""
    end: int
    """End in characters, exclusive."""
    type: str
    """The entity type."""


@dataclass(frozen=True)
class Target:
    """A transcript with its annotation.

    Raises `RecordError` for a span outside the text or without a type, and for text that is not valid Unicode
    (a lone surrogate).
    """

    text: str
    """The transcript."""
    entities: tuple[Span, ...] | None = None
    """None = not annotated, `()` = annotated and none present."""
    sentiment: str | None = None
    """None = not annotated."""

    def __post_init__(self) -> None:
        try:
            self.text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RecordError(f"text holds half a character at {error.start}: decode it again") from error
        for span in self.entities or ():
            if not 0 <= span.start <= span.end <= len(self.text):
                raise RecordError(
                    f"entity {span.type!r} [{span.start}, {span.end}) lies outside its text of "
                    f"{len(self.text)} characters: offsets count characters, end exclusive"
                )
            if not span.type:
                raise RecordError(f"entity [{span.start}, {span.end}) has an empty type: name it")

    def resolved(self) -> Target:
        """The same target as a flat, sorted annotation of tidy text.

        Runs of whitespace become one blank and none is left at the ends, with offsets adjusted; spans lose
        their outer whitespace; empty spans are dropped; of overlapping spans the longest is kept (then the
        earlier, then the smaller type). Idempotent.
        """
        text, spans, _ = resolve(self.text, self.entities or ())
        return replace(self, text=text, entities=None if self.entities is None else spans)


def resolve(text: str, spans: Sequence[Span]) -> tuple[str, tuple[Span, ...], tuple[int, ...]]:
    """`Target.resolved` on bare values, which also returns the index in `spans` of each span it kept."""
    bare = [(trim(text, span), index) for index, span in enumerate(spans)]
    flat = sorted(without_overlaps((span, index) for span, index in bare if span.start < span.end))
    kept = tuple(index for _, index in flat)
    tidy = " ".join(text.split())
    if tidy == text:
        return text, tuple(span for span, _ in flat), kept
    new = positions(text)
    moved = (Span(new[span.start], new[span.end - 1] + 1, span.type) for span, _ in flat)
    return tidy, tuple(moved), kept


def trim(text: str, span: Span) -> Span:
    """The span without the whitespace at its ends."""
    start, end = trimmed(text, span.start, span.end)
    return replace(span, start=start, end=end)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters from `start` to `end` without the whitespace at either end."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())


def without_overlaps(spans: Iterable[tuple[Span, int]]) -> list[tuple[Span, int]]:
    """A set of (span, tag) without overlaps: the longest first, then the earlier, then the smaller type."""
    kept: list[tuple[Span, int]] = []
    for span, tag in sorted(spans, key=lambda s: (s[0].start - s[0].end, s[0], s[1])):
        if all(span.end <= other.start or span.start >= other.end for other, _ in kept):
            kept.append((span, tag))
    return kept


def positions(text: str) -> list[int]:
    """For each character that is not whitespace: its index once whitespace is collapsed and stripped."""
    positions: list[int] = []
    length, gap = 0, False
    for character in text:
        if character.isspace():
            gap = length > 0
            positions.append(length)
        else:
            length += gap
            gap = False
            positions.append(length)
            length += 1
    return positions
