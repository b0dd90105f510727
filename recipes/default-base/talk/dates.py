"""Dates, times, durations and ages."""

from __future__ import annotations

from random import Random

from talk.registry import count, ordinal, read, same, source
from unislu.data.compose import Value
from unislu.data.spoken import numbers, spoken_form

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _named_day(rng: Random, *, year: bool = True) -> str:
    """A day by its month and number, the ways people say it."""
    month, day = rng.choice(numbers.MONTHS), rng.randint(1, 28)
    ways = [f"{month} {ordinal(day)}"] * 4 + [f"the {ordinal(day)} of {month}"]
    ways += [f"{rng.choice(WEEKDAYS)}, {month} {ordinal(day)}"]
    if year:
        ways += [f"{month} {day}, {rng.randint(2018, 2027)}"] * 2
    return rng.choice(ways)


def _day(rng: Random) -> str:
    return rng.choice(
        [_named_day(rng), rng.choice(WEEKDAYS), rng.choice(WEEKDAYS), f"the {ordinal(rng.randint(1, 30))}"]
    )


@source
def date(rng: Random, _: str = "") -> Value:
    """A date that can follow "by", "since" or "until"."""
    return read(
        rng.choice(
            [
                _day(rng),
                _day(rng),
                _day(rng),
                f"next {rng.choice(WEEKDAYS)}",
                f"last {rng.choice(WEEKDAYS)}",
                "yesterday",
                "today",
                "tomorrow",
                "next week",
                f"the end of {rng.choice(numbers.MONTHS)}",
                rng.choice(numbers.MONTHS),
            ]
        ),
        rng,
    )


@source
def on_date(rng: Random, _: str = "") -> Value:
    """A date that can follow "on"."""
    return read(_day(rng), rng)


@source
def past_date(rng: Random, _: str = "") -> Value:
    """When something happened: "yesterday", "on Monday"; the "on" is not part of it."""
    if rng.random() < 0.45:
        return _after_on(rng)
    return read(
        rng.choice(
            [
                f"last {rng.choice(WEEKDAYS)}",
                f"last {rng.choice(WEEKDAYS)}",
                "yesterday",
                "last night",
                "last week",
                "this morning",
                "last month",
                "the day before yesterday",
                "two days ago",
                "a week ago",
                "last year",
                "earlier this week",
                "three weeks ago",
                "last summer",
            ]
        ),
        rng,
    )


@source
def coming_date(rng: Random, _: str = "") -> Value:
    """When something will happen: "tomorrow", "on Monday"."""
    if rng.random() < 0.45:
        return _after_on(rng)
    return read(
        rng.choice(
            [
                f"next {rng.choice(WEEKDAYS)}",
                f"this {rng.choice(WEEKDAYS)}",
                f"this coming {rng.choice(WEEKDAYS)}",
                "tomorrow",
                "the day after tomorrow",
                "next week",
                "next month",
                "this weekend",
                "today",
                "later this week",
                "tomorrow morning",
                "next year",
                "in two weeks",
            ]
        ),
        rng,
    )


def _after_on(rng: Random) -> Value:
    day = _day(rng)
    return Value(f"on {day}", f"on {spoken_form(day, rng)}", lead=3)


@source
def month(rng: Random, _: str = "") -> Value:
    """A month, with or without its year."""
    name = rng.choice(numbers.MONTHS)
    return read(rng.choice([name, f"{name} {rng.randint(2012, 2027)}"]), rng)


@source
def calendar_date(rng: Random, _: str = "") -> Value:
    """A date with its month and day, as forms ask for it."""
    return read(_named_day(rng), rng)


@source
def date_of_birth(rng: Random, _: str = "") -> Value:
    month, day, year = rng.randint(1, 12), rng.randint(1, 28), rng.randint(1935, 2015)
    name = numbers.MONTHS[month - 1]
    if rng.random() < 0.15:  # figures, the way forms are read out
        said = f"{numbers.cardinal(month, rng)} {numbers.cardinal(day, rng)} {numbers.year(year, rng)}"
        return Value(f"{month}/{day}/{year}", said)
    if rng.random() < 0.6:
        said = f"{name} {numbers.ordinal(day)}, {numbers.year(year, rng)}"
        return Value(f"{name} {day}, {year}", said)
    return Value(
        f"the {ordinal(day)} of {name}, {year}",
        f"the {numbers.ordinal(day)} of {name}, {numbers.year(year, rng)}",
    )


