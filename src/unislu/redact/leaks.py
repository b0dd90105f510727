"""Leaks: what can still be recognised in a redacted recording, whole phrases anywhere and their words near a
cover.

Also what is unverified: parts on which the second transcription failed, and entities that only it tagged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..result import Analysis, Entity, Word, spoken_words
from .matches import Phrase, Span
from .phrases import Text, letters
from .places import UNRECOGNISED, Hidden, is_covered

NEAR = 1.0
"""Seconds before and after a cover in which single words of its phrase are looked for."""
WIDER = 0.3
"""Seconds on either side of a leak that are covered with it, more at each try: the times of an unexpected
word are less exact.
"""
_LEAST_LETTERS = 3
_ONE_WRONG, _TWO_WRONG = 5, 6  # letters of a word from which on this many may differ
_SAME_TIME = 0.5
_SAY_NOTHING = frozenset(
    "the and for from with that this are was were has had have not but all any our his her its their "
    "you your she him who into over under about than then them they out off per via van von der "
    "den del des".split()
)
"""Words that reveal nothing of their phrase."""


@dataclass(frozen=True)
class Leak:
    """Something that was recognised again: its entity type and its times in seconds; its text form never
    shows the words.
    """

    type: str
    start: float
    end: float
    phrase: str = field(default="", repr=False)

    def wider(self, number: int) -> Span:
        """The span to cover after try `number`, in seconds."""
        return max(0.0, self.start - number * WIDER), self.end + number * WIDER

    def __str__(self) -> str:
        return f"{self.type} at {self.start:.1f}–{self.end:.1f} s"


def phrase_leaks(again: Analysis, phrases: Iterable[Phrase]) -> Iterator[Leak]:
    """Leaks of whole phrases, anywhere."""
    text = Text(again.text or "")
    for phrase in phrases:
        for start, end in text.find(phrase.said):
            yield Leak(phrase.type, *_times(again, start, end))


def word_leaks(again: Analysis, hidden: Iterable[Hidden], before: Analysis) -> Iterator[Leak]:
    """Leaks of words of a covered phrase, or of similar ones, near its cover.

    A similar word counts only if the first transcription, `before`, does not have it there.
    """
    again_said, known = (
        [word for segment in analysis.segments for word in spoken_words(segment)]
        for analysis in (again, before)
    )
    for place in hidden:
        wanted = {word for word in map(letters, place.words.split()) if tells(word)}
        for word in again_said:
            if word.end < place.span[0] - NEAR or word.start > place.span[1] + NEAR:
                continue
            said = letters(word.text)
            if said in wanted or (
                any(_alike(said, other) for other in wanted) and not _was_there(word, said, known)
            ):
                yield Leak(place.type, word.start, word.end)


def entity_leaks(entities: Iterable[Entity], again: Analysis, covered: Sequence[Span]) -> Iterator[Leak]:
    """`entities` of the second transcription outside of what is `covered`."""
    for entity in entities:
        start, end = entity.start, entity.end
        if start is None or end is None:
            start, end = _times(again, entity.start_char, entity.end_char)
        if not is_covered(start, end, covered):
            yield Leak(entity.type, start, end, entity.text)


def failed_leaks(again: Analysis, covered: Sequence[Span]) -> Iterator[Leak]:
    """Segments on which the second transcription failed, unless they are covered completely."""
    for segment in again.segments:
        if segment.failed is not None and not is_covered(segment.start, segment.end, covered):
            yield Leak(UNRECOGNISED, segment.start, segment.end)


def _was_there(word: Word, said: str, known: Iterable[Word]) -> bool:
    return any(
        other.start <= word.end + _SAME_TIME
        and other.end >= word.start - _SAME_TIME
        and letters(other.text) == said
        for other in known
    )


def tells(word: str) -> bool:
    """Whether a folded word reveals something of its phrase."""
    has_digit = any(c.isdigit() for c in word)
    return has_digit or (len(word) >= _LEAST_LETTERS and word not in _SAY_NOTHING)


def _alike(said: str, wanted: str) -> bool:
    """Whether a recognised word may be the given word or a part of it."""
    if any(c.isdigit() for c in wanted):
        return said.isdigit() and said in wanted
    if len(said) < _LEAST_LETTERS:
        return False
    if wanted.startswith(said) or wanted.endswith(said) or said.startswith(wanted):
        return True
    wrong = (len(wanted) >= _ONE_WRONG) + (len(wanted) >= _TWO_WRONG)
    return abs(len(said) - len(wanted)) <= wrong and edit_distance(said, wanted) <= wrong


def edit_distance(one: str, other: str) -> int:
    """Letters to insert, delete or replace to turn one word into the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def _times(analysis: Analysis, start: int, end: int) -> Span:
    """The times of characters of the text; the whole recording if unknown."""
    segments = [s for s in analysis.segments if s.start_char < end and s.end_char > start]
    words = [w for s in segments for w in s.words or () if w.start_char < end and w.end_char > start]
    pieces = words or segments
    if not pieces:
        return 0.0, analysis.duration
    return min(p.start for p in pieces), max(p.end for p in pieces)
