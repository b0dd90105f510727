"""`unislu.json`: read once, written as it was read, and every error names the file, the key and a remedy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.errors import BundleError, RecipeError
from unislu.sequence import LabelSet
from unislu.training.checkpoint import UNISLU, WEIGHTS, Checkpoint, count_weights

VOCABULARY = {"size": 3, "tokens": {"<|entity|>": 2}, "entity_types": ["ORG"], "sentiments": ["Neutral"]}
WRITTEN: dict[str, Any] = {
    "kind": "whisper",
    "vocabulary": VOCABULARY,
    "format": "suffix",
    "alphabet": "plain",
    "decode": {"beam": 2},
    "labels": {"entity_types": ["ORG"], "sentiments": ["Neutral"]},
    "types_seen": ["drug"],
    "provenance": {"step": 7},
}


def folder_of(tmp_path: Path, values: Any) -> Path:
    (tmp_path / UNISLU).write_text(json.dumps(values))
    return tmp_path


@pytest.mark.parametrize("more", [{}, {"kind": "ctc", "text": {"units": ["a"]}}])
def test_what_is_read_is_written_again(tmp_path: Path, more: dict[str, Any]) -> None:
    values = {**WRITTEN, **more}
    found = Checkpoint.read(folder_of(tmp_path, values))
    assert found.labels == LabelSet(("ORG",), ("Neutral",)) and found.types_seen == ("drug",)
    assert found.to_dict() == values
    replace(found, provenance={"step": 8}).write(tmp_path)
    assert json.loads((tmp_path / UNISLU).read_text()) == {**values, "provenance": {"step": 8}}


def test_weights_are_counted_without_loading_them(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    save_file({"w": np.zeros((2, 5), np.float32), "b": np.zeros(3, np.float16)}, tmp_path / WEIGHTS)
    assert count_weights(tmp_path) == 13
    (tmp_path / WEIGHTS).write_bytes(b"\xff\xff\xff")
    with pytest.raises(BundleError, match=r"model\.safetensors: its weights cannot be counted"):
        count_weights(tmp_path)


def test_old_files_say_less(tmp_path: Path) -> None:
    found = Checkpoint.read(folder_of(tmp_path, {"vocabulary": VOCABULARY}))
    assert (found.kind, found.format, found.alphabet, found.labels) == ("whisper", "inline", "atomic", None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", 3),
        ("vocabulary", []),
        ("format", None),
        ("decode", "beam"),
        ("types_seen", "drug"),
        ("labels", {"entity_types": ["ORG"]}),
        ("labels", {"entity_types": 3, "sentiments": []}),
    ],
)
def test_a_damaged_key_is_named(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(BundleError) as error:
        Checkpoint.read(folder_of(tmp_path, {**WRITTEN, key: value}))
    assert str(tmp_path / UNISLU) in str(error.value)
    assert f"key {key!r}" in str(error.value) and "train or copy it again" in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", '"whisper"'])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / UNISLU).write_text(text)
    with pytest.raises(BundleError, match="train or copy it again"):
        Checkpoint.read(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no unislu\.json; give a checkpoint"):
        Checkpoint.read(tmp_path)
    found = Checkpoint.read(folder_of(tmp_path, {"kind": "ctc"}))
    with pytest.raises(BundleError, match=r"unislu\.json: no key 'text'; train or copy it again"):
        found.detail("text")


def test_a_backbone_of_another_kind_names_the_recipes_key(tmp_path: Path) -> None:
    assert Checkpoint.backbone("openai/whisper-base", "whisper") is None
    folder = str(folder_of(tmp_path, {**WRITTEN, "kind": "ctc"}))
    with pytest.raises(RecipeError, match=r"'model\.backbone'.*of kind 'ctc', not 'whisper'"):
        Checkpoint.backbone(folder, "whisper")
    (tmp_path / UNISLU).write_text("{")
    with pytest.raises(RecipeError, match=r"'model\.backbone'.*not JSON"):
        Checkpoint.backbone(folder, "whisper")
