"""The windows that cutting produces, counted in samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of one channel that is recognised at once."""

    first: int
    """Number of its first sample."""
    samples: NDArray[np.float32]
    """[n] float32 at 16 kHz."""
    channel: int | None = None
    """Counted from 0, if channels are transcribed separately."""

    @property
    def start(self) -> float:
        """In seconds."""
        return self.first / SAMPLE_RATE

    @property
    def end(self) -> float:
        """In seconds."""
        return (self.first + len(self.samples)) / SAMPLE_RATE
