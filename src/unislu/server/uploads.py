"""A request's body, streamed to disk within limits; nothing that a client sends becomes part of a path."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from .answers import CLIENT_GONE, ApiError
from .forms import plain_name

MAX_FIELDS = 64
MAX_NAME_BYTES = 1024
MAX_FIELD_BYTES = 64 * 1024
MAX_PART_HEADERS = 16 * 1024
CLIPS = "voice"
"""The parts with clips of known voices."""
REFERENCES = "known_speaker_references"
"""The fields with clips of known voices as data URLs, as OpenAI's clients send them; they wait in memory."""
MAX_REFERENCES = 4
MAX_CLIPS = 20
MAX_CLIP_BYTES = 6 << 20  # half a minute of CD quality
MAX_JSON_BYTES = 16 << 20  # four hours of words are a third of it
_BUFFER = 1 << 20  # written at once, outside the event loop
_DRAIN_BYTES, _DRAIN_SECONDS = 64 << 20, 10.0


@dataclass(frozen=True)
class Limits:
    """Limits of an upload."""

    max_bytes: int
    """Of the body."""
    read_timeout: float
    """Seconds without a byte."""
    rate: float
    """Minimum bytes a second after that time."""
    total_timeout: float
    """Seconds for the whole body."""
    take_room: Callable[[int], None]
    """Called with the number of bytes that are written next; raises `ApiError` if there is no room for
    them.
    """


@dataclass(frozen=True)
class Upload:
    """A received file: its path, the client's name for it, its size in bytes."""

    path: Path
    name: str
    size: int


@dataclass
class Form:
    """A body: its text fields in order, its file, and clips of known voices."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    file: Upload | None = None
    clips: list[Upload] = field(default_factory=list)

    def upload(self) -> Upload:
        """The file. Raises `ApiError` if there is none."""
        if self.file is None:
            message = "no file: send the audio as the part `file`"
            raise ApiError(400, message, code="missing_file", param="file")
        return self.file


async def receive(request: Request, folder: Path, limits: Limits, *, raw: bool = False) -> Form:
    """Read the whole body; files go into `folder`.

    `raw`: a body that is not a form is the file itself, and the query contains the fields. Raises `ApiError`:
    400, 408, 413 or 415.
    """
    try:
        declared = int(request.headers.get("content-length", "0"))
    except ValueError:
        raise ApiError(400, "Content-Length is not a number", code="invalid_header") from None
    if declared > limits.max_bytes:
        raise _too_large(limits)
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data":
        form = await _Multipart(folder, limits, parameters.get(b"boundary", b"")).read(request)
        form.fields += list(request.query_params.multi_items()) if raw else []
        return form
    if raw and (kind.split(b"/")[0] in (b"audio", b"video") or kind == b"application/octet-stream"):
        return await _raw(request, folder, limits)
    sent = kind.decode("latin-1") or "none"
    wanted = "multipart/form-data" + (", audio/*, video/* or application/octet-stream" if raw else "")
    message = f"the content type is {sent[:80]!r}: send {wanted}"
    raise ApiError(415, message, code="unsupported_content_type")


async def read_json(request: Request, limits: Limits) -> dict[str, Any]:
    """A JSON object of at most `MAX_JSON_BYTES`. Raises `ApiError`."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError(415, "send a result as application/json", code="unsupported_content_type")
    data = bytearray()
    async for chunk in _chunks(request, replace(limits, max_bytes=min(MAX_JSON_BYTES, limits.max_bytes))):
        data += chunk
    try:
        value = await asyncio.to_thread(_parse, data)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from None
    if not isinstance(value, dict):
        raise ApiError(400, "the body is not a JSON object", code="invalid_json")
    return value


def _parse(data: bytearray) -> Any:
    """JSON that can be serialised again: no NaN, no numbers that are too large, no lone surrogates.

    Raises `ValueError`.
    """
    value = json.loads(data)
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.start + 1]
        raise ValueError(f"it contains {half!a}, half of a surrogate pair") from None
    return value


