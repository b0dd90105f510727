"""Numbers, money, times and dates as people say them.

Every function takes the written form's parts and a generator, because there is seldom one way: 2,500 is
"two thousand five hundred" and "twenty-five hundred". All of them return lower-case words.
"""

from __future__ import annotations

import random
from functools import cache, lru_cache
from typing import Any

from unislu.errors import needs

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
#: Sign: unit, units, hundredth, hundredths.
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}


@cache
def _engine() -> Any:
    with needs("spelling out numbers", "texts"):
        import inflect
    return inflect.engine()


def cardinal(number: int, rng: random.Random) -> str:
    """12 → twelve, 2500 → two thousand five hundred or twenty-five hundred."""
    if 1100 <= number < 10_000 and number % 100 == 0 and number % 1000 and rng.random() < 0.4:
        return f"{_words(number // 100)} hundred"
    return _words(number, "and" if rng.random() < 0.35 else "")


@lru_cache(maxsize=1_000)
def ordinal(number: int) -> str:
    """21 → twenty-first."""
    return str(_engine().number_to_words(_engine().ordinal(number), andword="", comma=""))


def decimal(text: str, rng: random.Random) -> str:
    """A decimal number such as 3.14 or 1,200.5: "three point one four"."""
    whole, _, fraction = text.replace(",", "").partition(".")
    said = cardinal(int(whole or 0), rng)
    return f"{said} point {' '.join(DIGITS[int(d)] for d in fraction)}" if fraction else said


def year(number: int, rng: random.Random) -> str:
    """1984 → nineteen eighty-four; 2005 → two thousand five, two thousand and five, twenty oh five."""
    century, rest = divmod(number, 100)
    if number < 1000 or number % 1000 == 0 or not 11 <= century <= 20:
        return _words(number)
    if century == 20 and (rest < 10 or rng.random() < 0.3):
        if rest and rng.random() < 0.1:
            return f"twenty oh {_words(rest)}"
        return f"two thousand {'and ' if rng.random() < 0.5 else ''}{_words(rest)}"
    if rest == 0:
        return f"{_words(century)} hundred"
    return f"{_words(century)} {'oh ' if rest < 10 else ''}{_words(rest)}"


def decade(number: int) -> str:
    """1990 → nineteen nineties, 90 → nineties."""
    tens = {10: "tens", 20: "twenties", 30: "thirties", 40: "forties", 50: "fifties", 60: "sixties",
            70: "seventies", 80: "eighties", 90: "nineties"}  # fmt: skip
    century, rest = divmod(number, 100)
    said = tens.get(rest, "hundreds" if number != 2000 else "two thousands")
    return said if not century or number == 2000 else f"{_words(century)} {said}"


def money(sign: str, amount: str, rng: random.Random) -> str:
    """("$", "45.20") → forty-five dollars and twenty cents, forty-five dollars twenty."""
    one, many, hundredth, hundredths = CURRENCIES[sign]
    whole_text, _, fraction = amount.replace(",", "").partition(".")
    whole, cents = int(whole_text or 0), int((fraction + "0")[:2]) if fraction else 0
    unit = one if whole == 1 else many
    if not cents:
        return f"{cardinal(whole, rng)} {unit}"
    small = f"{_words(cents)} {hundredth if cents == 1 else hundredths}"
    if not whole:
        return small
    said = cardinal(whole, rng)
    ways = [f"{said} {unit} and {small}", f"{said} {unit} {small}"] * 2
    if cents >= 10 and sign in "$£€":
        ways.append(f"{said} {unit} {_words(cents)}")
    return rng.choice(ways)


def clock(hour: int, minute: int, half: str = "") -> str:
    """Hour and minute as they stand in the written form, with `half` of day "a.m.", "p.m." or nothing."""
    said = _words(hour) if hour else "zero"
    if minute:
        said += f" oh {_words(minute)}" if minute < 10 else f" {_words(minute)}"
    elif not half:
        said += " o'clock" if 0 < hour <= 12 else " hundred"
    return f"{said} {half.replace('.', '').upper()}" if half else said


def date_words(month: int, day: int, year_: int | None, rng: random.Random) -> str:
    """A date, in the American or the British order."""
    name, said = MONTHS[month - 1], ordinal(day)
    text = rng.choice([f"{name} {said}", f"{name} {said}", f"the {said} of {name}"])
    return text if year_ is None else f"{text}, {year(year_, rng)}"


@lru_cache(maxsize=10_000)
def _words(number: int, andword: str = "") -> str:
    return str(_engine().number_to_words(number, andword=andword, comma=""))
