"""The command, from its options to its end; and the tutorial as it is written."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import httpx

from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import search
from unislu.cli import main

from .conftest import Results

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "unislu", "browse"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["missing"], "missing: no such folder; give the output folder of `unislu batch`"),
        (["s3://bucket/results"], "copy the results here first"),
        ([".", "--port", "70000"], "--port is 70000"),
        ([".", "--audio-root", "nowhere"], "--audio-root: nowhere is not a folder"),
    ],
)
def test_usage(
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["browse", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="interrupts as a terminal does")
def test_from_start_to_ctrl_c(calls: Results) -> None:
    (calls.path / "part-000009-00000009.parquet").write_bytes(b"PAR1 half")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [*COMMAND, str(calls.path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            warning, line = process.stderr.readline(), process.stderr.readline()
            assert "part-000009" in warning and "cannot be read" in warning
            found = re.fullmatch(r"unislu: open (http://127\.0\.0\.1:\d+/)\?token=(\S+)\n", line)
            assert found is not None, line
            address, token = found.groups()
            assert httpx.get(f"{address}api/overview").status_code == 401
            known = httpx.get(
                f"{address}api/overview", headers={"Authorization": f"Bearer {token}"}, timeout=60
            )
            assert known.json()["recordings"] == 3
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read() if process.stderr else ""
        assert process.wait(60) in (0, 130) and "Traceback" not in rest


@pytest.mark.slow
def test_the_tutorial_over_a_folder_of_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of it but the installation and the page, as written; then what the page is asked."""
    pytest.importorskip("hibari")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    text = (ROOT / "docs" / "tutorial-calls.md").read_text(encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            if program == "pip" or arguments[0] == "browse":
                continue
            prefix = [sys.executable, "-m", "unislu"] if program == "unislu" else [sys.executable]
            subprocess.run([*prefix, *arguments], cwd=tmp_path, env=environment, check=True)
    index = Index(str(tmp_path / "results"))
    asked = {"q": ["deliver*"], "speaker": ["Channel 2"], "sentiment": ["negative"]}
    march = {"from": ["2026-03-01"], "to": ["2026-03-31"]}
    found = [row["name"] for row in search(index, Filter.parse(asked | march))["rows"]]
    index.close()
    assert found == ["2026-03-17-dumont.wav", "2026-03-03-olsen.wav"]
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        exec(block, {})
