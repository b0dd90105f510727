"""A server that is killed at random moments forgets no job that it has accepted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

KILLS = 50
ENDED = ("done", "failed")


class Life:
    """One start of the server, in a process of its own, over the same folder."""

    def __init__(self, data: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "UNISLU_DATA": str(data)}
        command = [sys.executable, "-m", "unislu", "serve", "--port", "0", "--threads", "1"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        self.url = self.process.stderr.readline().split()[-1]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        assert self.process.stderr is not None
        self.process.stderr.close()


def send(url: str, speech: bytes, accepted: list[str], begun: threading.Event) -> None:
    """Two jobs one after another, unless the server is gone before."""
    with httpx.Client(base_url=url, timeout=60) as client:
        sent = 0
        while sent < 2:
            try:
                answer = client.post("/v1/jobs", files={"file": ("a.wav", speech)})
            except httpx.HTTPError:
                return
            if answer.status_code == 202:
                accepted.append(answer.json()["id"])
                begun.set()
                sent += 1
            else:  # its model is not loaded yet
                assert answer.status_code == 503, answer.text
                time.sleep(0.1)


def states(url: str, ids: list[str], wait: int = 0) -> dict[str, dict[str, Any]]:
    found = {}
    for id_ in ids:
        answer = httpx.get(f"{url}/v1/jobs/{id_}?wait={wait}", timeout=60)
        assert answer.status_code == 200, f"{id_} was accepted and is not known: {answer.text}"
        found[id_] = answer.json()
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_fifty_kills_forget_no_job(tmp_path: Path, speech: bytes) -> None:
    chance = random.Random(16)
    accepted: list[str] = []
    before: dict[str, dict[str, Any]] = {}
    for _ in range(KILLS):
        life = Life(tmp_path / "d")
        try:
            now = states(life.url, accepted)
            assert all(now[id_] == job for id_, job in before.items() if job["status"] in ENDED)
            before = now
            begun = threading.Event()
            sender = threading.Thread(target=send, args=(life.url, speech, accepted, begun))
            sender.start()
            if chance.random() < 0.7:  # the others die while they start
                begun.wait(60)
            time.sleep(chance.uniform(0.0, 3.0))
        finally:
            life.kill()
        sender.join()
    life = Life(tmp_path / "d")
    try:
        for id_ in accepted:
            job = states(life.url, [id_])[id_]
            for _ in range(60):
                if job["status"] in ENDED:
                    break
                job = states(life.url, [id_], wait=2)[id_]
            if job["status"] == "done":
                result = httpx.get(f"{life.url}/v1/jobs/{id_}/result", timeout=60).json()
                assert result["text"].lower().startswith("and so my")
            else:  # its own starts ended with the server three times
                assert job["status"] == "failed" and job["error"]["message"]
    finally:
        life.kill()
    assert len(accepted) > KILLS / 2
