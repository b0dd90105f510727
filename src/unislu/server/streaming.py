"""Answers that begin before they are complete: server-sent events while a recording is transcribed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..errors import UnisluError
from .answers import ApiError, from_unislu, unforeseen

if TYPE_CHECKING:
    from ..recognition.longform import FileProgress
    from ..result import Analysis

QUIET_SECONDS = 5.0
"""The longest time without data for the client: proxies and clients close silent connections."""


@dataclass(frozen=True)
class Transcribed:
    """The transcription so far: `seconds` and their `text`; at the end the `analysis`."""

    seconds: float = 0.0
    text: str = ""
    analysis: Analysis | None = None


class EventStream(StreamingResponse):
    """Server-sent events, and resources (`held`) that are needed until they are sent or the client has
    disconnected.
    """

    def __init__(self, events: AsyncGenerator[str], held: AsyncExitStack, headers: Mapping[str, str]) -> None:
        super().__init__(
            _told(events), headers={**headers, "Cache-Control": "no-store"}, media_type="text/event-stream"
        )
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


def event(data: Mapping[str, Any]) -> str:
    """One event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _told(events: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """The events; an error after the answer has begun becomes one of them."""
    try:
        async for one in events:
            yield one
    except ApiError as error:
        yield event(error.body)
    except UnisluError as error:
        yield event(from_unislu(error).body)
    except Exception as error:  # the client gets a message, the log has the details
        yield event(unforeseen(error).body)


@asynccontextmanager
async def transcribing(
    transcribe: Callable[[Callable[[FileProgress], None]], Coroutine[Any, Any, Analysis]],
) -> AsyncIterator[AsyncGenerator[Transcribed]]:
    """The transcription so far, whenever it grows and at least every `QUIET_SECONDS`; last the result.

    `transcribe` begins the work; its argument is a callback for progress in the model's thread. Closing the
    generator cancels the work. It raises what the work raises.
    """
    loop, news, so_far = asyncio.get_running_loop(), asyncio.Event(), Transcribed()

    def told(progress: FileProgress) -> None:
        nonlocal so_far
        so_far = Transcribed(progress.seconds, progress.text())
        loop.call_soon_threadsafe(news.set)

    async def all_news() -> AsyncGenerator[Transcribed]:
        shown = ""
        while not task.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_SECONDS):
                    while not task.done() and so_far.text == shown:
                        news.clear()
                        await news.wait()
            if not task.done():
                shown = so_far.text
                yield so_far
        yield Transcribed(analysis=task.result())

    task = asyncio.create_task(transcribe(told))
    task.add_done_callback(lambda _: news.set())
    try:
        yield all_news()
    finally:
        task.cancel()
        # The audio is deleted next, so nothing may still use it.
        await asyncio.wait([task])
