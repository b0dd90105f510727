"""From a stream of chunks to a stream of events, computed outside the event loop, with back-pressure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from ..audio import SAMPLE_RATE
from ..errors import OptionError
from ..recognition.request import Request, RequestOptions
from .cutter import SpeechDetector
from .events import Event
from .listener import INTERVAL, Listener

if TYPE_CHECKING:
    from ..recognition.model import Model

MAX_PENDING = 30.0
"""Seconds of audio that may be queued before no more is requested."""


def pcm_samples(data: bytes) -> NDArray[np.float32]:
    """Raw 16-bit little-endian PCM as [n] float32. Raises `OptionError` for half a sample."""
    if len(data) % 2:
        raise OptionError(f"{len(data)} bytes are not whole 16-bit samples: send an even number")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0


async def listen(
    model: Model,
    chunks: AsyncIterable[NDArray[np.float32] | bytes],
    request: Request | None = None,
    *,
    max_pending: float = MAX_PENDING,
    interval: float = INTERVAL,
    detector: SpeechDetector | None = None,
    **options: Unpack[RequestOptions],
) -> AsyncIterator[Event]:
    """Events of a stream of audio, the last one an `EndEvent`.

    The model computes in a thread. Meanwhile chunks queue up; once `max_pending` seconds are queued, no
    further chunk is requested, so memory stays bounded and the source sees back-pressure. The whole queue
    goes to the model at once: falling behind costs partial results, never audio.

    Args:
        model: a loaded model that nothing else uses meanwhile.
        chunks: [n] float32 at 16 kHz, or bytes of 16-bit little-endian PCM at 16 kHz.
        max_pending: seconds of audio that may be queued.
        request: as for `Listener`.
        interval: as for `Listener`.
        detector: as for `Listener`.
        options: as for `Listener`.

    Raises:
        OptionError: bad options or chunks.
    """
    request = Request.of(request, options, listen)
    listener = Listener(model, request, interval=interval, detector=detector)
    waiting = _Waiting(round(max_pending * SAMPLE_RATE))
    reader = asyncio.create_task(waiting.fill(chunks))
    try:
        while (samples := await waiting.take()) is not None:
            for event in await asyncio.to_thread(listener.feed, samples):
                yield event
        await reader  # raises what the source raised
        for event in await asyncio.to_thread(listener.finish):
            yield event
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reader


class _Waiting:
    """Audio between the source and the model."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[NDArray[np.float32]] = []
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, chunks: AsyncIterable[NDArray[np.float32] | bytes]) -> None:
        try:
            async for chunk in chunks:
                samples = pcm_samples(chunk) if isinstance(chunk, bytes) else chunk
                async with self._changed:
                    await self._changed.wait_for(lambda: self._length() < self._limit)
                    self._parts.append(samples)
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._ended = True
                self._changed.notify_all()

    async def take(self) -> NDArray[np.float32] | None:
        """All queued audio, or None at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._parts or self._ended)
            parts, self._parts = self._parts, []
            self._changed.notify_all()
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _length(self) -> int:
        return sum(map(len, self._parts))
