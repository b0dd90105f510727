"""Shared by the routes: admission, uploads, decoding, the model's thread, and answers."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fastapi import Request as HttpRequest
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel

from ..errors import UnisluError
from ..recognition.request import Request
from ..redact import redact_analysis
from ..result import Analysis
from ..writers import FORMATS, get_writer
from . import formats
from .answers import CLIENT_GONE, TOO_MANY, ApiError
from .batching import ModelWorker, WaitingClip
from .decoding import Confinement, DecodedFile, DecoderPool
from .enrolment import enrol
from .forms import FORMATS as ANSWERS
from .forms import AnalyzeForm, parse_form
from .jobs import AUDIO
from .metrics import Metrics
from .names import ModelNames
from .places import Places
from .settings import ServerSettings
from .uploads import Form, Limits, Upload, drain, read_json, receive
from .workspace import Workspace

if TYPE_CHECKING:
    from ..recognition.longform import FileProgress
    from ..recognition.model import Model

T = TypeVar("T")
F = TypeVar("F", bound=BaseModel)
BYTES_A_SECOND = 32_000  # of one decoded channel


@dataclass(frozen=True)
class Submission(Generic[F]):
    """A form, its file, the folder of the request, and the fields as they were sent."""

    form: F
    upload: Upload
    folder: Path
    fields: Sequence[tuple[str, str]]


class Service:
    """The parts of a running server."""

    def __init__(
        self,
        settings: ServerSettings,
        load: Callable[[], Model],
        more: Mapping[str, Callable[[], Model]] | None = None,
    ) -> None:
        """`more`: what loads further models, by their names."""
        self.settings = settings
        self.worker = ModelWorker(load, settings.max_batch, settings.batch_wait_ms / 1000, more)
        self.metrics = Metrics(self.worker)
        self.workspace = Workspace(settings.work_folder, settings.max_disk_bytes)
        self.decoders = DecoderPool(
            settings.decoders,
            settings.decode_timeout,
            settings.max_seconds,
            self._confinement(),
            lambda: self.workspace.room,
        )
        self.limits = Limits(
            settings.max_bytes,
            settings.read_timeout,
            settings.upload_rate,
            settings.upload_timeout,
            self.workspace.take,
        )
        self.places = Places(settings.max_queue, settings.share, self.metrics.active.set)
        self.stopping = False

    def _confinement(self) -> Confinement:
        """Decoders read uploads (those of jobs as well) and write beside them."""
        settings = self.settings
        return Confinement(
            read=[str(settings.data_folder.resolve() / AUDIO)],
            write=[str(self.workspace.folder.resolve())],
            file_bytes=max(2 * settings.max_bytes, round(settings.max_seconds * 2 * BYTES_A_SECOND) + 1024),
            cpu_seconds=settings.decode_timeout,
        )

    async def names(self) -> ModelNames:
        """The names of the models. Raises `ApiError` (503) while they load or if one cannot be loaded."""
        if not self.worker.ready:
            raise ApiError(503, "the model is still loading", code="loading", retry_after=2)
        return ModelNames.of(await self.worker.models(), self.settings)

    async def key(self, name: str | None) -> str:
        """The worker's name of the model that a client means. Raises `ApiError` (404), and as `names`."""
        return (await self.names()).key(name)

    async def model(self, name: str | None = None) -> Model:
        """The model that a client means; the main one for None. Raises as `key`."""
        return await self.worker.model(await self.key(name))

    @asynccontextmanager
    async def admitted(self, request: HttpRequest) -> AsyncIterator[Path]:
        """Admit a request: a place and a folder. Raises `ApiError` (429) if all places are taken.

        Reading of a refused body goes on for a moment, so that the client sees the reason.
        """
        try:
            wait = self.worker.patience(self.places.held)
            with self.places.hold(request.state.owner, "requests are under way", wait):
                self.workspace.take(0)
                folder = self.workspace.request()
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        except ApiError as error:
            if error.status == TOO_MANY:
                self.metrics.refused.inc()
            if error.status != CLIENT_GONE:
                await drain(request)
            raise

    @asynccontextmanager
    async def submitted(
        self, request: HttpRequest, kind: type[F], *, raw: bool = False
    ) -> AsyncIterator[Submission[F]]:
        """The submission of an admitted request with audio, once the model is loaded. Raises `ApiError`."""
        await self.model()
        async with self.admitted(request) as folder:
            body = await self.form(request, folder, raw=raw)
            form = parse_form(kind, body.fields)
            yield Submission(form, body.upload(), folder, body.fields)

    async def form(self, request: HttpRequest, folder: Path, *, raw: bool = False) -> Form:
        """The request's body, with embeddings in place of clips of known voices. Raises `ApiError`."""
        form = await receive(request, folder, self.limits, raw=raw)
        if form.file is not None:
            self.metrics.uploaded.inc(form.file.size)
        form.fields = await enrol(form, self.decoders, folder)
        return form

    async def decode(self, upload: Upload, folder: Path, split: bool = False) -> DecodedFile:
        """The upload at 16 kHz; `split` keeps its channels. Raises `ApiError`."""
        return await self.decoders.decode(upload.path, folder / "audio.wav", upload.name, split)

    async def analyze(self, sent: Submission[Any], request: Request, *, split: bool = False) -> Analysis:
        """Decode and analyse a submission. Raises `ApiError`, and as `transcribe`."""
        decoded = await self.decode(sent.upload, sent.folder, split)
        return await self.transcribe(decoded, sent.upload.name, request, model=sent.form.model)

    async def check(self, request: Request, model: str | None = None) -> None:
        """Raises `OptionError` if the model cannot fulfil the request, `ApiError` (404) if there is none."""
        (await self.model(model)).check(request)

    async def check_form(self, form: AnalyzeForm) -> Request:
        """The request of a form. Raises its errors before any audio is decoded."""
        request = form.request()
        check_format(form.format, request.wants_text, request.speakers)
        if form.redact is not None and "ner" not in request.tasks:
            raise ApiError(400, "redact needs the task ner", code="invalid_option", param="redact")
        await self.check(request, form.model)
        return request

    async def transcribe(
        self,
        decoded: DecodedFile,
        name: str,
        request: Request,
        progress: Callable[[FileProgress], None] | None = None,
        model: str | None = None,
    ) -> Analysis:
        """Analyse decoded audio; the result has the client's file name."""
        clip = WaitingClip(decoded.path, decoded.seconds, request, name, await self.key(model))
        analysis = await self.worker.analyze(clip, progress)
        warnings = tuple(dict.fromkeys((*decoded.warnings, *analysis.warnings)))
        return dataclasses.replace(analysis, warnings=warnings)

    def close(self) -> None:
        """Delete all files."""
        self.workspace.close()


