"""Live speech over a websocket: PCM in, events out (protocol: docs/reference/http.md)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from numpy.typing import NDArray
from pydantic import Field

from ..audio import SAMPLE_RATE
from ..audio.stream import Resampler
from ..errors import UnisluError
from ..listen import Event, Listener
from ..recognition.request import Request
from .answers import TIMEOUT, ApiError, from_unislu, unforeseen
from .forms import FormOptions, parse_form
from .places import Places
from .security import SUBPROTOCOL
from .service import Service

IDLE_SECONDS = 30.0
"""The longest time without a message from a client, or in which it accepts none."""
SILENT_SECONDS = 600.0
"""The longest time without audio, even if a client sends other messages."""
PENDING_SECONDS = 20.0
"""Audio that may queue for the model before reading stops, so that the sender sees back-pressure."""
_FINISH, _KEEP_ALIVE = ("finish", "closestream"), "keepalive"
"""Deepgram's clients send CloseStream and KeepAlive."""


class ListenForm(FormOptions):
    """The query of /v1/listen."""

    sample_rate: int = Field(SAMPLE_RATE, ge=8_000, le=96_000, description="sample rate of the audio in Hz")
    encoding: str = Field("s16le", pattern="^(s16le|f32le)$", description="s16le or f32le, mono")
    interval: float = Field(0.4, ge=0.1, le=10, description="seconds between two partial results")


def router(service: Service) -> APIRouter:
    """The route over one service."""
    routes = APIRouter()
    settings = service.settings
    places = Places(settings.max_listeners, settings.share, service.metrics.listeners.set)

    @routes.websocket("/v1/listen")
    async def listen(socket: WebSocket) -> None:
        try:
            await service.model()
            form = parse_form(ListenForm, socket.query_params.multi_items())
            request = replace(form.request(), channels="mix", vad="auto")  # of one live channel
            with places.hold(socket.state.owner, "connections are live", retry_after=5):
                await _serve(socket, service, form, request)
        except (ApiError, UnisluError) as error:  # before the connection; `_serve` reports later errors
            await _deny(socket, error)

    return routes


async def _serve(socket: WebSocket, service: Service, form: ListenForm, request: Request) -> None:
    key = await service.key(form.model)
    listener = await service.worker.call(lambda m: Listener(m, request, interval=form.interval), key)
    await socket.accept(subprotocol=_subprotocol(socket))
    await _Conversation(socket, service, listener, form).hold()


async def _deny(socket: WebSocket, error: ApiError | UnisluError) -> None:
    answer = error if isinstance(error, ApiError) else from_unislu(error)
    await socket.send_denial_response(answer.response())


def _subprotocol(socket: WebSocket) -> str | None:
    """A browser that offers subprotocols must be answered with one of them, but never the one with the
    key.
    """
    offered = socket.scope.get("subprotocols", [])
    return next((name for name in offered if not name.startswith(SUBPROTOCOL)), None)


