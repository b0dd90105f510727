"""Readers of option values; what they refuse is a usage error that names the option and the value."""

from __future__ import annotations

import argparse
import csv

from .parser import number


def names(value: str) -> list[str]:
    """Names separated by commas; quotes protect a comma: `person,drug,"phone number"`."""
    if len(value.splitlines()) > 1 or value.endswith(("\n", "\r")):
        raise argparse.ArgumentTypeError(f"{value!r} has a line break: write the names in one line")
    try:
        row = next(csv.reader([value], skipinitialspace=True), [])
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f"{value[:80]!r} is no list of names ({error})") from None
    return [name.strip() for name in row]


def bias(value: str) -> float | dict[str, float]:
    """One number, or numbers by entity type: `1.5` or `person=2,org=-1`."""
    if "=" not in value:
        return number(value)
    values: dict[str, float] = {}
    for item in names(value):
        name, equals, share = item.rpartition("=")
        if not equals or not name.strip():
            raise argparse.ArgumentTypeError(
                f"{item!r} is not TYPE=NUMBER, as in person=1.5,org=-1 (numbers have a point)"
            )
        if name.strip() in values:
            raise argparse.ArgumentTypeError(f"{name.strip()!r} is given twice")
        values[name.strip()] = number(share)
    return values


def positive(value: str) -> int:
    """A whole number from 1."""
    return _from(1, value)


def not_negative(value: str) -> int:
    """A whole number from 0."""
    return _from(0, value)


def _from(least: int, value: str) -> int:
    try:
        found = int(value)
    except ValueError:
        found = least - 1
    if found < least:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number from {least}")
    return found
