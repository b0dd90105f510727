"""The context of values: the moment of speaking, and the country of the speaker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from unislu.errors import OptionError, needs, require

Value = dict[str, Any]
"""A value as plain JSON; `kind` says which other keys it has."""
_LIBRARIES = "dateparser", "phonenumbers", "stdnum", "text_to_num"
_YEARS = range(1800, 2201)
"""Of recordings: what is relative to them stays within the calendar."""
_USUAL = {"UK": "GB", "EN": "GB", "USA": "US", "UAE": "AE", "EL": "GR"}


@dataclass(frozen=True)
class Reading:
    """How values are read.

    Raises `MissingDependencyError` without the extra `values`, and `OptionError` for an unknown region.
    """

    now: datetime
    """When the words were said; what is relative ("tomorrow") counts from there. Without a time zone."""
    timed: bool = True
    """Whether the time of `now` is known, and not only its day."""
    region: str | None = None
    """ISO 3166 code of the country: for phone numbers without +, dollars, and the order of 3/4/2026."""

    @classmethod
    def of(cls, moment: str | None = None, region: str | None = None) -> Reading:
        """`moment`: an ISO 8601 date, or date and time; None = now. Raises as the class and `read_moment`."""
        require("values", *_LIBRARIES, what="--values")
        code = check_region(region)
        if moment is None:
            return cls(datetime.now().replace(second=0, microsecond=0), True, code)
        return cls(read_moment(moment), len(moment.strip()) > len("2026-03-18"), code)


def read_moment(text: str) -> datetime:
    """An ISO 8601 date, or date and time, of a year in which something may have been recorded.

    Raises `OptionError` for anything else, 31 February included.
    """
    text = text.strip()
    try:
        if len(text) <= len("2026-03-18"):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day)
        else:
            moment = datetime.fromisoformat(text).replace(tzinfo=None)
        if moment.year not in _YEARS:
            raise ValueError(f"year must be in {_YEARS[0]}..{_YEARS[-1]}")
        return moment
    except ValueError as error:
        raise OptionError(
            f"date {text!r} is no date ({error}): write it as 2026-03-18 or 2026-03-18T10:00"
        ) from None


def check_region(region: str | None) -> str | None:
    """The region in capitals. Raises `OptionError` for an unknown one."""
    if region is None:
        return None
    code = region.strip().upper()
    known = need("phonenumbers").SUPPORTED_REGIONS
    if code in known:
        return code
    meant = _USUAL.get(code) or next(iter(get_close_matches(code, sorted(known), n=1)), None)
    give = f", did you mean {meant}? Give" if meant else "; give"
    raise OptionError(f"region {region!r} is unknown{give} a country's code of two letters, e.g. US")


@cache
def need(name: str) -> ModuleType:
    """A module of the extra `values`, loaded when first needed. Raises `MissingDependencyError`."""
    with needs("reading values", "values"):
        return import_module(name)
