"""Programs written for other servers, as they really ask: headers, spellings, keep-alives, streams."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from unislu.audio import load_audio
from unislu.recognition.longform import FileProgress
from unislu.server.streaming import transcribing

websockets = pytest.importorskip("websockets")

PATH = "/v1/audio/transcriptions"
PAGE = "http://localhost:5173"
STAINLESS = (
    "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
    "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
)
"""What OpenAI's JavaScript client adds to a request."""
NODE = shutil.which("node")
OPENAI_JS = os.environ.get("OPENAI_JS")
"""A folder in which `npm install openai` was run."""


def asked(server: Any, path: str, headers: str, origin: str = PAGE) -> httpx.Response:
    """What a browser asks before it sends a page's request."""
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    return httpx.options(server.url + path, headers={"Origin": origin, **wanted})


def test_headers_of_openais_javascript_client(start: Any, hum: bytes) -> None:
    with start(cors=(PAGE,), keys=("a-key-with-enough-letters",)) as server:
        before = asked(server, PATH, STAINLESS)
        assert before.status_code == 200 and before.headers["access-control-allow-origin"] == PAGE
        allowed = before.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
        assert set(STAINLESS.split(",")) <= set(allowed)
        assert asked(server, PATH, STAINLESS, origin="https://evil.example").status_code == 400
        sent = {name: "x" for name in STAINLESS.split(",") if name.startswith("x-")}
        key = {"Authorization": "Bearer a-key-with-enough-letters", "Origin": PAGE}
        answer = server.post(PATH, {"model": "whisper-1", "prompt": "x"}, hum, headers=key | sent)
        assert answer.status_code == 200
        shown = answer.headers["access-control-expose-headers"].lower()
        assert "unislu-ignored" in shown and "retry-after" in shown


@pytest.mark.parametrize("language", ["en", "en-US", "en_GB", "EN-us", "English", "auto", "Auto", "", " "])
def test_languages_that_are_transcribed(server: Any, hum: bytes, language: str) -> None:
    assert server.post(PATH, {"model": "whisper-1", "language": language}, hum).status_code == 200


@pytest.mark.parametrize("language", ["de", "de-DE", "pt_BR", "english2", "-", "xx-en", "\x1b[31m"])
def test_languages_that_are_not(server: Any, hum: bytes, language: str) -> None:
    answer = server.post(PATH, {"model": "whisper-1", "language": language}, hum)
    if language == "-":  # nothing before the region: as good as none
        assert answer.status_code == 200
        return
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "unsupported_language"
    assert "\x1b" not in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["timestamp_granularities", "include"])
@pytest.mark.parametrize("suffix", ["", "[]", "[0]", "%5B%5D", "%5b0%5d"])
def test_spellings_of_lists(server: Any, hum: bytes, name: str, suffix: str) -> None:
    value = {"timestamp_granularities": "word", "include": "entities"}[name]
    data = {"model": "whisper-1", "response_format": "verbose_json", f"{name}{suffix}": value}
    answer = server.post(PATH, data, hum)
    assert answer.status_code == 200 and "unislu-ignored" not in answer.headers
    assert {"timestamp_granularities": "words", "include": "entities"}[name] in answer.json()


def test_lists_with_numbers_keep_all_their_parts(server: Any, hum: bytes) -> None:
    names = {"timestamp_granularities[0]": "word", "timestamp_granularities[1]": "segment"}
    answer = server.post(PATH, {"model": "whisper-1", "response_format": "verbose_json", **names}, hum).json()
    assert answer["words"] == answer["segments"] == []
    types = {"tasks[0]": "asr", "tasks[1]": "ner", "entities%5B%5D": ["person", "drug"]}
    assert server.post("/v1/analyze", types, hum).json()["sentiment"] is None


def form(*parts: tuple[str, bytes]) -> tuple[dict[str, str], bytes]:
    """Parts without file names, as `curl -F 'file=<call.wav'` sends them."""
    body = b"".join(
        f'--BB\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts
    )
    return {"Content-Type": "multipart/form-data; boundary=BB"}, body + b"--BB--\r\n"


def test_a_file_without_a_name(server: Any, speech: bytes) -> None:
    for path in (PATH, "/v1/analyze"):
        fields = [("model", b"whisper-1")] if path == PATH else []
        headers, body = form(*fields, ("file", speech))
        answer = httpx.post(server.url + path, headers=headers, content=body, timeout=60)
        assert answer.status_code == 200 and answer.json()["text"].lower().startswith("and so my fellow")


def test_a_name_in_place_of_the_file(server: Any) -> None:
    """curl -F file=call.wav, without the @."""
    headers, body = form(("model", b"whisper-1"), ("file", b"call.wav"))
    error = httpx.post(server.url + PATH, headers=headers, content=body, timeout=60).json()["error"]
    assert error["code"] == "missing_file" and "'call.wav'" in error["message"] and "@" in error["message"]


