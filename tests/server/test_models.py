"""Several models on one server: requests choose one by its name."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unislu.bundle import DEFAULT_PATH, open_bundle
from unislu.bundle.folder import write_manifest
from unislu.errors import OptionError
from unislu.recognition.model import Model

PATH = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The default model again, as `small` 1.0 in the user's folder."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "models" / "small" / "1.0"
    folder.mkdir(parents=True)
    manifest = open_bundle().manifest
    for file in manifest.files:
        os.symlink(DEFAULT_PATH / file, folder / file)
    write_manifest(folder, replace(manifest, name="small", version="1.0"))
    before = os.environ.get("UNISLU_HOME")
    os.environ["UNISLU_HOME"] = str(home)
    yield folder
    del os.environ["UNISLU_HOME"]
    if before is not None:
        os.environ["UNISLU_HOME"] = before


@pytest.fixture(scope="module")
def both(start: Any, small: Path) -> Iterator[Any]:
    """A server with the default model and `small`."""
    with start(load=("small",), threads=1) as found:
        yield found


def _answered(server: Any, path: str, data: dict[str, Any], hum: bytes) -> str:
    answer = server.post(path, data, hum)
    assert answer.status_code == 200, answer.text
    model: str = answer.json()["model"]
    return model


def test_requests_choose(both: Any, model: Model, hum: bytes) -> None:
    default = model.name
    assert _answered(both, "/v1/analyze", {"tasks": "asr"}, hum) == default
    for name in ("small", "small@1.0", "small 1.0"):
        assert _answered(both, "/v1/analyze", {"tasks": "asr", "model": name}, hum) == "small 1.0"
    assert _answered(both, "/v1/analyze", {"tasks": "asr", "model": "default"}, hum) == default


def test_openais_models(both: Any, model: Model, hum: bytes) -> None:
    listed = both.get("/v1/models").json()
    assert listed["object"] == "list"
    names = [one["id"] for one in listed["data"]]
    assert names[:2] == ["default", model.manifest.name] and "small" in names and "whisper-1" in names
    assert listed["data"][names.index("small")] == {
        "id": "small", "object": "model", "created": 0, "owned_by": "unislu",
    }  # fmt: skip
    assert both.get("/v1/models/small").json()["id"] == "small"
    for name in ("small", "whisper-1"):
        assert both.post(PATH, {"model": name}, hum).status_code == 200
    assert both.get("/v1/info").json()["models"] == [model.manifest.name, "small"]


@pytest.mark.parametrize("path", [PATH, "/v1/analyze", "/v1/redact", "/v1/jobs"])
def test_a_model_that_is_not_there(path: str, both: Any, hum: bytes) -> None:
    answer = both.post(path, {"model": "large"}, hum)
    error = answer.json()["error"]
    assert answer.status_code == 404 and error["code"] == "model_not_found" and error["param"] == "model"
    message = error["message"]
    assert "'large' does not exist: this server has default" in message and "--load" in message


def test_paths_are_no_models(both: Any, small: Path, hum: bytes) -> None:
    assert both.post("/v1/analyze", {"model": str(small)}, hum).status_code == 404


def test_jobs_choose(both: Any, hum: bytes) -> None:
    job = both.post("/v1/jobs", {"tasks": "asr", "model": "small"}, hum).json()
    until = time.monotonic() + 60
    while (state := both.get(f"/v1/jobs/{job['id']}?wait=30").json()["status"]) in ("queued", "running"):
        assert time.monotonic() < until
    assert state == "done"
    assert both.get(f"/v1/jobs/{job['id']}/result").json()["model"] == "small 1.0"


def test_live_speech_chooses(both: Any) -> None:
    connect = pytest.importorskip("websockets.sync.client").connect
    url = both.url.replace("http", "ws") + "/v1/listen?tasks=asr&model="
    with connect(url + "small") as socket:
        socket.send(json.dumps({"type": "finish"}))
        assert json.loads(socket.recv(timeout=60))["type"] == "end"
    with pytest.raises(Exception, match="404"), connect(url + "large"):
        pass


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (("./small",), r"--load \./small: give names"),
        (("small", "small"), "--load small: that name is taken"),
        (("whisper-1",), "--load whisper-1: that name is taken"),
    ],
)
def test_bad_names(load: tuple[str, ...], message: str, start: Any) -> None:
    with pytest.raises(OptionError, match=message), start(load=load):
        pass


@pytest.mark.parametrize(
    ("given", "remedy"),
    [({"load": ("nothing",)}, "unislu download nothing"), ({"device": "cuda"}, "--quantize float16")],
)
def test_a_model_that_cannot_be_loaded_ends_the_server(
    tmp_path: Path, given: dict[str, Any], remedy: str
) -> None:
    from unislu.server.app import create_app
    from unislu.server.run import make_server
    from unislu.server.settings import ServerSettings

    settings = ServerSettings(port=0, data=str(tmp_path), threads=1, **given)
    server = make_server(settings, create_app(settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive() and remedy in str(server.failure)
