"""Home Assistant's Wyoming protocol: audio comes in over TCP, the transcript goes back.

A client sends `describe`, or `transcribe`, `audio-start`, `audio-chunk`s and `audio-stop`; it may do so again
on the same connection. What is wrong is an `error` event, after which the connection is closed: Home
Assistant waits for a transcript otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioFormat, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.ping import Ping, Pong

from ..audio import MIN_SECONDS
from ..audio.samples import check_kind
from ..errors import UnisluError
from ..recognition.model import Model
from ..recognition.request import Request
from ..version import __version__
from .answers import TIMEOUT, ApiError, from_unislu, unforeseen
from .batching import WaitingClip
from .places import Places
from .service import Service
from .settings import ServerSettings, split_address

NAME = "wyoming"
"""What the audio is called in messages, and whom its places belong to."""
MAX_PART = 4 << 20
"""Bytes of one event's data or payload; clients send audio in pieces of a few kilobytes."""
LINGER = 2.0
"""Seconds for which a refused client may go on sending before its connection is closed."""
_WIDTHS = (1, 2, 3, 4)  # bytes of a sample, as in WAV
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


class WyomingServer:
    """Listens beside the HTTP server, and shares its models, limits and folder."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._places = Places(service.settings.max_listeners)
        self._running: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, address: str) -> None:
        """Listen on HOST:PORT. Raises `OSError`."""
        host, port = split_address(address)
        self._server = await asyncio.start_server(self._accept, host, port)

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._running.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; the client is told why it ends."""
        try:
            with self._places.hold(NAME, "Wyoming connections are open", retry_after=5):
                folder = self._service.workspace.request()
                try:
                    await _Conversation(self._service, folder, reader, writer).hold()
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client left
        except ApiError as error:
            refusal = error
        except UnisluError as error:
            refusal = from_unislu(error)
        except Exception as error:  # the client gets a number, the log has the details
            refusal = unforeseen(error)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER):
                await async_write_event(Error(refusal.message, refusal.code).event(), writer)
                writer.write_eof()
                # A connection that is closed while its client sends loses what it was told.
                while await reader.read(1 << 16):
                    pass


