"""Augmented copies of recordings: drawn at random, the same every time, and gone on with after a stop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unislu.audio import load_audio
from unislu.cli import main
from unislu.data.augmented import augment_corpus
from unislu.data.records import read_records
from unislu.errors import OptionError

from ..factories import write_tone


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four clips: the third of them is no audio, the last has no text."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    rows = []
    for number in range(4):
        write_tone(folder / f"{number}.wav", 16_000, 300.0 + 90 * number)
        rows.append(
            {"id": f"r{number}", "text": f"tone {number}", "audio": f"{number}.wav", "source": "here"}
        )
    (folder / "2.wav").write_bytes(b"RIFF")
    rows[0]["entities"] = [{"start": 0, "end": 4, "type": "sound"}]  # type: ignore[assignment]
    del rows[3]["text"]
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_clips_are_changed_and_records_stay(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert augment_corpus(out, [manifest], "noise=1,silence=1") == 3
    said = capsys.readouterr().err
    assert "2.wav" in said and "left out" in said
    records = {r.id: r for r in read_records(out / "manifest.jsonl", untranscribed=True)}
    assert records["r0"].text == "tone 0" and records["r0"].entities is not None
    assert records["r1"].extra["source"] == "here"
    assert not records["r3"].transcribed
    for record in records.values():
        noise, silence = record.augmentation or ()
        samples = load_audio(record.audio_path(out))
        assert len(samples) == 16_000 + round(silence["seconds"] * 16_000)
        assert record.duration == pytest.approx(len(samples) / 16_000, abs=1e-3)
        clean = load_audio(manifest.parent / f"{record.id[1]}.wav")
        assert noise["name"] == "noise" and np.abs(samples[:16_000] - clean).max() > 1e-3


def test_it_goes_on_where_it_was_and_the_seed_decides(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    augment_corpus(out, [manifest], "noise=1", clips=2, seed=4)
    before = {path: path.stat().st_mtime_ns for path in out.glob("audio/*")}
    first = (out / "manifest.jsonl").read_text()
    assert len(before) == 2
    augment_corpus(out, [manifest], "noise=1", clips=2, seed=4)
    assert (out / "manifest.jsonl").read_text() == first
    assert {path: path.stat().st_mtime_ns for path in out.glob("audio/*")} == before
    augment_corpus(out, [manifest], "noise=1", clips=2, seed=5)
    assert (out / "manifest.jsonl").read_text() != first


def test_nothing_to_draw_from_and_unknown_steps_are_named(manifest: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"id": "a", "text": "so"}\n')
    with pytest.raises(OptionError, match=r"texts\.jsonl: no record has audio"):
        augment_corpus(tmp_path / "out", [texts])
    with pytest.raises(OptionError, match="no step 'echo'"):
        augment_corpus(tmp_path / "out", [manifest], "echo=1")


def test_the_command(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["tools", "augment", str(out), str(manifest), "--clips", "1", "--augment", "gain=1"]) == 0
    assert capsys.readouterr().out == f"{out / 'manifest.jsonl'}: 1 clips\n"
    assert len(list(read_records(out / "manifest.jsonl", untranscribed=True))) == 1
