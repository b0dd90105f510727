"""Probabilities of speech → windows: stretches of speech, padded and joined, cut at pauses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE
from ..errors import OptionError
from .energy import MAX_SECONDS, quiet_point
from .silero import CHUNK, Silero, is_speech
from .window import Window

MAX_PAD = 1.0
MIN_WINDOW = 2.0
_PAUSE_CHUNKS = 4  # speech ends after this long below: 0.13 s
_LEAST_CHUNKS = 3  # shorter bursts are clicks: 0.1 s


@dataclass(frozen=True)
class Cutting:
    """How speech is cut into windows, in seconds. Raises `OptionError` for values out of range."""

    window: float = MAX_SECONDS
    """Longest window."""
    pad: float = 0.2
    """Kept before and after speech."""
    merge: float = 0.5
    """Pauses up to this long stay inside a window that has room for what follows."""

    def __post_init__(self) -> None:
        if not MIN_WINDOW <= self.window <= MAX_SECONDS:
            raise OptionError(f"window is {self.window!r}: give {MIN_WINDOW:g} to {MAX_SECONDS:g} seconds")
        if not 0.0 <= self.pad <= MAX_PAD:
            raise OptionError(f"pad is {self.pad!r}: give 0 to {MAX_PAD:g} seconds")
        if not 0.0 <= self.merge <= MAX_SECONDS:
            raise OptionError(f"merge is {self.merge!r}: give 0 to {MAX_SECONDS:g} seconds")


class SpeechCutter:
    """Windows of one channel where Silero VAD detects speech; as `EnergyCutter`, in order, without overlaps.

    It keeps only the audio of the current window.
    """

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting
        self._window = cutting.window * SAMPLE_RATE
        self._pad = round(cutting.pad * SAMPLE_RATE)
        self._silero = Silero()
        self._held = np.zeros(0, np.float32)
        self._first = 0  # number of the first sample held
        self._chunk = 0  # number of the next probability
        self._begun: int | None = None  # sample at which the speech going on began
        self._quiet = 0  # chunks since the last speech
        self._regions: list[tuple[int, int]] = []  # complete ones of the window in the making, in samples
        self._floor = 0  # end of the last window: the next may not begin before it

    def feed(self, samples: NDArray[np.float32]) -> list[Window]:
        """Add audio."""
        found: list[Window] = []
        for start in range(0, len(samples), SAMPLE_RATE * 10):
            block = samples[start : start + SAMPLE_RATE * 10]
            self._held = np.concatenate([self._held, block])
            for probability in self._silero.feed(block).tolist():
                self._advance(probability, found)
            self._forget()
        return found

    def finish(self) -> list[Window]:
        """End of the audio."""
        found: list[Window] = []
        for probability in self._silero.finish().tolist():
            self._advance(probability, found)
        if self._begun is not None:
            self._end_region(min(self._chunk * CHUNK, self._first + len(self._held)), found)
        self._emit(len(self._regions), found)
        return found

    def _advance(self, probability: float, found: list[Window]) -> None:
        """Process one chunk."""
        here = self._chunk * CHUNK
        self._chunk += 1
        speaks = is_speech(probability, going_on=self._begun is not None)
        if self._begun is None:
            if speaks:
                self._begun, self._quiet = here, 0
            elif self._regions and here - self._regions[-1][1] > self._reach():
                self._emit(len(self._regions), found)
            return
        self._quiet = 0 if speaks else self._quiet + 1
        if self._quiet >= _PAUSE_CHUNKS:
            self._end_region(here + CHUNK - self._quiet * CHUNK, found)
        elif here + CHUNK - self._begun + 2 * self._pad > 1.8 * self._window:
            self._cut_region(found)

    def _reach(self) -> float:
        """Samples of pause after which no speech can join the current window."""
        return max(self._cutting.merge * SAMPLE_RATE, 2.0 * self._pad)

    def _end_region(self, end: int, found: list[Window]) -> None:
        begun, self._begun = self._begun, None
        assert begun is not None
        if end - begun < _LEAST_CHUNKS * CHUNK:
            return
        self._join((begun, end), found)

    def _join(self, region: tuple[int, int], found: list[Window]) -> None:
        """Add a region to the current window, or to a new one."""
        if self._regions and region[0] - self._regions[-1][1] > self._reach():
            self._emit(len(self._regions), found)
        while self._regions and region[1] - self._regions[0][0] + 2 * self._pad > self._window:
            self._emit(self._best_pause(region), found)
        self._regions.append(region)
        while region[1] - region[0] + 2 * self._pad > self._window:
            region = self._halve(region, found)

    def _best_pause(self, region: tuple[int, int]) -> int:
        """How many regions go into the window if `region` does not fit: up to the longest pause in its second
        half.
        """
        start = self._regions[0][0]
        followers = [*self._regions[1:], region]
        pauses = [
            (after[0] - before[1] if before[1] - start >= self._window / 2 else -1, number)
            for number, (before, after) in enumerate(zip(self._regions, followers, strict=True), start=1)
        ]
        return max(pauses)[1]

    def _cut_region(self, found: list[Window]) -> None:
        """Cut speech that continues without a pause for longer than a window."""
        begun = self._begun
        assert begun is not None
        if self._regions:
            self._emit(len(self._regions), found)
        self._regions.append((begun, self._chunk * CHUNK))
        self._begun = self._halve(self._regions[-1], found)[0]
        self._regions.clear()

    def _halve(self, region: tuple[int, int], found: list[Window]) -> tuple[int, int]:
        """Emit the first part of a region that is too long and leave the rest as the only region."""
        begun, end = region
        samples = self._held[begun - self._first : end - self._first]
        cut = begun + quiet_point(samples, self._cutting.window - 2 * self._cutting.pad)
        self._regions[:] = [(begun, cut), (cut, end)]
        self._emit(1, found)
        return cut, end

    def _emit(self, count: int, found: list[Window]) -> None:
        """Make a window of the first `count` regions."""
        if not count:
            return
        taken, self._regions = self._regions[:count], self._regions[count:]
        following = self._regions[0][0] if self._regions else self._begun
        last = self._first + len(self._held)
        if following is not None:  # no window reaches into the speech of the next
            last = min(last, (taken[-1][1] + following) // 2)
        start = max(self._floor, taken[0][0] - self._pad)
        end = min(last, taken[-1][1] + self._pad)
        if end <= start:  # the padding of the previous window contains all of it
            return
        self._floor = end
        found.append(Window(start, self._held[start - self._first : end - self._first].copy()))

    def _forget(self) -> None:
        """Drop audio that no window can need any more."""
        needed = self._chunk * CHUNK
        if self._regions:
            needed = self._regions[0][0]
        elif self._begun is not None:
            needed = self._begun
        keep = max(self._first, min(needed - self._pad, self._first + len(self._held)))
        if keep - self._first > SAMPLE_RATE:
            self._held = self._held[keep - self._first :].copy()
            self._first = keep
