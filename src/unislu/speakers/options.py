"""Options of speakers: how many to look for, and who they may be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from unislu.errors import OptionError

WIDTH = 256
"""Of a voice embedding."""
MOST = 20
"""Speakers that are told apart at most."""

Speakers = int | str | None
"""What a request says: None or "off", "auto", or their number."""


def checked_speakers(value: object) -> int | str | None:
    """None, "auto" or a number. Raises `OptionError` for anything else."""
    if value is None or value == "off":
        return None
    if value == "auto":
        return "auto"
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise OptionError(f"speakers is {value!r}: give 'auto', 'off', or their number from 1 to {MOST}")
    return value


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of speakers in the order in which they begin to speak. Raises `OptionError`."""
    if isinstance(names, str):
        raise OptionError(f"speaker_names is the string {names!r}: give a sequence, e.g. ['Ann', 'Ben']")
    found = tuple(name.strip() if isinstance(name, str) else "" for name in names)
    for name in found:
        if not name or not name.isprintable():
            raise OptionError(f"speaker names {list(names)!r}: each must be printable and not empty")
        if found.count(name) > 1:
            raise OptionError(f"speaker name {name!r} was given twice: give each speaker a name of their own")
    if len(found) > MOST:
        raise OptionError(f"{len(found)} speaker names: at most {MOST} speakers are told apart")
    return found


def checked_voices(
    voices: Mapping[str, Sequence[float]] | Sequence[tuple[str, Sequence[float]]],
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Embeddings by name, sorted. Raises `OptionError`."""
    found = []
    for name, values in sorted(dict(voices).items()):
        numbers = tuple(float(value) for value in values)
        if not name or len(numbers) != WIDTH or not all(map(math.isfinite, numbers)):
            raise OptionError(
                f"voice {name!r} has {len(numbers)} numbers: give {WIDTH}, from a clip of theirs"
            )
        found.append((name, numbers))
    return tuple(found)
