"""Audio as a stream of blocks at 16 kHz, so that a recording of hours takes the memory of seconds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import AudioError
from .samples import Blocks, Float32, Report

if TYPE_CHECKING:
    import av

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.1
"""Shorter clips cannot contain a word; they are refused."""

_MAX_PEAK = 32.0  # float audio far beyond ±1 is integer samples that were not scaled
_PIECE_SECONDS = 0.5
_CANCELLED = 0.1
"""The mean of n unrelated channels has 1/n of their power. A mix with less than this share of that has lost
sound that is in the channels.
"""


class AudioStream:
    """Audio as it is decoded: iterate once over its blocks, [channels, n] float32 at 16 kHz.

    Close it, or leave its `with` block, if it is not read to its end.

    Iterating raises `AudioError` if nothing can be decoded, for samples that are not numbers or far too
    large, and at the end if there was less than `MIN_SECONDS`.
    """

    def __init__(
        self, blocks: Blocks, name: str, report: Report, close: Callable[[], None], split: bool = False
    ) -> None:
        """`blocks` have all channels, which are mixed unless `split`."""
        self.name = name
        """What messages call it."""
        self._split = split
        self._cancelled = 0.0  # seconds
        self.channels: int | None = None
        """Channels of the blocks, known after the first."""
        self._read = 0
        self._report = report
        self._close = close
        self._blocks = blocks
        self._iterator = self._checked(self._resampled())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Damage found so far."""
        return tuple(self._report.notes)

    @property
    def read_seconds(self) -> float:
        return self._read / SAMPLE_RATE

    @property
    def seconds(self) -> float | None:
        """The length that the file states, or None; exact once everything is read."""
        return self._report.seconds

    def __iter__(self) -> Iterator[Float32]:
        return self._iterator

    def __enter__(self) -> AudioStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the source; may be called twice."""
        self._iterator.close()
        if close := getattr(self._blocks, "close", None):
            close()
        self._close()

    def _resampled(self) -> Iterator[Float32]:
        resampler: Resampler | None = None
        seconds = 0.0
        for rate, block in self._blocks:
            _refuse_not_finite(block, rate, seconds, self.name)
            seconds += block.shape[1] / rate
            if not self._split:
                block = self._mixed(block, rate)
            self.channels = self.channels or len(block)
            if len(block) != self.channels:  # a broadcast that switches between mono and stereo
                block = np.repeat(block.mean(axis=0, keepdims=True), self.channels, axis=0)
            if resampler is not None and resampler.rate != rate:
                yield resampler.flush()
                resampler = None
            if rate == SAMPLE_RATE:
                yield np.ascontiguousarray(block, np.float32)
                continue
            resampler = resampler or Resampler(rate, self.channels)
            yield resampler.push(block)
        if resampler is not None:
            yield resampler.flush()

    def _mixed(self, block: Float32, rate: int) -> Float32:
        """The mean of the channels, [1, n]; where they cancel each other out, the loudest one."""
        if len(block) == 1:
            return block
        mean: Float32 = block.mean(axis=0, keepdims=True)
        size = max(1, round(_PIECE_SECONDS * rate))
        for first in range(0, block.shape[1], size):
            piece = block[:, first : first + size]
            powers = np.square(piece, dtype=np.float64).mean(axis=1)
            left = float(np.square(mean[:, first : first + size], dtype=np.float64).mean())
            if left < _CANCELLED / len(block) * float(powers.mean()):
                mean[:, first : first + size] = piece[int(powers.argmax())]
                self._cancelled += piece.shape[1] / rate
        return mean

    def _checked(self, blocks: Iterator[Float32]) -> Generator[Float32]:
        try:
            for block in blocks:
                if block.shape[1] == 0:
                    continue
                self._read += block.shape[1]
                peak = max(float(block.max()), -float(block.min()))
                if peak > _MAX_PEAK:
                    raise AudioError(
                        f"{self.name}: float samples reach {peak:.6g}, but -1…1 is expected; divide them by "
                        "full scale (32768 for 16 bits) or store integers"
                    )
                yield block
            if self.read_seconds < MIN_SECONDS:
                raise AudioError(
                    f"{self.name}: has {self.read_seconds * 1000:.3g} ms of audio; "
                    f"at least {MIN_SECONDS * 1000:.0f} ms are needed"
                )
            self._report.seconds = self.read_seconds
            if self._cancelled:
                self._report.notes.append(
                    f"{self.name}: its channels cancel each other out for {self._cancelled:.1f} s: the "
                    "louder one was used there; --channels split transcribes each"
                )
        finally:
            self._close()


def _refuse_not_finite(block: Float32, rate: int, seconds: float, name: str) -> None:
    finite = np.isfinite(block).all(axis=0)
    if not finite.all():
        first = int(np.argmin(finite))
        bad = block[:, first][~np.isfinite(block[:, first])][0]
        others = np.count_nonzero(~finite) - 1
        more = f" and {others} more" if others else ""
        raise AudioError(
            f"{name}: holds samples that are not numbers: {bad} at {seconds + first / rate:.3f} s{more}; "
            "export it again, e.g. as 16-bit PCM"
        )


class Resampler:
    """Resamples a stream of float32 from `rate` Hz to 16 kHz, channel by channel; filters keep their state
    between blocks.
    """

    def __init__(self, rate: int, channels: int = 1) -> None:
        import av

        self.rate = rate
        # One each: a layout would give the channels meanings, and FFmpeg has none for nine channels.
        self._each = [
            av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE) for _ in range(channels)
        ]
        self._position = 0

    def push(self, block: Float32) -> Float32:
        """Add [channels, n]; returns the samples that are ready, [channels, m]."""
        import av

        outputs = []
        for resampler, samples in zip(self._each, block, strict=True):
            row = np.ascontiguousarray(samples[None, :])
            frame = av.AudioFrame.from_ndarray(row, format="flt", layout="mono")
            frame.sample_rate = self.rate
            frame.pts = self._position
            outputs.append(_joined(resampler.resample(frame)))
        self._position += block.shape[1]
        return np.stack(outputs)

    def flush(self) -> Float32:
        """The rest, [channels, m], at the end of the stream."""
        if not self._position:
            return np.zeros((len(self._each), 0), np.float32)
        return np.stack([_joined(resampler.resample(None)) for resampler in self._each])


def _joined(frames: list[av.AudioFrame]) -> Float32:
    arrays = [frame.to_ndarray().reshape(-1).astype(np.float32) for frame in frames]
    return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
