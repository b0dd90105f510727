"""Readers of option values; what they refuse is a usage error that names the option and the value."""

from __future__ import annotations

import argparse
import csv


def names(value: str) -> list[str]:
    """Names separated by commas; quotes protect a comma: `person,drug,"phone number"`."""
    row = next(csv.reader([value], skipinitialspace=True), [])
    return [name.strip() for name in row]


def bias(value: str) -> float | dict[str, float]:
    """One number, or numbers by entity type: `1.5` or `person=2,org=-1`."""
    if "=" not in value:
        return _number(value)
    values: dict[str, float] = {}
    for item in names(value):
        name, equals, number = item.rpartition("=")
        if not equals or not name.strip():
            raise argparse.ArgumentTypeError(f"{item!r} is not TYPE=NUMBER")
        if name.strip() in values:
            raise argparse.ArgumentTypeError(f"{name.strip()!r} is given twice")
        values[name.strip()] = _number(number)
    return values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def positive(value: str) -> int:
    """A whole number from 1."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number from 1")
    return number
