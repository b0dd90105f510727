"""Parts of a file → separate files, in one pass over it, even if they overlap."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE, open_audio
from ..errors import AudioError
from .inputs import FileStretch

_FULL_SCALE = 32767


def cut(path: str, parts: Sequence[FileStretch], folder: str, name: str) -> list[str | AudioError]:
    """The paths of 16-bit WAV files with all channels, in the order of `parts`.

    A part that begins after the file's end is an `AudioError` in its place. `name`: what messages call the
    file.

    Raises:
        AudioError: the file cannot be read.
    """
    targets = [Path(folder) / f"part-{number}.wav" for number in range(len(parts))]
    written = [0] * len(parts)
    files: dict[int, wave.Wave_write] = {}
    last = max((part.end if part.end is not None else float("inf")) for part in parts)
    try:
        with open_audio(path, name=name, split=True) as stream:
            position = 0
            for block in stream:
                for number, part in enumerate(parts):
                    samples = _inside(block, position, part)
                    if samples.shape[1]:
                        file = files.get(number) or files.setdefault(
                            number, _opened(targets[number], len(samples))
                        )
                        file.writeframes(_pcm(samples))
                        written[number] += samples.shape[1]
                position += block.shape[1]
                if position >= last * SAMPLE_RATE:
                    break
    finally:
        for file in files.values():
            file.close()
    return [
        str(target) if count else AudioError(f"{name}{part}: begins after the file's end")
        for target, count, part in zip(targets, written, parts, strict=True)
    ]


def _inside(block: NDArray[np.float32], position: int, part: FileStretch) -> NDArray[np.float32]:
    """The samples of a block `[channels, n]`, beginning at sample `position`, that belong to a part."""
    first = round(part.start * SAMPLE_RATE) - position
    end = None if part.end is None else max(0, round(part.end * SAMPLE_RATE) - position)
    return block[:, max(0, first) : end]


def _opened(path: Path, channels: int) -> wave.Wave_write:
    file = wave.open(str(path), "wb")  # noqa: SIM115 - closed when all is read
    file.setnchannels(channels)
    file.setsampwidth(2)
    file.setframerate(SAMPLE_RATE)
    return file


def _pcm(samples: NDArray[np.float32]) -> bytes:
    return np.rint(np.clip(samples, -1.0, 1.0).T * _FULL_SCALE).astype("<i2").tobytes()
