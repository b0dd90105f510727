"""Dates, as precise as they were said: a day, a month, a year or a week, each in ISO 8601.

What needs only a calendar is read here: a day that does not exist is told from words that are no date.
Relative expressions and numeric dates are dateparser's.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date as Date
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from .figures import figures
from .reading import Reading, Value, need
from .times import as_value, take_time

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH_NAMES = {name: n for n, name in enumerate(_MONTHS, 1)} | {
    name[:3]: n for n, name in enumerate(_MONTHS, 1)
}
_MONTH_NAMES |= {"sept": 9}
_WEEKDAYS = {
    name: n for n, name in enumerate("monday tuesday wednesday thursday friday saturday sunday".split())
}
_MONTH = r"(?P<month>" + "|".join(sorted(_MONTH_NAMES, key=len, reverse=True)) + r")\.?"
_WEEKDAY = r"(?P<weekday>" + "|".join(_WEEKDAYS) + r")"
_DAY = r"(?P<day>\d{1,3})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?:of |in )?'?(?P<year>\d{4}|\d\d))?"
_LEAD = re.compile(
    r"^(?:(?:on|by|from|since|until|till|in|for|due|born|the date|date|dated|of|around|about) )+(?=\S)"
)
_SPOKEN_YEAR = re.compile(r"\b(1[1-9]|20) (?:(?:oh|o|0) ?(\d{1,2})|(\d\d))\b")
_HUNDRED_AND = re.compile(r"\b(1[1-9]00|2000) and (\d{1,2})\b")
_CALENDAR = (
    re.compile(rf"(?:{_WEEKDAY},? )?(?:the )?{_DAY}(?: day)?(?: of|,)? {_MONTH}{_YEAR}"),
    re.compile(rf"(?:{_WEEKDAY},? )?{_MONTH},? (?:the )?{_DAY}{_YEAR}"),
)
_MONTH_ALONE = re.compile(rf"(?:(?P<which>this|next|last) )?{_MONTH}(?:,? (?:of )?(?P<year>\d{{4}}))?")
_YEAR_ALONE = re.compile(r"(?:the year )?(1[0-9]\d\d|20\d\d)")
_DAY_ALONE = re.compile(r"(?:the )?(\d{1,2})(?:st|nd|rd|th)")
_WEEKDAY_ALONE = re.compile(
    rf"(?:(?P<count>\d+|a) weeks? (?:from|after) )?"
    rf"(?:(?P<which>this|next|last|this coming|this past) )?{_WEEKDAY}"
    r"(?P<week> week)?"
)
_PERIOD = re.compile(r"(this|next|last|this past|this coming) (week|month|year)")
_WHOLE_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NUMERIC = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
_RELATIVE = re.compile(r"\b(?:ago|in|now|today|tomorrow|yesterday|next|last|this|after|before|hence)\b")
_RELATIVE_TIME = re.compile(r"\b(?:hours?|minutes?|seconds?|hrs?|mins?)\b")
_MOST_YEARS = 8  # between two 29 February


def date(text: str, reading: Reading) -> Value | None:
    """`{"kind": "date", "iso": "2026-03-23"}`, or `{"kind": "datetime", "iso": "2026-03-23T15:00"}`.

    Less than a day where less was said: `2026-03`, `1984`, `2026-W13`. A day that does not exist has `iso`
    null, `valid` false and a `problem`.
    """
    said = _years(figures(text))
    timed = None if _RELATIVE_TIME.search(said) else take_time(said)
    if timed is None or not timed[1]:
        return _date(said, reading)
    clock, rest = timed
    day = _date(rest, reading)
    if day is None or not _WHOLE_DAY.fullmatch(day["iso"] or ""):
        return day if day is not None and day["iso"] is None else None
    value = {"kind": "datetime", "iso": f"{day['iso']}T{clock.iso}"}
    return value if clock.sure else {**value, "ambiguous": True}


def birthday(text: str, reading: Reading) -> Value | None:
    """As `date`, without guesses at the year: `--03-23` where none was said, and never in the future."""
    value = date(text, reading)
    if value is None or value["iso"] is None or value["kind"] != "date" or len(value["iso"]) != 10:
        return value
    said = _years(figures(text))
    found = next((m for pattern in _CALENDAR if (m := pattern.search(said))), None)
    if found is not None and found["year"] is None:
        return {"kind": "date", "iso": f"-{value['iso'][4:]}"}
    year = int(value["iso"][:4])
    if year > reading.now.year:
        return {"kind": "date", "iso": f"{year - 100}{value['iso'][4:]}"}
    return value


def moment(text: str, reading: Reading) -> Value | None:
    """A time with a day, or alone."""
    found = take_time(figures(text))
    return as_value(found[0]) if found is not None and not found[1] else date(text, reading)


def _years(said: str) -> str:
    """Years that were said in two halves, as one number."""
    said = _HUNDRED_AND.sub(lambda m: str(int(m[1]) + int(m[2])), said)
    return _SPOKEN_YEAR.sub(lambda m: m[1] + (m[2].zfill(2) if m[2] else m[3]), said)


def _date(said: str, reading: Reading) -> Value | None:
    short = _LEAD.sub("", said)
    for pattern, read in _READERS:
        if found := pattern.fullmatch(short):
            return read(found, reading)
    return _parsed(said.replace("from today", "from now"), reading)


def _calendar(found: re.Match[str], reading: Reading) -> Value:
    month, day = _MONTH_NAMES[found["month"]], int(found["day"])
    if found["year"] is not None:
        return _day(_full_year(found["year"], reading), month, day)
    here = reading.now.year
    years = [
        y for y in range(here - _MOST_YEARS, here + _MOST_YEARS + 1) if 1 <= day <= monthrange(y, month)[1]
    ]
    if not years:
        return _impossible(f"{_MONTHS[month - 1].capitalize()} has no day {day}")
    return _day(min(years, key=lambda y: abs(Date(y, month, day) - reading.now.date())), month, day)


def _day(year: int, month: int, day: int) -> Value:
    try:
        return _value(Date(year, month, day).isoformat())
    except ValueError:
        return _impossible(f"{_MONTHS[month - 1].capitalize()} {year} has no day {day}")


def _full_year(text: str, reading: Reading) -> int:
    """26 and '26 → 2026, 84 → 1984: the century that puts it nearest, at most twenty years ahead."""
    year = int(text)
    if len(text) == 4:
        return year
    year += reading.now.year // 100 * 100
    return year - 100 if year > reading.now.year + 20 else year


