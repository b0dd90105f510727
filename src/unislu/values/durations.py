"""Lengths of time: `two and a half hours` = PT2H30M (ISO 8601)."""

from __future__ import annotations

import re
from decimal import Decimal

from .figures import NUMBER, figures, plain
from .reading import Reading, Value

_UNITS = {
    "second": "S", "2nd": "S", "sec": "S", "minute": "M", "min": "M", "hour": "H", "hr": "H", "h": "H",
    "day": "d", "night": "d", "week": "w", "fortnight": "f", "month": "m", "year": "y", "yr": "y",
    "decade": "D", "century": "C", "centurie": "C",
}  # fmt: skip
#: A unit in a smaller one: what the fraction of it is counted in.
_SMALLER = {"y": ("m", 12), "w": ("d", 7), "d": ("H", 24), "H": ("M", 60), "M": ("S", 60)}
_WHOLE = {"f": ("w", 2), "D": ("y", 10), "C": ("y", 100)}
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_HEDGE = re.compile(
    r"^(?:(?:for|about|around|approximately|roughly|nearly|almost|over|under|up to|at least|at most|"
    r"more than|less than|the (?:last|past|next)|every|another|within|only|just) )+"
)
_PIECE = re.compile(
    rf"(?P<count>{NUMBER}|an?|one) ?(?P<unit>{_UNIT})s?\b\.?(?P<more> and (?:an? |1 |3 )?(?:half|quarters?))?"
)
_MORE = {"half": "0.5", "quarter": "0.25", "quarters": "0.75"}
_BETWEEN = re.compile(r"^(?:,? and |, | )$")


def duration(text: str, reading: Reading) -> Value | None:
    """`{"kind": "duration", "iso": "PT2H30M"}`."""
    said = re.sub(r" (?:long|old)$", "", _HEDGE.sub("", figures(text)))
    parts: dict[str, Decimal] = {}
    place = 0
    for found in _PIECE.finditer(said):
        gap = said[place : found.start()]
        if (place and not _BETWEEN.match(gap)) or (not place and gap):
            return None
        count = Decimal(found["count"]) if found["count"][0] in "-0123456789" else Decimal(1)
        if found["more"]:
            count += Decimal(_MORE[found["more"].split()[-1]])
        _add(parts, count, _UNITS[found["unit"]])
        place = found.end()
    if not parts or place != len(said) or min(parts.values()) < 0:
        return None
    return {"kind": "duration", "iso": _iso(parts)}


def _add(parts: dict[str, Decimal], count: Decimal, unit: str) -> None:
    """Add so many of a unit; a fraction goes into the next smaller one."""
    if unit in _WHOLE:
        unit, times = _WHOLE[unit]
        count *= times
    whole = count.to_integral_value(rounding="ROUND_FLOOR")
    if count != whole and unit in _SMALLER:
        smaller, times = _SMALLER[unit]
        _add(parts, (count - whole) * times, smaller)
        count = whole
    if count:
        parts[unit] = parts.get(unit, Decimal(0)) + count


def _iso(parts: dict[str, Decimal]) -> str:
    if set(parts) == {"w"}:
        return f"P{plain(parts['w'])}W"
    if "w" in parts:  # ISO 8601 has weeks alone
        parts["d"] = parts.get("d", Decimal(0)) + 7 * parts.pop("w")
    days = "".join(f"{plain(parts[unit])}{unit.upper()}" for unit in "ymd" if unit in parts)
    hours = "".join(f"{plain(parts[unit])}{unit}" for unit in "HMS" if unit in parts)
    return f"P{days}{'T' if hours else ''}{hours}"
