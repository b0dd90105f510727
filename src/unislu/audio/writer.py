"""Blocks of samples → a 16-bit WAV on disk, as they arrive."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import BinaryIO

from .samples import Float32
from .stream import SAMPLE_RATE


def write_wav(path: str | os.PathLike[str], blocks: Iterable[Float32]) -> tuple[int, int]:
    """Write blocks, [channels, n] float32 at 16 kHz; returns (channels, samples of one channel).

    Samples beyond full scale are clipped, as every player does.

    Raises `OSError`, and what `blocks` raises.
    """
    samples = channels = 0
    with open(path, "wb") as file:
        _write_header(file, 0, 1)
        for block in blocks:
            channels = block.shape[0]
            samples += block.shape[1]
            file.write((block.T * 32_768.0).round().clip(-32_768, 32_767).astype("<i2").tobytes())
        file.seek(0)
        _write_header(file, samples, max(1, channels))
    return channels, samples


def _write_header(file: BinaryIO, samples: int, channels: int) -> None:
    """Sizes that do not fit are written as "to the end of the file"."""
    width = 2 * channels
    size = min(samples * width, 0xFFFFFFFF - 36)
    fmt = struct.pack("<HHIIHH", 1, channels, SAMPLE_RATE, SAMPLE_RATE * width, width, 16)
    file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt \x10\0\0\0" + fmt)
    file.write(b"data" + struct.pack("<I", size if size == samples * width else 0xFFFFFFFF))
