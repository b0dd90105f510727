"""Running a server: keys, origins, limits, metrics, health, a stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from unislu.cli import main
from unislu.errors import BundleError, OptionError
from unislu.server.run import check_address
from unislu.server.settings import ServerSettings, is_loopback

KEY = "correct-horse-battery"


def test_keys(start: Any, hum: bytes) -> None:
    with start(keys=(KEY, "other-horse-battery")) as server:
        for path in ("/", "/healthz", "/readyz", "/static/main.js"):
            assert server.get(path).status_code == 200
        for path in ("/v1/models", "/v1/info", "/metrics", "/v1/jobs"):
            assert server.get(path).status_code == 401
            assert server.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        for wrong in (f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", f"Basic {KEY}", "Bearer", "Bearer \xfc"):
            refused = server.post("/v1/analyze", {}, hum, headers={"Authorization": wrong.encode("latin-1")})
            assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
            error = refused.json()["error"]
            assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
        good = server.post(
            "/v1/analyze", {"tasks": "asr"}, hum, headers={"Authorization": "Bearer other-horse-battery"}
        )
        assert good.status_code == 200


@pytest.mark.slow
def test_the_official_client_sends_the_key(start: Any, hum: bytes) -> None:
    openai = pytest.importorskip("openai")
    with start(keys=(KEY,)) as server:
        url = f"{server.url}/v1"
        with openai.OpenAI(api_key=KEY, base_url=url, max_retries=0) as client:
            assert client.audio.transcriptions.create(file=("a.wav", hum), model="whisper-1").text == ""
        with (
            openai.OpenAI(api_key="wrong-key", base_url=url, max_retries=0) as client,
            pytest.raises(openai.AuthenticationError, match="the key is unknown"),
        ):
            client.audio.transcriptions.create(file=("a.wav", hum), model="whisper-1")


def test_foreign_pages_and_rebound_names(server: Any, hum: bytes) -> None:
    own = {"Origin": server.url}
    assert server.post("/v1/analyze", {"tasks": "asr"}, hum, headers=own).status_code == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        refused = server.post("/v1/analyze", {"tasks": "asr"}, hum, headers={"Origin": origin})
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "foreign_origin"
    assert server.get("/v1/info", headers={"Host": "evil.example"}).status_code == 421
    assert server.get("/v1/info", headers={"Host": f"localhost:{server.port}"}).status_code == 200
    assert server.get("/v1/info", headers={"Host": "["}).status_code == 421
    assert server.post("/v1/analyze", {}, hum, headers={"Origin": "http://["}).status_code == 403
    answer = server.get("/v1/info", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.slow
def test_origins_that_are_let_in(start: Any, hum: bytes) -> None:
    origin = {"Origin": "https://app.example"}
    with start(cors=("https://app.example",)) as server:
        answer = server.post("/v1/analyze", {"tasks": "asr"}, hum, headers=origin)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        before = httpx.options(server.url + "/v1/analyze", headers=asked)
        assert before.headers["access-control-allow-origin"] == "https://app.example"


def test_headers_of_every_answer(server: Any) -> None:
    for path in ("/", "/healthz", "/v1/nothing", "/static/main.js"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "unsafe" not in headers["content-security-policy"] and "server" not in headers


class Gate:
    """A model that hears nothing until it is let."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.open = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def analyze(self, source: Any, **options: Any) -> Any:
        self.open.wait(30)
        return self.model.analyze(source, **options)

    def analyze_many(self, sources: Any, **options: Any) -> Any:
        self.open.wait(30)
        return self.model.analyze_many(sources, **options)


def in_background(call: Any) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    return thread, results


def until(condition: Any) -> None:
    for _ in range(1_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError


def test_a_full_queue(start: Any, model: Any, hum: bytes) -> None:
    gate = Gate(model)
    with start(lambda: gate, max_queue=2) as server:
        calls = [in_background(lambda: server.post("/v1/analyze", {"tasks": "asr"}, hum)) for _ in range(2)]
        until(lambda: "unislu_active_requests 2.0" in server.get("/metrics").text)
        refused = server.post("/v1/audio/transcriptions", {"model": "whisper-1"}, hum)
        error = refused.json()["error"]
        assert refused.status_code == 429 and (error["type"], error["code"]) == (
            "rate_limit_error",
            "queue_full",
        )
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert server.get("/healthz").status_code == server.get("/readyz").status_code == 200
        gate.open.set()
        for thread, results in calls:
            thread.join()
            assert results[0].status_code == 200
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum).status_code == 200


def test_a_stop_finishes_what_runs(start: Any, model: Any, hum: bytes) -> None:
    gate = Gate(model)
    with start(lambda: gate) as server:
        thread, results = in_background(lambda: server.post("/v1/analyze", {"tasks": "asr"}, hum))
        until(lambda: "unislu_active_requests 1.0" in server.get("/metrics").text)
        server.server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(httpx.HTTPError):
            server.get("/healthz")
        gate.open.set()
        thread.join()
        assert results[0].status_code == 200 and results[0].json()["text"] == ""
    assert not server.service.workspace.folder.exists()


def test_an_error_nobody_foresaw(
    start: Any, model: Any, hum: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Gate):
        def analyze(self, source: Any, **options: Any) -> Any:
            raise RuntimeError(f"secret {source}")

    with start(lambda: Broken(model)) as server:
        answer = server.post("/v1/analyze", {"tasks": "asr"}, hum)
        assert answer.status_code == 500 and "secret" not in answer.text and "Traceback" not in answer.text
        number = answer.json()["error"]["message"].split()[-1]
        assert number in caplog.text and "secret" in caplog.text
        assert 'status="500"' in server.get("/metrics").text


