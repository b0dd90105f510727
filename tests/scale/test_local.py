"""Batch runs in processes of this machine: results, resuming, poisoned files, kills."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unislu.cli.batch import render
from unislu.errors import BatchError, OptionError, RecordError
from unislu.recognition.request import Request

psutil = pytest.importorskip("psutil")

Batch = Callable[..., Any]
Rows = Callable[[Path], dict[str, dict[str, Any]]]
Clip = Callable[..., Path]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals")


def test_every_file_becomes_one_row(batch: Batch, rows: Rows, clips: Path, tmp_path: Path) -> None:
    summary = batch(clips, tmp_path / "out", partition_rows=5)
    assert (summary.inputs, summary.done, summary.failed, summary.new) == (12, 12, 0, 12)
    found = rows(tmp_path / "out")
    assert set(found) == {path.name for path in clips.iterdir()}
    row = found["call-00.wav"]
    assert row["text"] == "Acme kept Anna waiting."
    assert [(e["type"], e["text"], e["start_char"]) for e in row["entities"]] == [
        ("ORG", "Acme", 0), ("PERSON", "Anna", 10)
    ]  # fmt: skip
    assert row["sentiment"]["label"] == "negative" and dict(row["sentiment"]["scores"])["negative"] > 0.9
    assert row["duration"] == pytest.approx(1.0) and row["error"] is None
    assert row["model"] == "scripted 1" and row["content_key"].startswith("sha256:")
    assert dict(row["timings"])["total"] > 0
    parts = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(parts) >= 3
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["totals"]["rows"] == 12 and run["finished_at"] and len(run["partitions"]) == len(parts)
    assert run["settings"]["bundle_hash"] == row["bundle_hash"]


def test_a_finished_run_does_nothing_again(batch: Batch, rows: Rows, clips: Path, tmp_path: Path) -> None:
    batch(clips, tmp_path / "out")
    before = rows(tmp_path / "out")
    assert batch(clips, tmp_path / "out").new == 0
    assert rows(tmp_path / "out") == before


def test_what_changed_is_transcribed_again(
    batch: Batch, rows: Rows, clips: Path, clip: Clip, tmp_path: Path
) -> None:
    batch(clips, tmp_path / "out")
    before = rows(tmp_path / "out")
    os.utime(clips / "call-00.wav", (1, 1))  # touched, but the same content
    clip(clips / "call-01.wav", 160)  # other content
    clip(clips / "new.wav", 161)
    summary = batch(clips, tmp_path / "out")
    after = rows(tmp_path / "out")
    assert (summary.new, summary.done) == (2, 13)
    assert {name for name in before if before[name] != after[name]} == {"call-01.wav"}
    assert after["call-01.wav"]["duration"] == pytest.approx(1.6)


def test_poisoned_files_become_error_rows(
    batch: Batch, rows: Rows, clips: Path, clip: Clip, tmp_path: Path
) -> None:
    clip(clips / "crash.wav", 100)
    clip(clips / "hang.wav", 100)
    (clips / "noise.mp3").write_bytes(bytes(range(256)) * 9)
    (clips / "empty.wav").write_bytes(b"")
    shutil.copyfile(clips / "call-00.wav", clips / "gone.wav")
    manifest = tmp_path / "calls.jsonl"
    names = sorted(path.name for path in clips.iterdir())
    lines = [{"id": name, "audio": f"in/{name}", "duration": 1.0} for name in names]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (clips / "gone.wav").unlink()
    started = time.monotonic()
    summary = batch(manifest, tmp_path / "out", timeout=1.0, batch_files=4)
    assert time.monotonic() - started < 60
    assert (summary.done, summary.failed) == (12, 5)
    assert summary.causes == {"audio": 2, "crash": 1, "timeout": 1, "missing": 1}
    first = {"audio": "empty.wav", "crash": "crash.wav", "timeout": "hang.wav", "missing": "gone.wav"}
    assert summary.first == first
    assert "2  not readable as audio (audio): first: empty.wav\n" in render(summary)
    found = rows(tmp_path / "out")
    errors = {name: row["error"] for name, row in found.items() if row["error"]}
    assert errors["crash.wav"]["kind"] == "crash" and "SIGKILL" in errors["crash.wav"]["message"]
    assert errors["hang.wav"]["kind"] == "timeout" and errors["hang.wav"]["attempts"] == 2
    assert "not an audio" in errors["noise.mp3"]["message"] and errors["noise.mp3"]["attempts"] == 1
    assert all(str(clips / name) in error["message"] for name, error in errors.items())
    assert found["crash.wav"]["text"] is None


def test_failures_are_final_until_asked_for(
    batch: Batch, rows: Rows, clip: Clip, clips: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "calls.jsonl"
    names = ["noise.mp3", "gone.wav", "call-00.wav"]
    manifest.write_text("".join(json.dumps({"audio": f"in/{name}"}) + "\n" for name in names))
    (clips / "noise.mp3").write_bytes(bytes(range(256)) * 9)
    assert batch(manifest, tmp_path / "out", workers=1).failed == 2
    clip(clips / "gone.wav", 100)  # a file that is there now has changed
    again = batch(manifest, tmp_path / "out", workers=1)
    assert (again.new, again.done, again.failed) == (1, 2, 1)
    repeated = batch(manifest, tmp_path / "out", workers=1, retry_errors=True)
    assert (repeated.new, repeated.done, repeated.failed) == (1, 2, 1)
    assert len(rows(tmp_path / "out")) == 3


def _command(bundle: Path, clips: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "unislu", "batch", str(clips), str(out), "--bundle", str(bundle), "--loader",
        "scripted_model:load", "--workers", "2", "--partition-rows", "2", "-q", *more,
    ]  # fmt: skip


def _wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@POSIX
def test_a_killed_run_goes_on_from_its_last_partition(
    bundle: Path, environment: dict[str, str], rows: Rows, clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    slow = {**environment, "SCRIPTED_DELAY": "0.3"}
    process = subprocess.Popen(_command(bundle, clips, out), env=slow)
    _wait_for(lambda: list(out.glob("*.parquet")))
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive  # nobody is left behind
    before = rows(out)
    assert 0 < len(before) < 12
    (out / f"_partial-{'0a' * 16}").write_bytes(b"PAR1 half a file")  # of a kill
    for note in out.glob("_commits/*"):
        note.unlink()  # as a kill between partition and note does

    done = subprocess.run(
        _command(bundle, clips, out), env=environment, capture_output=True, text=True, check=True
    )
    assert "12 of 12 files processed, 0 failed" in done.stdout
    after = rows(out)
    assert len(after) == 12
    assert {name: after[name] for name in before} == before  # nothing was heard twice
    assert not list(out.glob("_partial*"))
    notes = [json.loads(path.read_text()) for path in (out / "_commits").iterdir()]
    assert sum(note["rows"] for note in notes) == 12


@POSIX
def test_a_killed_worker_costs_nothing(
    batch: Batch, rows: Rows, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import multiprocessing

    monkeypatch.setenv("SCRIPTED_DELAY", "0.1")
    killed = []

    def kill() -> None:
        for _ in range(2):
            _wait_for(lambda: list((tmp_path / "out").glob("*.parquet"))[len(killed) :])
            child = _wait_for(multiprocessing.active_children)[0]
            killed.append(child.pid)
            child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    summary = batch(clips, tmp_path / "out", partition_rows=1, retries=2)
    killer.join()
    assert len(killed) == 2
    assert (summary.done, summary.failed) == (12, 0)
    assert len(rows(tmp_path / "out")) == 12


def test_a_model_that_cannot_be_loaded_ends_the_run(batch: Batch, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="SIGKILL"):
        batch(clips, tmp_path / "a", loader="scripted_model:no_memory")
    with pytest.raises(BatchError, match=r"'scripted_model:lod'.*module:function"):
        batch(clips, tmp_path / "b", loader="scripted_model:lod")
    with pytest.raises(OptionError, match="only has the types"):
        batch(clips, tmp_path / "c", request=Request(entities=["drug"]))
    assert batch(clips, tmp_path / "c").done == 12  # with other options: nothing had come of the first ones


def test_an_output_folder_is_of_one_run(
    batch: Batch, clips: Path, tmp_path: Path, other_bundle: Path
) -> None:
    from unislu.scale.ledger import Ledger

    batch(clips, tmp_path / "out")
    with pytest.raises(OptionError, match="begun with bundle_hash"):
        batch(clips, tmp_path / "out", bundle=str(other_bundle))
    with pytest.raises(OptionError, match=r'begun with style "cased" \(now "normalized"\); choose'):
        batch(clips, tmp_path / "out", request=Request(style="normalized"))
    manifest = json.loads((tmp_path / "out" / "run.json").read_text())
    manifest["settings"]["analyze"] = {"bias": 0.0, "tasks": ["sa", "ner", "asr"]}  # older: no defaults
    (tmp_path / "out" / "run.json").write_text(json.dumps(manifest))
    assert batch(clips, tmp_path / "out").done == 12
    with Ledger(str(tmp_path / "out")).open(), pytest.raises(BatchError, match="another run is writing"):
        batch(clips, tmp_path / "out")


def test_shards_share_the_work(batch: Batch, rows: Rows, clips: Path, tmp_path: Path) -> None:
    for part in (1, 2):
        batch(clips, tmp_path / f"out-{part}", shard=(part, 2))
    first, second = rows(tmp_path / "out-1"), rows(tmp_path / "out-2")
    assert len(first) + len(second) == 12 and not set(first) & set(second) and first and second


def test_one_id_for_two_files_is_refused(clips: Path, batch: Batch, tmp_path: Path) -> None:
    manifest = tmp_path / "calls.jsonl"
    manifest.write_text('{"id": "a", "audio": "in/call-00.wav"}\n{"id": "a", "audio": "in/call-01.wav"}\n')
    with pytest.raises(RecordError, match=r"calls.jsonl:2: the id 'a' was already used in line 1"):
        batch(manifest, tmp_path / "out")
