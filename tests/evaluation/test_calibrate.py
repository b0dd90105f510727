"""Fitting confidences: known curves are found again, and stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unislu.bundle import Manifest, hash_files, open_bundle, write_manifest
from unislu.bundle.calibration import Calibration, Curve
from unislu.evaluation.calibrate import (
    Answers,
    CalibratedPart,
    Fitted,
    fit,
    fit_curve,
    fit_temperature,
    judge_words,
    store,
)
from unislu.evaluation.profiles import profile
from unislu.result import Word

GENERATOR = np.random.default_rng(0)


def answers_of(curve: Curve, count: int) -> list[tuple[float, bool]]:
    """Answers that are right as often as the curve says."""
    raw = GENERATOR.uniform(0.02, 0.98, count)
    return [(float(p), bool(GENERATOR.uniform() < curve(float(p)))) for p in raw]


@pytest.mark.parametrize("curve", [Curve(1.0, 0.0), Curve(0.4, -0.8), Curve(2.0, 0.5)])
def test_a_curve_is_found_again(curve: Curve) -> None:
    found = Curve(**fit_curve(answers_of(curve, 4000)))
    assert found.slope == pytest.approx(curve.slope, rel=0.15)
    assert found.offset == pytest.approx(curve.offset, abs=0.15)


def test_few_answers_change_little() -> None:
    found = Curve(**fit_curve([(0.9, False)]))
    assert 0.3 < found(0.9) < 0.9
    assert Curve(**fit_curve([]))(0.9) == pytest.approx(0.9)


def test_a_temperature_is_found_again() -> None:
    labels = []
    for _ in range(3000):
        logits = GENERATOR.normal(0, 2, 3)
        true = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum()
        said = np.exp(logits) / np.exp(logits).sum()
        gold = "abc"[int(GENERATOR.choice(3, p=true))]
        labels.append((dict(zip("abc", map(float, said), strict=True)), gold))
    assert fit_temperature(labels)["temperature"] == pytest.approx(2.5, rel=0.1)


def test_the_error_falls_on_the_other_fold() -> None:
    clips = [Answers(words=tuple(answers_of(Curve(0.3, -1.0), 20))) for _ in range(60)]
    parts = fit(clips)
    assert set(parts) == {"words"}
    part = parts["words"]
    assert part.count == 1200 and part.before > 15 and part.after < 5
    right = [correct for clip in clips for _, correct in clip.words]
    assert part.accuracy == pytest.approx(100 * sum(right) / 1200)


def test_too_few_answers_are_not_fitted() -> None:
    assert fit([Answers(entities=((0.5, True),) * 30 + ((0.5, False),) * 5)]) == {}
    assert fit([Answers(entities=((0.5, True),) * 300)]) == {}


def test_words_are_judged_by_the_alignment() -> None:
    pytest.importorskip("jiwer")
    texts = ["He", "paid", "twenty-five", "dollar,", "..."]
    words = [Word(text, n, n + 1, 10 * n, 10 * n + len(text), 0.1 * n) for n, text in enumerate(texts)]
    found = judge_words(words, "he paid twenty-five dollars", profile("slue"))
    assert found == [(0.0, True), (0.1, True), (0.2, True), (pytest.approx(0.3), False)]


def bundle(folder: Path) -> Path:
    for name in ("encoder.onnx", "decoder.onnx", "tokenizer.json", "MODEL_CARD.md"):
        (folder / name).write_text(name)
    vocabulary = {"size": 1, "tokens": {}, "entity_types": [], "sentiments": []}
    old = {"sentiment": {"temperature": 2.0}, "fitted": {"sentiment": {"count": 9}}}
    values = Manifest("b", "1", ("inline",), vocabulary, hash_files(folder), calibration=old)
    write_manifest(folder, values)
    return folder


def test_parts_that_were_not_fitted_stay(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    opened = open_bundle(bundle(tmp_path / "b"))
    part = CalibratedPart({"slope": 0.5, "offset": 0.1}, 100, 90.0, 12.344, 3.0)
    folder = store(opened, Fitted({"words": part}, 7, "unislu"), tmp_path / "copy")
    stored = open_bundle(folder).manifest.calibration
    assert stored["words"] == {"slope": 0.5, "offset": 0.1} and stored["sentiment"] == {"temperature": 2.0}
    assert stored["fitted"]["words"]["ece_before"] == 12.34
    assert stored["fitted"]["sentiment"] == {"count": 9} and stored["fitted"]["clips"] == 7
    assert Calibration.from_manifest(stored).words == Curve(0.5, 0.1)
    assert open_bundle(tmp_path / "b").manifest.calibration["fitted"] == {"sentiment": {"count": 9}}