class _Conversation:
    """One live connection."""

    def __init__(self, socket: WebSocket, service: Service, listener: Listener, form: ListenForm) -> None:
        self._socket, self._service, self._listener = socket, service, listener
        self._longest = service.settings.max_session
        self._dtype = "<i2" if form.encoding == "s16le" else "<f4"
        self._resampler = None if form.sample_rate == SAMPLE_RATE else Resampler(form.sample_rate)
        self._rest = b""  # part of a sample that was split between two messages
        self._waiting: list[NDArray[np.float32]] = []
        self._ended = False
        # When the connection began, and the last message and the last audio came, in the event loop's time.
        self._began = self._last_message = self._last_audio = asyncio.get_running_loop().time()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def hold(self) -> None:
        """Run until the client finishes, fails or disconnects."""
        work = asyncio.create_task(self._transcribe())
        work.add_done_callback(lambda _: self._room.set())  # nothing frees space any more
        code, refusal = 1000, None
        try:
            try:
                await self._receive(work)
            except ApiError as error:
                if error.status != TIMEOUT:
                    raise
                code, refusal = 1001, error
                self._end()  # received audio is transcribed to its end
            await work
        except WebSocketDisconnect:
            return
        except ApiError as error:
            code, refusal = (1001 if error.status == TIMEOUT else 1003), error
        except UnisluError as error:
            code, refusal = 1008, from_unislu(error)
        except Exception as error:  # the client gets a message, the log has the details
            code, refusal = 1011, unforeseen(error)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its error was reported above
                await work
        with contextlib.suppress(
            WebSocketDisconnect, RuntimeError, ApiError
        ):  # it may have disconnected meanwhile
            if refusal is not None:
                await self._send({"type": "error", **refusal.body})
            await self._socket.close(code)

    async def _receive(self, work: asyncio.Task[None]) -> None:
        while not self._ended:
            if not self._room.is_set():
                await self._room.wait()
                self._came(audio=True)  # it was the server that did not read
            message = await self._message()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if work.done():
                return
            if data := message.get("bytes"):
                self._came(audio=True)
                self._take(data)
            elif text := message.get("text"):
                self._came(audio=False)
                self._command(text)
            self._news.set()

    def _came(self, *, audio: bool) -> None:
        self._last_message = asyncio.get_running_loop().time()
        if audio:
            self._last_audio = self._last_message

    async def _message(self) -> Mapping[str, Any]:
        """The next message. Raises `ApiError` (408) if none came in time; an empty one does not count."""
        limits = (
            (self._last_message + IDLE_SECONDS, f"nothing was received for {IDLE_SECONDS:g} s", "idle"),
            (self._last_audio + SILENT_SECONDS, f"no audio was received for {SILENT_SECONDS:g} s", "idle"),
            (
                self._began + self._longest,
                f"connections are closed after {self._longest:g} s",
                "session_ended",
            ),
        )
        until, message, code = min(limits)
        try:
            async with asyncio.timeout_at(until):
                return await self._socket.receive()
        except TimeoutError:
            raise ApiError(TIMEOUT, message, code=code) from None

    def _take(self, data: bytes) -> None:
        """Messages may be split anywhere: a partial sample is kept for the next one."""
        data = self._rest + data
        whole = len(data) - len(data) % int(self._dtype[-1])
        data, self._rest = data[:whole], data[whole:]
        samples = np.frombuffer(data, self._dtype).astype(np.float32)
        if self._dtype == "<i2":
            samples /= 32_768.0
        if not np.isfinite(samples).all():
            raise ApiError(400, "samples contain nan or inf", code="invalid_audio")
        self._waiting.append(samples if self._resampler is None else self._resampler.push(samples[None])[0])
        if sum(map(len, self._waiting)) > PENDING_SECONDS * SAMPLE_RATE:
            self._room.clear()

    def _command(self, text: str) -> None:
        """Text messages: {"type": "finish"} and {"type": "KeepAlive"}."""
        command = None
        with contextlib.suppress(ValueError, RecursionError):
            command = json.loads(text)
        kind = str(command.get("type")).lower() if isinstance(command, dict) else ""
        if kind == _KEEP_ALIVE:
            return
        if kind not in _FINISH:
            message = (
                'unknown text message: send audio as binary messages, {"type": "KeepAlive"} or '
                '{"type": "finish"}'
            )
            raise ApiError(400, message, code="unknown_message")
        self._end()

    def _end(self) -> None:
        if self._resampler is not None:
            self._waiting.append(self._resampler.flush()[0])
        self._ended = True
        self._news.set()

    async def _transcribe(self) -> None:
        """Pass all queued audio to the model, repeatedly."""
        while True:
            await self._news.wait()
            self._news.clear()
            ended, parts, self._waiting = self._ended, self._waiting, []
            self._room.set()
            if parts:
                samples = np.concatenate(parts)
                await self._tell(await self._feed(samples))
            if ended:
                await self._tell(await self._service.worker.call(lambda _: self._listener.finish()))
                return

    async def _feed(self, samples: NDArray[np.float32]) -> list[Event]:
        return await self._service.worker.call(lambda _: self._listener.feed(samples))

    async def _tell(self, events: list[Event]) -> None:
        for event in events:
            await self._send(event.to_dict())

    async def _send(self, data: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._socket.send_text(json.dumps(data, ensure_ascii=False))
        except TimeoutError:
            raise ApiError(TIMEOUT, f"the client read nothing for {IDLE_SECONDS:g} s", code="idle") from None
