"""Spelled-out digits and letters: `double five oh one` = `5501`, `G B 8 two` = `gb82`.

Not arithmetic: `forty-two nineteen` spells 4219, and `eight hundred` 800. So text2num is of no use here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_UNITS = {word: str(n) for n, word in enumerate("zero one two three four five six seven eight nine".split())}
_UNITS |= {"oh": "0", "nought": "0", "naught": "0", "null": "0", "niner": "9"}
_TEENS = {
    word: str(n)
    for n, word in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(), start=10
    )
}
_TENS = {
    word: str(n)
    for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ZEROS = {"hundred": "00", "thousand": "000"}
_REPEATS = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
NATO = {
    word: word[0]
    for word in (
        "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike "
        "november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu"
    ).split()
}
_WORDS = re.compile(r"[a-z']+|\d+|[^\sa-z\d']")
_SPELLED = re.compile(r"\b[a-z0-9](?:-[a-z0-9])+\b")
_TENS_AND_UNIT = re.compile(rf"\b({'|'.join(_TENS)})-(?={'|'.join(_UNITS)})")
_AS_IN = re.compile(r"\b([a-z])(?: as in| for| like) [a-z]+\b")


def words_of(text: str) -> list[str]:
    """Words, figures and single signs of a bare text; `s-m-i-t-h` and `d as in David` as letters."""
    text = _AS_IN.sub(r"\1", text)
    text = _TENS_AND_UNIT.sub(r"\1 ", text)
    text = _SPELLED.sub(lambda found: found[0].replace("-", " "), text)
    return _WORDS.findall(text.replace("x-ray", "xray").replace("double u", "w").replace("double-u", "w"))


def spelled(words: Sequence[str], nato: bool = False) -> list[str]:
    """The words with digits said in words as digits and repetitions carried out.

    An `o` beside a digit is a zero. `nato` reads the words of that alphabet as letters; every other word is
    kept.
    """
    found = list(_read(words, nato))
    return ["0" if part == "o" and _beside_digit(found, place) else part for place, part in enumerate(found)]


def _read(words: Sequence[str], nato: bool) -> Iterator[str]:
    place = 0
    while place < len(words):
        word = words[place]
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in _REPEATS and (once := _single(following, nato)):
            yield once * _REPEATS[word]
            place += 2
        elif word in _TENS and following in _UNITS and _UNITS[following] != "0":
            yield _TENS[word] + _UNITS[following]
            place += 2
        elif word in _TENS:
            yield _TENS[word] + "0"
            place += 1
        elif (digits := _UNITS.get(word) or _TEENS.get(word)) is not None:
            yield digits + _ZEROS.get(following, "")
            place += 2 if following in _ZEROS else 1
        elif word in _ZEROS and place and words[place - 1].isdecimal():
            yield _ZEROS[word]
            place += 1
        else:
            yield NATO.get(word, word) if nato else word
            place += 1


def _single(word: str, nato: bool) -> str:
    """The character that a repetition repeats."""
    once = "0" if word == "o" else _UNITS.get(word, word)
    once = NATO.get(once, once) if nato else once
    return once if len(once) == 1 and once.isalnum() else ""


def _beside_digit(parts: Sequence[str], place: int) -> bool:
    beside = [*parts[max(0, place - 1) : place], *parts[place + 1 : place + 2]]
    return any(part.isdecimal() for part in beside)
