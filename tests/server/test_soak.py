"""A few seconds of what `make soak` does for five minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("psutil", "soundfile", "websockets"):
    pytest.importorskip(needed)

ROOT = Path(__file__).parents[2]


def test_everything_at_once(tmp_path: Path) -> None:
    """Honest clients and abuse together: no 5xx, nothing that was not foreseen, nothing left on disk."""
    report = tmp_path / "soak.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--clients", "16", "--seconds", "6"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ran = subprocess.run(
        [*command, "--threads", "1", "--output", str(report)],
        env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4_000:]
    found = json.loads(report.read_text())
    assert found["requests"] > 30 and found["honest_seconds"]["count"] and not found["faults"]
    assert len(found["answers"]) > 8, "most kinds of behaviour were tried"
