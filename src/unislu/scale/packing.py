"""Inputs → batches: files of similar length together, the longest first.

The longest first, so that no worker is left with a long file at the end; similar lengths together, because
windows that are decoded in one batch wait for the longest of them. Parts of one file count as one long file
and stay together: a batch reads the file once, however many of its parts it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .inputs import Input

Batch = tuple[Input, ...]


def pack(inputs: Iterable[Input], batch_seconds: float, batch_files: int, workers: int) -> list[Batch]:
    """Batches of at most `batch_seconds` of audio and `batch_files` files; a longer file is a batch of its
    own.

    If there is little to do, batches are smaller, so that every worker gets several.
    """
    ordered = _ordered(list(inputs))
    total = sum(entry.seconds for entry in ordered)
    room = min(batch_seconds, max(total / (4 * workers), 1.0))
    files = max(1, min(batch_files, len(ordered) // (4 * workers)))
    batches: list[Batch] = []
    batch: list[Input] = []
    seconds = 0.0
    for entry in ordered:
        if batch and (seconds + entry.seconds > room or len(batch) >= files):
            batches.append(tuple(batch))
            batch, seconds = [], 0.0
        batch.append(entry)
        seconds += entry.seconds
    return [*batches, tuple(batch)] if batch else batches


def _ordered(inputs: list[Input]) -> list[Input]:
    """The longest first; the parts of a file in order, in the place of its first part."""
    parts: dict[str, float] = defaultdict(float)
    for entry in inputs:
        if entry.part is not None:
            parts[entry.uri] += entry.seconds

    def place(entry: Input) -> tuple[float, str, float, str]:
        if entry.part is None:
            return -entry.seconds, "", 0.0, entry.id
        return -parts[entry.uri], entry.uri, entry.part.start, entry.id

    return sorted(inputs, key=place)
