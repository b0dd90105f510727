"""The sources of values, by the name that patterns use, and how most of them make a value."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

from unislu.data.compose import Source, Value
from unislu.data.spoken import spoken_form

SOURCES: dict[str, Source] = {}
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def source(function: Source) -> Source:
    """Register a function under its name with blanks: `phone_number` is `{phone number}`."""
    SOURCES[function.__name__.replace("_", " ")] = function
    return function


def same(written: str) -> Value:
    """A value that is said as it is written."""
    return Value(written, written)


def read(written: str, rng: Random) -> Value:
    """A value whose figures are read the usual ways."""
    return Value(written, spoken_form(written, rng))


def count(number: int) -> str:
    """A count as transcripts write it: in words below ten."""
    return _SMALL[number] if number < 10 else f"{number:,}"


def ordinal(number: int) -> str:
    """21 → 21st."""
    ending = "th" if 11 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


@cache
def _parts(name: str) -> list[str]:
    return (Path(__file__).parent / f"parts/{name}.txt").read_text(encoding="utf-8").split()


def part(name: str, rng: Random) -> str:
    """A word of `parts/<name>.txt`, from which values are put together."""
    return rng.choice(_parts(name))
