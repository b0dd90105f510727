"""The sources of values, by the name that patterns use."""

from __future__ import annotations

from unislu.data.compose import Source

SOURCES: dict[str, Source] = {}


def source(function: Source) -> Source:
    """Register a function under its name with blanks: `phone_number` is `{phone number}`."""
    SOURCES[function.__name__.replace("_", " ")] = function
    return function
