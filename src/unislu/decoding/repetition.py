"""Loops in the output: how sequence models fail on audio that they do not understand."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_PERIOD = 64
LEAST_REPEATS = 4
LEAST_TOKENS = 20
LONG_PERIOD, LONG_REPEATS = 25, 3
"""Whole sentences are hardly said three times in a row in the same words."""


def loop_start(ids: Sequence[int]) -> int | None:
    """The length to cut `ids` to if they end in a loop (its first round is kept), else None.

    A loop is a group of tokens written at least four times in a row and over at least 20 tokens: "no, no, no,
    no" and the digits of a telephone number are not loops. Of 25 to 64 tokens, one or more sentences, three
    times are enough.
    """
    for period in range(1, min(LONGEST_PERIOD, len(ids) // LONG_REPEATS) + 1):
        if ids[-1] != ids[-1 - period]:
            continue
        repeats = LONG_REPEATS if period >= LONG_PERIOD else max(LEAST_REPEATS, -(-LEAST_TOKENS // period))
        if len(ids) < repeats * period:
            continue
        group = list(ids[-period:])
        if all(list(ids[-k * period : -(k - 1) * period]) == group for k in range(2, repeats + 1)):
            return len(ids) - (repeats - 1) * period
    return None


def no_loop(ids: Sequence[int]) -> None:
    """Never finds a loop: switches the check off."""
