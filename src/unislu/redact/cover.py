"""The samples that replace speech: silence or a tone, without clicks at the edges; and the tone taken out
again for a second transcription, since a loud tone makes the recogniser worse on what follows.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE, AudioStream, open_audio
from ..audio.samples import Float32
from ..audio.wav import write_wav

FADE = 0.01
"""Seconds over which speech fades out before the covered time and in after it."""
TONE_HERTZ = 1000.0
TONE_LEVEL = 0.1  # of full scale: -20 dB, about as loud as speech

_FRAME = SAMPLE_RATE // 50  # whole periods of the tone
_REST = 0.01
"""Share of the power that may be something else, such as what lossy codecs add to a tone."""
_LEVELS = 0.5 * TONE_LEVEL, 1.5 * TONE_LEVEL


class Cover:
    """Covers the samples of some spans of a recording.

    Speech is removed from `guard` seconds before each span until `guard` seconds after it; it fades over
    `FADE` outside of that, and a tone rises and falls over `FADE` inside of it.
    """

    def __init__(self, spans: Iterable[tuple[float, float]], rate: int, how: str, guard: float) -> None:
        """`spans`: seconds; `rate`: samples a second; `how`: "beep" or "silence"; `guard`: seconds."""
        self._rate, self._beep = rate, how == "beep"
        self._fade = max(1, round(FADE * rate))
        stretches = sorted(
            (max(0, int((start - guard) * rate)), -int(-(end + guard) * rate) + 1) for start, end in spans
        )
        self._covered: list[tuple[int, int]] = []
        for start, end in stretches:
            # Neighbours with too little between their fades are merged.
            if self._covered and start <= self._covered[-1][1] + 2 * self._fade:
                self._covered[-1] = self._covered[-1][0], max(self._covered[-1][1], end)
            else:
                self._covered.append((start, end))
        self._ends = [end + self._fade for _, end in self._covered]

    def touches(self, first: int, count: int) -> bool:
        """Whether any of `count` samples, from sample number `first` on, changes."""
        number = bisect_right(self._ends, first)
        return number < len(self._covered) and self._covered[number][0] - self._fade < first + count

    def apply(self, samples: NDArray[Any], first: int) -> None:
        """Cover a block in place.

        Args:
            samples: [n, channels] of any sample type, as decoded.
            first: number of its first sample in the recording.
        """
        number = bisect_right(self._ends, first)
        while number < len(self._covered) and self._covered[number][0] - self._fade < first + len(samples):
            start, end = self._covered[number]
            low = max(0, start - self._fade - first)
            high = min(len(samples), end + self._fade - first)
            part = samples[low:high]
            _write(part, self._mixed(_read(part), np.arange(first + low, first + high), start, end))
            number += 1

    def _mixed(
        self, speech: NDArray[np.float64], places: NDArray[np.int64], start: int, end: int
    ) -> NDArray[np.float64]:
        """[n, channels] in -1…1 with the speech of sample numbers `places` covered from `start` to `end`."""
        outside = (
            np.maximum(start - places, places - (end - 1)) / self._fade
        )  # ≤ 0 within, 1 where fades begin
        mixed = speech * _ramp(outside)[:, None]
        if self._beep:
            inside = np.minimum(places - start, end - 1 - places) / self._fade
            tone = np.sin(2 * np.pi * min(TONE_HERTZ, self._rate / 8) / self._rate * places)
            mixed += (TONE_LEVEL * _ramp(inside) * tone)[:, None]
        return mixed


def _ramp(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 up to 0, 1 from 1 on, half a cosine in between: no audible corner."""
    ramp: NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * np.clip(position, 0.0, 1.0))
    return ramp


def _read(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Any sample type in -1…1; unsigned 8-bit is centred on 128."""
    values: NDArray[np.float64] = samples.astype(np.float64)
    if samples.dtype.kind == "f":
        return values
    return (values - 128.0) / 128.0 if samples.dtype.kind == "u" else values / _scale(samples)


def _write(samples: NDArray[Any], values: NDArray[np.float64]) -> None:
    if samples.dtype.kind == "f":
        samples[:] = values
    elif samples.dtype.kind == "u":
        samples[:] = np.rint(values * 128.0 + 128.0).clip(0, 255)
    else:
        # The largest double below 2^63 still fits int64; for the narrower types it is the exact maximum.
        samples[:] = np.rint(values * _scale(samples)).clip(
            -_scale(samples), np.nextafter(_scale(samples), 0)
        )


def _scale(samples: NDArray[Any]) -> float:
    return float(2.0 ** (samples.dtype.itemsize * 8 - 1))


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
    """The blocks of a stream, [channels, n] float32 at 16 kHz, with the tone alone silenced."""
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
