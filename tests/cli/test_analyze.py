"""`unislu analyze`: options, several files, stdin, and every kind of bad input."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from unislu.recognition.request import Request

from .conftest import StubModel, run, wav


def test_text(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, clip)
    assert (code, err) == (0, "")
    assert out == f"{clip} · 0.5 s\n[Ann](PERSON) was glad.\nentities   1\nsentiment  positive 100 %\n"
    assert "\x1b[" in run(capsys, clip, "--color", "always")[1]


def test_options_reach_the_model(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    entities = ["--entities", 'drug,"phone number, mobile"', "--entities", "person"]
    others = ["--tasks", "ner,asr", "--beam", "3", "--style", "normalized"]
    run(capsys, clip, *entities, "--bias", "drug=2,person=-1", *others)
    assert stub.request == Request(
        tasks=("ner", "asr"), entities=["drug", "phone number, mobile", "person"],
        bias={"person": -1.0, "drug": 2.0}, beam=3, style="normalized",
    )  # fmt: skip
    cutting = ["--vad", "silero", "--window", "12", "--pad", "0.3", "--merge", "0.5", "--channels", "split"]
    run(capsys, clip, *cutting)
    assert stub.request == Request(vad="silero", window=12.0, pad=0.3, merge=0.5, channels="split")
    run(capsys, clip, "--bias", "-1.5")
    assert stub.request == Request(bias=-1.5)


def test_several_files(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, clip, clip, "--format", "jsonl")
    assert code == 0 and [json.loads(line)["text"] for line in out.splitlines()] == ["Ann was glad."] * 2
    assert len(json.loads(run(capsys, clip, clip, "-f", "json")[1])) == 2
    assert json.loads(run(capsys, clip, "-f", "json")[1])["schema_version"] == 1
    assert run(capsys, clip, clip)[1].count("\n\n") == 1
    assert run(capsys, clip, clip, "-f", "txt")[1] == "Ann was glad.\n" * 2


def test_one_bad_file_does_not_stop_the_others(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.wav")
    code, out, err = run(capsys, clip, missing, clip, "-f", "jsonl")
    assert code == 1 and len(out.splitlines()) == 2
    assert err == f"unislu: {missing}: no such file; check the path\n"
    code, out, err = run(capsys, missing, clip, "-f", "json")
    assert code == 1 and len(json.loads(out)) == 1


def test_stdin(stub: StubModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(wav())))
    code, out, _ = run(capsys, "-", "-f", "json")
    assert code == 0 and json.loads(out)["file"] == "stdin"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, out, err = run(capsys, "-")
    assert (code, out) == (1, "") and err == "unislu: stdin: is empty (0 bytes); record or copy it again\n"


def test_stdin_that_nobody_pipes_into(
    stub: StubModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(b""))
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    code, _, err = run(capsys, "-")
    assert code == 2 and "pipe an audio file into it" in err


def test_warnings_go_to_stderr(stub: StubModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "half.wav"
    path.write_bytes(wav(2.0)[:-16_000])
    code, out, err = run(capsys, str(path), "-f", "json")
    assert code == 0 and "cut off: 1.5 s of 2.0 s" in json.loads(out)["warnings"][0]
    assert err.startswith(f"unislu: warning: {path}: is cut off")
    assert run(capsys, str(path), "-q")[2] == ""


def _bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    contents: dict[str, tuple[bytes, str]] = {
        "empty.wav": (b"", "is empty"),
        "text.wav": (b"hello, I am a text\n" * 50, "is not an audio or video file"),
        "zero.wav": (wav(0.0), "has 0 ms of audio"),
        "one.wav": (wav(1 / 16_000), "has 0.0625 ms of audio; at least 100 ms"),
        "nan.wav": (wav(0.5, dtype="<f4")[:44] + np.full(8_000, np.nan, "<f4").tobytes(), "not numbers"),
    }
    made = {}
    for name, (data, message) in contents.items():
        (folder / name).write_bytes(data)
        made[name] = (folder / name, message)
    (folder / "directory").mkdir()
    return made | {
        "missing": (folder / "missing.wav", "no such file"),
        "directory": (folder / "directory", "is a directory"),
        "device": (Path("/dev/null"), "is a device"),
    }


def test_every_bad_file_is_one_clear_line(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = _bad_files(tmp_path)
    code, out, err = run(capsys, *[str(path) for path, _ in bad.values()], clip, "-f", "jsonl")
    assert code == 1 and len(out.splitlines()) == 1
    lines = err.splitlines()
    assert len(lines) == len(bad) and "Traceback" not in err
    for line, (path, message) in zip(lines, bad.values(), strict=True):
        assert line.startswith(f"unislu: {path}: ") and message in line and ";" in line


def test_unusual_audio_is_transcribed(
    stub: StubModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wide.wav"
    path.write_bytes(wav(0.5, 96_000, 8, "<f4"))
    code, out, _ = run(capsys, str(path), "-f", "json")
    assert code == 0 and json.loads(out)["duration"] == 0.5


@contextmanager
def _no_root() -> Iterator[None]:
    """Without the right of root to read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_no_permission(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, clip)  # loads what the other user may have no right to
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        closed = shutil.copy(clip, folder)
        os.chmod(closed, 0)
        with _no_root():
            code, _, err = run(capsys, closed)
    assert code == 1 and "permission denied" in err and closed in err


def test_a_bad_bundle(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, clip, "--bundle", "nothing") == (
        1,
        "",
        "unislu: nothing: has no manifest.json, so it is not a bundle\n",
    )
