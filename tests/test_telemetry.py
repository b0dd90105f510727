"""Offline means offline: no command leaves a file behind in the home or looks for the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unislu import TELEMETRY_OFF

from . import needs

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "examples" / "jfk.flac"
UNISLU = [sys.executable, "-m", "unislu"]
LOOPBACK = re.compile(r'inet_addr\("127\.0\.0\.1"\)|inet_pton\(AF_INET6, "::1"')


def offline(tmp_path: Path, *command: str) -> tuple[list[str], list[Path]]:
    """Run `command` in a namespace without network, an empty home and temporary folder.

    Returns the system calls that would have left this machine, and the files that are left.
    """
    prefix = needs.traced_without_network()
    home, scratch, calls = tmp_path / "home", tmp_path / "scratch", tmp_path / "calls"
    home.mkdir()
    scratch.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if name not in (*TELEMETRY_OFF, "XDG_CACHE_HOME")
    }
    environment = kept | {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT / "src")}
    script = [sys.executable, str(Path(__file__).parent / "offline.py")]
    done = subprocess.run(
        [*prefix, str(calls), *script, *command],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tried = [line for line in calls.read_text().splitlines() if "sa_family=AF_INET" in line]
    left = [path for folder in (home, scratch) for path in folder.rglob("*") if path.is_file()]
    return [line for line in tried if not LOOPBACK.search(line)], left


def test_a_way_out_would_be_seen(tmp_path: Path) -> None:
    code = (
        "import contextlib, pathlib, socket; pathlib.Path.home().joinpath('id').touch()\n"
        "with contextlib.suppress(OSError): socket.create_connection(('192.0.2.1', 443), 1)"
    )
    tried, left = offline(tmp_path, sys.executable, "-c", code)
    assert len(tried) == 1 and "192.0.2.1" in tried[0]
    assert [path.name for path in left] == ["id"]


def test_analyze_leaves_nothing(tmp_path: Path) -> None:
    assert offline(tmp_path, *UNISLU, "analyze", str(CLIP)) == ([], [])


def test_batch_leaves_nothing(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert offline(tmp_path, *UNISLU, "batch", str(CLIP), out, "--engine", "local") == ([], [])


@pytest.mark.parametrize("idle", [2, pytest.param(75, marks=pytest.mark.slow)])
def test_serve_leaves_nothing(tmp_path: Path, idle: int) -> None:
    port = "8123"  # of the namespace: nobody else has it
    serve = [*UNISLU, "serve", "--port", port, "--data", str(tmp_path / "data")]
    assert offline(tmp_path, "--serve", port, str(CLIP), str(idle), *serve) == ([], [])


def test_importing_unislu_switches_every_report_off() -> None:
    code = f"import os, unislu; print([os.environ[name] for name in {list(TELEMETRY_OFF)!r}])"
    kept = {name: value for name, value in os.environ.items() if name not in TELEMETRY_OFF}
    environment = kept | {"PYTHONPATH": str(ROOT / "src"), "DO_NOT_TRACK": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (
        done.stdout == f"{list((TELEMETRY_OFF | {'DO_NOT_TRACK': '0'}).values())}\n"
    )  # a user's choice is kept
