"""OpenAI's endpoints: transcriptions and models. Extensions are returned only on request."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from ..recognition.phrases import prompt_phrases
from ..recognition.request import Request as Asked
from ..writers import get_writer
from . import formats, schemas
from .answers import ApiError
from .expected import Phrases
from .forms import Bias, Names, Voices, form_schema, plain_name
from .service import Service, unless_gone
from .streaming import EventStream, Transcribed, event, transcribing

if TYPE_CHECKING:
    from ..recognition.model import Model
    from ..result import Analysis

UNUSED = ("temperature", "chunking_strategy")
"""Fields of the original that have no effect here; those that were sent are named in a header."""
PROMPT = "prompt"
IGNORED_HEADER = "Unislu-Ignored"


class TranscriptionForm(BaseModel):
    """Fields of /v1/audio/transcriptions."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(description="a name from /v1/models; whisper-1 and the like mean the first model")
    language: str | None = Field(
        None, description="ISO 639-1, also en-US; rejected if the model does not support it; auto = any"
    )
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] = Field(
        "json", description="diarized_json tells speakers apart"
    )
    timestamp_granularities: Names | None = Field(
        None, description="`word`, `segment` (the default); with verbose_json. With and without []"
    )
    known_speaker_names: Names | None = Field(
        None, description="with diarized_json: names of known voices, in the order of their clips"
    )
    known_speaker_references: list[str] | None = Field(
        None, description="with diarized_json: clips of known voices as data URLs, up to 4"
    )
    voices: Voices | None = Field(
        None, description="known voices as embeddings by name, in place of clips (an extension)"
    )
    stream: bool = Field(False, description="server-sent events; with json, text or diarized_json")
    include: Names | None = Field(None, description="`entities`, `sentiment`: further keys of the answer")
    entities: Names | None = Field(None, description="entity types to look for (an extension)")
    bias: Bias | None = Field(None, description="more, or fewer and more certain, entities (an extension)")
    prompt: str | None = Field(
        None, description="names and words to expect, separated by commas or lines; sentences have no effect"
    )
    vocabulary: Phrases | None = Field(
        None, description="names and words to expect, with weights and types (an extension)"
    )
    values: bool = Field(False, description="give entities their value (an extension)")
    date: str | None = Field(None, description="with values: when it was said, ISO 8601 (an extension)")
    region: str | None = Field(None, description="with values: the speaker's country (an extension)")
    temperature: float = Field(0.0, ge=0, le=1, description="accepted; decoding is greedy")
    chunking_strategy: str | None = Field(None, description="accepted; audio is always cut at pauses")