def _month(found: re.Match[str], reading: Reading) -> Value:
    month, here = _MONTH_NAMES[found["month"]], reading.now
    if found["year"]:
        year = int(found["year"])
    elif found["which"] == "next":
        year = here.year + (month <= here.month)
    elif found["which"] == "last":
        year = here.year - (month >= here.month)
    elif found["which"] == "this":
        year = here.year
    else:
        year = min(
            (here.year, here.year - 1, here.year + 1),
            key=lambda y: abs(12 * (y - here.year) + month - here.month),
        )
    return _value(f"{year}-{month:02d}")


def _year(found: re.Match[str], reading: Reading) -> Value:
    return _value(found[1])


def _day_alone(found: re.Match[str], reading: Reading) -> Value:
    """The nearest day of that number."""
    day, here = int(found[1]), reading.now.date()
    near = []
    for offset in (-2, -1, 0, 1, 2):
        year, month = divmod(12 * here.year + here.month - 1 + offset, 12)
        if 1 <= day <= monthrange(year, month + 1)[1]:
            near.append(Date(year, month + 1, day))
    if not near:
        return _impossible(f"no month has a day {day}")
    return _value(min(near, key=lambda d: abs(d - here)).isoformat())


def _weekday(found: re.Match[str], reading: Reading) -> Value:
    """ "Friday" is the coming one, "last Friday" the one before today, "next Friday" that of next week."""
    here, wanted = reading.now.date(), _WEEKDAYS[found["weekday"]]
    ahead = (wanted - here.weekday() - 1) % 7 + 1
    which = found["which"] or ""
    if which in ("last", "this past"):
        day = here - timedelta((here.weekday() - wanted - 1) % 7 + 1)
    elif which == "next":
        day = here + timedelta(7 - here.weekday() + wanted)
    else:
        day = here + timedelta(ahead)
    weeks = 0 if found["count"] is None else 1 if found["count"] == "a" else int(found["count"])
    return _value((day + timedelta(weeks=weeks + bool(found["week"]))).isoformat())


def _period(found: re.Match[str], reading: Reading) -> Value:
    step = {"last": -1, "this past": -1, "next": 1, "this coming": 1}.get(found[1], 0)
    here = reading.now.date()
    if found[2] == "week":
        year, week, _ = (here + timedelta(weeks=step)).isocalendar()
        return _value(f"{year}-W{week:02d}")
    if found[2] == "year":
        return _value(str(here.year + step))
    year, month = divmod(12 * here.year + here.month - 1 + step, 12)
    return _value(f"{year}-{month + 1:02d}")


_READERS = (
    *((pattern, _calendar) for pattern in _CALENDAR),
    (_MONTH_ALONE, _month),
    (_YEAR_ALONE, _year),
    (_DAY_ALONE, _day_alone),
    (_WEEKDAY_ALONE, _weekday),
    (_PERIOD, _period),
)


def _parsed(said: str, reading: Reading) -> Value | None:
    """A relative expression or a numeric date, read by dateparser, which takes much else for a date."""
    if not _RELATIVE.search(said) and not _NUMERIC.fullmatch(said):
        return None
    found = _parser(reading.now, "DMY" if reading.region not in (None, "US") else "MDY").get_date_data(said)
    if found.date_obj is None:
        return _impossible(f"{said} is not in the calendar") if _NUMERIC.fullmatch(said) else None
    if found.period == "time":
        return _value(f"{found.date_obj:%Y-%m-%dT%H:%M}", "datetime") if reading.timed else None
    if found.period not in ("day", "week", "month", "year"):
        return None
    return _value(f"{found.date_obj:%Y-%m-%d}")


@lru_cache(maxsize=8)
def _parser(now: datetime, order: str) -> Any:
    return need("dateparser.date").DateDataParser(
        languages=["en"],
        settings={"RELATIVE_BASE": now, "DATE_ORDER": order, "RETURN_TIME_AS_PERIOD": True},
    )


def _value(iso: str, kind: str = "date") -> Value:
    return {"kind": kind, "iso": iso}


def _impossible(problem: str) -> Value:
    return {"kind": "date", "iso": None, "valid": False, "problem": problem}
