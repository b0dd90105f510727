"""Redaction over HTTP: a transcript and a recording without the words of chosen entities."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from . import schemas
from .answers import ApiError
from .forms import RedactForm, form_schema
from .service import Service, Submission, unless_gone
from .uploads import Upload

if TYPE_CHECKING:
    from ..redact import Leak, Match
    from ..result import Analysis

_KINDS = {
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
    ".oga": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4", ".mp4": "video/mp4",
    ".webm": "audio/webm", ".aac": "audio/aac", ".mkv": "video/x-matroska", ".mov": "video/quicktime",
    ".aiff": "audio/aiff", ".aif": "audio/aiff",
}  # fmt: skip
"""What the redacted recording is called by the suffix of the original; it keeps the original's format."""
MAX_INLINE_BYTES = 64 << 20


@dataclass(frozen=True)
class Redacted:
    """What a redaction gave. `spans`: (start, end) in seconds. `audio` is None when none was asked for."""

    analysis: Analysis
    matches: Sequence[Match]
    spans: Sequence[tuple[float, float]]
    audio: Path | None
    notes: Sequence[str]
    leaks: Sequence[Leak]


def router(service: Service) -> APIRouter:
    """The route over one service."""
    routes = APIRouter(tags=["unislu"])

    @routes.post(
        "/v1/redact",
        summary="Transcript and recording without the words of chosen entities",
        responses=schemas.REDACT,
        openapi_extra=dict(form_schema(RedactForm, raw=True)),
    )
    async def redact(request: Request) -> Response:
        async with service.submitted(request, RedactForm, raw=True) as sent:
            options = sent.form.analyze_options()
            if "ner" not in options["tasks"]:
                raise ApiError(400, "redaction needs the task ner", code="invalid_option", param="tasks")
            await service.check(options)
            redacted = await unless_gone(request, _redact(service, sent, options))
            return await _answer(redacted, sent.form, sent.upload)

    return routes


async def _redact(service: Service, sent: Submission[RedactForm], options: dict[str, Any]) -> Redacted:
    from ..redact import audio_spans, find_matches, redact_analysis
    from ..redact.verify import TRIES

    form, upload, folder = sent.form, sent.upload, sent.folder
    analysis = await service.analyze(sent, options)
    types = None if form.types is None or [name.lower() for name in form.types] == ["all"] else form.types
    matches = find_matches(analysis, types)
    redacted = redact_analysis(analysis, types, form.how)
    if form.output == "text":
        return Redacted(redacted, matches, (), None, (), ())
    spans = audio_spans(analysis, matches, untimed=form.untimed)
    target = folder / f"redacted{_suffix(upload.name)}"
    for number in range(1, TRIES + 1):  # as `redact_verified` does
        notes = await service.decoders.redact(upload.path, target, upload.name, spans, form.audio, form.guard)
        leaks = await _leaks(service, target, folder, matches, options) if form.verify else ()
        if not leaks:
            break
        spans = (*spans, *(leak.wider(number) for leak in leaks))
    return Redacted(redacted, matches, spans, target, notes, leaks)


async def _leaks(
    service: Service, audio: Path, folder: Path, matches: Sequence[Match], options: dict[str, Any]
) -> Sequence[Leak]:
    """What is still said in the redacted recording."""
    from ..redact.verify import find_leaks

    decoded = await service.decoders.decode(audio, folder / "again.wav", "the redacted audio")
    return find_leaks(await service.hear(decoded, "the redacted audio", options), matches)


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return suffix if suffix in _KINDS else ".wav"


async def _answer(redacted: Redacted, form: RedactForm, upload: Upload) -> Response:
    audio = redacted.audio
    name = f"{Path(upload.name).stem}.redacted{_suffix(upload.name)}"
    if form.output == "text" or audio is None:
        return PlainTextResponse(f"{redacted.analysis.text}\n")
    kind = _KINDS[audio.suffix]
    if form.output == "audio":
        if redacted.leaks:
            found = ", ".join(str(leak) for leak in redacted.leaks)
            message = f"the redacted audio still says: {found}; raise guard, or look at output=json"
            raise ApiError(422, message, code="redaction_leaks")
        data = await asyncio.to_thread(audio.read_bytes)  # the folder is gone when the answer is sent
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{_quoted(name)}"}
        return Response(data, media_type=kind, headers=headers)
    if audio.stat().st_size > MAX_INLINE_BYTES:
        raise ApiError(413, "the audio does not fit into JSON: ask for output=audio", code="audio_too_large")
    coded = base64.b64encode(await asyncio.to_thread(audio.read_bytes)).decode()
    return JSONResponse(
        {
            "analysis": redacted.analysis.to_dict(),
            "masked": [{"start": start, "end": end} for start, end in redacted.spans],
            "notes": list(redacted.notes),
            "verified": form.verify,
            "leaks": [{"type": leak.type, "start": leak.start, "end": leak.end} for leak in redacted.leaks],
            "audio": {"content_type": kind, "filename": name, "data": coded},
        }
    )


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