class _Bounded:
    """A stream that refuses oversized parts of events before reading them."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.readline = reader.readline
        self._reader = reader

    async def readexactly(self, count: int) -> bytes:
        if count > MAX_PART:
            message = f"an event has a part of {count} bytes: send audio in pieces of at most {MAX_PART}"
            raise ApiError(413, message, code="event_too_large")
        return await self._reader.readexactly(count)


class _Recording:
    """The audio of one request, as a WAV file."""

    def __init__(self, path: Path, form: AudioFormat) -> None:
        """Raises `AudioError` or `ApiError` for a format that no audio has."""
        check_kind(form.rate, form.channels, NAME)
        if form.width not in _WIDTHS:
            message = f"samples have {form.width!r} bytes: send 16-bit PCM (width 2)"
            raise ApiError(400, message, code="invalid_audio")
        self.path, self.size = path, 0
        self._form = (form.rate, form.width, form.channels)
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by `close`
        self._file.setparams((form.channels, form.width, form.rate, 0, "NONE", ""))

    @property
    def seconds(self) -> float:
        rate, width, channels = self._form
        return self.size / (rate * width * channels)

    def add(self, chunk: AudioChunk) -> None:
        """Raises `ApiError` if the format changes."""
        form = (chunk.rate, chunk.width, chunk.channels)
        if form != self._form:
            message = f"the audio changes from {self._form} to {form} (rate, width, channels)"
            raise ApiError(400, message, code="invalid_audio")
        self.size += len(chunk.audio)
        self._file.writeframesraw(chunk.audio)

    def close(self) -> None:
        self._file.close()


class _Conversation:
    """One connection."""

    def __init__(
        self, service: Service, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._service, self._folder = service, folder
        self._settings: ServerSettings = service.settings
        self._reader: Any = _Bounded(reader)
        self._writer = writer
        self._recording: _Recording | None = None
        self._model: str | None = None
        self._expected: tuple[str, ...] = ()
        self._next = asyncio.ensure_future(self._event())

    async def hold(self) -> None:
        """Answer events until the client leaves. Raises `ApiError` and `UnisluError`."""
        try:
            while (event := await self._take()) is not None:
                await self._answer(event)
        finally:
            self._next.cancel()
            if self._recording is not None:
                self._recording.close()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its error was raised above
                await self._next

    async def _event(self) -> Event | None:
        """The next event; None at the end, and for what is not JSON."""
        try:
            return await async_read_event(self._reader)
        except _MALFORMED:
            raise ApiError(400, "this is no event of the Wyoming protocol", code="invalid_event") from None

    async def _take(self) -> Event | None:
        """The next event, while the one after it is being read."""
        limit = self._settings.read_timeout
        done, _ = await asyncio.wait({self._next}, timeout=limit)
        if not done:
            raise ApiError(TIMEOUT, f"no event was received for {limit:g} s", code="idle")
        event = self._next.result()
        if event is not None:
            self._next = asyncio.ensure_future(self._event())
        return event

    async def _answer(self, event: Event) -> None:
        message = _message(event)
        if isinstance(message, Describe):
            await self._send(_info(await self._service.worker.models()))
        elif isinstance(message, Ping):
            await self._send(Pong(message.text))
        elif isinstance(message, Transcribe):
            await self._choose(message)
        elif isinstance(message, AudioStart):
            self._begin(message)
        elif isinstance(message, AudioChunk):
            self._add(message)
        elif isinstance(message, AudioStop):
            await self._transcribe()

    async def _choose(self, asked: Transcribe) -> None:
        """Raises `ApiError` for a model or a language that is not here."""
        model = await self._service.model(asked.name or None)
        self._model = asked.name or None
        self._expected = tuple(asked.transcript_names or ()) + tuple(asked.transcript_terms or ())
        languages = model.manifest.languages
        if asked.language and asked.language.lower().partition("-")[0].partition("_")[0] not in languages:
            message = f"the language {asked.language!r:.40} is not one of this model: {', '.join(languages)}"
            raise ApiError(400, message, code="invalid_value")

    def _begin(self, form: AudioFormat) -> None:
        if self._recording is not None:
            self._recording.close()
        self._recording = _Recording(self._folder / "audio.wav", form)

    def _add(self, chunk: AudioChunk) -> None:
        """Raises `ApiError` if there is too much audio."""
        if self._recording is None:
            self._begin(chunk)
        assert self._recording is not None
        self._service.workspace.take(len(chunk.audio))
        self._recording.add(chunk)
        longest, largest = self._settings.max_seconds, self._settings.max_bytes
        if self._recording.seconds > longest or self._recording.size > largest:
            message = f"the audio is longer than {longest:g} s or {largest} bytes: send it in parts"
            raise ApiError(413, message, code="audio_too_long")

    async def _transcribe(self) -> None:
        """Send the transcript; a client that leaves meanwhile withdraws its request."""
        recording, self._recording = self._recording, None
        text, language = "", None
        if recording is not None:
            recording.close()
            if recording.seconds >= MIN_SECONDS:
                work = asyncio.ensure_future(self._analyze(recording))
                try:
                    await asyncio.wait({work, self._next}, return_when=asyncio.FIRST_COMPLETED)
                    if not work.done() and self._left():
                        raise ConnectionResetError
                    text, language = await work
                finally:
                    work.cancel()
                    await asyncio.wait({work})  # its file is deleted next
        await self._send(Transcript(text, language=language))

    def _left(self) -> bool:
        """Whether the connection has ended."""
        return self._next.done() and (self._next.exception() is not None or self._next.result() is None)

    async def _analyze(self, recording: _Recording) -> tuple[str, str | None]:
        """The transcript and its language."""
        request = Request(tasks=("asr",), words=False, vocabulary=self._expected or None)
        wait = self._service.worker.patience(self._service.places.held)
        with self._service.places.hold(NAME, "requests are under way", wait):
            key = await self._service.key(self._model)
            clip = WaitingClip(recording.path, recording.seconds, request, NAME, key)
            analysis = await self._service.worker.analyze(clip)
        return analysis.text or "", analysis.language

    async def _send(self, message: Eventable) -> None:
        try:
            async with asyncio.timeout(self._settings.read_timeout):
                await async_write_event(message.event(), self._writer)
        except TimeoutError:
            raise ApiError(TIMEOUT, "the client reads nothing", code="idle") from None


def _message(event: Event) -> Eventable | None:
    """The content of an event; None for an unknown one, which is dropped. Raises `ApiError`."""
    for kind in (Describe, Ping, Transcribe, AudioStart, AudioChunk, AudioStop):
        if not kind.is_type(event.type):
            continue
        try:
            message: Eventable = kind.from_event(event)
            if isinstance(message, AudioFormat):
                whole = all(type(value) is int for value in (message.rate, message.width, message.channels))
                if not whole:
                    raise TypeError("rate, width and channels are whole numbers")
            if isinstance(message, Transcribe):
                names = (message.name, message.language)
                if not all(value is None or isinstance(value, str) for value in names):
                    raise TypeError("name and language are texts")
                expected = (message.transcript_names, message.transcript_terms)
                if not all(value is None or _are_texts(value) for value in expected):
                    raise TypeError("transcript_names and transcript_terms are lists of texts")
        except _MALFORMED as error:
            reason = f"the event {event.type!r:.40} has a value that is missing or of a wrong kind ({error})"
            raise ApiError(400, reason, code="invalid_event") from None
        return message
    return None


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _info(models: Mapping[str, Model]) -> Info:
    """The models and languages that Home Assistant shows and chooses from."""
    attribution = Attribution(name="unislu", url="")
    listed = [
        AsrModel(
            name=model.manifest.name,
            attribution=attribution,
            installed=True,
            description=model.name,
            version=model.manifest.version,
            languages=list(model.manifest.languages),
        )
        for model in models.values()
    ]
    program = AsrProgram(
        name="unislu",
        attribution=attribution,
        installed=True,
        description="speech to text on this machine",
        version=__version__,
        models=listed,
    )
    return Info(asr=[program])
