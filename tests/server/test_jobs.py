"""Jobs: their life over HTTP, in the store, and across restarts."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unislu.errors import OptionError
from unislu.server.jobs import MAX_ATTEMPTS, JobStore


def wait_for(server: Any, id_: str, *statuses: str) -> dict[str, Any]:
    for _ in range(60):
        job: dict[str, Any] = server.get(f"/v1/jobs/{id_}?wait=2&until=change").json()
        if job["status"] in statuses:
            return job
    raise AssertionError(job)


def test_a_job(server: Any, speech: bytes) -> None:
    made = server.post("/v1/jobs", {"entities": "country,person", "bias": "1.5"}, speech)
    assert made.status_code == 202
    job = made.json()
    assert made.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["status"] in ("queued", "running") and job["file"] == "clip.wav" and "owner" not in job
    done = wait_for(server, job["id"], "done", "failed")
    assert (done["status"], done["progress"], done["seconds"], done["error"]) == ("done", 1.0, 3.3, None)
    result = server.get(f"/v1/jobs/{job['id']}/result")
    assert result.json()["text"].lower().startswith("and so my")
    direct = server.post("/v1/analyze", {"entities": "country,person", "bias": "1.5"}, speech).json()
    assert {**result.json(), "timings": 0} == {**direct, "timings": 0}
    srt = server.get(f"/v1/jobs/{job['id']}/result?format=srt")
    assert srt.text.startswith("1\n00:00:00,")
    assert server.get(f"/v1/jobs/{job['id']}/result?format=xyz").json()["error"]["param"] == "format"
    assert job["id"] in [one["id"] for one in server.get("/v1/jobs").json()["jobs"]]
    assert server.delete(f"/v1/jobs/{job['id']}") == 200
    assert server.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_a_job_that_fails_says_why(server: Any) -> None:
    job = server.post("/v1/jobs", None, b"not audio at all").json()
    failed = wait_for(server, job["id"], "failed", "done")
    assert (
        failed["error"]["code"] == "invalid_audio"
        and "clip.wav: is not an audio or video file" in failed["error"]["message"]
    )
    answer = server.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "job_failed"


def test_bad_options_are_refused_at_once(server: Any, hum: bytes) -> None:
    assert server.post("/v1/jobs", {"tasks": "asr,xyz"}, hum).json()["error"]["code"] == "invalid_option"
    assert server.post("/v1/jobs", {}, b"").json()["error"]["code"] == "invalid_audio"
    assert server.post("/v1/jobs", {"bias": "1"}).json()["error"]["code"] == "unsupported_content_type"


class Slow:
    """A model that goes through long audio in small steps, as the real one does, until it is told to stop."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def analyze(self, source: Any, watch: Callable[[Any], bool] | None = None, **options: Any) -> Any:
        from unislu.recognition.longform import FileProgress

        for step in range(400 if watch else 0):
            if watch is not None and watch(FileProgress(0, step / 4, 100.0)):
                break
            time.sleep(0.02)
        return self.model.analyze(source, **options)


@pytest.fixture(scope="module")
def long_silence(make_wav: Any) -> bytes:
    import numpy as np

    audio: bytes = make_wav(np.zeros(100 * 16_000))
    return audio


def test_progress_cancel_and_short_requests_meanwhile(
    start: Any, model: Any, long_silence: bytes, hum: bytes
) -> None:
    with start(lambda: Slow(model)) as server:
        job = server.post("/v1/jobs", {"tasks": "asr"}, long_silence).json()
        running = wait_for(server, job["id"], "running")
        while running["progress"] < 0.02:
            running = server.get(f"/v1/jobs/{job['id']}?wait=2&until=change").json()
        assert running["seconds"] == 100.0
        # A short request does not wait for the long one to end.
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum).json()["text"] == ""
        assert server.get(f"/v1/jobs/{job['id']}").json()["status"] == "running"
        assert server.delete(f"/v1/jobs/{job['id']}") == 200
        assert server.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"
        # The model is free again long before the job would have ended.
        before = time.monotonic()
        assert server.post("/v1/analyze", {"tasks": "asr"}, hum).status_code == 200
        assert time.monotonic() - before < 5
        assert not list(server.service.workspace.folder.iterdir())


def test_a_client_waits_for_the_end_of_a_job_or_for_a_change(server: Any, speech: bytes) -> None:
    job = server.post("/v1/jobs", {"tasks": "asr"}, speech).json()
    changed = server.get(f"/v1/jobs/{job['id']}?wait=60&until=change").json()
    assert changed != job
    assert server.get(f"/v1/jobs/{job['id']}?wait=60").json()["status"] == "done"
    assert server.get(f"/v1/jobs/{job['id']}?until=later").status_code == 400


def test_a_short_job_does_not_wait_for_a_long_one(
    start: Any, model: Any, long_silence: bytes, hum: bytes
) -> None:
    with start(lambda: Slow(model), grace=0.1) as server:
        long = [server.post("/v1/jobs", {"tasks": "asr"}, long_silence).json()["id"] for _ in range(2)]
        wait_for(server, long[0], "running")
        short = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()["id"]
        assert wait_for(server, short, "done", "failed")["status"] == "done"
        states = [server.get(f"/v1/jobs/{id_}").json()["status"] for id_ in long]
        assert states == ["running", "queued"]


