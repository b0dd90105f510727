"""Answers for the OpenAPI document: schemas and examples."""

from __future__ import annotations

from typing import Any

Responses = dict[int | str, dict[str, Any]]

_ERROR = {
    "error": {"message": "…", "type": "invalid_request_error", "param": "file", "code": "invalid_audio"}
}
ENTITY = {
    "type": "PERSON", "text": "Angela Merkel", "start_char": 0, "end_char": 13, "confidence": 0.97,
    "start": 0.31, "end": 1.02, "start_word": 0, "end_word": 2,
}  # fmt: skip
SENTIMENT = {
    "label": "neutral",
    "scores": {"negative": 0.02, "neutral": 0.9, "positive": 0.07, "mixed": 0.01},
}
ANALYSIS = {
    "schema_version": 1, "file": "call.mp3", "duration": 4.2, "language": "en",
    "text": "Angela Merkel spoke in Berlin.", "entities": [ENTITY], "sentiment": SENTIMENT,
    "model": "unislu-base 0.1.0",
    "segments": [{"start": 0.0, "end": 4.2, "text": "Angela Merkel spoke in Berlin.", "start_char": 0,
                  "end_char": 30, "no_speech": False, "avg_logprob": -0.08, "words": None}],
    "timings": {"load": 0.4, "audio": 0.01, "features": 0.01, "encode": 0.06, "decode": 0.12, "total": 0.2},
    "warnings": [],
}  # fmt: skip
_TRANSCRIPTION = {"text": "Angela Merkel spoke in Berlin.", "usage": {"type": "duration", "seconds": 4.2}}
_VERBOSE = {
    "task": "transcribe", "language": "english", "duration": 4.2, "text": "Angela Merkel spoke in Berlin.",
    "segments": [{"id": 0, "seek": 0, "start": 0.0, "end": 4.2, "text": " Angela Merkel spoke in Berlin.",
                  "tokens": [37191, 48861], "temperature": 0.0, "avg_logprob": -0.08,
                  "compression_ratio": 0.8, "no_speech_prob": 0.0}],
    "words": [{"word": "Angela", "start": 0.31, "end": 0.66}],
    "usage": {"type": "duration", "seconds": 4.2},
}  # fmt: skip
_JOB = {
    "id": "Zk3b…", "status": "running", "progress": 0.4, "file": "call.mp3", "seconds": 3600.0,
    "created": "2026-01-31T12:00:00+00:00", "started": "2026-01-31T12:00:01+00:00", "finished": None,
    "error": None,
}  # fmt: skip


def _json(description: str, *examples: Any) -> dict[str, Any]:
    named = {f"example {number}": {"value": value} for number, value in enumerate(examples, start=1)}
    return {"description": description, "content": {"application/json": {"examples": named}}}


def _errors(*statuses: int) -> Responses:
    words = {
        400: "Bad audio, field or option", 401: "Missing or unknown key", 404: "Not there",
        408: "The upload stopped", 409: "Not in that state", 413: "Too large, or too long",
        415: "Wrong content type", 422: "Cannot be redacted safely",
        429: "Too many requests; see Retry-After", 503: "The model is loading",
    }  # fmt: skip
    return {status: _json(words[status], _ERROR) for status in statuses}


_UPLOAD = _errors(400, 401, 408, 413, 415, 429, 503)
TRANSCRIPTION: Responses = {
    200: _json("The transcript", _TRANSCRIPTION, _VERBOSE)
    | {"headers": {"Unislu-Ignored": {"description": "fields without effect", "schema": {"type": "string"}}}},
    404: _errors(404)[404],
    **_UPLOAD,
}  # fmt: skip
TRANSCRIPTION[200]["content"] |= {
    "text/plain": {"example": "Angela Merkel spoke in Berlin.\n"},
    "text/vtt": {"example": "WEBVTT\n\n00:00:00.000 --> 00:00:04.200\nAngela Merkel spoke in Berlin.\n"},
    "text/event-stream": {
        "example": 'data: {"type": "transcript.text.delta", "delta": "Angela Merkel spoke in Berlin."}\n\n'
        'data: {"type": "transcript.text.done", "text": "Angela Merkel spoke in Berlin."}\n\ndata: [DONE]\n\n'
    },
}
_MODEL = {"id": "whisper-1", "object": "model", "created": 0, "owned_by": "unislu"}
MODELS: Responses = {200: _json("The names", {"object": "list", "data": [_MODEL]}), **_errors(401, 503)}
ANALYZE: Responses = {200: _json("The result in the requested format", ANALYSIS), **_UPLOAD}
RENDER: Responses = {
    200: {"description": "The result in that format", "content": {"text/html": {}, "text/plain": {}}},
    **_errors(400, 401, 413, 415),
}
RENDER_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"example": ANALYSIS}}}
}
REDACT: Responses = {
    200: _json(
        "The masked result",
        {"analysis": ANALYSIS, "masked": [{"start": 0.31, "end": 1.02}], "notes": [], "verified": True,
         "leaks": [],
         "audio": {"content_type": "audio/wav", "filename": "call.redacted.wav", "data": "UklGR…"}},
    ),
    **_UPLOAD,
    **_errors(422),
}  # fmt: skip
JOB: Responses = {200: _json("The job", _JOB), **_errors(401, 404)}
JOB_MADE: Responses = {
    202: _json("The job", _JOB | {"status": "queued", "progress": 0.0}),
    201: _json("The job of a result that was sent", _JOB),
    **_UPLOAD,
}
JOBS: Responses = {200: _json("The jobs of this key, newest first", {"jobs": [_JOB]}), **_errors(401)}
JOB_RESULT: Responses = {200: _json("The result", ANALYSIS), **_errors(400, 401, 404, 409)}
INFO: Responses = {
    200: _json(
        "What this server can do",
        {"name": "unislu-base", "version": "0.1.0", "unislu": "0.1.0", "entity_types": ["ORG", "PERSON"],
         "open_types": True, "languages": ["en"], "models": ["unislu-base"], "operating_points": [],
         "presets": {"meeting": ["person", "date"]}, "fields": ["tasks", "entities"],
         "formats": ["json", "txt"], "keep_days": 7.0,
         "limits": {"upload_bytes": 200_000_000, "seconds": 14_400}},
    ),
    **_errors(401, 503),
}  # fmt: skip
