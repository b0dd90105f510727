"""Redaction over HTTP: a transcript and a recording without the words of chosen entities."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from ..recognition.presets import preset
from ..recognition.request import Request as Asked
from ..redact import Pseudonyms, Redaction
from ..redact.formats import kind_of
from ..result import Analysis
from ..sequence.labels import normalize_type
from . import schemas
from .answers import ApiError
from .decoding import DecodedFile
from .forms import RedactForm, form_schema
from .service import Service, Submission, unless_gone
from .uploads import Upload

MAX_INLINE_BYTES = 64 << 20


@dataclass(frozen=True)
class Copy:
    """A redacted recording on disk: FFmpeg's name of its format, and notes on what was left out."""

    path: Path
    format: str
    notes: Sequence[str]


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
            asked, types = _asked(sent.form)
            await service.check(asked, sent.form.model)
            redaction, copy = await unless_gone(request, _redact(service, sent, asked, types))
            return await _answer(redaction, copy, sent.form, sent.upload)

    return routes


def _asked(form: RedactForm) -> tuple[Asked, Sequence[str] | None]:
    """The request to the model, and the types to redact, which are also the types to look for."""
    types = None if form.types is None or [name.lower() for name in form.types] == ["all"] else form.types
    if form.preset is not None:
        preset(form.preset)  # raises for an unknown one
        types = [*(types or ()), form.preset]
    if types is not None and form.entities is None:
        form = form.model_copy(update={"entities": types})
    request = form.request()
    # A description is the model's business, and a preset stands for its types.
    types = None if types is None else list(Asked(entities=types).entities or ())
    if "ner" not in request.tasks:
        raise ApiError(400, "redaction needs the task ner", code="invalid_option", param="tasks")
    for name in types or ():
        if normalize_type(name) not in request.names:
            known = ", ".join(form.entities or ())
            message = f"types has {name[:60]!r}, which is not among the entities: {known[:200]}"
            raise ApiError(400, message, code="invalid_option", param="types")
    return request, types


async def _redact(
    service: Service, sent: Submission[RedactForm], request: Asked, types: Sequence[str] | None
) -> tuple[Redaction, Copy | None]:
    form, upload = sent.form, sent.upload
    analysis = await service.analyze(sent, request, split=form.channels == "split")
    sound = form.output != "text"
    redaction = Redaction(
        analysis, types, untimed=form.untimed, guard=form.guard, surnames=form.surnames, sound=sound
    )
    if not sound:
        return redaction, None
    target = sent.folder / f"redacted{Path(upload.name).suffix.lower()}"
    while True:
        done = await service.decoders.redact(
            upload.path, target, upload.name, redaction.covers, form.audio, analysis.duration
        )
        copy = Copy(target, done["format"], done["notes"])
        if not form.verify or not redaction.goes_on(
            await _again(service, copy, sent, request, analysis.duration)
        ):
            return redaction, copy


async def _again(
    service: Service, copy: Copy, sent: Submission[RedactForm], request: Asked, seconds: float
) -> list[Analysis]:
    """The transcriptions of the redacted recording: mixed, and of each channel if there are several."""
    silenced = DecodedFile(sent.folder / "silenced.wav", seconds, ())
    channels = await service.decoders.without_tone(copy.path, silenced.path)
    ways = ("mix",) if channels == 1 else ("mix", "split")
    name, model = sent.upload.name, sent.form.model
    return [
        await service.transcribe(silenced, name, replace(request, channels=way), model=model) for way in ways
    ]


async def _answer(redaction: Redaction, copy: Copy | None, form: RedactForm, upload: Upload) -> Response:
    if redaction.leaks:
        found = ", ".join(map(str, redaction.leaks[:5]))
        message = f"still recognised in the redacted audio: {found}; nothing is returned: raise guard"
        raise ApiError(422, message, code="redaction_leaks")
    redacted = redaction.redacted(Pseudonyms(form.how), () if copy is None else copy.notes)
    if copy is None:
        return PlainTextResponse(f"{redacted.text}\n")
    suffix, kind = kind_of(copy.format, copy.path.suffix)
    name = f"{Path(upload.name).stem}.redacted{suffix}"
    if form.output == "audio":
        data = await asyncio.to_thread(copy.path.read_bytes)  # the folder is deleted once the answer is sent
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Unislu-Verified": str(redaction.verified).lower(),
        }
        return Response(data, media_type=kind, headers=headers)
    if copy.path.stat().st_size > MAX_INLINE_BYTES:
        raise ApiError(413, "the audio does not fit into JSON: use output=audio", code="audio_too_large")
    coded = base64.b64encode(await asyncio.to_thread(copy.path.read_bytes)).decode()
    return JSONResponse(
        {
            "analysis": redacted.to_dict(),
            "masked": [{"start": start, "end": end} for start, end in redaction.spans],
            "notes": list(copy.notes),
            "verified": redaction.verified,
            "leaks": [],
            "audio": {"content_type": kind, "filename": name, "data": coded},
        }
    )
