"""Dates, times, durations, ages, money and other quantities."""

from __future__ import annotations

from random import Random

from talk.registry import source
from unislu.data.compose import Value
from unislu.data.spoken import numbers, spoken_form

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _count(number: int) -> str:
    """A count as transcripts write it: in words below ten."""
    return SMALL[number] if number < 10 else f"{number:,}"


def _read(written: str, rng: Random) -> Value:
    return Value(written, spoken_form(written, rng))


@source
def date(rng: Random, _: str = "") -> Value:
    month, day = rng.choice(numbers.MONTHS), rng.randint(1, 28)
    written = rng.choice([
        f"{month} {_ordinal(day)}", f"{month} {_ordinal(day)}", f"the {_ordinal(day)} of {month}",
        f"{rng.choice(WEEKDAYS)}, {month} {_ordinal(day)}", f"{month} {_ordinal(day)}, {rng.randint(2018, 2027)}",
        f"the {_ordinal(day)}", f"next {rng.choice(WEEKDAYS)}", f"last {rng.choice(WEEKDAYS)}",
        rng.choice(WEEKDAYS), rng.choice(WEEKDAYS), f"this {rng.choice(WEEKDAYS)}", "tomorrow", "yesterday", "today",
        "the day after tomorrow", "next week", "last month", f"{month} {rng.randint(2015, 2027)}",
        f"the end of {month}", "next month", f"the week of {month} {_ordinal(day)}", "this weekend", "last night",
    ])  # fmt: skip
    return _read(written, rng)


@source
def calendar_date(rng: Random, _: str = "") -> Value:
    """A date with its month and day, as forms ask for it."""
    month, day = rng.choice(numbers.MONTHS), rng.randint(1, 28)
    year = rng.randint(2018, 2027)
    return _read(rng.choice([
        f"{month} {_ordinal(day)}", f"{month} {_ordinal(day)}, {year}", f"the {_ordinal(day)} of {month}",
        f"{month} {_ordinal(day)}",
    ]), rng)  # fmt: skip


@source
def date_of_birth(rng: Random, _: str = "") -> Value:
    month, day, year = rng.randint(1, 12), rng.randint(1, 28), rng.randint(1935, 2015)
    name = numbers.MONTHS[month - 1]
    if rng.random() < 0.15:  # figures, the way forms are read out
        said = f"{numbers.cardinal(month, rng)} {numbers.cardinal(day, rng)} {numbers.year(year, rng)}"
        return Value(f"{month}/{day}/{year}", said)
    if rng.random() < 0.6:
        said = f"{name} {numbers.ordinal(day)}, {numbers.year(year, rng)}"
        return Value(f"{name} {_ordinal(day)}, {year}", said)
    return Value(f"the {_ordinal(day)} of {name}, {year}",
                 f"the {numbers.ordinal(day)} of {name}, {numbers.year(year, rng)}")  # fmt: skip


@source
def time(rng: Random, _: str = "") -> Value:
    hour, minute = rng.randint(1, 12), rng.choice([0, 0, 0, 5, 10, 15, 15, 20, 30, 30, 30, 40, 45, 45, 50])
    half = rng.choice([" a.m.", " p.m."])
    kind = rng.random()
    if kind < 0.35:
        return Value(f"{hour}:{minute:02d}{half}" if minute else f"{hour}{half}", numbers.clock(hour, minute, half.strip()))
    if kind < 0.7:
        minute = minute or 30
        return Value(f"{hour}:{minute:02d}", numbers.clock(hour, minute))
    if kind < 0.78:
        return Value(f"{hour} o'clock", f"{numbers.cardinal(hour, rng)} o'clock")
    word = numbers.cardinal(hour, rng)
    return _same(rng.choice([
        f"half past {word}", f"quarter past {word}", f"quarter to {word}", f"a quarter to {word}", "noon",
        "midnight", f"{word} in the morning", f"{word} in the afternoon", f"{word} in the evening",
        f"{rng.choice(['ten', 'twenty', 'five'])} {rng.choice(['past', 'to'])} {word}", "this morning", "tonight",
    ]))  # fmt: skip


def _same(written: str) -> Value:
    return Value(written, written)


@source
def duration(rng: Random, _: str = "") -> Value:
    unit, most = rng.choice([("minute", 55), ("hour", 48), ("day", 30), ("week", 12), ("month", 18), ("year", 25)])
    number = rng.randint(1, 9) if rng.random() < 0.5 else rng.choice([n for n in (10, 12, 15, 20, 24, 30, 36, 45, 48) if n <= most])
    if rng.random() < 0.2:
        return _same(rng.choice(["half an hour", "an hour", "an hour and a half", "a couple of days", "a few weeks",
                                 "a week", "a month", "two and a half hours", "all day", "a couple of hours",
                                 "a year", "a few minutes", "six months or so"]))  # fmt: skip
    return _read(f"{_count(number)} {unit}{'s' if number != 1 else ''}", rng)


@source
def age(rng: Random, _: str = "") -> Value:
    number = rng.randint(1, 97)
    written = rng.choice([f"{_count(number)} years old", f"{_count(number)}", f"{_count(number)} years old"])
    if number == 1:
        written = "one year old"
    return _read(written, rng)


