"""Running text as read aloud: figures, addresses and abbreviated units become words.

A synthesiser reads figures in ways of its own, and some in none. `spoken_form` decides beforehand, by the
commonest written forms; what it does not know it leaves as it is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from unislu.data.spoken import codes, numbers

_MONTHS = {name.lower(): index for index, name in enumerate(numbers.MONTHS, start=1)}
_MONTH = "|".join(numbers.MONTHS)
_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SCALES = {
    "k": "thousand",
    "m": "million",
    "bn": "billion",
    "b": "billion",
    "mn": "million",
    "tn": "trillion",
}
_UNITS = {
    "mg": "milligrams", "g": "grams", "kg": "kilograms", "mcg": "micrograms", "ml": "milliliters",
    "l": "liters", "mm": "millimeters", "cm": "centimeters", "km": "kilometers", "m": "meters",
    "nm": "nanometers", "mi": "miles", "ft": "feet", "lb": "pounds", "lbs": "pounds", "oz": "ounces",
    "kb": "kilobytes", "mb": "megabytes", "gb": "gigabytes", "tb": "terabytes", "khz": "kilohertz",
    "mhz": "megahertz", "ghz": "gigahertz", "hz": "hertz", "kw": "kilowatts", "mw": "megawatts",
    "kwh": "kilowatt hours", "v": "volts", "mv": "millivolts", "w": "watts", "mph": "miles per hour",
    "km/h": "kilometers per hour", "kph": "kilometers per hour", "bpm": "beats per minute",
    "mmhg": "millimeters of mercury", "min": "minutes", "mins": "minutes", "hrs": "hours", "hr": "hours",
    "h": "hours", "sec": "seconds", "yrs": "years", "tbsp": "tablespoons", "tsp": "teaspoons",
    "°c": "degrees Celsius", "°f": "degrees Fahrenheit", "°": "degrees", "º": "degrees",
}  # fmt: skip
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_FRACTIONS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅛": (1, 8), "⅜": (3, 8)}


def spoken_form(text: str, rng: random.Random) -> str:
    """The text with its figures and addresses in words, as somebody would read it aloud.

    `rng` chooses among the usual ways: a generator of the utterance's own keeps the choice stable.
    """
    for pattern, say in _RULES:
        text = pattern.sub(lambda match, say=say: say(match, rng), text)  # type: ignore[misc]
    return re.sub(r" {2,}", " ", text).strip()


Say = Callable[[re.Match[str], random.Random], str]


def _money(match: re.Match[str], rng: random.Random) -> str:
    sign, amount, scale = match["sign"], match["amount"], (match["scale"] or "").strip().lower()
    if scale:
        said = numbers.decimal(amount, rng)
        return f"{said} {_SCALES.get(scale, scale)} {numbers.CURRENCIES[sign][1]}"
    return numbers.money(sign, amount, rng)


def _time(match: re.Match[str], rng: random.Random) -> str:
    half = (match["half"] or "").lower().replace(".", "").replace(" ", "")
    tail = "." if match[0].endswith("..") else ""
    minute = int(match["minute"] or 0)
    if int(match["hour"]) > 24 or minute > 59:
        return match[0]
    return numbers.clock(int(match["hour"]), minute, half) + tail


def _iso_date(match: re.Match[str], rng: random.Random) -> str:
    month, day = int(match["m"]), int(match["d"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return codes.digit_groups(match[0], rng)
    return numbers.date_words(month, day, int(match["y"]), rng)


def _slash_date(match: re.Match[str], rng: random.Random) -> str:
    first, second = int(match["a"]), int(match["b"])
    month, day = (first, second) if first <= 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return codes.digit_groups(match[0], rng)
    written = match["y"]
    year = None if written is None else int(written) + (2000 * (len(written) == 2))
    return numbers.date_words(month, day, year, rng)


def _day_month(match: re.Match[str], rng: random.Random) -> str:
    said = numbers.ordinal(int(match["day"]))
    bare = f"{said} of {match['month']}"
    return f"the {bare}" if match["the"] or rng.random() < 0.5 else bare


def _fraction(match: re.Match[str], rng: random.Random) -> str:
    whole = match["whole"]
    if match["sign"]:
        upper, lower = _FRACTIONS[match["sign"]]
    else:
        upper, lower = int(match["upper"]), int(match["lower"])
    if lower == 2:
        part = "half" if upper == 1 else f"{numbers.cardinal(upper, rng)} halves"
    elif lower == 4:
        part = "quarter" if upper == 1 else f"{numbers.cardinal(upper, rng)} quarters"
    elif lower < 2 or lower > 16 or upper >= 2 * lower:
        return f"{whole or ''}{numbers.cardinal(upper, rng)} over {numbers.cardinal(lower, rng)}"
    else:
        part = numbers.ordinal(lower) + ("" if upper == 1 else "s")
        part = part if upper == 1 else f"{numbers.cardinal(upper, rng)} {part}"
    if whole:
        return f"{numbers.cardinal(int(whole), rng)} and {'a ' if upper == 1 else ''}{part}"
    return f"a {part}" if upper == 1 and lower > 2 else ("one " if upper == 1 else "") + part


def _unit(match: re.Match[str], rng: random.Random) -> str:
    said, unit = numbers.decimal(match["amount"], rng), _UNITS[match["unit"].lower()]
    one = match["amount"] == "1" and unit.endswith("s") and " " not in unit
    return f"{said} {unit[:-1] if one else unit}"


def _code(match: re.Match[str], rng: random.Random) -> str:
    """A word of letters and figures: short letter parts are spelled, longer ones read."""
    said = []
    for part in re.findall(r"\d+|[^\W\d_]+", match[0]):
        if part.isdecimal():
            said.append(numbers.cardinal(int(part), rng) if len(part) <= 2 and part[0] != "0"
                        else codes.digits(part, rng))  # fmt: skip
        else:
            said.append(" ".join(part) if part.isupper() and len(part) <= 4 else part)
    return " ".join(said)


def _number(match: re.Match[str], rng: random.Random) -> str:
    sign = "minus " if match["sign"] else ""
    amount = match["amount"]
    if amount.startswith("0") and amount.isdecimal() and len(amount) > 1:
        return sign + codes.digits(amount, rng)
    return sign + numbers.decimal(amount, rng)


_RULES: tuple[tuple[re.Pattern[str], Say], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), say)
    for pattern, say in (
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", lambda m, rng: codes.email(m[0], rng)),
        (r"\b(?:https?://|www\.)[^\s,;]+[\w/]", lambda m, rng: codes.url(m[0], rng)),
        (r"\b[\w-]+\.(?:com|org|net|edu|gov|co\.uk|io)\b(?:/[\w/-]+)?", lambda m, rng: codes.url(m[0], rng)),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", lambda m, rng: codes.spelled(m[0], rng)),
        (rf"(?P<sign>[$£€¥₹])\s?(?P<amount>{_AMOUNT})(?P<scale>\s?(?:million|billion|trillion|thousand|bn|mn|tn|k|m|b)\b)?",
         _money),
        (rf"({_AMOUNT})\s?%", lambda m, rng: f"{numbers.decimal(m[1], rng)} percent"),
        (r"\b(?P<hour>\d{1,2})[:.](?P<minute>[0-5]\d)(?:\s?(?P<half>[ap]\.?\s?m\b\.?))?(?![\d:])",
         lambda m, rng: _time(m, rng) if ":" in m[0] or m["half"] else m[0]),
        (r"\b(?P<hour>\d{1,2})(?P<minute>)\s?(?P<half>[ap]\.\s?m\.|[ap]m\b)", _time),
        (r"\b(?P<y>[12]\d{3})-(?P<m>\d\d?)-(?P<d>\d\d?)\b", _iso_date),
        (r"\b(?P<a>\d\d?)/(?P<b>\d\d?)/(?P<y>\d{4}|\d\d)\b", _slash_date),
        (r"(?:\+\d{1,3}[\s-]?)?(?:\(\d{2,5}\)\s?|\b\d{2,5}[\s-])\d{3,4}(?:[\s-]\d{3,4})+\b|\b\d{3}-\d{4}\b"
         r"|\b\d{3}-\d\d-\d{4}\b|\+\d{7,}", lambda m, rng: codes.digit_groups(m[0], rng)),
        (rf"\b(?P<month>{_MONTH})\s(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b(?!\d|,\d|:)",
         lambda m, rng: f"{m['month']} {numbers.ordinal(int(m['day']))}"),
        (rf"(?P<the>\bthe\s)?\b(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\s(?:of\s)?(?P<month>{_MONTH})\b",
         _day_month),
        (r"\b(\d{1,4})(?:st|nd|rd|th)\b", lambda m, rng: numbers.ordinal(int(m[1]))),
        (r"(?<![\w-])'?(\d{2}(?:\d0)?)'?s\b", lambda m, rng: numbers.decade(int(m[1]))),
        (r"(?:\b(?P<whole>\d+)\s?)??(?:(?P<sign>[½⅓⅔¼¾⅛⅜])|\b(?P<upper>\d\d?)[/⁄](?P<lower>\d\d?)\b)",
         _fraction),
        (rf"\b(\d[\d.,]*)\s?[-–]\s?(?=\d+\s?(?:{_UNIT})\b)", lambda m, rng: f"{m[1]} to "),
        (rf"\b(?P<amount>{_AMOUNT})\s?(?P<unit>{_UNIT})(?![\w/])", _unit),
        (r"\b(1[1-9]\d\d|20[0-4]\d)[-–](1[1-9]\d\d|20[0-4]\d)\b", lambda m, rng: f"{m[1]} to {m[2]}"),
        (r"(?<![\w.,$-])(?:1[1-9]\d\d|20[0-4]\d)(?![\w-]|[.,]\d)",
         lambda m, rng: numbers.year(int(m[0]), rng)),
        (r"\b(\d{1,4})[-–](\d{1,4})\b", lambda m, rng: f"{m[1]} to {m[2]}"),
        (r"(?<![\d,.])\d{5,}(?![\d,]|\.\d)", lambda m, rng: codes.digits(m[0], rng)),
        (r"\b(?:[^\W\d_]+\d+|\d+[^\W\d_]+)\w*\b", _code),
        (rf"(?P<sign>(?<=\s)[-−])?\b(?P<amount>{_AMOUNT})\b", _number),
    )
)  # fmt: skip
