"""`unislu` as a process of its own: signals, closed pipes, names and encodings of the system."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import unislu


def _command(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1]), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "unislu", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="bytes as file names")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_odd_names_and_encodings(tmp_path: Path, encoding: str) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9 \xc3\xa9.wav"
    bundle = os.fsdecode(os.fsencode(tmp_path) + b"/b\xe9")
    process = _command("analyze", os.fsdecode(path), "--bundle", bundle, PYTHONIOENCODING=encoding)
    _, err = process.communicate()
    assert process.returncode == 1 and b"Traceback" not in err and b"no such folder" in err and b"/b" in err


def test_version_and_help() -> None:
    manifest = json.loads((Path(unislu.__file__).parent / "assets/default/manifest.json").read_text())
    model = f"{manifest['name']} {manifest['version']}"
    versions = f"unislu {unislu.__version__} (default model: {model})\n"
    for argument, shown in (("--version", versions), ("--help", "synthesize")):
        out, err = _command(argument).communicate()
        assert shown in out.decode() and err == b""


SLOW_STUB = """
import sys, time
from unislu.cli import main
import unislu.recognition.model
from unislu.result import Analysis
class Model:
    def check(self, options): pass
    def analyze_many(self, sources, **options):
        for source in sources:
            yield Analysis(text="word " * 2000, duration=1.0, model="m")
            time.sleep(float(sys.argv[1]))
unislu.recognition.model.load = lambda *a, **k: Model()
sys.exit(main(["analyze", *["x.wav"] * 50, "-f", "jsonl"]))
"""


def _slow(delay: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_STUB, delay],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_interrupted() -> None:
    process = _slow("30")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.decode().strip() == "unislu: interrupted"


PATIENT_STUB = """
import sys, time
from unislu.cli import main
import unislu.recognition.model
from unislu.recognition.longform import FileProgress
from unislu.result import Analysis
class Model:
    def check(self, options): pass
    def analyze_many(self, sources, *, watch, **options):
        yield Analysis(text="all of it", duration=1.0, model="m")
        seconds = 0.0
        while not watch(FileProgress(1, seconds, 3600.0)):
            print("heard", file=sys.stderr, flush=True)
            seconds += 10
            time.sleep(0.05)
        yield Analysis(text="so far", duration=3600.0, model="m", warnings=("b.wav: interrupted",))
unislu.recognition.model.load = lambda *a, **k: Model()
sys.exit(main(["analyze", "a.wav", "b.wav", "c.wav", "-f", "jsonl"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_an_interrupt_keeps_what_was_transcribed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", PATIENT_STUB],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stderr is not None and process.stderr.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["all of it", "so far"]
    said = [line for line in err.splitlines() if line != "heard"]
    assert said == [
        "unislu: warning: b.wav: interrupted",
        "unislu: interrupted; 1 of 3 files were not transcribed",
    ]


def test_broken_pipe() -> None:
    process = _slow("0")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141 and err == b""


def _with_closed_output(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1])}
    line = shlex.join([sys.executable, *command])
    return subprocess.run(
        ["bash", "-c", f"{line} >&-"], stderr=subprocess.PIPE, text=True, env=environment, timeout=60
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("words", ["types", "--version", "score --help"])
def test_results_for_a_closed_output_are_lost(words: str) -> None:
    done = _with_closed_output("-m", "unislu", *words.split())
    assert done.stderr.startswith("unislu: standard output: cannot be written (Bad file descriptor); open it")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_closed_output_does_not_hide_another_error(tmp_path: Path) -> None:
    done = _with_closed_output("-m", "unislu", "score", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.returncode == 1 and done.stderr.startswith(f"unislu: {tmp_path}/a: ")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_results_in_files_need_no_output(tmp_path: Path) -> None:
    stub = SLOW_STUB.replace('"-f", "jsonl"', f'"-q", "-o", {str(tmp_path)!r}')
    done = _with_closed_output("-c", stub, "0")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "x-50.json").read_text())["text"].startswith("word word")
