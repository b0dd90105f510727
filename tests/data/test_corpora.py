"""Corpora: layouts, type names, and a development split that never moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unislu.data.corpora import CorpusSource, load_corpus, split_of
from unislu.data.records import Record
from unislu.errors import OptionError, RecordError


def make(path: Path, records: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def test_a_folder_is_its_manifest_and_audio_lies_beside_it(tmp_path: Path) -> None:
    make(tmp_path / "an4" / "manifest.jsonl", [{"id": "x", "text": "yes", "audio": "x.flac"}])
    assert [r.audio for r in load_corpus(tmp_path / "an4")] == [str(tmp_path / "an4" / "x.flac")]


def test_train_and_dev_are_a_stable_partition(tmp_path: Path) -> None:
    path = make(tmp_path / "c.jsonl", [{"id": f"r{n}", "text": "t"} for n in range(2000)])
    parts = {
        name: [r.id for r in load_corpus(CorpusSource(path, split=name, dev_share=0.1))]
        for name in ("train", "dev")
    }
    assert sorted(parts["train"] + parts["dev"]) == sorted(f"r{n}" for n in range(2000))
    assert 150 < len(parts["dev"]) < 250
    # Pinned: a split that moves with a version of the code would leak dev into train.
    assert parts["dev"][:3] == ["r27", "r35", "r36"]
    larger = {r.id for r in load_corpus(CorpusSource(path, split="dev", dev_share=0.2))}
    assert set(parts["dev"]) <= larger


def test_a_records_own_split_wins_and_copies_follow_the_first() -> None:
    assert split_of(Record("x", "t", split="test"), 0.99) == "test"
    dev = next(r for r in (Record(f"r{n}", "t") for n in range(100)) if split_of(r, 0.1) == "dev")
    assert split_of(Record(f"{dev.id}#1", "t", split="train"), 0.1) == "dev"


def test_type_key_and_map(tmp_path: Path) -> None:
    entities = [
        {"start": 0, "end": 1, "type": "PLACE", "type18": "GPE"},
        {"start": 1, "end": 2, "type": "QUANT", "type18": "ORDINAL"},
        {"start": 2, "end": 3, "type": "ORG", "type18": "ORG"},
    ]
    path = make(
        tmp_path / "c.jsonl", [{"id": "x", "text": "abc", "entities": entities}, {"id": "y", "text": ""}]
    )
    wanted = CorpusSource(path, type_key="type18", type_map={"GPE": "place", "ORDINAL": None})
    first, second = load_corpus(wanted)
    assert [(e.start, e.type) for e in first.entities or ()] == [(0, "place"), (2, "ORG")]
    assert second.entities is None
    with pytest.raises(RecordError, match=r"c.jsonl: record 'x': field `entities\[0\].no`: is missing"):
        list(load_corpus(CorpusSource(path, type_key="no")))


@pytest.mark.parametrize("bad", [{"split": "tests"}, {"dev_share": 1.0}, {"dev_share": float("nan")}])
def test_bad_options(bad: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        CorpusSource("x", **bad)
