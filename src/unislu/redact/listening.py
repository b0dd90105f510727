"""A redacted copy prepared for transcription: all of its channels at 16 kHz, with silence in place of the
tone.

A loud tone in the middle of a sentence makes the recogniser worse on what follows. Only the pure tone is
silenced; any remaining speech is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from ..audio import SAMPLE_RATE, AudioStream, open_audio
from ..audio.samples import Float32
from ..audio.writer import write_wav
from .cover import TONE_HERTZ, TONE_LEVEL

_FRAME = SAMPLE_RATE // 50  # whole periods of the tone
_REST = 0.01
"""Share of the power that may be something else, such as what lossy codecs add to a tone."""
_LEVELS = 0.5 * TONE_LEVEL, 1.5 * TONE_LEVEL


def write_without_tone(
    copy: str | os.PathLike[str], target: str | os.PathLike[str], *, name: str | None = None
) -> int:
    """Write a redacted copy, prepared for transcription, as WAV; returns its number of channels.

    `name`: what messages call the copy.

    Raises as `open_audio` does, and `OSError`.
    """
    with open_audio(copy, name=name, split=True) as stream:
        channels, _ = write_wav(target, without_tone(stream))
    return channels


def without_tone(stream: AudioStream) -> Iterator[Float32]:
    """The blocks of a stream, [channels, n] float32 at 16 kHz, with the tone silenced."""
    turn = 2 * np.pi * TONE_HERTZ / SAMPLE_RATE * np.arange(_FRAME)
    waves = np.stack([np.cos(turn), np.sin(turn)]).astype(np.float32)
    for block in stream:
        count = block.shape[1] // _FRAME
        frames = block[:, : count * _FRAME].reshape(len(block), count, _FRAME).copy()
        parts = frames @ waves.T * (2 / _FRAME)  # [channels, frames, 2]
        rest = np.square(frames - parts @ waves).mean(axis=2)
        level = np.sqrt(np.square(parts).sum(axis=2))
        is_tone = (rest <= _REST * np.square(frames).mean(axis=2)) & (level >= _LEVELS[0])
        frames[is_tone & (level <= _LEVELS[1])] = 0.0
        yield np.concatenate([frames.reshape(len(block), -1), block[:, count * _FRAME :]], axis=1)
