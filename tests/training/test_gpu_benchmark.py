"""benchmarks/gpu.py: what it says without a GPU, and that it runs to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unislu.engines.devices import PROVIDERS

from ..factories import write_checkpoint, write_tone

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    import onnxruntime

    if PROVIDERS["cuda"] in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    ran = run("half", "--out", str(tmp_path))
    assert ran.returncode == 1 and ran.stdout == ""
    assert ran.stderr.startswith("gpu.py: nothing measured: device cuda:")
    assert "onnxruntime-gpu is not installed" in ran.stderr and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_it_runs_to_its_end_on_the_cpu(backbone: Path, tmp_path: Path) -> None:
    from unislu.training.export import Facts, export

    write_checkpoint(backbone, tmp_path / "checkpoint")
    half = export(tmp_path / "checkpoint", tmp_path / "half", Facts("tiny"), "float16").folder
    (tmp_path / "speech").mkdir()
    write_tone(tmp_path / "speech" / "tone.wav", 160_000, 440.0)
    small = ["--clips", "2", "--batches", "1", "2", "--minutes", "0.2", "--rounds", "1", "--threads", "1"]
    ran = run(
        str(half), "--device", "cpu", "--speech", str(tmp_path / "speech"), *small, "--out", str(tmp_path)
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    (path,) = tmp_path.glob("gpu-*.json")
    report = json.loads(path.read_text())
    measured = [row for row in report["rows"] if "rtfx" in row]
    assert len(measured) == 2 * (2 * 2 + 1) and all(row["rtfx"] > 0 for row in measured)
    assert report["comparisons"] == [{"clips": 2, "same_text": 2}]
    page = path.with_suffix(".md").read_text()
    assert page + "\n" == ran.stdout and "| 10 s, batches of 2 |" in page