def router(service: Service) -> APIRouter:
    """The routes over one service."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post(
        "/v1/audio/transcriptions",
        summary="Transcribe audio, as OpenAI does",
        responses=schemas.TRANSCRIPTION,
        openapi_extra=dict(form_schema(TranscriptionForm)),
    )
    async def transcribe(request: Request) -> Response:
        async with AsyncExitStack() as stack:
            sent = await stack.enter_async_context(service.submitted(request, TranscriptionForm))
            form, headers = sent.form, _ignored(sent.fields, sent.form)
            model = await service.model(form.model)
            _check(form, model)
            asked = _asked(form)
            model.check(asked)
            decoded = await unless_gone(request, service.decode(sent.upload, sent.folder))
            transcribe = partial(service.transcribe, decoded, sent.upload.name, asked, model=form.model)
            if form.stream:
                news = await stack.enter_async_context(transcribing(lambda told: transcribe(progress=told)))
                return EventStream(_events(news, form, model), stack.pop_all(), headers)
            analysis = await unless_gone(request, transcribe())
            return _answer(analysis, form, model, headers)

    @routes.get("/v1/models", summary="The available models", responses=schemas.MODELS)
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(name) for name in (await service.names()).listed]}

    @routes.get("/v1/models/{name:path}", summary="One model")
    async def one_model(name: str) -> dict[str, Any]:
        await service.key(name)
        return _model(name)

    return routes


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "unislu"}


def _check_language(language: str, model: Model) -> None:
    """`en`, `en-US`, `en_GB`, `English`; `auto` and nothing leave it to the model."""
    code = re.split("[-_]", language.strip().lower())[0]
    known = model.manifest.languages
    if code not in ("", "auto", *known, *(formats.LANGUAGES.get(one) for one in known)):
        message = f"language {language[:40]!r}: this model supports {', '.join(known)}"
        raise ApiError(400, message, code="unsupported_language", param="language")


def _check(form: TranscriptionForm, model: Model) -> None:
    """Raises `ApiError` for invalid combinations."""
    _check_language(form.language or "", model)
    for name in form.timestamp_granularities or ():
        if name not in ("word", "segment"):
            raise ApiError(400, f"timestamp_granularities: {name[:40]!r} is neither word nor segment",
                           code="invalid_value", param="timestamp_granularities[]")  # fmt: skip
    if form.timestamp_granularities and form.response_format != "verbose_json":
        raise ApiError(400, "timestamp_granularities need response_format=verbose_json",
                       code="invalid_value", param="timestamp_granularities[]")  # fmt: skip
    for name in form.include or ():
        if name not in ("entities", "sentiment"):
            raise ApiError(400, f"include: {name[:40]!r} is unknown; choose from entities and sentiment",
                           code="invalid_value", param="include[]")  # fmt: skip
    if form.include and form.response_format not in ("json", "verbose_json", "diarized_json"):
        raise ApiError(400, f"include needs a JSON response_format, not {form.response_format}",
                       code="invalid_value", param="include[]")  # fmt: skip
    if form.voices and form.response_format != "diarized_json":
        raise ApiError(400, "known speakers need response_format=diarized_json",
                       code="invalid_value", param="known_speaker_names[]")  # fmt: skip
    if form.stream and form.response_format not in ("json", "text", "diarized_json"):
        raise ApiError(400, f"stream needs response_format json, text or diarized_json, not "
                       f"{form.response_format}",
                       code="invalid_value", param="stream")  # fmt: skip


def _asked(form: TranscriptionForm) -> Asked:
    """The request to the model; entities and sentiment only if they are included."""
    include = form.include or []
    tasks = ["asr", *(["ner"] if "entities" in include else []), *(["sa"] if "sentiment" in include else [])]
    if "ner" not in tasks and (form.entities is not None or form.bias is not None or form.values):
        raise ApiError(
            400, "entities, bias and values need include[]=entities", code="invalid_value", param="include[]"
        )
    phrases = form.vocabulary or []
    listed = {phrase.text for phrase in phrases}
    phrases = [*phrases, *(text for text in prompt_phrases(form.prompt or "") if text not in listed)]
    return Asked(
        tasks=tasks,
        entities=form.entities,
        bias=0.0 if form.bias is None else form.bias,
        vocabulary=phrases or None,
        values=form.values,
        date=form.date,
        region=form.region,
        speakers="auto" if form.response_format == "diarized_json" else None,
        voices=form.voices or {},
    )


def _ignored(fields: Sequence[tuple[str, str]], form: TranscriptionForm) -> dict[str, str]:
    """A header that names fields without effect, so that nothing is ignored silently."""
    known = set(TranscriptionForm.model_fields) - set(UNUSED)
    if not prompt_phrases(form.prompt or ""):
        known -= {PROMPT}
    names = dict.fromkeys(plain_name(name) for name, value in fields if value not in ("", "0", "0.0"))
    ignored = [name for name in names if name not in known and name.isascii() and name.isidentifier()]
    return {IGNORED_HEADER: ", ".join(ignored)} if ignored else {}


def _answer(analysis: Analysis, form: TranscriptionForm, model: Model, headers: dict[str, str]) -> Response:
    kind = form.response_format
    if kind == "text":
        return PlainTextResponse(f"{analysis.text}\n", headers=headers)
    if kind in ("srt", "vtt"):
        media = "text/vtt" if kind == "vtt" else "text/plain"
        return PlainTextResponse(get_writer(kind).render(analysis), headers=headers, media_type=media)
    if kind == "json":
        body = formats.openai_json(analysis)
    elif kind == "diarized_json":
        body = formats.openai_diarized(analysis)
    else:
        encode = model.vocabulary.tokenizer.encode
        body = formats.openai_verbose(analysis, form.timestamp_granularities or ["segment"], encode)
    return JSONResponse(body | formats.openai_extras(analysis, form.include or ()), headers=headers)


async def _events(
    parts: AsyncGenerator[Transcribed], form: TranscriptionForm, model: Model
) -> AsyncGenerator[str]:
    """Server-sent events during the transcription; the joined deltas are the text."""
    written = 0
    async for news in parts:
        if news.analysis is None:
            if len(news.text) > written and form.response_format != "diarized_json":
                yield event({"type": "transcript.text.delta", "delta": news.text[written:]})
                written = len(news.text)
            else:
                yield f": {news.seconds:.0f} s were transcribed\n\n"
            continue
        text = news.analysis.text or ""
        if form.response_format == "diarized_json":  # who speaks is known at the end
            for turn in formats.openai_turns(news.analysis):
                yield event(turn)
            written = len(text)
        for segment in formats.spoken(news.analysis):
            if segment.end_char > written:
                yield event({"type": "transcript.text.delta", "delta": text[written : segment.end_char]})
                written = segment.end_char
        usage = formats.openai_usage(news.analysis, model.vocabulary.tokenizer.encode)
        done = {"type": "transcript.text.done", "text": text, "usage": usage}
        yield event(done | formats.openai_extras(news.analysis, form.include or ()))
        yield "data: [DONE]\n\n"
