"""A cluster of two nodes on this machine: the run and a node with its worker are killed; nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.filterwarnings("ignore"),  # Ray and what it loads warn about themselves
]

ENOUGH = 600.0  # a busy machine needs minutes to start a cluster


@pytest.fixture
def cluster(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("SCRIPTED_DELAY", "0.5")  # of the actors, which inherit it from their node
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray runs its workers at niceness 15; beside other tests they would hardly run at all.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    # A dead node is noticed within seconds instead of half a minute.
    health = {
        "health_check_period_ms": 1000,
        "health_check_timeout_ms": 5000,
        "health_check_failure_threshold": 2,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": health}
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()


def test_a_run_outlives_its_process_a_worker_and_a_node(
    cluster: Any,
    bundle: Path,
    environment: dict[str, str],
    clips: Path,
    clip: Callable[..., Path],
    rows: Callable[[Path], dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    clip(clips / "crash.wav", 100)
    (clips / "noise.mp3").write_bytes(bytes(range(256)) * 9)
    out = tmp_path / "out"
    second = cluster.add_node(num_cpus=1)
    command = [
        sys.executable, "-m", "unislu", "batch", str(clips), str(out), "--bundle", str(bundle), "--loader",
        "scripted_model:load", "--engine", "ray", "--ray-address", cluster.address, "--partition-rows", "1",
        "--retries", "1", "-q",
    ]  # fmt: skip

    first = subprocess.Popen(command, env=environment)
    _wait_for_rows(out, 2, first)
    first.kill()
    first.wait()
    before = rows(out)
    assert 2 <= len(before) < 14

    again = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    _wait_for_rows(out, len(before) + 2, again)
    cluster.remove_node(second, allow_graceful=False)  # SIGKILL, and its workers go with it
    report, _ = again.communicate(timeout=ENOUGH)
    assert again.returncode == 1  # two of the files are bad
    assert "12 of 14 files processed, 2 failed" in report
    after = rows(out)  # each file once
    assert len(after) == 14
    assert {name: after[name] for name in before} == before
    errors = {name: row["error"]["kind"] for name, row in after.items() if row["error"]}
    assert errors == {"crash.wav": "crash", "noise.mp3": "audio"}


def _wait_for_rows(out: Path, count: int, process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + ENOUGH
    while len(list(out.glob("*.parquet"))) < count:
        assert process.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < end, "the run did nothing"
        time.sleep(0.05)
