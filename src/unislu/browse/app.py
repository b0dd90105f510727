"""The page and its routes. All are read-only, except that `refresh` reads the folder again."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask

from ..errors import AudioError, OptionError
from ..server import answers
from ..server.answers import ApiError
from . import export, sound
from .access import Access, AccessCheck
from .filters import Filter
from .index import Index
from .queries import overview, search
from .recording import GoneError, source_of
from .view import show_recording

PAGE = Path(__file__).parent / "static"
SERVER_PAGE = Path(answers.__file__).parent / "static"
"""Of `unislu serve`, some of whose modules this page shares."""
_LONGEST_CLIP = 600.0  # seconds
_BLOCK = 1 << 16


def create_app(index: Index, access: Access, audio_root: str | None = None) -> FastAPI:
    """The ASGI app that serves the page over an index.

    Args:
        index: what to show.
        access: who may look.
        audio_root: see `sound.locate`.
    """
    app = FastAPI(title="unislu browse", docs_url=None, redoc_url=None, openapi_url=None)
    answers.install(app)
    app.add_exception_handler(GoneError, _not_there)
    app.add_exception_handler(AudioError, _not_there)

    @app.get("/static/words.js")
    def words() -> Response:
        return FileResponse(SERVER_PAGE / "words.js")

    app.mount("/static", StaticFiles(directory=PAGE), name="static")

    @app.get("/")
    def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @app.get("/api/overview")
    def all_there_is() -> Any:
        return JSONResponse({**overview(index), "max_clips": export.MAX_CLIPS})

    @app.get("/api/state")
    def state() -> Any:
        return {"version": index.version, "stale": index.stale}

    @app.post("/api/refresh")
    def refresh() -> Any:
        return {"changed": index.refresh(), "version": index.version}

    @app.get("/api/search")
    def found(request: Request) -> Any:
        return JSONResponse(search(index, Filter.parse(_parameters(request))))

    @app.get("/api/recording")
    def recording(request: Request) -> Any:
        given = _parameters(request)
        identity = given.pop("id", [""])[-1]
        return JSONResponse(show_recording(index, identity, Filter.parse(given), audio_root))

    @app.get("/api/audio")
    def audio(id: str) -> Response:
        path = sound.locate(source_of(index, id), audio_root)
        kind = mimetypes.guess_type(path.name)[0] or ""
        harmless = kind.startswith(("audio/", "video/"))
        return FileResponse(path, media_type=kind if harmless else "application/octet-stream")

    @app.get("/api/clip")
    def clip(id: str, start: float, end: float) -> Response:
        if not 0 <= start < end <= start + _LONGEST_CLIP:
            raise OptionError(f"start is {start} and end is {end}: give up to {_LONGEST_CLIP:g} seconds")
        source = source_of(index, id)
        folder = tempfile.TemporaryDirectory(prefix="unislu-browse-")
        try:
            (clip,) = sound.clips(sound.locate(source, audio_root), source, [(start, end)], folder.name)
            if isinstance(clip, AudioError):
                raise clip
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(clip, media_type="audio/wav", background=BackgroundTask(folder.cleanup))

    @app.get("/api/recordings.csv")
    def recordings_csv(request: Request) -> Response:
        return _csv(export.write_csv(index, Filter.parse(_parameters(request))), "recordings.csv")

    @app.get("/api/mentions.csv")
    def mentions_csv(request: Request) -> Response:
        lines = export.write_csv(index, Filter.parse(_parameters(request)), mentions=True)
        return _csv(lines, "mentions.csv")

    @app.get("/api/clips.zip")
    def clips_zip(request: Request) -> Response:
        given = _parameters(request)
        around = _around(given.pop("around", ["0"])[-1])
        archive = export.write_clips(index, Filter.parse(given), audio_root, around)
        return StreamingResponse(
            _blocks(archive), media_type="application/zip", headers=_saved_as("clips.zip")
        )

    app.add_middleware(AccessCheck, access=access)
    return app


async def _not_there(_: Request, error: Exception) -> Response:
    return ApiError(404, " ".join(str(error).split()), code="not_there").response()


def _parameters(request: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in request.query_params.multi_items():
        found.setdefault(key, []).append(value)
    return found


def _around(text: str) -> float:
    try:
        seconds = float(text)
        if 0 <= seconds <= export.MAX_AROUND:
            return seconds
    except ValueError:
        pass
    raise OptionError(f"around is {text!r}: give seconds from 0 to {export.MAX_AROUND:g}")


def _csv(lines: Iterator[str], name: str) -> Response:
    # The mark tells spreadsheets that it is UTF-8.
    def marked() -> Iterator[bytes]:
        yield b"\xef\xbb\xbf"
        for line in lines:
            yield line.encode("utf-8")

    return StreamingResponse(marked(), media_type="text/csv; charset=utf-8", headers=_saved_as(name))


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block
