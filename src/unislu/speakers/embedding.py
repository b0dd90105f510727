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
from unislu.errors import AudioError

if TYPE_CHECKING:
    import onnxruntime

BANDS = 40
FRAMES = 130
"""Of one window: 1.3 s."""
STEP = 85
"""Frames from one window to the next."""
LEAST = 0.3
"""Seconds of speech below which a voice is not described."""
_LEVEL = np.float32(62.0)
"""Sum of the spectra of a window: a decibel above the -30 dBFS of training, which was best on tuning data."""
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Voice:
    """The voice in a window of audio."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    embedding: NDArray[np.float32]
    """[256] float32, of length 1."""
    channel: int | None = None
    """Counted from 0, if channels are transcribed separately."""


class VoiceTrack:
    """The voices along a recording. It keeps embeddings, a kilobyte for half a second, and no audio."""

    def __init__(self) -> None:
        self.voices: list[Voice] = []

    def add(self, samples: NDArray[np.float32], start: float, channel: int | None = None) -> None:
        """Describe the voices in [n] float32 at 16 kHz that begin at `start` seconds."""
        for first, last, embedding in embed(samples):
            self.voices.append(Voice(start + first, start + last, embedding, channel))


def embed(samples: NDArray[np.float32]) -> list[tuple[float, float, NDArray[np.float32]]]:
    """Windows of [n] float32 at 16 kHz: start and end in seconds, and the embedding, [256] float32.

    Empty for less than `LEAST` seconds, and for silence.
    """
    if len(samples) < LEAST * SAMPLE_RATE or not samples.any():
        return []
    mel = spectrogram(samples)
    frames = len(mel)
    if frames < FRAMES:  # what is short is repeated: the encoder knows no other length
        starts = [0]
        windows = np.resize(mel, (1, FRAMES, BANDS))
    else:
        starts = [*range(0, frames - FRAMES, STEP), frames - FRAMES]
        windows = np.stack([mel[first : first + FRAMES] for first in starts])
    # The spectra are of power, not logarithmic: every window gets the level that the encoder was trained on.
    sums = windows.sum(axis=(1, 2), keepdims=True)
    windows = windows * (_LEVEL / np.maximum(sums, _LEVEL * 1e-6))
    found = np.concatenate(
        [_run(windows[first : first + _BATCH]) for first in range(0, len(windows), _BATCH)]
    )
    second, length = HOP / SAMPLE_RATE, len(samples) / SAMPLE_RATE
    return [
        (first * second, min(length, (first + FRAMES) * second), row)
        for first, row in zip(starts, found, strict=True)
    ]


def profile(samples: NDArray[np.float32], name: str = "the clip") -> NDArray[np.float32]:
    """The embedding of one person's voice, [256] float32: the mean over a clip of theirs.

    Raises `AudioError` if there is too little sound in [n] float32 samples at 16 kHz.
    """
    found = embed(samples)
    if not found or len(samples) < FRAMES * HOP:  # less than one window says little about a voice
        raise AudioError(f"{name}: too little sound for a voice; give a clip of 3 seconds of speech or more")
    return unit(np.mean([row for _, _, row in found], axis=0))


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors along the last axis with length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mel power spectrogram of [n] float32: [1 + n // 160, 40] float32, as the encoder was trained on."""
    padded = np.pad(samples, WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    hann = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    spectrum = np.fft.rfft(windows * hann)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.asarray(power.astype(np.float32) @ mel_filters(BANDS).T, np.float32)


def _run(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    found: Sequence[NDArray[np.float32]] = _session().run(None, {"mel": windows})
    return found[0]


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        Path(__file__).with_name("ge2e.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
    )