@source
def time(rng: Random, _: str = "") -> Value:
    hour, minute = rng.randint(1, 12), rng.choice([0, 0, 0, 5, 10, 15, 15, 20, 30, 30, 30, 40, 45, 45, 50])
    half = rng.choice([" a.m.", " p.m."])
    kind = rng.random()
    if kind < 0.35:
        return Value(
            f"{hour}:{minute:02d}{half}" if minute else f"{hour}{half}",
            numbers.clock(hour, minute, half.strip()),
        )
    if kind < 0.7:
        minute = minute or 30
        return Value(f"{hour}:{minute:02d}", numbers.clock(hour, minute))
    if kind < 0.78:
        return Value(f"{hour} o'clock", f"{numbers.cardinal(hour, rng)} o'clock")
    word = count(hour)
    return read(
        rng.choice(
            [
                f"half past {word}",
                f"quarter past {word}",
                f"quarter to {word}",
                f"a quarter to {word}",
                "noon",
                "midnight",
                f"{word} in the morning",
                f"{word} in the afternoon",
                f"{word} in the evening",
                f"{rng.choice(['10', '20', 'five'])} {rng.choice(['past', 'to'])} {word}",
                "this morning",
                "tonight",
            ]
        ),
        rng,
    )


@source
def duration(rng: Random, _: str = "") -> Value:
    unit, most = rng.choice(
        [("minute", 55), ("hour", 48), ("day", 30), ("week", 12), ("month", 18), ("year", 25)]
    )
    number = (
        rng.randint(1, 9)
        if rng.random() < 0.5
        else rng.choice([n for n in (10, 12, 15, 20, 24, 30, 36, 45, 48) if n <= most])
    )
    if rng.random() < 0.2:
        return same(
            rng.choice(
                [
                    "half an hour",
                    "an hour",
                    "an hour and a half",
                    "a couple of days",
                    "a few weeks",
                    "a week",
                    "a month",
                    "two and a half hours",
                    "all day",
                    "a couple of hours",
                    "a year",
                    "a few minutes",
                    "six months or so",
                ]
            )
        )
    return read(f"{count(number)} {unit}{'s' if number != 1 else ''}", rng)


def _years(rng: Random, low: int, high: int) -> Value:
    number = rng.randint(low, high)
    return read(rng.choice([f"{count(number)} years old", count(number)]), rng)


@source
def age(rng: Random, _: str = "") -> Value:
    """The age of a grown person."""
    return _years(rng, 18, 79)


@source
def old_age(rng: Random, _: str = "") -> Value:
    return _years(rng, 70, 99)


@source
def young_age(rng: Random, _: str = "") -> Value:
    """The age of a child or an animal."""
    if rng.random() < 0.2:
        months = rng.randint(2, 20)
        return read(f"{count(months)} months old", rng)
    return _years(rng, 2, 15)


@source
def age_adjective(rng: Random, _: str = "") -> Value:
    number = rng.randint(18, 97)
    return Value(f"{number}-year-old", f"{numbers.cardinal(number, rng)} year old")


@source
def year(rng: Random, _: str = "") -> Value:
    return read(str(rng.randint(1950, 2026)), rng)


@source
def frequency(rng: Random, _: str = "") -> Value:
    return read(
        rng.choice(
            [
                "once a day",
                "twice a day",
                "twice daily",
                "three times a day",
                "every six hours",
                "every eight hours",
                "every morning",
                "every night",
                "at bedtime",
                "once a week",
                "every other day",
                "as needed",
                "daily",
                "four times a day",
                "with meals",
                "every 12 hours",
                "once a month",
                "every Monday",
            ]
        ),
        rng,
    )


@source
def years(rng: Random, _: str = "") -> Value:
    return read(f"{count(rng.choice([2, 3, 5, 7, 10, 15, 20, 25, 30]))} years", rng)
