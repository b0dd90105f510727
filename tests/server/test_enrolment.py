"""Known voices over HTTP: clips with names, of which speakers with that voice get the name."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from unislu.audio import load_audio
from unislu.speakers import profile

from .conftest import JFK, wav

ASKED = {"speakers": "auto", "tasks": "asr"}


@pytest.fixture(scope="module")
def voice() -> bytes:
    """The speaker of the clip, in other words."""
    return wav(load_audio(JFK)[3 * 16_000 :])


def send(server: Any, path: str, fields: dict[str, Any], speech: bytes, *clips: bytes) -> httpx.Response:
    parts = [("file", ("call.wav", speech))] + [("voice", ("clip.wav", clip)) for clip in clips]
    return httpx.post(server.url + path, data={**ASKED, **fields}, files=parts, timeout=60)


def test_a_clip_names_a_speaker(server: Any, speech: bytes, voice: bytes) -> None:
    answer = send(server, "/v1/analyze", {"voice_names": "Jack"}, speech, voice).json()
    assert [speaker["name"] for speaker in answer["speakers"]] == ["Jack"]
    ids = {word["speaker"] for segment in answer["segments"] for word in segment["words"]}
    assert ids == {"S1"} and not answer["warnings"]


def test_names_and_clips_in_their_order(server: Any, speech: bytes, voice: bytes, tone: bytes) -> None:
    fields = {"voice_names": ["Weber, Anna", "Jack"]}
    fields["voice_names"] = [json.dumps([name]) for name in fields["voice_names"]]
    answer = send(server, "/v1/analyze", fields, speech, tone, voice).json()
    assert [speaker["name"] for speaker in answer["speakers"]] == ["Jack"]
    assert answer["warnings"] == ["call.wav: known voices that nobody sounds like: Weber, Anna"]


def test_embeddings_in_place_of_clips(server: Any, speech: bytes) -> None:
    row = profile(load_audio(JFK)).tolist()
    answer = send(server, "/v1/analyze", {"voices": json.dumps({"Jack": row})}, speech).json()
    assert [speaker["name"] for speaker in answer["speakers"]] == ["Jack"]


def test_jobs_and_redaction_know_voices(server: Any, speech: bytes, voice: bytes) -> None:
    job = send(server, "/v1/jobs", {"voice_names": "Jack"}, speech, voice).json()["id"]
    done = server.get(f"/v1/jobs/{job}?wait=60").json()
    assert done["status"] == "done"
    assert server.get(f"/v1/jobs/{job}/result").json()["speakers"][0]["name"] == "Jack"
    fields = {"voice_names": "Jack", "tasks": "asr,ner", "output": "text", "entities": "norp"}
    text = send(server, "/v1/redact", {**fields}, speech, voice)
    assert text.status_code == 200 and "[NORP]" in text.text


@pytest.fixture(scope="module")
def tone() -> bytes:
    """A voice that nobody has."""
    import numpy as np

    seconds = np.arange(3 * 16_000) / 16_000
    return wav(0.3 * np.sign(np.sin(2 * np.pi * 1700 * seconds)))


@pytest.mark.parametrize(
    ("fields", "clips", "param", "message"),
    [
        ({"voice_names": "Jack,Ann"}, 1, "voice_names", "2 voice_names and 1 voice: give each clip its name"),
        ({}, 1, "voice_names", "0 voice_names and 1 voice"),
        ({"voice_names": "Jack"}, 0, "voice_names", "1 voice_names and 0 voice"),
        ({"voice_names": "Jack,Jack"}, 2, None, "'Jack' was given twice"),
        ({"voice_names": "Jack", "speakers": "off"}, 1, None, "without speakers: ask for them"),
        ({"voices": "[1]"}, 0, "voices", "give an object of embeddings"),
        ({"voices": '{"Jack": [1, 2]}'}, 0, None, "voice 'Jack' has 2 numbers: give 256"),
    ],
)
def test_what_does_not_fit_together(
    server: Any, hum: bytes, voice: bytes, fields: dict[str, str], clips: int, param: str, message: str
) -> None:
    answer = send(server, "/v1/analyze", fields, hum, *[voice] * clips)
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == param and message in error["message"]


def test_bad_clips_are_named(server: Any, hum: bytes, voice: bytes, make_wav: Any) -> None:
    for clip, status, message in (
        (hum, 400, "the voice of Jack: too little sound for a voice"),
        (b"no audio", 400, "the voice of Jack: "),
        (wav(load_audio(JFK)).ljust(7 << 20, b"\0"), 400, "longer than 6291456 bytes"),
        (make_wav(load_audio(JFK)[:8000].repeat(140), 16_000), 413, "more than 60 s of audio"),
    ):
        answer = send(server, "/v1/analyze", {"voice_names": "Jack"}, hum, clip)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (status, "voice") and message in error["message"]
    answer = send(server, "/v1/analyze", {"voice_names": "Jack"}, hum, *[voice[:60_000]] * 21)
    assert answer.status_code == 400 and "more than 20 clips" in answer.json()["error"]["message"]


def test_the_document_has_the_parts(server: Any) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    for path in ("/v1/analyze", "/v1/jobs", "/v1/redact"):
        body = paths[path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        assert body["voice"]["type"] == "array" and {"voice_names", "voices"} <= set(body)


def test_openais_clips_are_data_urls(server: Any, speech: bytes, voice: bytes) -> None:
    url = "data:audio/wav;base64," + base64.b64encode(voice).decode()
    fields = {
        "model": "whisper-1", "response_format": "diarized_json", "known_speaker_names[]": "agent",
        "known_speaker_references[]": url,
    }  # fmt: skip
    answer = server.post("/v1/audio/transcriptions", fields, speech)
    assert {turn["speaker"] for turn in answer.json()["segments"]} == {"agent"}
    assert "unislu-ignored" not in answer.headers
    for change, message in (
        ({"known_speaker_references[]": "data:,x"}, "is no data URL"),
        ({"known_speaker_names[]": ["a", "b"]}, "2 known_speaker_names and 1 known_speaker_references"),
        ({"response_format": "json"}, "need response_format=diarized_json"),
    ):
        answer = server.post("/v1/audio/transcriptions", fields | change, speech)
        assert answer.status_code == 400 and message in answer.json()["error"]["message"]