@pytest.mark.slow
def test_decoding_that_takes_too_long(start: Any, speech: bytes) -> None:
    with start(decode_timeout=0.001) as server:
        answer = server.post("/v1/analyze", {}, speech)
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "decoding_timeout"


@pytest.mark.slow
def test_a_decoder_that_dies(start: Any, speech: bytes, hum: bytes) -> None:
    with start(decoders=1) as server:
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum).status_code == 200
        (worker,) = server.service.decoders._idle
        worker.process.kill()
        until(lambda: worker.process.returncode is not None)
        answer = server.post("/v1/analyze", {"tasks": "asr"}, hum)
        assert answer.status_code == 400 and "crashes the decoder" in answer.json()["error"]["message"]
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum).status_code == 200


def test_metrics(server: Any, hum: bytes) -> None:
    server.post("/v1/analyze", {"tasks": "asr"}, hum)
    text = server.get("/metrics").text
    assert 'unislu_requests_total{method="POST",route="/v1/analyze",status="200"}' in text
    for name in ("unislu_queue", "unislu_files", "unislu_audio_seconds", "unislu_request_seconds_bucket"):
        assert f"\n{name}" in text
    routes = {line.split('route="')[1].split('"')[0] for line in text.splitlines() if 'route="' in line}
    assert all(route.startswith("/") or route == "other" for route in routes)
    assert httpx.request("BREW", f"{server.url}/coffee").status_code in (404, 405)
    text = server.get("/metrics").text
    assert "BREW" not in text and 'method="other"' in text  # no series for what clients make up


def test_the_openapi_document_is_complete(server: Any) -> None:
    document = server.get("/openapi.json").json()
    paths = document["paths"]
    wanted = {"/v1/audio/transcriptions", "/v1/models", "/v1/models/{name}", "/v1/analyze", "/v1/redact",
              "/v1/render", "/v1/info", "/v1/jobs", "/v1/jobs/{id_}", "/v1/jobs/{id_}/result", "/healthz",
              "/readyz", "/metrics"}  # fmt: skip
    assert set(paths) == wanted
    for path, methods in paths.items():
        for method, details in methods.items():
            assert details["summary"] and details["responses"], (path, method)
            if path.startswith("/v1") and method == "post":
                assert details["requestBody"]["content"], path
    fields = paths["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"][
        "schema"
    ]
    assert {"file", "model", "response_format", "timestamp_granularities", "include"} <= set(
        fields["properties"]
    )
    assert fields["required"] == ["file", "model"]


def test_settings_from_flags_and_environment() -> None:
    environment = {
        "UNISLU_MAX_QUEUE": "3",
        "UNISLU_KEYS": "one-rather-long-key, two-rather-long-key",
        "UNISLU_INSECURE": "yes",
    }
    settings = ServerSettings.read({"max_queue": 5, "port": None}, environment)
    assert (settings.max_queue, settings.port, settings.insecure) == (5, 8000, True)
    assert settings.keys == ("one-rather-long-key", "two-rather-long-key")
    assert "one-rather" not in repr(settings)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"host": "0.0.0.0"}, "no key is set"), ({"host": "::"}, "no key is set"), ({"max_queue": 0}, "above 0"),
     ({"keys": ("fifteen-letters",)}, "16 or more"), ({"device": "tpu"}, "choose from cpu, cuda"),
     ({"cors": ("*",)}, "scheme://host"), ({"port": 70_000}, "65535"),
     ({"key_file": "/no/such/file"}, "cannot be read")],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_meant(values: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        ServerSettings(**values)


def test_other_addresses_need_a_key_or_a_word(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\nlong-enough-a-key\n")
    assert ServerSettings(host="0.0.0.0", key_file=str(keys)).keys == ("long-enough-a-key",)
    assert ServerSettings(host="0.0.0.0", insecure=True).keys == ()
    assert is_loopback("127.0.0.3") and is_loopback("::1") and not is_loopback("10.0.0.1")


def test_bad_environment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNISLU_MAX_QUEUE", "many")
    assert main(["serve"]) == 2 and "UNISLU_MAX_QUEUE is 'many'" in capsys.readouterr().err
    monkeypatch.delenv("UNISLU_MAX_QUEUE")
    assert main(["serve", "--host", "0.0.0.0"]) == 2 and "no key is set" in capsys.readouterr().err
    assert main(["serve", "--port", "http"]) == 2 and "--port is 'http'" in capsys.readouterr().err


@pytest.mark.slow
def test_an_address_that_cannot_be_listened_on(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"unislu: 127.0.0.1:{port}: cannot listen here (") and err.count("\n") == 1
    check_address("127.0.0.1", port)
    check_address("localhost", 0)
    with pytest.raises(OptionError, match=r"nowhere.invalid:80: cannot listen here"):
        check_address("nowhere.invalid", 80)


def test_a_missing_bundle_ends_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["serve", "--port", "0", "--data", str(tmp_path), "--bundle", str(tmp_path / "none")]) == 1
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_not_ready(start: Any) -> None:
    def load() -> Any:
        raise BundleError("damaged")

    with pytest.raises(AssertionError), start(load):  # the server gives up, its thread with it
        pass


@pytest.mark.slow
def test_the_command(tmp_path: Path, hum: bytes) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "UNISLU_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "unislu", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        for _ in range(300):
            if httpx.get(f"{url}/readyz").status_code == 200:
                break
            time.sleep(0.1)
        answer = httpx.post(f"{url}/v1/analyze", files={"file": ("a.wav", hum)}, timeout=60)
        assert answer.json()["text"] == ""
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(30) in (0, -signal.SIGTERM) and "Traceback" not in rest
