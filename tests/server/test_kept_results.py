"""Results that clients send to be kept under an address."""

from __future__ import annotations

from typing import Any

import httpx

from .pages import conversation
from .test_jobs import wait_for


def send(server: Any, result: Any, key: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.post(f"{server.url}/v1/jobs", json=result, headers=headers, timeout=60)


def test_a_result_is_kept_as_a_job_that_is_done(server: Any) -> None:
    result = conversation()
    made = send(server, result)
    job = made.json()
    assert made.status_code == 201 and made.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["status"], job["file"], job["seconds"]) == ("done", "call.wav", 9.0)
    assert wait_for(server, job["id"], "done") == job
    path = f"/v1/jobs/{job['id']}"
    assert server.get(f"{path}/result").json() == result
    assert server.get(f"{path}/result?format=rttm").text.startswith("SPEAKER call 1 0.000 ")
    assert "Weber\tI-PERSON" in server.get(f"{path}/result?format=conll").text
    assert server.delete(path) == 200 and server.get(path).status_code == 404


def test_what_is_no_result_is_refused(server: Any) -> None:
    before = len(server.get("/v1/jobs").json()["jobs"])
    result = conversation()
    segment = {**result["segments"][0], "sentiment": {"label": "a", "scores": 3}}
    changes = ({"text": "of another"}, {"duration": "long"}, {"x": 1}, {"segments": [segment]})
    for bad in ({}, [], *({**result, **change} for change in changes)):
        answer = send(server, bad)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] in ("invalid_value", "invalid_json")
    assert len(server.get("/v1/jobs").json()["jobs"]) == before


def test_speakers_must_be_asked_for_their_format(server: Any, hum: bytes) -> None:
    answer = server.post("/v1/analyze", {"format": "rttm"}, hum)
    assert answer.status_code == 400 and "speakers=auto" in answer.json()["error"]["message"]


def test_kept_results_have_owners_and_room(start: Any) -> None:
    keys = ("the-key-of-the-first", "the-key-of-another")
    with start(keys=keys) as server:
        id_ = send(server, conversation(), keys[0]).json()["id"]
        for key, status in zip(keys, (200, 404), strict=True):
            headers = {"Authorization": f"Bearer {key}"}
            assert server.get(f"/v1/jobs/{id_}/result", headers=headers).status_code == status
        assert send(server, conversation()).status_code == 401
    with start(max_disk_mb=0.5) as server:
        answers = [send(server, conversation(repeated=100)) for _ in range(12)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[0] == 201 and statuses[-1] == 429
        assert answers[-1].json()["error"]["code"] == "disk_full" and answers[-1].headers["retry-after"]


def test_a_server_says_what_it_can_do(server: Any) -> None:
    info = server.get("/v1/info").json()
    assert {"tasks", "entities", "format"} <= set(info["fields"]) and "conll" in info["formats"]
    assert info["keep_days"] == 7.0 and "person" in info["presets"]["pii"]
