"""What cutting gives: windows of audio, counted in samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of one channel that is recognised at once.

    first: number of its first sample. samples: [n] float32 at 16 kHz. channel: from 0, where channels are
    transcribed separately.
    """

    first: int
    samples: NDArray[np.float32]
    channel: int | None = None

    @property
    def start(self) -> float:
        """In seconds."""
        return self.first / SAMPLE_RATE

    @property
    def end(self) -> float:
        """In seconds."""
        return (self.first + len(self.samples)) / SAMPLE_RATE


class Cutter(Protocol):
    """Cuts one channel of a stream into windows, in order and without overlaps."""

    def feed(self, samples: NDArray[np.float32]) -> list[Window]:
        """Take [n] float32 at 16 kHz; returns the windows that are complete."""
        ...

    def finish(self) -> list[Window]:
        """The audio is at its end: the windows that are left."""
        ...
