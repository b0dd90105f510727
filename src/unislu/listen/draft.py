"""Successive drafts of a growing utterance: the words they agree on, and how a new one continues."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..result import Analysis

LOOSE = 2
"""Words at the end of a draft that are unreliable: the last may be cut off, and the one before it was
transcribed without its context.
"""

_WORD = re.compile(r"\S+")
_PUNCTUATION = re.compile(r"[^\w]+")


@dataclass(frozen=True)
class Tagged:
    """An entity by the words it is in.

    It begins at character `start_offset` of word number `first` and ends before character `end_offset`
    of word number `last`. Times are seconds in the file, or None.
    """

    type: str
    first: int
    start_offset: int
    last: int
    end_offset: int
    confidence: float | None = None
    start: float | None = None
    end: float | None = None

    def shifted(self, count: int) -> Tagged:
        """The same entity, `count` words later."""
        return replace(self, first=self.first + count, last=self.last + count)

    def same_words(self, other: Tagged) -> bool:
        """Whether both have the same type and words."""
        return (self.type, self.first, self.last) == (other.type, other.first, other.last)

    def overlaps(self, other: Tagged) -> bool:
        """Whether they share a word."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Timing:
    """The times of a word in seconds, and its confidence."""

    start: float
    end: float
    confidence: float | None


@dataclass(frozen=True)
class Draft:
    """A transcription of an utterance: its words, its entities, and for each word its time or None."""

    words: tuple[str, ...] = ()
    entities: tuple[Tagged, ...] = ()
    timings: tuple[Timing | None, ...] = ()

    @classmethod
    def of(cls, analysis: Analysis, shift: float) -> Draft:
        """The draft of a result; `shift`: seconds from the beginning of the stream to that of the result."""
        text = analysis.text or ""
        found = list(_WORD.finditer(text))
        entities = []
        for entity in analysis.entities or ():
            inside = [
                n for n, m in enumerate(found) if m.start() < entity.end_char and m.end() > entity.start_char
            ]
            if not inside:
                continue
            first, last = inside[0], inside[-1]
            entities.append(
                Tagged(
                    entity.type,
                    first,
                    max(0, entity.start_char - found[first].start()),
                    last,
                    min(entity.end_char, found[last].end()) - found[last].start(),
                    entity.confidence,
                    None if entity.start is None else entity.start + shift,
                    None if entity.end is None else entity.end + shift,
                )
            )
        timings = tuple(_timing(analysis, match.start(), match.end(), shift) for match in found)
        return cls(tuple(match[0] for match in found), tuple(entities), timings)


def _timing(analysis: Analysis, start: int, end: int, shift: float) -> Timing | None:
    words = [w for s in analysis.segments for w in s.words or () if w.start_char < end and w.end_char > start]
    if not words:
        return None
    sure = [w.confidence for w in words if w.confidence is not None]
    return Timing(words[0].start + shift, words[-1].end + shift, min(sure, default=None))


def agreed(before: Sequence[str], now: Sequence[str]) -> int:
    """Number of words at the beginning of `now` that `before` begins with too, without the last `LOOSE` of
    either.
    """
    count = 0
    for one, other in zip(before[:-LOOSE], now[:-LOOSE], strict=False):
        if bare(one) != bare(other):
            break
        count += 1
    return count


def bare(word: str) -> str:
    """A word without case and punctuation; a word of punctuation alone is kept."""
    return _PUNCTUATION.sub("", word.casefold()) or word


def rest(stable: Sequence[str], words: Sequence[str]) -> int:
    """The index in `words` at which the continuation of `stable` begins.

    Usually `words` begins with `stable`. If the model has changed its mind, it is the index up to which
    `words` is most like `stable` (by edit distance); ties go to the same number of words.
    """
    ours, theirs = [bare(word) for word in stable], [bare(word) for word in words]
    if ours == theirs[: len(ours)]:
        return len(ours)
    costs = list(range(len(theirs) + 1))
    for number, word in enumerate(ours, start=1):
        row = [number]
        for place, other in enumerate(theirs, start=1):
            row.append(min(costs[place] + 1, row[-1] + 1, costs[place - 1] + (word != other)))
        costs = row
    return min(
        range(len(costs)),
        key=lambda place: (costs[place], theirs[place - 1 : place] != ours[-1:], abs(place - len(ours))),
    )
