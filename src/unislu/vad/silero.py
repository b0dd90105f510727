"""Silero VAD: how likely it is that somebody speaks, for every 32 ms.

`silero.onnx` is the file `silero_vad_16k_sequence.onnx` of Silero VAD 6.2.3, (c) 2020 Silero Team, MIT
licence, https://github.com/snakers4/silero-vad. It takes a block of chunks in one run: the convolutions are
matrix products over all of them, only the recurrent layer goes step by step.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..engines.session import open_small
from .energy import SILENCE_DB

if TYPE_CHECKING:
    import onnxruntime

CHUNK = 512
"""Samples of one probability: 32 ms."""

BEGINS, ENDS = 0.5, 0.35
"""Speech begins at the first probability and goes on down to the second, so a wavering voice stays whole."""

_CONTEXT = 64  # samples of the chunk before, put in front of each
_BLOCK = 320  # chunks of one run, some 10 s
_PIECE = 16 * CHUNK  # half a second
_STATE = (1, 1, 128)
_STILL = 2 * 10 ** (SILENCE_DB / 20)  # swing of digital silence
_SILENT_CHUNKS = 31  # 1 s


class Silero:
    """Speech probabilities of one stream of audio. Streams share the loaded graph."""

    def __init__(self) -> None:
        self._session = _session()
        self._rest = np.zeros(0, np.float32)
        self._silent = 0  # chunks of digital silence in a row
        self._reset()

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add [n] float32 at 16 kHz; returns [m] float32, one for each full chunk.

        Digital silence is skipped after its first second: there is no speech in it.
        """
        held = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        count = len(held) // CHUNK
        self._rest = held[count * CHUNK :].copy()
        chunks = held[: count * CHUNK].reshape(count, CHUNK)
        parts = [self._run(chunks[first : first + _BLOCK]) for first in range(0, count, _BLOCK)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def finish(self) -> NDArray[np.float32]:
        """The probability of the last chunk if it is not full: [0] or [1] float32."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        return self.feed(np.zeros(CHUNK - len(self._rest), np.float32))

    def _reset(self) -> None:
        self._hidden, self._cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def _run(self, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of `chunks` [n, CHUNK]; they do not depend on how the audio was split between
        calls.
        """
        still = np.ptp(chunks, axis=1) < _STILL
        speech = np.zeros(len(chunks), np.float32)
        first = None  # of the chunks that wait to be looked at
        for place, quiet in enumerate(still.tolist()):
            self._silent = self._silent + 1 if quiet else 0
            if self._silent <= _SILENT_CHUNKS:
                first = place if first is None else first
                continue
            if first is not None:
                speech[first:place] = self._look(chunks[first:place])
                first = None
            self._reset()
        if first is not None:
            speech[first:] = self._look(chunks[first:])
        return speech

    def _look(self, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
        before = np.empty((len(chunks), _CONTEXT), np.float32)
        before[0] = self._context
        before[1:] = chunks[:-1, -_CONTEXT:]
        self._context = chunks[-1, -_CONTEXT:].copy()
        inputs = {"input": np.concatenate([before, chunks], axis=1), "h": self._hidden, "c": self._cell}
        found: NDArray[np.float32]
        found, self._hidden, self._cell = self._session.run(None, inputs)
        return found


def is_speech(probability: float, going_on: bool) -> bool:
    """Whether a chunk is speech; `going_on`: whether somebody was speaking before it."""
    return probability >= (ENDS if going_on else BEGINS)


def has_speech(samples: NDArray[np.float32], sure: float) -> bool:
    """Whether there is speech anywhere in [n] float32 at 16 kHz with a probability of at least `sure`.

    Stops at the first such place.
    """
    silero = Silero()
    pieces = (samples[first : first + _PIECE] for first in range(0, len(samples), _PIECE))
    if any(silero.feed(piece).max(initial=0.0) >= sure for piece in pieces):
        return True
    return bool(silero.finish().max(initial=0.0) >= sure)


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    return open_small(Path(__file__).with_name("silero.onnx"))
