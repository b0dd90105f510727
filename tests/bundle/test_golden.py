"""The default bundle writes the ids that were recorded once (`tests/golden`), on every processor.

Its integers are exact on all of x86. Float sums still differ in their last bits, by processor and by version
of ONNX Runtime; the clips are sure enough to bear that. Elsewhere a little may differ: how much is said here.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from typing import Any

import onnxruntime
import pytest

import unislu
from unislu.bundle import open_bundle
from unislu.evaluation.wer import total, word_errors

from ..golden.record import CLIPS, IDS, open_recorded, summary

RECORDED = json.loads(IDS.read_text(encoding="utf-8"))
WORDS, ENTITIES = 0.03, 1
"""Where ids may differ: the share of wrong words, and the wrong entities over all ten clips."""
EXACT = (
    platform.machine().lower() in ("x86_64", "amd64")
    and onnxruntime.__version__ == RECORDED["about"]["onnxruntime"]
)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Ids, text and entities of every clip, each heard alone."""
    model, recorder = open_recorded()
    return {path.name: summary(model.analyze(path)) | {"ids": recorder.ids} for path in CLIPS}


def test_the_record_is_of_this_bundle() -> None:
    """After a change of the bundle: python tests/golden/record.py"""
    manifest = open_bundle().manifest
    assert RECORDED["about"]["model"] == f"{manifest.name} {manifest.version}"
    assert list(RECORDED["clips"]) == [path.name for path in CLIPS] and len(CLIPS) == 10


def test_ids_are_the_recorded_ones(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    expected = RECORDED["clips"]
    if EXACT:
        assert found == expected
    difference = entities(expected)
    difference.subtract(entities(found))
    errors = total(word_errors(expected[n]["text"].split(), found[n]["text"].split()) for n in expected)
    wrong = sum(abs(n) for n in difference.values())
    distance = f"{errors.errors} of {errors.reference_words} words and {wrong} entities are not the recorded"
    assert errors.errors <= WORDS * errors.reference_words and wrong <= ENTITIES, distance
    if found != expected:
        with capsys.disabled():
            print(f"\n{distance}")


def test_clips_are_transcribed_together_as_they_are_alone(found: dict[str, Any]) -> None:
    together = unislu.load(threads=1).analyze_many(CLIPS)
    for path, result in zip(CLIPS, together, strict=True):
        alone = {key: value for key, value in found[path.name].items() if key != "ids"}
        assert summary(result) == alone, path.name


def entities(clips: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """How often each clip has each entity."""
    return Counter((name, *entity) for name, clip in clips.items() for entity in clip["entities"])
