"""Times of the day: `half past three in the afternoon` = 15:30."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .figures import figures
from .reading import Reading, Value

_HALVES = (
    (re.compile(r"\b(?:a\.? ?m\b\.?|in the morning|this morning|morning)"), "am"),
    (re.compile(r"\b(?:p\.? ?m\b\.?|in the (?:afternoon|evening)|this (?:afternoon|evening))"), "pm"),
    (re.compile(r"\b(?:afternoon|evening|tonight|at night|night)\b"), "pm"),
)
_NAMED = re.compile(r"\b(?:at )?(?:12 )?(noon|midday|midnight)\b")
_BESIDE = re.compile(
    r"\b(?:at )?(?:(?P<part>half|an? quarter|quarter|\d{1,2})(?: minutes?)? )"
    r"(?P<side>past|after|to|before|till?|of) (?P<hour>\d{1,2})\b"
)
_HALF_NINE = re.compile(r"\b(?:at )?half (?P<hour>\d{1,2})\b")
_CLOCK = re.compile(r"\b(?:at )?(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?::\d\d)?(?!\d)")
_MILITARY = re.compile(
    r"\b(?:at )?(?P<zero>(?:oh|o|0) )?(?P<digits>\d{3,4})(?P<named> ?(?:hours|hrs))?(?!\S)"
)
_PAIR = re.compile(r"\b(?:at )?(?P<hour>\d{1,2}) (?:(?P<oh>oh|o) ?(?P<one>\d)|(?P<two>\d\d))\b")
_HOUR = re.compile(r"(?P<at>\bat )?(?<![\d.:/-])\b(?P<hour>\d{1,2})(?P<clock> ?o'? ?clock)?\b(?![\d.:/-])")


@dataclass(frozen=True)
class Clock:
    """A time of the day."""

    hour: int
    minute: int
    sure: bool
    """Whether the half of the day is known."""

    @property
    def iso(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}"


def time(text: str, reading: Reading) -> Value | None:
    """`{"kind": "time", "iso": "15:30"}`; with `"ambiguous": true` where the half of the day was not said."""
    found = take_time(figures(text), alone=True)
    if found is None or found[1]:
        return None
    return as_value(found[0])


def as_value(clock: Clock) -> Value:
    value: Value = {"kind": "time", "iso": clock.iso}
    return value if clock.sure else {**value, "ambiguous": True}


def take_time(said: str, alone: bool = False) -> tuple[Clock, str] | None:
    """The time in a text in figures, and the rest of the text; None without a time.

    `alone`: there is nothing else, so that a bare number may be an hour.
    """
    half, rest = _half(said)
    for pattern, read in _PATTERNS:
        found = pattern.search(rest)
        clock = read(found, half, alone) if found else None
        if found and clock is not None:
            left = " ".join((rest[: found.start()] + " " + rest[found.end() :]).split())
            return clock, re.sub(r"^(?:on|at|by|around|about)\b ?| (?:on|at|,)$|^, ", "", left).strip(" ,")
    return None


def _half(said: str) -> tuple[str, str]:
    """The half of the day, and the text without it; "tonight" and "this morning" leave "today"."""
    for pattern, half in _HALVES:
        if found := pattern.search(said):
            day = " today " if found[0].startswith(("this", "tonight")) else " "
            return half, " ".join(f"{said[: found.start()]}{day}{said[found.end() :]}".split())
    return "", said


def _named(found: re.Match[str], half: str, alone: bool) -> Clock:
    return Clock(0 if found[1] == "midnight" else 12, 0, True)


def _beside(found: re.Match[str], half: str, alone: bool) -> Clock | None:
    part = found["part"]
    minutes = 30 if part == "half" else 15 if part.endswith("quarter") else int(part)
    hour = int(found["hour"])
    if not 1 <= minutes < 60 or not 1 <= hour <= 12:
        return None
    if found["side"] in ("past", "after"):
        return _clock(hour, minutes, half)
    return _clock(hour - 1 or 12, 60 - minutes, half)


def _half_nine(found: re.Match[str], half: str, alone: bool) -> Clock | None:
    hour = int(found["hour"])
    return _clock(hour, 30, half) if 1 <= hour <= 12 else None


def _digits(found: re.Match[str], half: str, alone: bool) -> Clock | None:
    return _clock(int(found["hour"]), int(found["minute"]), half, exact=len(found["hour"]) == 2)


def _military(found: re.Match[str], half: str, alone: bool) -> Clock | None:
    if not (alone or found["named"] or found[0].startswith("at ")):
        return None
    if len(found["digits"]) == 3 and not (found["zero"] or found["digits"][0] == "0"):
        return None
    return _clock(int(found["digits"][:-2]), int(found["digits"][-2:]), half, exact=True)


def _pair(found: re.Match[str], half: str, alone: bool) -> Clock | None:
    if not alone and not half and not found[0].startswith("at "):
        return None
    return _clock(int(found["hour"]), int(found["one"] or found["two"]), half)


def _hour(found: re.Match[str], half: str, alone: bool) -> Clock | None:
    if not (alone or half or found["at"] or found["clock"]):
        return None
    return _clock(int(found["hour"]), 0, half)


def _clock(hour: int, minute: int, half: str, exact: bool = False) -> Clock | None:
    """`exact`: written on 24 hours, such as 09:30."""
    if hour > 23 or minute > 59:
        return None
    if half and hour > 12:
        half = ""
    if half == "am":
        return Clock(hour % 12, minute, True)
    if half == "pm":
        return Clock(hour % 12 + 12, minute, True)
    return Clock(hour, minute, exact or hour > 12 or hour == 0)


_PATTERNS = (
    (_NAMED, _named),
    (_BESIDE, _beside),
    (_HALF_NINE, _half_nine),
    (_CLOCK, _digits),
    (_MILITARY, _military),
    (_PAIR, _pair),
    (_HOUR, _hour),
)