@source
def age_adjective(rng: Random, _: str = "") -> Value:
    number = rng.randint(2, 97)
    return Value(f"{number}-year-old", f"{numbers.cardinal(number, rng)} year old")


@source
def money(rng: Random, _: str = "") -> Value:
    sign = rng.choice("$$$$$££€€")
    kind = rng.random()
    if kind < 0.3:
        written = f"{sign}{rng.randint(1, 199)}.{rng.choice([99, 50, 49, 95, 25, 75, 20, rng.randint(10, 99)])}"
    elif kind < 0.6:
        written = f"{sign}{rng.choice([rng.randint(2, 99), rng.randint(1, 19) * 10, rng.randint(1, 9) * 100])}"
    elif kind < 0.85:
        written = f"{sign}{rng.choice([rng.randint(1000, 9999), rng.randint(10, 99) * 100, rng.randint(10, 480) * 1000]):,}"
    elif kind < 0.93:
        written = f"{sign}{rng.choice([rng.randint(1, 40), f'{rng.randint(1, 9)}.{rng.randint(1, 9)}'])} {rng.choice(['million', 'billion'])}"
    else:
        written = rng.choice([f"{rng.choice([10, 20, 30, 40, 50, 100])} bucks", f"{rng.randint(10, 95)} cents",
                              f"{rng.choice([200, 500, 800])} rupees", f"{rng.choice([5, 15, 25])} grand"])  # fmt: skip
    return _read(written, rng)


@source
def percent(rng: Random, _: str = "") -> Value:
    number = rng.choice([str(rng.randint(1, 100)), str(rng.choice([5, 10, 15, 20, 25, 50, 75])),
                         f"{rng.randint(0, 19)}.{rng.randint(1, 9)}"])  # fmt: skip
    return _read(f"{number}%", rng)


@source
def number(rng: Random, _: str = "") -> Value:
    return _read(_count(rng.choice([rng.randint(2, 9), rng.randint(10, 99), rng.randint(100, 2500)])), rng)


@source
def small_number(rng: Random, _: str = "") -> Value:
    return _read(_count(rng.choice([rng.randint(2, 9), rng.randint(2, 9), rng.randint(10, 40)])), rng)


@source
def year(rng: Random, _: str = "") -> Value:
    return _read(str(rng.randint(1950, 2026)), rng)


@source
def temperature(rng: Random, _: str = "") -> Value:
    written = rng.choice([f"{rng.randint(97, 104)}.{rng.randint(1, 9)}", f"{rng.randint(36, 40)}.{rng.randint(1, 9)}",
                          f"{rng.randint(40, 100)}"])  # fmt: skip
    return _read(f"{written} degrees{rng.choice(['', '', ' Fahrenheit' if float(written) > 45 else ' Celsius'])}", rng)


@source
def dosage(rng: Random, _: str = "") -> Value:
    written = rng.choice([
        f"{rng.choice([5, 10, 20, 25, 40, 50, 75, 80, 100, 150, 200, 250, 300, 500, 800])} milligrams",
        f"{rng.choice([5, 10, 20, 25, 40, 50, 100, 200, 500, 650, 850])} milligrams", f"{rng.choice([25, 50, 75, 88, 112])} micrograms",
        f"{rng.choice([10, 12, 20, 30])} units", "two puffs", "two tablets",
        f"{rng.choice([5, 10, 15])} milliliters", "half a tablet", "one capsule", "2.5 milligrams", "0.5 milligrams",
    ])  # fmt: skip
    return _read(written, rng)


@source
def frequency(rng: Random, _: str = "") -> Value:
    return _same(rng.choice([
        "once a day", "twice a day", "twice daily", "three times a day", "every six hours", "every eight hours",
        "every morning", "every night", "at bedtime", "once a week", "every other day", "as needed", "daily",
        "four times a day", "with meals", "every twelve hours", "once a month", "every Monday",
    ]))  # fmt: skip


@source
def blood_pressure(rng: Random, _: str = "") -> Value:
    upper, lower = rng.randint(98, 185), rng.randint(58, 110)
    return Value(f"{upper}/{lower}", f"{numbers.cardinal(upper, rng)} over {numbers.cardinal(lower, rng)}")


@source
def measurement(rng: Random, _: str = "") -> Value:
    return _read(rng.choice([
        f"{rng.randint(2, 90)} {rng.choice(['miles', 'kilometers', 'pounds', 'kilos', 'feet', 'meters', 'inches'])}",
        f"{rng.randint(100, 900)} {rng.choice(['square feet', 'grams', 'pounds', 'meters', 'gallons', 'miles'])}",
        f"{rng.randint(1, 9)}.{rng.randint(1, 9)} {rng.choice(['miles', 'kilometers', 'liters', 'centimeters', 'kilos'])}",
    ]), rng)  # fmt: skip


@source
def quantity(rng: Random, _: str = "") -> Value:
    return _read(rng.choice([_count(rng.randint(2, 12)), "a dozen", "a couple of", "half a dozen", _count(rng.randint(2, 60)),
                             f"{_count(rng.randint(2, 9))} boxes of", f"{_count(rng.randint(2, 9))} packs of",
                             f"{_count(rng.randint(2, 6))} bottles of"]), rng)  # fmt: skip

