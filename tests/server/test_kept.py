"""What stays on disk, for how long, and who can read it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from unislu.errors import OptionError
from unislu.server.answers import ApiError
from unislu.server.jobs import JobStore
from unislu.server.workspace import Workspace, size_of

SECRET = b"a transcript nobody may find"


def wait_for(server: Any, id_: str) -> None:
    for _ in range(60):
        if server.get(f"/v1/jobs/{id_}?wait=2").json()["status"] in ("done", "failed"):
            return
    raise AssertionError


def test_what_a_killed_server_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "requests" / "request-abc"
    left.mkdir(parents=True)
    (left / "upload").write_bytes(b"somebody's voice")
    (tmp_path / "requests" / "notes.txt").write_text("not the server's")
    space = Workspace(tmp_path, 1000)
    assert not left.exists() and (tmp_path / "requests" / "notes.txt").exists()
    with pytest.raises(OptionError, match="another server keeps its uploads there; choose another --work"):
        Workspace(tmp_path, 1000)
    assert stat.S_IMODE(space.request().stat().st_mode) == 0o700
    space.close()
    Workspace(tmp_path, 1000).close()


def test_a_folder_has_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.server.workspace._FRESH_SECONDS", -1.0)
    space = Workspace(tmp_path, 1000)
    folder = space.request()
    (folder / "upload").write_bytes(bytes(600))
    space.take(300)
    assert space.room == 400
    with pytest.raises(ApiError):
        space.take(500)
    monkeypatch.setattr("unislu.server.workspace._FRESH_SECONDS", 60.0)
    space.take(300)
    assert space.room == 100, "what comes next counts before it is measured"
    monkeypatch.setattr("unislu.server.workspace._FRESH_SECONDS", -1.0)
    (folder / "audio.wav").write_bytes(bytes(500))
    with pytest.raises(ApiError) as full:
        space.take(0)
    assert (full.value.status, full.value.code, space.room) == (429, "disk_full", 0)
    space.close()
    assert size_of(tmp_path / "nothing") == 0


def test_uploads_stop_where_the_budget_ends(start: Any, hum: bytes) -> None:
    with start(max_disk_mb=3) as server:
        body = bytes(5_000_000)
        refused = server.post("/v1/analyze", content=body, headers={"Content-Type": "audio/wav"})
        assert refused.status_code == 429 and refused.json()["error"]["code"] == "disk_full"
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum).status_code == 200


def test_jobs_have_a_budget_too(start: Any, make_wav: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(JobStore, "take", lambda *_, **__: None)  # none of them begins
    monkeypatch.setattr("unislu.server.workspace._FRESH_SECONDS", -1.0)
    with start(max_disk_mb=1) as server:
        audio = make_wav(np.zeros(300_000))
        codes = [server.post("/v1/jobs", {}, audio).status_code for _ in range(3)]
        assert codes == [202, 202, 429]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["remove", "expire"])
def test_what_is_forgotten_is_gone(tmp_path: Path, how: str) -> None:
    store = JobStore(tmp_path / "jobs")
    audio = tmp_path / "upload"
    ids = []
    for _ in range(20):
        audio.write_bytes(b"x")
        ids.append(store.add("me", "a.wav", {"fields": []}, audio).id)
        store.take()
        store.end(ids[-1], "done", result=SECRET.decode() * 100)
    assert SECRET in everything(tmp_path), "or this test sees nothing"
    if how == "expire":
        store.expire(-1)
    for id_ in ids if how == "remove" else ():
        store.remove(id_)
    assert SECRET not in everything(tmp_path)
    store.close()
    assert SECRET not in everything(tmp_path)


def test_until_fetched(start: Any, hum: bytes) -> None:
    with start(until_fetched=True) as server:
        job = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()
        wait_for(server, job["id"])
        assert server.get(f"/v1/jobs/{job['id']}/result?format=none").status_code == 400, "still there"
        assert server.get(f"/v1/jobs/{job['id']}/result").json()["text"] == ""
        for _ in range(100):
            if server.get(f"/v1/jobs/{job['id']}").status_code == 404:
                break
            time.sleep(0.02)
        assert server.get("/v1/jobs").json() == {"jobs": []}


def test_a_job_that_runs_can_be_forgotten(start: Any, hum: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobStore, "take", lambda *_, **__: None)
    with start() as server:
        job = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()
        assert httpx.delete(f"{server.url}/v1/jobs/{job['id']}?forget=true").json()["status"] == "cancelled"
        assert server.get("/v1/jobs").json() == {"jobs": []}


@pytest.mark.slow
def test_a_server_that_is_killed(tmp_path: Path, speech: bytes) -> None:
    """Nobody else can read its files; the next one removes what lay there and keeps the job."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "UNISLU_DATA": str(tmp_path / "d")}
    command = [sys.executable, "-m", "unislu", "serve", "--port", "0", "--threads", "1"]

    def begin() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        for _ in range(600):
            if httpx.get(f"{url}/readyz").status_code == 200:
                break
            time.sleep(0.1)
        return process, url

    first, url = begin()
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(3):
            job = client.post("/v1/jobs", files={"file": ("a.wav", speech)}).json()

        def half() -> Any:
            yield speech[:50_000]
            for _ in range(500):  # until it lies there, and not before
                if list((tmp_path / "d" / "work").rglob("upload-*")):
                    break
                time.sleep(0.02)
            first.send_signal(signal.SIGKILL)
            first.wait(30)
            yield b""

        with pytest.raises(httpx.HTTPError):
            client.post("/v1/analyze", content=half(), headers={"Content-Type": "audio/wav"})
    assert first.stderr is not None
    first.stderr.close()
    files = list((tmp_path / "d").rglob("*"))
    left = next(path.parent for path in files if path.name.startswith("upload-"))
    assert files and all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
    second, url = begin()
    try:
        assert not left.exists()
        for _ in range(60):
            found = httpx.get(f"{url}/v1/jobs/{job['id']}?wait=2", timeout=60).json()
            if found["status"] == "done":
                break
        assert httpx.get(f"{url}/v1/jobs/{job['id']}/result").json()["text"].lower().startswith("and so")
    finally:
        second.terminate()
        second.communicate(timeout=60)
