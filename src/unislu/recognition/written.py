"""Names and biases written in one line, on the command line and in HTTP forms."""

from __future__ import annotations

import csv


def read_names(text: str) -> list[str]:
    """Names separated by commas; quotes protect a comma: `person,drug,"phone number"`.

    Raises `ValueError` that shows the text.
    """
    if len(text.splitlines()) > 1 or text.endswith(("\n", "\r")):
        raise ValueError(f"{text!r} has a line break: write the names in one line")
    try:
        row = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error as error:
        raise ValueError(f"{text[:80]!r} is not a list of names ({error})") from None
    return [name.strip() for name in row]


def read_bias(text: str) -> float | dict[str, float]:
    """One number, or numbers by entity type: `1.5` or `person=2,org=-1`. Raises as `read_names`."""
    if "=" not in text:
        return read_number(text)
    values: dict[str, float] = {}
    for item in read_names(text):
        name, equals, share = item.rpartition("=")
        name = name.strip()
        if not equals or not name:
            raise ValueError(f"{item!r} is not TYPE=NUMBER, as in person=1.5,org=-1 (with a decimal point)")
        if name in values:
            raise ValueError(f"{name!r} is listed twice")
        values[name] = read_number(share)
    return values


def read_number(text: str) -> float:
    """A number with a decimal point. Raises as `read_names`."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number{_with_point(text)}") from None


def _with_point(text: str) -> str:
    point = text.replace(",", ".")
    try:
        float(point)
    except ValueError:
        return ""
    return f": write {point}"