async def drain(request: Request) -> None:
    """Read a little more of a refused body: many clients read the answer only after sending everything."""
    if (
        getattr(request.state, "body_read", False)
        or request.headers.get("expect", "").lower() == "100-continue"
    ):
        return
    left = _DRAIN_BYTES
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await request.receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return


def display_name(name: str) -> str:
    """A client's file name without folders and control characters, for results and messages."""
    base = PurePosixPath(PureWindowsPath(name).name).name
    return re.sub(r"[^\w .,()+\-@&']", "_", base).strip()[:120] or "audio"


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    size, begun = 0, time.monotonic()
    stream = request.stream().__aiter__()
    while True:
        left = begun + limits.total_timeout - time.monotonic()
        try:
            async with asyncio.timeout(min(limits.read_timeout, left)):
                chunk = await anext(stream, None)
        except TimeoutError:
            if left > limits.read_timeout:
                message = f"the upload stopped: no byte was received for {limits.read_timeout:g} s"
                raise ApiError(408, message, code="upload_timeout") from None
            message = f"the upload took longer than {limits.total_timeout:g} s: send a smaller file"
            raise ApiError(408, message, code="upload_too_slow") from None
        except ClientDisconnect:
            raise ApiError(CLIENT_GONE, "the client left", code="client_gone") from None
        if chunk is None:
            request.state.body_read = True
            return
        size += len(chunk)
        if size > limits.max_bytes:
            raise _too_large(limits)
        passed = time.monotonic() - begun
        if passed > limits.read_timeout and size < limits.rate * passed:
            message = f"the upload is slower than {limits.rate:g} bytes a second: send a smaller file"
            raise ApiError(408, message, code="upload_too_slow")
        yield chunk


def _too_large(limits: Limits) -> ApiError:
    message = f"the upload is larger than {limits.max_bytes / 1e6:g} MB: send a compressed or shorter file"
    return ApiError(413, message, code="upload_too_large", param="file")


async def _raw(request: Request, folder: Path, limits: Limits) -> Form:
    path = _new_path(folder)
    writer = _PieceWriter(path, limits.take_room)
    try:
        async for chunk in _chunks(request, limits):
            await writer.write(chunk)
        size = await writer.finish()
    finally:
        writer.close()
    fields = list(request.query_params.multi_items())
    name = next((value for key, value in fields if key == "filename"), "audio")
    fields = [pair for pair in fields if pair[0] != "filename"]
    return Form(fields, Upload(path, display_name(name), size))


class _PieceWriter:
    """Collects small pieces and writes them in a thread."""

    def __init__(self, path: Path, take_room: Callable[[int], None]) -> None:
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed by `close`
        self._take_room = take_room
        self._buffer = bytearray()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._buffer += data

    async def write(self, data: bytes = b"") -> None:
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            await self._flush()

    async def finish(self) -> int:
        await self._flush()
        self.close()
        return self._size

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        self._size += len(data)
        if data:
            self._take_room(len(data))
            await asyncio.to_thread(self._file.write, data)

    def close(self) -> None:
        self._file.close()


def _new_path(folder: Path) -> Path:
    return folder / f"upload-{secrets.token_hex(8)}"


