"""Parsers of option values; what they reject is a usage error that names the option and the value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from ..recognition.written import read_bias, read_names, read_number

T = TypeVar("T")


def _parser(read: Callable[[str], T]) -> Callable[[str], T]:
    """A reader of text as a parser, with its message for what it rejects."""

    def parse(value: str) -> T:
        try:
            return read(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


names, bias, number = _parser(read_names), _parser(read_bias), _parser(read_number)


def voice(value: str) -> tuple[str, str]:
    """A name and the clip of its voice: `Ann=ann.wav`."""
    name, _, clip = value.partition("=")
    if not name.strip() or not clip.strip():
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME=CLIP, e.g. Ann=ann.wav")
    return name.strip(), clip.strip()


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Add the grid of biases of a sweep."""
    for option, name, default, what in (
        ("--from", "low", -6.0, "lowest bias"),
        ("--to", "high", 6.0, "highest bias"),
        ("--step", "step", 0.5, "step between biases"),
    ):
        help_ = f"{what} (default: {default:g})"
        parser.add_argument(option, dest=name, type=float, default=default, metavar="B", help=help_)


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