def test_a_job_that_is_longer_than_it_says(
    start: Any, model: Any, long_silence: bytes, hum: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes back and waits among the long ones; that start does not count."""

    async def says_nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr("unislu.server.decoding.DecoderPool.stated_seconds", says_nothing)
    with start(lambda: Slow(model), grace=0.1) as server:
        long = server.post("/v1/jobs", {"tasks": "asr"}, long_silence).json()
        while wait_for(server, long["id"], "running")["progress"] < 0.02:
            pass
        short = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()["id"]
        wait_for(server, short, "done")
        found = server.get(f"/v1/jobs/{long['id']}").json()
        assert (found["status"], found["seconds"]) == ("running", 100.0)


def test_jobs_by_length(store: JobStore, tmp_path: Path) -> None:
    ids = [_add(store, tmp_path, seconds=seconds) for seconds in (600.0, 5.0, None)]
    assert store.take(1000.0) is None
    first, second, third = store.take(0.0, 60.0), store.take(60.0), store.take(0.0, 60.0)
    assert first and second and third and [first.id, second.id, third.id] == [ids[1], ids[0], ids[2]]
    store.requeue(ids[2], 600.0)
    assert store.take(0.0, 60.0) is None and store.take(60.0) is not None


def test_a_restart_loses_nothing(
    start: Any, model: Any, long_silence: bytes, hum: bytes, tmp_path: Path
) -> None:
    data = str(tmp_path / "data")
    with start(lambda: Slow(model), data=data, grace=0.1) as server:
        done = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()["id"]
        wait_for(server, done, "done")
        stopped = server.post("/v1/jobs", {"tasks": "sa"}, long_silence).json()["id"]
        waiting = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()["id"]
        wait_for(server, stopped, "running")
    with start(data=data) as server:
        assert server.get(f"/v1/jobs/{done}/result").json()["text"] == ""
        assert wait_for(server, stopped, "done")["seconds"] == 100.0
        assert server.get(f"/v1/jobs/{stopped}/result").json()["text"] is None
        wait_for(server, waiting, "done")
        assert [job["id"] for job in server.get("/v1/jobs").json()["jobs"]] == [waiting, stopped, done]


def test_a_full_disk_holds_jobs_up_and_loses_none(
    start: Any, hum: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, failures = JobStore.take, [sqlite3.OperationalError("database or disk is full")]

    def sometimes(store: JobStore, *length: float) -> Any:
        if failures:
            raise failures.pop()
        return take(store, *length)

    monkeypatch.setattr(JobStore, "take", sometimes)
    monkeypatch.setattr("unislu.server.job_runner._RETRY_SECONDS", 0.05)
    with start() as server:
        job = server.post("/v1/jobs", {"tasks": "asr"}, hum).json()
        assert wait_for(server, job["id"], "done")["error"] is None and not failures


@pytest.mark.slow
def test_at_most_so_many_jobs(start: Any, model: Any, long_silence: bytes, hum: bytes) -> None:
    with start(lambda: Slow(model), max_jobs=1, grace=0.1) as server:
        server.post("/v1/jobs", {"tasks": "asr"}, long_silence)
        refused = server.post("/v1/jobs", {"tasks": "asr"}, hum)
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0


@pytest.mark.slow
def test_jobs_belong_to_a_key(start: Any, hum: bytes) -> None:
    with start(keys=("first-key-of-ours", "second-key-of-ours")) as server:
        first, second = ({"Authorization": f"Bearer {key}-key-of-ours"} for key in ("first", "second"))
        job = server.post("/v1/jobs", {"tasks": "asr"}, hum, headers=first).json()
        assert server.get(f"/v1/jobs/{job['id']}", headers=first).status_code == 200
        assert server.get(f"/v1/jobs/{job['id']}", headers=second).status_code == 404
        assert server.get("/v1/jobs", headers=second).json() == {"jobs": []}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    found = JobStore(tmp_path / "jobs")
    yield found
    found.close()


def _add(store: JobStore, tmp_path: Path, name: str = "a.wav", seconds: float | None = None) -> str:
    audio = tmp_path / "upload"
    audio.write_bytes(b"x")
    return store.add("me", name, {"fields": [["bias", "1"]]}, audio, seconds).id


def test_jobs_are_taken_in_order_and_once(store: JobStore, tmp_path: Path) -> None:
    first, second = _add(store, tmp_path), _add(store, tmp_path)
    taken = store.take()
    assert taken is not None and (taken.id, taken.status, taken.attempts) == (first, "running", 1)
    assert taken.options == {"fields": [["bias", "1"]]}
    again = store.take()
    assert again is not None and again.id == second
    assert store.take() is None and store.counts() == {"running": 2}


def test_audio_goes_when_a_job_ends(store: JobStore, tmp_path: Path) -> None:
    id_ = _add(store, tmp_path)
    assert store.path(id_).read_bytes() == b"x"
    assert store.end(id_, "done", result=json.dumps({})) and not store.path(id_).exists()
    assert not store.end(id_, "failed"), "a job ends once"
    store.expire(-1)
    assert store.get(id_) is None


def test_a_job_that_kills_the_server_is_given_up(store: JobStore, tmp_path: Path) -> None:
    id_ = _add(store, tmp_path)
    for _ in range(MAX_ATTEMPTS):
        assert store.take() is not None
        store.recover()
    job = store.get(id_)
    assert job is not None and job.status == "failed" and job.error is not None
    assert not store.path(id_).exists()


def test_stopping_does_not_count_as_an_attempt(store: JobStore, tmp_path: Path) -> None:
    id_ = _add(store, tmp_path)
    for _ in range(2 * MAX_ATTEMPTS):
        assert store.take() is not None
        store.requeue(id_)
    store.recover()
    job = store.get(id_)
    assert job is not None and job.status == "queued"


def test_one_server_a_folder(store: JobStore, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="another server keeps its jobs there"):
        JobStore(tmp_path / "jobs")
