"""Shared by all decoders: blocks of float32, sample types, plausible rates, and messages about damage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError

Float32 = NDArray[np.float32]
Blocks = Iterator[tuple[int, Float32]]
"""Pairs of (samples a second, [channels, n] float32)."""

BLOCK_SECONDS = 10
_BLOCK_VALUES = 8_000_000  # samples of all channels
MIN_RATE, MAX_RATE = 1_000, 1_000_000
MAX_CHANNELS = 64


@dataclass
class Report:
    """A decoder's findings besides samples."""

    notes: list[str] = field(default_factory=list)
    """Messages for the user."""
    seconds: float | None = None
    """The length that the file states, if it does."""
    damaged: int = 0
    """Packets that could not be decoded."""


def block_frames(rate: int, channels: int) -> int:
    """Samples of one channel in a block: a few seconds, fewer if there are many channels."""
    return max(1, min(BLOCK_SECONDS * rate, _BLOCK_VALUES // channels))


def check_kind(rate: int, channels: int, name: str) -> None:
    """Raises `AudioError` for an impossible rate or number of channels: a few bytes of header must not become
    gigabytes.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{name}: states {rate} samples a second; {MIN_RATE} to {MAX_RATE} are supported; export it again"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(
            f"{name}: has {channels} channels; at most {MAX_CHANNELS} are supported: remove some"
        )


def to_float(samples: NDArray[Any]) -> Float32:
    """Convert any sample type to float32 in -1…1; unsigned 8-bit is centred on 128, as in WAV."""
    kind = samples.dtype.kind
    if kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    scale = 2.0 ** (samples.dtype.itemsize * 8 - 1)
    # Divided in double precision: 24 and 32 bits do not fit float32 before they are scaled.
    return (samples / scale).astype(np.float32)


def cut_off(name: str, present: float, expected: float) -> str:
    """The message for a file that ends too early; both in seconds."""
    return f"{name}: is cut off: {present:.1f} s of {expected:.1f} s could be read; copy or download it again"