class _Multipart:
    """A body of multipart/form-data; the parser calls back for every piece."""

    def __init__(self, folder: Path, limits: Limits, boundary: bytes) -> None:
        if not 1 <= len(boundary) <= 200:
            raise ApiError(400, "the content type has no usable boundary", code="invalid_form")
        self._folder, self._limits, self._boundary = folder, limits, boundary
        self._form = Form()
        self._writer: _PieceWriter | None = None
        self._path = folder
        self._filename = ""
        self._name: str | None = None
        self._is_file = self._is_clip = self._ended = False
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._header_bytes = 0
        self._value = bytearray()

    async def read(self, request: Request) -> Form:
        parser = MultipartParser(
            self._boundary,
            {
                "on_part_begin": self._begin, "on_header_field": self._header_name,
                "on_header_value": self._header_value, "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end, "on_part_data": self._data,
                "on_part_end": self._end, "on_end": self._finish,
            },
        )  # fmt: skip
        try:
            async for chunk in _chunks(request, self._limits):
                parser.write(chunk)
                if self._writer is not None:
                    await self._writer.write()
            if not self._ended:
                raise ApiError(
                    400, "the form ends before its last boundary: send it again", code="invalid_form"
                )
            if self._writer is not None:
                size = await self._writer.finish()
                if size or self._filename:  # neither: a browser's empty file field
                    self._form.file = Upload(self._path, display_name(self._filename), size)
                    self._refuse_text(size)
        except FormParserError as error:
            raise ApiError(400, f"the form cannot be read: {error}", code="invalid_form") from None
        finally:
            if self._writer is not None:
                self._writer.close()
        return self._form

    def _begin(self) -> None:
        self._disposition, self._header_bytes, self._value = b"", 0, bytearray()
        self._header = (bytearray(), bytearray())

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header[1].extend(data[start:end])

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_PART_HEADERS:
            raise ApiError(400, "a part of the form has too many headers", code="invalid_form")

    def _header_end(self) -> None:
        name, value = self._header
        if bytes(name).lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise ApiError(400, "a part of the form has no name", code="invalid_form")
        filename = options.get(b"filename", b"").decode("utf-8", "replace")
        # Some clients send the audio without a file name (curl -F 'file=<call.wav').
        self._name, self._is_file = name, bool(filename) or name == "file"
        self._is_clip = self._is_file and name == CLIPS
        if self._is_clip:
            if len(self._form.clips) >= MAX_CLIPS:
                message = f"more than {MAX_CLIPS} clips of voices were sent: send fewer"
                raise ApiError(400, message, code="invalid_value", param=CLIPS)
            return
        if not self._is_file:
            if len(self._form.fields) >= MAX_FIELDS:
                raise ApiError(400, f"the form has more than {MAX_FIELDS} fields", code="invalid_form")
            return
        if name != "file":
            message = f"the file was sent as the part {name[:60]!r}: send it as `file`"
            raise ApiError(400, message, code="unknown_file", param=name[:60])
        if self._writer is not None:
            raise ApiError(
                400, "two files were sent: send one per request", code="several_files", param="file"
            )
        self._path, self._filename = _new_path(self._folder), filename
        self._writer = _PieceWriter(self._path, self._limits.take_room)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file and not self._is_clip and self._writer is not None:
            self._writer.add(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > self._longest:
            message = f"the field is longer than {self._longest} bytes"
            raise ApiError(400, message, code="invalid_value", param=(self._name or "")[:60])

    @property
    def _longest(self) -> int:
        """Bytes of this field or clip."""
        if self._is_clip:
            return MAX_CLIP_BYTES
        if plain_name(self._name or "") != REFERENCES:
            return MAX_FIELD_BYTES
        sent = sum(plain_name(name) == REFERENCES for name, _ in self._form.fields)
        return 2 * MAX_CLIP_BYTES if sent < MAX_REFERENCES else MAX_FIELD_BYTES  # as base64

    def _refuse_text(self, size: int) -> None:
        """A short text without a file name is not audio: curl was called with `file=call.wav`, without its
        @.
        """
        if self._filename or size > MAX_NAME_BYTES:
            return
        text = self._path.read_bytes().decode("utf-8", "replace").strip()
        if text.isprintable() and "\ufffd" not in text:
            message = f"the part `file` is the text {text[:80]!r}, not a file: with curl write file=@NAME"
            raise ApiError(400, message, code="missing_file", param="file")

    def _end(self) -> None:
        if self._is_clip:
            path = _new_path(self._folder)
            self._limits.take_room(len(self._value))
            path.write_bytes(self._value)
            self._form.clips.append(Upload(path, CLIPS, len(self._value)))
        elif not self._is_file and self._name is not None:
            self._form.fields.append((self._name, self._value.decode("utf-8", "replace")))

    def _finish(self) -> None:
        self._ended = True