async def read_result(request: HttpRequest, limits: Limits) -> Analysis:
    """The result that is the request's JSON body. Raises `ApiError` and `RecordError`."""
    data = await read_json(request, limits)
    with _of_the_client():
        return await asyncio.to_thread(Analysis.from_dict, data)


async def rendered_result(analysis: Analysis, format_: str) -> Response:
    """A result that a client sent, in another format. Raises `ApiError`."""
    with _of_the_client():
        check_format(format_, analysis.text is not None, analysis.speakers)
        return await asyncio.to_thread(render, analysis, format_)


@contextmanager
def _of_the_client() -> Iterator[None]:
    """Errors over values of a result: the client's values, so the client's errors."""
    try:
        yield
    except (UnisluError, ApiError):
        raise
    except (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
        message = f"the result has a value of a wrong kind ({error})"
        raise ApiError(400, message, code="invalid_value") from None


async def unless_gone(request: HttpRequest, work: Awaitable[T]) -> T:
    """The result of `work`. If the client disconnects, `work` is cancelled and `ApiError` (499) raised."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ApiError(CLIENT_GONE, "the client left", code="client_gone")
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        # Its files are deleted next, so nothing may still use them.
        await asyncio.wait((task, gone))


async def _gone(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


_KINDS = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "elan": "application/xml",
    "label-studio": "application/json",
}


def render(analysis: Analysis, format_: str) -> Response:
    """A result in the requested format."""
    if format_ == "json":
        return JSONResponse(analysis.to_dict())
    if format_ == "deepgram":
        return JSONResponse(formats.deepgram(analysis))
    if format_ == "assemblyai":
        return JSONResponse(formats.assemblyai(analysis))
    text = get_writer(format_).render(analysis)
    if format_ == "html":
        # Its style sheet is inline; it runs no scripts and loads nothing.
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        return HTMLResponse(text, headers=policy)
    return PlainTextResponse(text, media_type=_KINDS.get(format_, "text/plain"))


def check_format(format_: str, has_text: object, speakers: object) -> None:
    """Raises `ApiError` for an unknown format, or if it shows what was not requested: text, speakers."""
    if format_ not in ANSWERS:
        message = f"format is {format_[:40]!r}: choose from {', '.join(ANSWERS)}"
        raise ApiError(400, message, code="invalid_value", param="format")
    if format_ in FORMATS and FORMATS[format_].needs_text and not has_text:
        message = f"format {format_} is the transcript: add asr to tasks"
        raise ApiError(400, message, code="invalid_option", param="format")
    if format_ in FORMATS and FORMATS[format_].needs_speakers and speakers is None:
        message = f"format {format_} is about speakers: ask for them with speakers=auto"
        raise ApiError(400, message, code="invalid_option", param="format")


def finish(analysis: Analysis, form: AnalyzeForm) -> Analysis:
    """The result for a form, with its entities masked if requested."""
    if form.redact is None:
        return analysis

    types = None if [name.lower() for name in form.redact] == ["all"] else form.redact
    return redact_analysis(analysis, types, form.redact_how)
