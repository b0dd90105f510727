"""Long audio → windows that fit the encoder, cut where it is quiet, by energy alone.

It finds pauses to cut at and detects digital silence. It does not distinguish speech from other sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE
from .window import Window

MAX_SECONDS = 30.0
SILENCE_DB = -75.0
"""A stretch whose frames all lie below this level, relative to full scale, is silence: 16-bit dither lies at
about -90 dB, the quietest usable recordings at about -60 dB.
"""

_FRAME = SAMPLE_RATE // 100
_SMOOTHING = 30  # frames: a pause worth cutting at lasts about 0.3 s
_SHARED = 1.8  # audio of up to this many windows is shared by two, which leaves them room to choose a pause
_SAME_LEVEL_DB = 3.0  # pauses this close to the quietest one are as good; the best placed is taken


def _next_cut(level: NDArray[np.float64], limit: int) -> int:
    """Where to cut audio that is longer than `limit` frames: a frame from 1 to `limit`."""
    left = len(level)
    if left > _SHARED * limit:  # more than two windows are left: the latest good pause
        lowest, highest, wanted = limit // 2, limit, limit
    else:  # two windows are left: the good pause nearest to the middle
        wanted = left // 2
        spread = min(limit - wanted, wanted // 3)
        lowest, highest = wanted - spread, wanted + spread
    region = level[lowest : highest + 1]
    quiet = lowest + np.flatnonzero(region <= region.min() + _SAME_LEVEL_DB)
    return max(1, int(quiet[np.argmin(np.abs(quiet - wanted))]))


class EnergyCutter:
    """Consecutive windows of at most `max_seconds`, cut at low-energy points, that cover everything.

    `feed` takes [n] float32 at 16 kHz; both methods return the windows that are complete, in order. The last
    two share the rest evenly, so that no window is very short.
    """

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self._limit = int(max_seconds * SAMPLE_RATE) // _FRAME
        self._start = 0
        self._held = np.zeros(0, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> list[Window]:
        """Add audio."""
        self._held = np.concatenate([self._held, samples])
        found = []
        # The smoothing looks 0.15 s ahead.
        while len(self._held) // _FRAME > _SHARED * self._limit + _SMOOTHING:
            found.append(self._cut(_next_cut(_smoothed_db(self._held), self._limit) * _FRAME))
        return found

    def finish(self) -> list[Window]:
        """End of the stream: the rest."""
        found = []
        while -(-len(self._held) // _FRAME) > self._limit:
            found.append(self._cut(_next_cut(_smoothed_db(self._held), self._limit) * _FRAME))
        return [*found, self._cut(len(self._held))] if len(self._held) else found

    def _cut(self, samples: int) -> Window:
        taken, self._held = self._held[:samples].copy(), self._held[samples:]
        self._start += samples
        return Window(self._start - samples, taken)


def quiet_point(samples: NDArray[np.float32], max_seconds: float) -> int:
    """The best place, in samples, to cut speech that is too long for one window.

    Args:
        samples: [n] float32, 16 kHz, longer than `max_seconds`.
        max_seconds: longest window, in seconds.
    """
    return _next_cut(_smoothed_db(samples), int(max_seconds * SAMPLE_RATE) // _FRAME) * _FRAME


def is_silent(samples: NDArray[np.float32]) -> bool:
    """Whether no frame of 10 ms rises above `SILENCE_DB`; a constant offset counts as silence.

    Args:
        samples: [n] float32, 16 kHz.
    """
    return bool(_frame_db(samples).max(initial=-np.inf) < SILENCE_DB)


def _frame_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level of each 10 ms without its mean, in dB of full scale: [ceil(n / 160)] float64."""
    count = len(samples) // _FRAME
    frames = samples[: count * _FRAME].reshape(count, _FRAME)
    power = frames.var(axis=1, dtype=np.float64)
    if rest := samples[count * _FRAME :].size:
        power = np.append(power, samples[-rest:].var(dtype=np.float64))
    level: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 1e-12))
    return level


def _smoothed_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level of each 10 ms averaged over the 0.3 s around it; the edges repeat their value."""
    level = np.pad(_frame_db(samples), _SMOOTHING // 2, mode="edge")
    sums = np.cumsum(np.insert(level, 0, 0.0))
    return (sums[_SMOOTHING:] - sums[:-_SMOOTHING])[: -(-len(samples) // _FRAME)] / _SMOOTHING
