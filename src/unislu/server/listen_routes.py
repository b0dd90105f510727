"""Live speech over a websocket: PCM in, events out (docs/reference/http.md has the protocol)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from numpy.typing import NDArray
from pydantic import Field

from ..errors import UnisluError
from .answers import ApiError, from_unislu, unforeseen
from .forms import Options, parse_form
from .security import SUBPROTOCOL
from .service import Service

if TYPE_CHECKING:
    from ..listen import Event, Listener

RATE = 16_000
IDLE_SECONDS = 30.0
PENDING_SECONDS = 20.0
"""Audio that may wait for the model before no more is read: the sender feels it."""
_PROTOCOL = "unislu"


class ListenForm(Options):
    """The query of /v1/listen."""

    sample_rate: int = Field(RATE, ge=8_000, le=96_000, description="of the audio, in Hz")
    encoding: str = Field("s16le", pattern="^(s16le|f32le)$", description="s16le or f32le, mono")
    interval: float = Field(0.4, ge=0.1, le=10, description="seconds between two partial results")


def router(service: Service) -> APIRouter:
    """The route over one service."""
    routes = APIRouter()
    active = 0

    @routes.websocket("/v1/listen")
    async def listen(socket: WebSocket) -> None:
        nonlocal active
        try:
            await service.model()
            if active >= service.settings.max_listeners:
                raise ApiError(
                    429, f"{active} connections are live: try later", code="queue_full", retry_after=5
                )
            form = parse_form(ListenForm, socket.query_params.multi_items())
            options = form.analyze_options()
            for name in ("channels", "vad"):
                options.pop(name)
        except (ApiError, UnisluError) as error:
            await _deny(socket, error)
            return
        active += 1  # before anything is waited for: many may come at once
        service.metrics.listeners.set(active)
        try:
            await _serve(socket, service, form, options)
        finally:
            active -= 1
            service.metrics.listeners.set(active)

    return routes


async def _serve(socket: WebSocket, service: Service, form: ListenForm, options: dict[str, Any]) -> None:
    try:
        listener = await service.worker.call(lambda model: _make(model, form.interval, options))
    except (ApiError, UnisluError) as error:
        await _deny(socket, error)
        return
    await socket.accept(subprotocol=_subprotocol(socket))
    await _Conversation(socket, service, listener, form).hold()


async def _deny(socket: WebSocket, error: ApiError | UnisluError) -> None:
    answer = error if isinstance(error, ApiError) else from_unislu(error)
    await socket.send_denial_response(answer.response())


def _make(model: Any, interval: float, options: dict[str, Any]) -> Listener:
    from ..listen import Listener

    return Listener(model, interval=interval, **options)


def _subprotocol(socket: WebSocket) -> str | None:
    """A browser that offered subprotocols must be told one of them; never the one with the key."""
    offered = socket.scope.get("subprotocols", [])
    return next((name for name in offered if not name.startswith(SUBPROTOCOL)), None)


class _Conversation:
    """One live connection."""

    def __init__(self, socket: WebSocket, service: Service, listener: Listener, form: ListenForm) -> None:
        self._socket, self._service, self._listener = socket, service, listener
        self._dtype = "<i2" if form.encoding == "s16le" else "<f4"
        self._resampler = None if form.sample_rate == RATE else _Resampler(form.sample_rate)
        self._waiting: list[NDArray[np.float32]] = []
        self._ended = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def hold(self) -> None:
        """Until the client finishes, fails or leaves."""
        hearing = asyncio.create_task(self._hear())
        hearing.add_done_callback(lambda _: self._room.set())  # nobody makes room any more
        code, refusal = 1000, None
        try:
            await self._receive(hearing)
            await hearing
        except WebSocketDisconnect:
            return
        except TimeoutError:
            message = f"nothing came for {IDLE_SECONDS:g} s"
            code, refusal = 1001, ApiError(408, message, code="idle")
        except ApiError as error:
            code, refusal = 1003, error
        except UnisluError as error:
            code, refusal = 1008, from_unislu(error)
        except Exception as error:  # the client is told, the log has the rest
            code, refusal = 1011, unforeseen(error)
        finally:
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its failure was told above
                await hearing
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may have left meanwhile
            if refusal is not None:
                await self._send({"type": "error", **refusal.body})
            await self._socket.close(code)

    async def _receive(self, hearing: asyncio.Task[None]) -> None:
        while not self._ended:
            await self._room.wait()
            async with asyncio.timeout(IDLE_SECONDS):
                message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if hearing.done():
                return
            if message.get("bytes") is not None:
                self._take(message["bytes"])
            else:
                self._command(message.get("text") or "")
            self._news.set()

    def _take(self, data: bytes) -> None:
        width = int(self._dtype[-1])
        if len(data) % width:
            message = f"{len(data)} bytes are no whole samples of {width} bytes"
            raise ApiError(400, message, code="invalid_audio")
        samples = np.frombuffer(data, self._dtype).astype(np.float32)
        if self._dtype == "<i2":
            samples /= 32_768.0
        if not np.isfinite(samples).all():
            raise ApiError(400, "samples hold nan or inf", code="invalid_audio")
        self._waiting.append(samples if self._resampler is None else self._resampler.push(samples))
        if sum(map(len, self._waiting)) > PENDING_SECONDS * RATE:
            self._room.clear()

    def _command(self, text: str) -> None:
        """The only text that means something is {"type": "finish"}."""
        command = None
        with contextlib.suppress(ValueError, RecursionError):
            command = json.loads(text)
        if not isinstance(command, dict) or command.get("type") != "finish":
            message = 'text is not understood: send audio as binary messages, or {"type": "finish"}'
            raise ApiError(400, message, code="unknown_message")
        if self._resampler is not None:
            self._waiting.append(self._resampler.flush())
        self._ended = True

    async def _hear(self) -> None:
        """Give the model all that waits, again and again."""
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
        await self._socket.send_text(json.dumps(data, ensure_ascii=False))


class _Resampler:
    """A stream of mono float32 to 16 kHz."""

    def __init__(self, rate: int) -> None:
        import av

        self._rate, self._position = rate, 0
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import av

        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._position
        self._position += len(samples)
        return self._joined(self._resampler.resample(frame))

    def flush(self) -> NDArray[np.float32]:
        return self._joined(self._resampler.resample(None)) if self._position else np.zeros(0, np.float32)

    @staticmethod
    def _joined(frames: list[Any]) -> NDArray[np.float32]:
        arrays = [frame.to_ndarray().reshape(-1).astype(np.float32) for frame in frames]
        return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
