"""Spoken numbers and spelled letters → their written form.

`fifty five` = 55, `triple five` = 555, `oh one three` = 013, `two hundred and six` = 206, `twenty third` =
23rd, `three point five` = 3.5, `double n` = nn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_UNITS = {word: n for n, word in enumerate("zero one two three four five six seven eight nine".split())}
_UNITS |= {"nought": 0, "naught": 0, "niner": 9}
_TEENS = {
    word: n
    for n, word in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(), start=10
    )
}
_TENS = {
    word: 10 * n
    for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
} | {"fourty": 40}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_REPEATS = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_ZEROS = ("oh", "o")
_ORDINALS = dict(
    zip(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(),
        range(1, 13),
        strict=True,
    )
)
_ORDINALS |= {word + "th": n for word, n in _TEENS.items() if n > 12}
_ORDINALS |= {word[:-1] + "ieth": n for word, n in _TENS.items()}
DIGITS = {word: str(n) for word, n in _UNITS.items()}


@dataclass(frozen=True)
class Numeral:
    """The words `first` to `last` (exclusive) say `written`: digits, or a repeated letter; it may be empty
    for a word that is not written at all."""

    first: int
    last: int
    written: str


def numerals(words: Sequence[str], joined: Sequence[bool]) -> list[Numeral]:
    """The numbers in a text, in order.

    Args:
        words: in lower case.
        joined: for each word, whether only a blank or a hyphen lies between it and the word before.
    """
    reader = _Reader(words, joined)
    found: list[Numeral] = []
    at = 0
    while at < len(words):
        numeral = reader.read(at)
        if numeral is None:
            at += 1
        else:
            found.append(numeral)
            at = numeral.last
    return found


class _Reader:
    def __init__(self, words: Sequence[str], joined: Sequence[bool]) -> None:
        self._words, self._joined = words, joined

    def read(self, at: int) -> Numeral | None:
        """The number that begins with a word."""
        word = self._words[at]
        if word in _REPEATS and self._goes_on(at + 1):
            following = self._words[at + 1]
            once = "0" if following in _ZEROS else DIGITS.get(following, following)
            if len(once) == 1:
                return Numeral(at, at + 2, once * _REPEATS[word])
        if word in _ZEROS and (self._is_number(at - 1) or self._is_number(at + 1)):
            return Numeral(at, at + 1, "0")
        if word == "point" and self._is_number(at - 1) and self._is_number(at + 1):
            return Numeral(at, at + 1, "")
        return self._cardinal(at)

    def _cardinal(self, at: int) -> Numeral | None:
        if self._words[at] == "a" and self._word(at + 1) in _SCALES:
            value, end, suffix = 1, at + 1, ""
        else:
            start = self._below_hundred(at)
            if start is None:
                return None
            value, end, suffix = start
        total = 0
        while not suffix and self._word(end) in _SCALES:
            scale = _SCALES[self._words[end]]
            if scale == 100:
                value, end = value * 100, end + 1
            else:
                total, value, end = total + value * scale, 0, end + 1
            more = self._below_hundred(end + 1 if self._word(end) == "and" else end, joined=True)
            if more is None:
                break
            value, end, suffix = value + more[0], more[1], more[2]
        return Numeral(at, end, f"{total + value}{suffix}")

    def _below_hundred(self, at: int, joined: bool = False) -> tuple[int, int, str] | None:
        """(value, the word after it, ending of an ordinal) of a number up to 99."""
        if at >= len(self._words) or (joined and not self._joined[at]):
            return None
        word = self._words[at]
        if word in _TENS:
            unit = self._word(at + 1)
            if _UNITS.get(unit):  # "twenty zero" is two numbers
                return _TENS[word] + _UNITS[unit], at + 2, ""
            if unit in _ORDINALS and _ORDINALS[unit] < 10:
                return _TENS[word] + _ORDINALS[unit], at + 2, _ending(_ORDINALS[unit])
            return _TENS[word], at + 1, ""
        if word in _ORDINALS:
            return _ORDINALS[word], at + 1, _ending(_ORDINALS[word])
        value = _UNITS.get(word, _TEENS.get(word))
        return None if value is None else (value, at + 1, "")

    def _word(self, at: int) -> str:
        """A word that continues the previous one, or nothing."""
        return self._words[at] if self._goes_on(at) else ""

    def _goes_on(self, at: int) -> bool:
        return at < len(self._words) and self._joined[at]

    def _is_number(self, at: int) -> bool:
        if not 0 <= at < len(self._words):
            return False
        word = self._words[at]
        known = word in _UNITS or word in _TEENS or word in _TENS or word in _REPEATS or word in _ZEROS
        return known or word.isdigit()


def _ending(value: int) -> str:
    return {1: "st", 2: "nd", 3: "rd"}.get(value, "th")
