"""What was heard stays: inputs out of reach, files that broke, foreign folders, kills at any moment."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unislu.cli.batch import render
from unislu.errors import BatchError, OptionError

Batch = Callable[..., Any]
Rows = Callable[[Path], dict[str, dict[str, Any]]]
Clip = Callable[..., Path]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def calls(clips: Path, tmp_path: Path) -> Path:
    """A manifest of the twelve clips: it names them whether they are there or not."""
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(f'{{"audio": "in/{clip.name}"}}\n' for clip in sorted(clips.iterdir())))
    return path


def test_inputs_out_of_reach_destroy_nothing(
    batch: Batch, rows: Rows, calls: Path, clips: Path, tmp_path: Path
) -> None:
    batch(calls, tmp_path / "out")
    before = rows(tmp_path / "out")
    clips.rename(tmp_path / "unmounted")
    for _ in range(2):
        with pytest.raises(BatchError, match=r"12 of 12 files .* cannot be found, the first is .*call-00"):
            batch(calls, tmp_path / "out")
        assert rows(tmp_path / "out") == before
    (tmp_path / "unmounted").rename(clips)
    assert batch(calls, tmp_path / "out").new == 0


def test_a_file_that_is_gone_or_broken_keeps_its_row(
    batch: Batch, rows: Rows, calls: Path, clip: Clip, clips: Path, tmp_path: Path
) -> None:
    batch(calls, tmp_path / "out")
    before = rows(tmp_path / "out")
    (clips / "call-00.wav").unlink()
    (clips / "call-01.wav").write_bytes(b"broken")
    (clips / "call-02.wav").write_bytes(b"")
    clip(clips / "call-03.wav", 160)
    for _ in range(2):
        summary = batch(calls, tmp_path / "out")
        assert (summary.done, summary.failed, summary.kept) == (12, 0, 3)
        assert "3  could not be processed again" in render(summary)
        assert any("3 files could not be transcribed again" in note for note in summary.notes)
    after = rows(tmp_path / "out")
    assert {name for name in before if before[name] != after[name]} == {"call-03.wav"}
    clip(clips / "call-01.wav", 150)
    assert batch(calls, tmp_path / "out").kept == 2
    assert rows(tmp_path / "out")["call-01.wav"]["duration"] == pytest.approx(1.5)


def test_a_row_of_an_error_is_replaced_by_any(
    batch: Batch, rows: Rows, clip: Clip, clips: Path, tmp_path: Path
) -> None:
    (clips / "call-00.wav").write_bytes(b"broken")
    assert batch(clips, tmp_path / "out").failed == 1
    (clips / "call-00.wav").write_bytes(b"broken otherwise")
    assert batch(clips, tmp_path / "out").failed == 1
    clip(clips / "call-00.wav", 100)
    summary = batch(clips, tmp_path / "out")
    assert (summary.failed, summary.kept, summary.done) == (0, 0, 12)
    assert len(rows(tmp_path / "out")) == 12


def test_the_new_row_is_written_before_the_old_one_goes(
    batch: Batch, rows: Rows, clip: Clip, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unislu.scale.ledger import Ledger

    batch(clips, tmp_path / "out")
    clip(clips / "call-00.wav", 160)

    def cut_off(self: Ledger, partitions: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Ledger, "drop", cut_off)
        batch(clips, tmp_path / "out")
    summary = batch(clips, tmp_path / "out")
    assert summary.new == 0 and any("1 rows were duplicated" in note for note in summary.notes)
    assert rows(tmp_path / "out")["call-00.wav"]["duration"] == pytest.approx(1.6)


def foreign(folder: Path, name: str = "part-00000-9f1b-c000.snappy.parquet") -> dict[str, bytes]:
    """What another program left, and may lie there damaged."""
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"id": ["x"], "price": [3]}), folder / name)
    (folder / "part-00001.parquet").write_bytes(b"half a file")
    (folder / "_partial-of-mine").write_bytes(b"x")
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("run", [None, "{", "[]", '{"settings": {}}', '{"name": "an experiment"}'])
def test_a_folder_of_another_program_is_refused_untouched(
    batch: Batch, clips: Path, tmp_path: Path, run: str | None
) -> None:
    before = foreign(tmp_path / "out")
    if run is not None:
        (tmp_path / "out" / "run.json").write_text(run)
        before = content(tmp_path / "out")
    with pytest.raises(OptionError, match="choose another"):
        batch(clips, tmp_path / "out")
    assert content(tmp_path / "out") == before


def test_foreign_partitions_in_an_own_folder_are_refused_untouched(
    batch: Batch, clips: Path, tmp_path: Path
) -> None:
    batch(clips, tmp_path / "out")
    foreign(tmp_path / "out")
    before = content(tmp_path / "out")
    with pytest.raises(OptionError, match=r"part-00000-.* is not a partition of this run"):
        batch(clips, tmp_path / "out")
    assert content(tmp_path / "out") == before


def _heard(out: Path) -> dict[str, dict[str, Any]]:
    """Rows that can be read at this moment, by id; of two, one is left."""
    found = {}
    for part in sorted(out.glob("part-*.parquet")):
        found |= {row["id"]: row for row in pq.read_table(part).to_pylist()}
    return found


@POSIX
@pytest.mark.slow
def test_fifty_kills_lose_nothing(
    bundle: Path, environment: dict[str, str], rows: Rows, clip: Clip, clips: Path, tmp_path: Path
) -> None:
    """Killed at random moments while files are heard, changed and replaced: what was there once stays."""
    chance = random.Random(16)
    for number in range(12, 40):
        clip(clips / f"call-{number:02d}.wav", 100 + number)
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "unislu", "batch", str(clips), str(out), "--bundle", str(bundle), "--loader",
        "scripted_model:load", "--workers", "2", "--partition-rows", "1", "-q",
    ]  # fmt: skip
    kills, seen = 0, {}
    while kills < 50:
        slow = {**environment, "SCRIPTED_DELAY": "0.02"}
        process = subprocess.Popen(command, env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=chance.uniform(0.2, 6.0))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        _, errors = process.communicate()
        assert process.returncode in (0, -9), errors.decode()
        now = _heard(out)
        assert set(seen) <= set(now)
        assert all(now[identity]["text"] for identity in seen)
        seen = now
        changed = clips / f"call-{chance.randrange(40):02d}.wav"
        if chance.random() < 0.5:
            clip(changed, 100 + chance.randrange(100))
        elif chance.random() < 0.2:
            shutil.copyfile(changed, clips / f"copy-{kills}.wav")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    total = len(list(clips.iterdir()))
    assert done.returncode == 0, done.stderr
    assert f"{total} of {total} files processed, 0 failed" in done.stdout
    after = rows(out)
    assert len(after) == total
    for path in clips.iterdir():
        assert after[path.name]["duration"] == pytest.approx(_length(path), abs=0.01)
    assert not list(out.glob("_partial*")) and not list(out.glob("_damaged*"))


def _length(path: Path) -> float:
    import wave

    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()
