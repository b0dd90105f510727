"""The audio of the current utterance: where it starts and where it is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE
from ..vad import CHUNK, is_speech

LEAD = 0.3
"""Seconds kept before speech, and after it."""
PAUSES = ((4.0, 1.0), (8.0, 0.6), (float("inf"), 0.3))
"""Seconds of silence that end an utterance of up to so many seconds: longer utterances are transcribed
better, but the longer one is, the sooner it must end.
"""
LONGEST = 20.0
"""Seconds after which an utterance is cut even without a pause."""
SEARCH = 3.0
"""Seconds before that limit in which the quietest place is searched for, and words are no longer
confirmed.
"""


class SpeechDetector(Protocol):
    """Probabilities of speech, chunk by chunk: `unislu.vad.Silero`, or something like it."""

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add [n] float32 at 16 kHz; returns the probability of each full chunk of 512 samples."""
        ...


@dataclass(frozen=True)
class Stretch:
    """A stretch of the stream."""

    start: int
    """Number of its first sample in the stream."""
    samples: NDArray[np.float32]
    """[n] float32 at 16 kHz."""
    ending: bool = False
    """It is nearly as long as it may get."""

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


class UtteranceCutter:
    """Cuts a stream into utterances and drops the silence between them.

    Keeps at most `LONGEST` seconds, whatever is fed.
    """

    def __init__(self, detector: SpeechDetector, max_seconds: float) -> None:
        """`max_seconds`: the model's window."""
        self._detector = detector
        self._longest = round(min(LONGEST, max_seconds) * SAMPLE_RATE) // CHUNK
        self._search = min(round(SEARCH * SAMPLE_RATE) // CHUNK, self._longest // 2)
        self._lead = round(LEAD * SAMPLE_RATE) // CHUNK
        self._chunks: list[NDArray[np.float32]] = []
        self._start = 0  # sample number of the first chunk
        self._partial = np.zeros(0, np.float32)  # less than a chunk
        self._speaking = False
        self._begun = False  # there was speech in this window
        self._silent = 0  # chunks of silence at its end

    @property
    def position(self) -> int:
        """Samples fed so far."""
        return self._start + CHUNK * len(self._chunks) + len(self._partial)

    @property
    def growing(self) -> Stretch | None:
        """The current utterance; None in silence."""
        if not self._begun:
            return None
        ending = len(self._chunks) >= self._longest - self._search
        return Stretch(self._start, np.concatenate(self._chunks), ending)

    def feed(self, samples: NDArray[np.float32]) -> Iterator[Stretch]:
        """Add [n] float32; yields the utterances that end in it."""
        held = np.concatenate([self._partial, samples])
        count = len(held) // CHUNK
        self._partial = held[count * CHUNK :].copy()
        # A long block is processed in parts to bound the memory of the detector.
        for first in range(0, count, self._longest):
            block = held[first * CHUNK : min(count, first + self._longest) * CHUNK].reshape(-1, CHUNK)
            for chunk, probability in zip(block, self._detector.feed(block.reshape(-1)), strict=True):
                closed = self._advance(chunk.copy(), float(probability))
                if closed is not None:
                    yield closed

    def finish(self) -> Iterator[Stretch]:
        """End of the stream: yields the open utterance."""
        if len(self._partial):
            self._chunks.append(self._partial)
            self._partial = np.zeros(0, np.float32)
        position = self._start + sum(map(len, self._chunks))
        if self._begun:
            yield Stretch(self._start, np.concatenate(self._chunks))
        self._start, self._chunks, self._begun = position, [], False

    def _advance(self, chunk: NDArray[np.float32], probability: float) -> Stretch | None:
        self._speaking = is_speech(probability, going_on=self._speaking)
        self._chunks.append(chunk)
        self._silent = 0 if self._speaking else self._silent + 1
        if not self._begun:
            self._begun = self._speaking
            self._drop(max(0, len(self._chunks) - self._lead - 1))
            return None
        length = len(self._chunks)
        spoken = (length - self._silent) * CHUNK / SAMPLE_RATE
        pause = next(pause for limit, pause in PAUSES if spoken <= limit)
        if self._silent * CHUNK >= pause * SAMPLE_RATE:
            return self._cut(length - max(0, self._silent - self._lead), begun=False)
        if length >= self._longest:
            return self._cut(self._quietest(), begun=True)
        return None

    def _quietest(self) -> int:
        """The quietest chunk of the last `SEARCH` seconds."""
        first = len(self._chunks) - self._search
        power = np.array([chunk.var(dtype=np.float64) for chunk in self._chunks[first:]])
        smooth = np.convolve(power, np.ones(3) / 3, mode="valid")
        return first + 1 + int(np.argmin(smooth))

    def _cut(self, count: int, begun: bool) -> Stretch:
        closed = Stretch(self._start, np.concatenate(self._chunks[:count]))
        self._drop(count)
        self._begun = begun
        return closed

    def _drop(self, count: int) -> None:
        self._start += CHUNK * count
        del self._chunks[:count]