def test_models_of_other_servers(start: Any, server: Any, hum: bytes) -> None:
    refused = server.post(PATH, {"model": "org/whisper-base"}, hum)
    message = refused.json()["error"]["message"]
    assert refused.status_code == 404 and "whisper-1" in message and "--models" in message
    assert server.post(PATH, {"model": "whisper-1"}, hum).status_code == 200
    with start(models=("org/whisper-base",)) as other:
        assert other.post(PATH, {"model": "org/whisper-base"}, hum).status_code == 200
        assert "org/whisper-base" in [one["id"] for one in other.get("/v1/models").json()["data"]]
        for name in ("org/whisper-base", "org%2Fwhisper-base"):
            assert other.get(f"/v1/models/{name}").json()["id"] == "org/whisper-base"
        assert other.post(PATH, {"model": "org/other"}, hum).status_code == 404


def test_a_proxy_on_another_port(start: Any, hum: bytes) -> None:
    proxied = {"Host": "speech.example", "Origin": "https://speech.example:8443"}
    with start(hosts=("speech.example",)) as server:
        refused = server.post("/v1/analyze", {"tasks": "asr"}, hum, headers=proxied)
        error = refused.json()["error"]
        assert refused.status_code == 403 and "--cors" in error["message"] and ":8443" in error["message"]
    with start(hosts=("speech.example",), cors=(proxied["Origin"],)) as server:
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum, headers=proxied).status_code == 200


def test_what_was_transcribed_is_told_before_the_end() -> None:
    """The model's thread tells its progress; each text is told once, then the result."""

    async def run() -> list[tuple[str, object]]:
        heard, go = [], asyncio.Event()

        async def hear(told: Any) -> Any:
            for text in ("And so", "And so", "And so my fellow"):
                await asyncio.to_thread(told, FileProgress(0, 1.0, 9.0, lambda text=text: text))
                await asyncio.sleep(0)
            await go.wait()
            return "the analysis"

        async with transcribing(hear) as news:
            async for one in news:
                heard.append((one.text, one.analysis))
                if one.text == "And so my fellow":
                    go.set()  # not before it was told: this test would hang
        return heard

    heard = asyncio.run(run())
    assert heard[-1] == ("", "the analysis") and ("And so my fellow", None) in heard
    assert len(heard) == len(set(heard))


def test_an_answer_is_not_silent_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.streaming.QUIET_SECONDS", 0.01)

    async def run() -> int:
        count = 0

        async def hear(told: Any) -> Any:
            await asyncio.sleep(30)

        async with transcribing(hear) as news:
            async for one in news:
                assert one.text == "" and one.analysis is None
                count += 1
                if count == 3:
                    return count
        return count

    assert asyncio.run(run()) == 3


def events(server: Any, audio: bytes, **fields: str) -> list[tuple[float, str]]:
    """The lines of a streamed answer with the time of each."""
    data, files = {"model": "whisper-1", "stream": "true", **fields}, {"file": ("a.wav", audio)}
    found = []
    with httpx.stream("POST", server.url + PATH, data=data, files=files, timeout=300) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            found.append((time.monotonic(), line))
    return [(when, line) for when, line in found if line]


def test_a_stream_that_fails_says_so(start: Any, model: Any, hum: bytes) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def analyze(self, source: Any, **options: Any) -> Any:
            raise RuntimeError(f"secret {source}")

    with start(Broken) as server:
        ((_, line),) = events(server, hum)
        error = json.loads(line.removeprefix("data: "))["error"]
        assert error["code"] == "internal_error" and "secret" not in line
        patience = time.monotonic() + 10  # the upload goes when its request is over, after the last event
        while list(server.service.workspace.folder.iterdir()) and time.monotonic() < patience:
            time.sleep(0.02)
        assert not list(server.service.workspace.folder.iterdir())


def test_a_listener_of_a_stream_who_leaves(start: Any, model: Any, make_wav: Any) -> None:
    """The model is free again at once, and nothing stays on disk."""
    begun, ended = [], []

    class Endless:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def analyze(self, source: Any, watch: Any = None, **options: Any) -> Any:
            begun.append(1)
            while not watch(FileProgress(0, 1.0, 100.0, lambda: "And so")):
                time.sleep(0.01)
            ended.append(1)
            return model.analyze(np.zeros(16_000, np.float32), sample_rate=16_000, **options)

    with start(Endless) as server:
        data, files = {"model": "x", "stream": "true"}, {"file": ("a.wav", make_wav(np.zeros(61 * 16_000)))}
        data["model"] = "whisper-1"
        with httpx.stream("POST", server.url + PATH, data=data, files=files, timeout=60) as answer:
            assert "And so" in next(line for line in answer.iter_lines() if line.startswith("data:"))
        for _ in range(500):
            if ended and not list(server.service.workspace.folder.iterdir()):
                break
            time.sleep(0.02)
        assert begun == ended == [1] and not list(server.service.workspace.folder.iterdir())


