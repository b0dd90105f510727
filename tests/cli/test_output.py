"""Where results go: every format, folders of results, files that exist, progress on a terminal."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import pytest

from unislu.cli.output import Output
from unislu.cli.writing import Writing
from unislu.recognition.longform import FileProgress
from unislu.recognition.request import Request
from unislu.writers import SubtitleStyle

from .conftest import StubModel, run, wav


def test_a_folder_of_results(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other" / "Clip.flac.wav"
    other.parent.mkdir()
    other.write_bytes(wav())
    same = tmp_path / "other" / "CLIP.wav"
    same.write_bytes(wav())
    out = tmp_path / "new" / "results"
    code, shown, err = run(capsys, clip, str(other), str(same), clip, "-o", str(out))
    assert (code, shown) == (0, "")
    assert sorted(p.name for p in out.iterdir()) == [
        "CLIP-2.json",
        "Clip.flac.json",
        "clip-3.json",
        "clip.json",
    ]
    assert len(err.splitlines()) == 4 and json.loads((out / "CLIP-2.json").read_text())["file"] == str(same)
    assert run(capsys, clip, "-o", str(out), "-q") == (0, "", "")


@pytest.mark.parametrize("name", ["text", "json", "jsonl", "txt", "srt", "vtt", "html"])
def test_every_format(
    name: str, stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, clip, "--format", name)
    assert code == 0 and "Ann" in out
    assert run(capsys, clip, "--format", name, "-o", str(tmp_path / "o"))[0] == 0
    (written,) = (tmp_path / "o").iterdir()
    assert "Ann" in written.read_text(encoding="utf-8")


def test_a_replaced_file_is_said(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(capsys, clip, "-o", str(out))[2] == f"{out}/clip.json\n"
    assert run(capsys, clip, "-o", str(out))[2] == f"{out}/clip.json (replaced)\n"


def test_an_input_is_never_overwritten(
    stub: StubModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.txt"  # sound in a file of an odd name
    path.write_bytes(wav())
    assert run(capsys, str(path), "-o", str(tmp_path), "-f", "txt")[0] == 0
    assert path.read_bytes() == wav() and (tmp_path / "talk-2.txt").read_text() == "Ann was glad.\n"


def test_progress_of_a_long_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    now = iter([100.0, 100.0, 110.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    output = Output(["talks/call.mp3"], Request(), Writing(SubtitleStyle(), "link"))
    output.advance(FileProgress(0, 0.0, 5400.0))
    output.advance(FileProgress(0, 600.0, 5400.0))
    output.clear_progress()
    shown = [line.strip() for line in capsys.readouterr().err.split("\r")]
    assert "Transcribing call.mp3  0 % · 0:00 of 1:30:00" in shown
    assert "Transcribing call.mp3  11 % · 10:00 of 1:30:00 · 1:20 left" in shown
    quiet = Output(["call.mp3"], Request(), Writing(SubtitleStyle(), "link"), quiet=True)
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    quiet.advance(FileProgress(0, 600.0, 5400.0))
    assert capsys.readouterr().err == ""


def test_a_result_that_cannot_be_written_stops_no_other(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / ("y" * 251 + ".wav")
    long.write_bytes(wav())
    code, _, err = run(capsys, str(long), clip, "-o", str(tmp_path / "out"))
    assert code == 1 and "cannot be written (File name too long)" in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["clip.json"]


def test_an_older_result_stays_until_the_new_one_is_whole(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "clip.json").write_text("older")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # as if the disk were full
    try:
        code, _, err = run(capsys, clip, "-o", str(out))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert code == 1 and "cannot be written" in err
    assert [p.name for p in out.iterdir()] == ["clip.json"] and (out / "clip.json").read_text() == "older"
