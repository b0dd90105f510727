"""Loops in the output: how sequence models fail on audio that they do not understand."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_PERIOD = 24
LEAST_REPEATS = 4
LEAST_TOKENS = 20


def loop_start(ids: Sequence[int]) -> int | None:
    """The length to cut `ids` to if they end in a loop (its first round is kept), else None.

    A loop is a group of at most 24 tokens written at least four times in a row and over at least 20 tokens:
    "no, no, no, no" and the digits of a telephone number are not loops.
    """
    for period in range(1, min(LONGEST_PERIOD, len(ids) // LEAST_REPEATS) + 1):
        if ids[-1] != ids[-1 - period]:
            continue
        repeats = max(LEAST_REPEATS, -(-LEAST_TOKENS // period))
        if len(ids) < repeats * period:
            continue
        group = list(ids[-period:])
        if all(list(ids[-k * period : -(k - 1) * period]) == group for k in range(2, repeats + 1)):
            return len(ids) - (repeats - 1) * period
    return None


def no_loop(ids: Sequence[int]) -> None:
    """Never finds a loop: switches the check off."""
