"""Clips without speech: every kind, the lengths promised, a valid manifest, the same bytes each time."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from unislu.cli import main
from unislu.data.no_speech import KINDS, RATE, write_corpus
from unislu.data.records import read_records


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each kind."""
    out = tmp_path_factory.mktemp("no-speech")
    write_corpus(out, 2 * len(KINDS), seed=3)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("n", [6400, 6401, 20_000])
def test_each_kind_fills_its_length_within_full_scale(kind: str, n: int) -> None:
    for seed in range(5):
        sound = KINDS[kind](n, np.random.default_rng(seed))
        assert sound.shape == (n,) and sound.dtype == np.float64
        assert np.isfinite(sound).all() and np.abs(sound).max() <= 1
        again = KINDS[kind](n, np.random.default_rng(seed))
        np.testing.assert_array_equal(sound, again)


def test_the_manifest_says_that_nothing_is_said(corpus: Path) -> None:
    records = list(read_records(corpus / "manifest.jsonl"))
    assert [r.extra["kind"] for r in records] == list(KINDS) * 2
    assert all(r.text == "" and r.sentiment is None for r in records)
    # Annotated, none present: the key is there and empty.
    lines = (corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["entities"] == [] for line in lines)


def test_durations_are_those_of_the_files(corpus: Path) -> None:
    for record in read_records(corpus / "manifest.jsonl"):
        with wave.open(str(record.audio_path(corpus)), "rb") as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            assert record.duration == pytest.approx(file.getnframes() / RATE)
        assert record.duration is not None and 0.39 < record.duration <= 15.0


def test_the_seed_decides_every_byte(corpus: Path, tmp_path: Path) -> None:
    count = str(2 * len(KINDS))
    for name, seed in (("again", "3"), ("other", "4")):
        command = ["tools", "no-speech", str(tmp_path / name), "--count", count, "--seed", seed]
        assert main(command) == 0
    assert contents(tmp_path / "again") == contents(corpus)
    assert contents(tmp_path / "other") != contents(corpus)


def test_a_larger_corpus_begins_with_the_smaller_one(corpus: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path, 3, seed=3)
    whole = contents(corpus)
    smaller = contents(tmp_path)
    del smaller["manifest.jsonl"]
    assert len(smaller) == 3 and all(whole[name] == data for name, data in smaller.items())
