"""The transcript so far: of the current utterance, and of the whole stream."""

from __future__ import annotations

from collections.abc import Sequence

from ..result import Entity, Sentiment, SentimentMean, Word
from ..sequence import Span, Target
from .draft import Draft, Tagged, Timing, agreed, bare, rest


class Utterance:
    """The words of one utterance: stable ones first, then those of the last draft."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.timings: list[Timing | None] = []
        self.entities: list[Tagged] = []
        """Those that were reported; after `close`, all."""
        self._count = 0  # stable words
        self._last = Draft()

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(self.words)

    @property
    def stable(self) -> str:
        """The words that will not change."""
        return " ".join(self.words[: self._count])

    @property
    def beginning(self) -> Target:
        """The part that is not decoded again: the stable words before the first unreported entity."""
        untold = [e.first for e in self._last.entities if not self._told(e)]
        count = min([self._count, *untold])
        spans = [Span(*self.characters(e), e.type) for e in self.entities if e.last < count]
        return Target(" ".join(self.words[:count]), tuple(spans))

    def characters(self, tagged: Tagged) -> tuple[int, int]:
        """The offsets of an entity in `text`: (start, end)."""
        starts, first, last = _starts(self.words), self.words[tagged.first], self.words[tagged.last]
        # The stable spelling of a word may lack punctuation that the offsets include.
        start = starts[tagged.first] + min(tagged.start_offset, len(first) - 1)
        return start, max(start + 1, starts[tagged.last] + min(tagged.end_offset, len(last)))

    def update(self, now: Draft, confirm: bool) -> tuple[bool, list[Tagged]]:
        """Add another draft; returns whether anything changed, and the entities that are now closed."""
        before = self.words, self._count
        # A draft that started from the stable words has no information about their confidence.
        known = self.timings[: self._count]
        shown = self._continued(now)
        count = agreed(self._last.words, shown.words) if confirm else 0
        self._count = max(self._count, count)
        self.words, self.timings = list(shown.words), [*known, *shown.timings[len(known) :]]
        settled = [
            tagged
            for tagged in shown.entities
            if tagged.last < self._count and any(tagged.same_words(other) for other in self._last.entities)
        ]
        self._last = shown
        return before != (self.words, self._count), self._new(settled)

    def close(self, now: Draft) -> list[Tagged]:
        """Add the last draft; returns the entities that were not reported yet."""
        shown = self._continued(now)
        self.words, self.timings = list(shown.words), list(shown.timings)
        self._count = len(self.words)
        new = self._new(shown.entities)
        self.entities.sort(key=lambda tagged: tagged.first)
        return new

    def _continued(self, now: Draft) -> Draft:
        """A draft whose beginning is replaced by the stable words."""
        stable = self.words[: self._count]
        cut = rest(stable, now.words)
        shift = len(stable) - cut
        # If the draft has other words than the stable ones, its entities and times do not apply to them.
        timings = tuple(self.timings[: self._count]) if shift else now.timings[:cut]
        kept = [
            e.shifted(shift) for e in now.entities if e.first >= cut or (not shift and _fits(e, stable, now))
        ]
        return Draft((*stable, *now.words[cut:]), tuple(kept), (*timings, *now.timings[cut:]))

    def _new(self, found: Sequence[Tagged]) -> list[Tagged]:
        new = [tagged for tagged in found if not self._told(tagged)]
        self.entities += new
        return new

    def _told(self, tagged: Tagged) -> bool:
        """Whether the entity, or another one in its place, was reported."""
        return any(tagged.overlaps(other) for other in self.entities)


def _fits(tagged: Tagged, stable: Sequence[str], now: Draft) -> bool:
    """Whether the entity's words agree with the stable ones."""
    last = min(tagged.last + 1, len(stable))
    ours, theirs = stable[tagged.first : last], now.words[tagged.first : last]
    return [bare(word) for word in ours] == [bare(word) for word in theirs]


class Running:
    """Offsets and the sentiment over all utterances, without keeping their text."""

    def __init__(self) -> None:
        self._characters = 0
        self._mean = SentimentMean()

    def place(self, text: str) -> tuple[int, int]:
        """The offset of the next utterance in the whole transcript."""
        start = self._characters + 1 if self._characters else 0
        return start, start + len(text)

    def entity(self, utterance: Utterance, tagged: Tagged) -> Entity:
        """An entity of the next utterance, with offsets into the whole transcript."""
        start, end = utterance.characters(tagged)
        shift, _ = self.place("")
        return Entity(
            tagged.type,
            utterance.text[start:end],
            shift + start,
            shift + end,
            tagged.confidence,
            None if tagged.start is None else round(tagged.start, 3),
            None if tagged.end is None else round(tagged.end, 3),
        )

    def words(self, utterance: Utterance) -> tuple[Word, ...] | None:
        """The words of the next utterance; None if any of them has no time."""
        shift, _ = self.place("")
        starts = _starts(utterance.words)
        found = [
            Word(
                word,
                round(timing.start, 3),
                round(timing.end, 3),
                shift + start,
                shift + start + len(word),
                timing.confidence,
            )
            for word, start, timing in zip(utterance.words, starts, utterance.timings, strict=True)
            if timing is not None
        ]
        return tuple(found) if len(found) == len(utterance.words) else None

    def add(self, text: str, sentiment: Sentiment | None, seconds: float) -> Sentiment | None:
        """Add a closed utterance; returns the sentiment so far, weighted by duration."""
        _, self._characters = self.place(text)
        if sentiment is None:
            return None
        self._mean.add(sentiment.scores, seconds)
        return self._mean.sentiment()


def _starts(words: Sequence[str]) -> list[int]:
    starts, position = [], 0
    for word in words:
        starts.append(position)
        position += len(word) + 1
    return starts
