"""Log-mel features in numpy, numerically the same as those of Whisper's feature extractor.

Unlike the original, audio is not padded to 30 s: a clip of n samples gives ceil(n / HOP) frames. For
models that were trained on nothing else, `padded_log_mel` is the original to the last frame.
The last partial hop is filled with zeros, then both ends are padded by reflection, as `torch.stft`
does. One second is 100 frames; the encoder halves that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.errors import AudioError

HOP = SAMPLE_RATE // 100
WINDOW = SAMPLE_RATE // 40
MELS = 80
FRAMES_PER_SECOND = SAMPLE_RATE // HOP

_FLOOR = 1e-10
_DYNAMIC_RANGE = 8.0  # in log10 of power: what lies 80 dB under the clip's loudest bin is cut off
_LAST = 10  # frames at the end of a clip that tell whether it ends there
_QUIET_DB = 20.0  # below its loudest frame: what ends louder is taken to be cut off
_SILENCE = 50  # frames of silence behind what is cut off; benchmarks/cuts.py counts the loops that are left
_FEW = 16  # frames in one product: BLAS keeps it on its own thread; others would spin beside the encoder's
_BLOCK = 6_000  # frames transformed at a time, so that an hour of audio needs no gigabytes


def frame_count(samples: int) -> int:
    """Number of mel frames of a clip of `samples` samples at 16 kHz."""
    return -(-samples // HOP)


def log_mel(samples: NDArray[np.float32], mels: int = MELS) -> NDArray[np.float32]:
    """Whisper's log-mel spectrogram of a whole clip.

    Args:
        samples: [n] float32, mono, 16 kHz, nominally -1…1.
        mels: number of mel bands; 80 for every Whisper but large-v3.

    Returns:
        [mels, ceil(n / 160)] float32, C-contiguous.

    Raises:
        AudioError: `samples` is not one-dimensional or is empty.
    """
    if samples.ndim != 1 or samples.size == 0:
        raise AudioError(
            f"log_mel needs a non-empty one-dimensional signal, not shape {samples.shape}; "
            "mix the channels and check the clip's length first"
        )
    frames = frame_count(samples.size)
    padded = np.pad(samples.astype(np.float32, copy=False), (0, frames * HOP - samples.size))
    padded = np.pad(padded, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    filters = mel_filters(mels)
    hann = _hann()
    out = np.empty((mels, frames), np.float32)
    for first in range(0, frames, _BLOCK):
        spectrum = np.fft.rfft(windows[first : first + _BLOCK] * hann)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        out[:, first : first + _BLOCK] = _banded(power.astype(np.float32, copy=False), filters)
    np.log10(np.maximum(out, _FLOOR, out=out), out=out)
    np.maximum(out, out.max() - _DYNAMIC_RANGE, out=out)
    out += 4.0
    out /= 4.0
    return out


def padded_log_mel(samples: NDArray[np.float32], frames: int, mels: int = MELS) -> NDArray[np.float32]:
    """The spectrogram of a clip padded with silence to `frames` frames, as Whisper's own code computes it.

    Args:
        samples: as in `log_mel`; what is longer than `frames` is cut off.
        frames: 3000 for Whisper.
        mels: as in `log_mel`.

    Returns:
        [mels, frames] float32.

    Raises:
        AudioError: as `log_mel`.
    """
    kept = samples[: frames * HOP]
    if kept.ndim != 1 or kept.size == 0:
        return log_mel(kept, mels)  # which says what is wrong
    return log_mel(np.pad(kept, (0, frames * HOP - kept.size)), mels)


def silence_level(loudest: Any) -> Any:
    """The value of digital silence in log-mel spectrograms whose maxima are `loudest` (any array)."""
    quiet = (np.log10(_FLOOR) + 4.0) / 4.0
    return (loudest - _DYNAMIC_RANGE / 4.0).clip(quiet)


def loudness(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean power of every frame of a log-mel spectrogram `[mels, frames]`, in dB: `[frames]` float32."""
    power = np.power(np.float32(10.0), 4.0 * mel - 4.0)
    return np.asarray(10.0 * np.log10(power.mean(axis=0)), np.float32)


def _banded(power: NDArray[np.float32], filters: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply the mel filters to power spectra `[frames, bins]`: `[mels, frames]`."""
    few = np.pad(power, ((0, -len(power) % _FEW), (0, 0))).reshape(-1, _FEW, power.shape[1])
    return (few @ filters.T).reshape(-1, len(filters))[: len(power)].T


def with_end(mel: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """A log-mel spectrogram with silence appended, if it breaks off in the middle of sound.

    To a model trained on whole utterances, half a word is no end: it begins to repeat itself.

    Args:
        mel: `[mels, frames]` of `log_mel`.
        most: frames that the result may have.

    Returns:
        `[mels, frames]`; the same array if its end is quiet or there is no room.
    """
    level = loudness(mel)
    if level.max() - level[-_LAST:].max() >= _QUIET_DB:
        return mel
    silence = max(0, min(_SILENCE, most - mel.shape[1]))
    floor = mel.max() - _DYNAMIC_RANGE / 4.0
    return np.pad(mel, ((0, 0), (0, silence)), constant_values=floor)


@lru_cache(maxsize=4)
def mel_filters(mels: int = MELS) -> NDArray[np.float32]:
    """Slaney's triangular mel filters with equal area: [mels, WINDOW // 2 + 1] float32."""
    bins = np.linspace(0.0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    edges = _mel_to_hertz(np.linspace(0.0, _hertz_to_mel(SAMPLE_RATE / 2), mels + 2))
    widths = np.diff(edges)
    distance = edges[:, None] - bins[None, :]
    rising = -distance[:-2] / widths[:-1, None]
    falling = distance[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: NDArray[np.float32] = (triangles * area[:, None]).astype(np.float32)
    filters.setflags(write=False)
    return filters


# Slaney's scale: linear below 1 kHz (15 mel), then logarithmic with 27 mel per factor of 6.4.
_LINEAR = 3.0 / 200.0
_KNEE_HERTZ = 1000.0
_KNEE_MEL = _KNEE_HERTZ * _LINEAR
_LOG_STEP = np.log(6.4) / 27.0


def _hertz_to_mel(hertz: float) -> float:
    if hertz < _KNEE_HERTZ:
        return hertz * _LINEAR
    return float(_KNEE_MEL + np.log(hertz / _KNEE_HERTZ) / _LOG_STEP)


def _mel_to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mel / _LINEAR
    above = _KNEE_HERTZ * np.exp(_LOG_STEP * (np.maximum(mel, _KNEE_MEL) - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, linear, above)


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float32]:
    """Periodic Hann window: [WINDOW] float32."""
    phase: NDArray[Any] = 2.0 * np.pi * np.arange(WINDOW) / WINDOW
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    window.setflags(write=False)
    return window