@pytest.mark.slow
def test_a_long_stream_of_the_real_model(start: Any, make_wav: Any) -> None:
    """240 s are heard in several batches: the first words come long before the last."""
    speech = load_audio(Path(__file__).parents[2] / "examples" / "jfk.flac")
    with start() as server:
        begun = time.monotonic()
        lines = events(server, make_wav(np.tile(speech, 22)))
    told = [(when, json.loads(line[6:])) for when, line in lines if line.startswith("data: {")]
    deltas = [(when, event["delta"]) for when, event in told if event["type"] == "transcript.text.delta"]
    assert "".join(delta for _, delta in deltas) == told[-1][1]["text"]
    assert deltas[0][0] - begun < 0.7 * (lines[-1][0] - begun) and lines[-1][1] == "data: [DONE]"


def talk(server: Any, *messages: Any, query: str = "tasks=asr") -> tuple[list[dict[str, Any]], int | None]:
    """Says these (a number is a pause in seconds); what the server says, and how it closes."""

    async def run() -> tuple[list[dict[str, Any]], int | None]:
        url, found = f"ws://127.0.0.1:{server.port}/v1/listen?{query}", []
        async with websockets.connect(url) as socket:
            for message in messages:
                await (asyncio.sleep(message) if isinstance(message, float) else socket.send(message))
            async for event in socket:
                found.append(json.loads(event))
        return found, socket.close_code

    return asyncio.run(run())


FINISH, ALIVE = json.dumps({"type": "finish"}), json.dumps({"type": "KeepAlive"})


@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
def test_messages_may_be_cut_anywhere(server: Any, speech: bytes, encoding: str) -> None:
    samples = np.concatenate([load_audio(speech), np.zeros(8_000, np.float32)])
    data = (
        samples.astype("<f4").tobytes() if encoding == "f32le" else (samples * 32_767).astype("<i2").tobytes()
    )
    parts = [data[start : start + 30_001] for start in range(0, len(data), 30_001)]
    found, code = talk(server, *parts, FINISH, query=f"tasks=asr&interval=5&encoding={encoding}")
    text = " ".join(event["text"] for event in found if event["type"] == "final")
    assert code == 1000 and text.lower().startswith("and so my fellow")
    assert found[-1] == {"type": "end", "duration": 3.8, "skipped": 0}


@pytest.mark.parametrize("alive", [ALIVE, '{"type":"keepalive"}'])
@pytest.mark.parametrize("finish", [FINISH, '{"type": "CloseStream"}'])
def test_deepgrams_messages(server: Any, alive: str, finish: str) -> None:
    found, code = talk(server, bytes(3_201), alive, alive, finish)
    assert code == 1000 and found == [{"type": "end", "duration": 0.1, "skipped": 0}]


def test_a_caller_who_says_nothing_for_long(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.listen_routes.IDLE_SECONDS", 0.6)
    assert talk(server, *[0.3, ALIVE] * 4, FINISH)[1] == 1000
    found, code = talk(server, bytes(3_200))
    assert code == 1001 and found[-1]["error"]["code"] == "idle"
    assert found[0]["type"] == "end", "what came is heard to its end"


SCRIPT = """
import OpenAI from "openai";
import fs from "fs";
const client = new OpenAI({apiKey: "x", baseURL: process.argv[2], maxRetries: 0});
const ask = (more) => client.audio.transcriptions.create(
  {model: "whisper-1", file: fs.createReadStream(process.argv[3]), language: "en-US", ...more});
const verbose = await ask({response_format: "verbose_json", timestamp_granularities: ["word", "segment"]});
let streamed = "", done = "";
for await (const event of await ask({stream: true})) {
  if (event.type === "transcript.text.delta") streamed += event.delta;
  else done = event.text;
}
console.log(JSON.stringify({verbose, streamed, done, models: (await client.models.list()).data.length}));
"""


@pytest.mark.skipif(not (NODE and OPENAI_JS), reason="needs node, and OPENAI_JS: where openai is installed")
def test_the_official_javascript_client(server: Any, speech: bytes, tmp_path: Path) -> None:
    assert NODE is not None and OPENAI_JS is not None
    (tmp_path / "node_modules").symlink_to(Path(OPENAI_JS) / "node_modules")
    (tmp_path / "ask.mjs").write_text(SCRIPT)
    (tmp_path / "speech.wav").write_bytes(speech)
    command = [NODE, "ask.mjs", f"{server.url}/v1", "speech.wav"]
    answer = json.loads(subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE).stdout)
    text = answer["verbose"]["text"]
    assert text.lower().startswith("and so my fellow") and answer["streamed"] == answer["done"] == text
    assert [word["word"] for word in answer["verbose"]["words"]] == text.split()
    assert answer["verbose"]["segments"] and answer["models"] > 3
