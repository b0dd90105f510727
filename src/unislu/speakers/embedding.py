"""Voice embeddings of short windows.

`ge2e.onnx` is the speaker encoder of Resemblyzer (Apache-2.0, Resemble AI; trained with the GE2E loss, Wan et
al., 2018), exported by `benchmarks/speaker_encoder.py`: three LSTM layers over mel spectra, 1.4 M weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.audio.features import HOP, WINDOW, mel_filters
from unislu.engines.session import open_small
from unislu.errors import AudioError

if TYPE_CHECKING:
    import onnxruntime

BANDS = 40
FRAMES = 130
"""Of one window: 1.3 s."""
STEP = 85
"""Frames from one window to the next."""
NEAR = 5
"""Frames by which a last window must differ from the one before it."""
LEAST = 0.3
"""Seconds of speech below which a voice is not described."""
_LEVEL = np.float32(62.0)
"""Sum of the spectra of a window: a decibel above the -30 dBFS of training, which was best on tuning data."""
_BATCH = 16
"""Windows embedded at once: one alone takes more than twice its share of sixteen."""
_BLOCK = 256
"""Frames transformed at a time, so that what is between two steps stays in the cache."""

Spectra = NDArray[np.float32]
"""[windows, FRAMES, BANDS], as the encoder takes them."""


@dataclass(frozen=True, eq=False)
class Voice:
    """The voice in a window of audio."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    embedding: NDArray[np.float32]
    """[256] float32, of length 1."""


class VoiceTrack:
    """The voices along a recording. It keeps embeddings, a kilobyte for each second, and no audio.

    Stretches of speech are short and share batches of the encoder: up to `_BATCH` windows wait as spectra.
    """

    def __init__(self) -> None:
        self._voices: list[Voice] = []
        self._spans: list[tuple[float, float]] = []
        self._waiting = np.zeros((0, FRAMES, BANDS), np.float32)

    def add(self, samples: NDArray[np.float32], start: float) -> None:
        """Describe the voices in [n] float32 at 16 kHz that begin at `start` seconds."""
        spans, spectra = _windows(samples)
        self._spans += [(start + first, start + last) for first, last in spans]
        self._waiting = np.concatenate([self._waiting, spectra])
        self._embed(len(self._waiting) // _BATCH * _BATCH)

    @property
    def voices(self) -> Sequence[Voice]:
        """All voices added, in order."""
        self._embed(len(self._waiting))
        return self._voices

    def _embed(self, count: int) -> None:
        """Embed the first `count` windows that wait."""
        for first in range(0, count, _BATCH):
            part = slice(first, min(first + _BATCH, count))
            rows = _run(self._waiting[part])
            self._voices += [Voice(*span, row) for span, row in zip(self._spans[part], rows, strict=True)]
        self._waiting, self._spans = self._waiting[count:].copy(), self._spans[count:]


def embed(samples: NDArray[np.float32]) -> list[tuple[float, float, NDArray[np.float32]]]:
    """Windows of [n] float32 at 16 kHz: start and end in seconds, and the embedding, [256] float32.

    Empty for less than `LEAST` seconds, and for silence.
    """
    track = VoiceTrack()
    track.add(samples, 0.0)
    return [(voice.start, voice.end, voice.embedding) for voice in track.voices]


def _windows(samples: NDArray[np.float32]) -> tuple[list[tuple[float, float]], Spectra]:
    """Start and end of each window in seconds, and its spectrum."""
    if len(samples) < LEAST * SAMPLE_RATE or not samples.any():
        return [], np.zeros((0, FRAMES, BANDS), np.float32)
    mel = spectrogram(samples)
    spare = len(mel) - FRAMES
    if spare < 0:  # what is short is repeated: the encoder knows no other length
        starts = [0]
        windows = np.resize(mel, (1, FRAMES, BANDS))
    else:
        starts = [*range(0, spare - NEAR, STEP), spare] if spare > NEAR else [0]
        windows = np.stack([mel[first : first + FRAMES] for first in starts])
    # The spectra are of power, not logarithmic: every window gets the level that the encoder was trained on.
    sums = windows.sum(axis=(1, 2), keepdims=True)
    windows = windows * (_LEVEL / np.maximum(sums, _LEVEL * 1e-6))
    second, length = HOP / SAMPLE_RATE, len(samples) / SAMPLE_RATE
    spans = [(first * second, min(length, (first + FRAMES) * second)) for first in starts]
    return spans, windows


def profile(samples: NDArray[np.float32], name: str = "the clip") -> NDArray[np.float32]:
    """The embedding of a person's voice, [256] float32: the mean over a clip of it.

    Raises `AudioError` if there is too little sound in [n] float32 samples at 16 kHz.
    """
    found = embed(samples)
    if not found or len(samples) < FRAMES * HOP:  # less than one window says little about a voice
        raise AudioError(f"{name}: too little sound for a voice; give a clip of 3 seconds of speech or more")
    return unit(np.mean([row for _, _, row in found], axis=0))


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors along the last axis, scaled to length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mel power spectrogram of [n] float32: [1 + n // 160, 40] float32, as the encoder was trained on."""
    padded = np.pad(samples, WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    hann = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    filters = mel_filters(BANDS).T
    found = np.empty((len(windows), BANDS), np.float32)
    for first in range(0, len(windows), _BLOCK):
        spectrum = np.fft.rfft(windows[first : first + _BLOCK] * hann)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        found[first : first + _BLOCK] = power.astype(np.float32, copy=False) @ filters
    return found


def _run(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    found: Sequence[NDArray[np.float32]] = _session().run(None, {"mel": windows})
    return found[0]


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    return open_small(Path(__file__).with_name("ge2e.onnx"))
