"""Numbers in words → figures: `two and a half million` = `2500000`, `the twenty first` = `the 21st`.

text2num reads the number words; what it leaves in words (halves and quarters, `a hundred`, `1.5 million`,
dozens) is put together here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from .reading import need

NUMBER = r"-?\d+(?:\.\d+)?"
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
_EDGES = " \t\n.,;:!?\"'“”‘’()"
_PARTS = {"half": "0.5", "quarter": "0.25", "quarters": "0.75"}
_SCALES = r"1000(?:000){0,4}|100"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),
    (re.compile(r"\bper cent\b"), "percent"),
    (re.compile(r"\b(\d+)00 (?:and )?sixtieth\b"), r"\g<1>60th"),  # which text2num does not know
    (re.compile(r"\bsixtieth\b"), "60th"),
    (re.compile(r"(?<=\d) trillion\b"), f" {10**12}"),
    (re.compile(r"\b(?:minus|negative) (?=\d)"), "-"),
    (re.compile(r"\b(?:3|three) quarters of an? "), "0.75 "),
    (re.compile(r"\b(?:a |1 )?quarter of an? "), "0.25 "),
    (re.compile(r"\bhalf (?:of )?an? "), "0.5 "),
    (re.compile(r"^(?:3|three) quarters$"), "0.75"),
    (re.compile(r"^(?:a |1 )?half$"), "0.5"),
    (re.compile(r"\ba (?=1\d\d)"), ""),
    (re.compile(r"\ba couple(?: of)? "), "2 "),
    (re.compile(r"\ba dozen\b"), "12"),
)
_MIXED = re.compile(rf"\b({NUMBER}) and (?:an? |1 |3 )(half|quarter|quarters)\b")
_SCALED = re.compile(rf"({NUMBER}) ({_SCALES})\b(?! ?[:/])")
_LETTER_SCALE = re.compile(rf"({NUMBER}) ?(k|m|bn)\b")
_LETTERS = {"k": 1_000, "m": 1_000_000, "bn": 1_000_000_000}
_DOZENS = re.compile(rf"\b({NUMBER}) dozen\b")


def bare(text: str) -> str:
    """In lower case, with plain apostrophes, single blanks, and no punctuation at its ends."""
    text = text.lower().replace("’", "'").replace("…", " ").replace("\u00a0", " ")
    return " ".join(text.split()).strip(_EDGES)


@lru_cache(maxsize=512)
def figures(text: str) -> str:
    """The text, bare, with its numbers in figures. Raises `MissingDependencyError`."""
    alpha2digit = need("text_to_num").alpha2digit
    found = alpha2digit(_HYPHEN.sub(" ", bare(text)), "en", threshold=0)
    for pattern, written in _RULES:
        found = pattern.sub(written, found)
    found = _MIXED.sub(lambda m: plain(Decimal(m[1]) + Decimal(_PARTS[m[2]])), found)
    found = _LETTER_SCALE.sub(lambda m: plain(Decimal(m[1]) * _LETTERS[m[2]]), found)
    found = _DOZENS.sub(lambda m: plain(Decimal(m[1]) * 12), found)
    return _SCALED.sub(lambda m: plain(Decimal(m[1]) * Decimal(m[2])), found)


def plain(value: Decimal) -> str:
    """A number in digits: 2500000, 0.5."""
    return format(value.normalize(), "f") if value else "0"


def json_number(value: Decimal | str) -> int | float:
    """A number for JSON: whole where it is one."""
    value = Decimal(value)
    return int(value) if value == value.to_integral_value() else float(value)
