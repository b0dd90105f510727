"""Finding a phrase in a text, compared by letters and digits alone.

Case, accents, punctuation, blanks and the apostrophe of a possessive do not count, nor does a plural, and
numbers may be spoken (`unislu.redact.spoken`): `O'Brien` is found in `o brien's`, `555-1234` in `triple five
one two three four`, `Anderson` in `the Andersons`. A match begins and ends at word boundaries. In doubt it
finds more, because a miss would be a leak.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

from .spoken import DIGITS, Numeral, numerals

MASK = "█" * 4
"""Replaces a phrase, always with this length, because the length of a name reveals something about it."""

_WORD = re.compile(r"[^\W_]+")
_NUMBER_JOINS = frozenset(".,:")  # 3.5 · 1,000 · 12:30 are one word each
_PLURALS = ("s", "es")
_LEAST_SINGULAR = 3


class Text:
    """A text prepared for searching."""

    def __init__(self, text: str) -> None:
        self.text = text
        words = list(_WORD.finditer(text))
        folded = [match[0].casefold() for match in words]
        gaps = [text[a.end() : b.start()] for a, b in pairwise(words)]
        joined = [False, *(not gap.strip(" \t\n\u00a0-") for gap in gaps)][: len(words)]
        singles = [Numeral(n, n + 1, DIGITS[word]) for n, word in enumerate(folded) if word in DIGITS]
        said = numerals(folded, joined)
        self._plain = _Reading(text, words, singles)
        self._readings = [self._plain, *([_Reading(text, words, said)] if said != singles else [])]

    @property
    def letters(self) -> str:
        """Its folded letters and digits."""
        return self._plain.letters

    def find(self, phrase: str) -> Iterator[tuple[int, int]]:
        """(start, end) in characters of every occurrence of `phrase`, overlapping ones included."""
        wanted = {letters for reading in Text(phrase)._readings for letters in _forms(reading.letters)}
        found = {place for reading in self._readings for form in wanted for place in reading.find(form)}
        yield from sorted(found)

    def widen(self, start: int, end: int) -> tuple[int, int]:
        """The span widened to whole words: half a name would reveal the rest."""
        return self._plain.widen(start, end)


def letters(phrase: str) -> str:
    """The part of a phrase that is compared."""
    return Text(phrase).letters


def _forms(letters: str) -> Iterator[str]:
    """The spoken forms of a phrase: as it is, and without its plural ending."""
    if letters:
        yield letters
    if len(letters) > _LEAST_SINGULAR and letters.endswith("s") and not letters.endswith("ss"):
        yield letters[:-1]


class _Reading:
    """One way to read a text. Letter i of `letters` comes from the characters `starts[i]…ends[i]`."""

    def __init__(self, text: str, words: Iterable[re.Match[str]], numbers: Iterable[Numeral]) -> None:
        self._text = text
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._said = {number.first: number for number in numbers}
        folded: list[str] = []
        position = until = 0
        places = list(words)
        for n, match in enumerate(places):
            if n < until:
                continue
            folded += self._others(position, match.start())
            number = self._said.get(n)
            position = match.end()
            if number is None:
                folded += self._each(match.start(), match.end())
                continue
            until, position = number.last, places[number.last - 1].end()
            for letter in number.written:
                folded.append(letter)
                self._place(match.start(), position)
        folded += self._others(position, len(text))
        self.letters = "".join(folded)

    def find(self, wanted: str) -> Iterator[tuple[int, int]]:
        """(start, end) in characters of every occurrence of `wanted`, or its plural, as whole words."""
        at = self.letters.find(wanted)
        while at >= 0:
            last = at + len(wanted)
            if self._boundary(at):
                ends = [last, *(last + len(s) for s in _PLURALS if self._has(s, last, wanted))]
                end = next((end for end in ends if self._boundary(end)), None)
                if end is not None:
                    yield self._starts[at], self._ends[end - 1]
            at = self.letters.find(wanted, at + 1)

    def _has(self, plural: str, at: int, wanted: str) -> bool:
        return wanted[-1].isalpha() and self.letters.startswith(plural, at)

    def widen(self, start: int, end: int) -> tuple[int, int]:
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if first >= last:
            return start, end
        while not self._boundary(first):
            first -= 1
        while not self._boundary(last):
            last += 1
        return min(start, self._starts[first]), max(end, self._ends[last - 1])

    def _others(self, start: int, end: int) -> Iterator[str]:
        """The mask counts as a letter, so that the words around it never form a phrase."""
        for place in range(start, end):
            if self._text[place] == MASK[0]:
                self._place(place, place + 1)
                yield MASK[0]
            elif self._ends and unicodedata.combining(self._text[place]) and self._ends[-1] == place:
                self._ends[-1] = place + 1

    def _each(self, start: int, end: int) -> Iterator[str]:
        for place in range(start, end):
            for letter in _folded(self._text[place]):
                self._place(place, place + 1)
                yield letter

    def _place(self, start: int, end: int) -> None:
        self._starts.append(start)
        self._ends.append(end)

    def _boundary(self, number: int) -> bool:
        """Whether a word may end before letter `number` and another one begin there."""
        if number in (0, len(self.letters)):
            return True
        before, after = self.letters[number - 1], self.letters[number]
        if self._starts[number] < self._ends[number - 1]:
            return False  # two letters of one character (ß), or two digits of one spoken number
        gap = self._text[self._ends[number - 1] : self._starts[number]]
        if not gap:
            # Scripts without case do not mark words: any character may begin one.
            return not (_marks_words(before) and _marks_words(after))
        return not (gap in _NUMBER_JOINS and before.isdigit() and after.isdigit())


def _folded(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(c for c in plain if c.isalnum())


def _marks_words(letter: str) -> bool:
    return letter.isdigit() or letter.lower() != letter.upper()
