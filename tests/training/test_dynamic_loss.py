"""The table of benchmarks/dynamic_loss.py: counts against the metrics', differences by construction."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("jiwer")

from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.score import score
from unislu.sequence import SLUE


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "dynamic_loss.py"
    spec = importlib.util.spec_from_file_location("dynamic_loss", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: id, text, entities; what was heard, found, and found with the text given.
TAGGED: list[tuple[str, str, list[tuple[str, str]], str, list[tuple[str, str]], list[tuple[str, str]]]] = [
    ("a", "anna met bob", [("PERSON", "anna"), ("PERSON", "bob")], "anna met tom", [("PERSON", "anna")],
     [("PERSON", "anna"), ("PERSON", "bob")]),
    ("b", "nothing here", [], "nothing", [("ORG", "nothing")], []),
    ("c", "in rome", [("PLACE", "rome")], "in rome", [], [("ORG", "rome")]),
]  # fmt: skip
RATED = [("x", "i like it", "positive", "positive"), ("y", "so so", "neutral", "positive"),
         ("z", "awful", "negative", "negative")]  # fmt: skip


def made(folder: Path) -> Path:
    """Dev sets and the answers to them."""
    answers: list[dict[str, Any]] = []
    lines = []
    for key, text, entities, heard, found, forced in TAGGED:
        spans = [{"start": text.index(p), "end": text.index(p) + len(p), "type": t} for t, p in entities]
        lines.append({"id": key, "text": text, "audio": "x.wav", "entities": spans})
        answers.append(
            {"set": "slue-dev-joe", "id": key, "text": heard, "entities": found, "forced": forced}
        )
    written = {"slue-dev-joe": lines}
    for name in ("meld-dev", "sst-dev"):
        written[name] = [{"id": k, "text": t, "audio": "x.wav", "sentiment": s} for k, t, s, _ in RATED]
        answers += [{"set": name, "id": k, "text": t, "sentiment": f} for k, t, _, f in RATED]
    for name, rows in written.items():
        (folder / name).mkdir()
        (folder / name / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept = folder / "step-1.jsonl"
    kept.write_text("".join(json.dumps(row) + "\n" for row in answers))
    return kept


def test_figures_are_those_of_the_metrics(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA", str(tmp_path))
    counts = benchmark.counts(made(tmp_path), SLUE, None)
    totals = {name: rows.sum(0) for name, rows in counts.items()}
    found = {name: float(column(totals)) for name, column in benchmark.COLUMNS.items()}
    golds = [Gold(key, text, tuple(entities)) for key, text, entities, *_ in TAGGED]
    free = score(golds, [Prediction(k, h, tuple(f)) for k, _, _, h, f, _ in TAGGED], "unislu")
    forced = score(golds, [Prediction(k, t, tuple(f)) for k, t, *_, f in TAGGED], "unislu")
    rated = [Gold(key, text, None, label) for key, text, label, _ in RATED]
    felt = score(rated, [Prediction(key, text, None, label) for key, text, _, label in RATED])
    assert free.words is not None and free.entities is not None and forced.entities is not None
    assert felt.sentiment is not None and felt.sentiment.macro_f1 is not None
    micro = free.entities.micro
    assert found["WER, entities"] == pytest.approx(free.words.wer)
    wanted = [micro.precision, micro.recall, micro.f1]
    assert [found[name] for name in ("P", "R", "F1")] == pytest.approx(wanted)
    assert found["F1, gold transcript"] == pytest.approx(forced.entities.micro.f1)
    assert found["empty lists"] == pytest.approx(100 / 3)
    assert found["sentiment F1"] == pytest.approx(felt.sentiment.macro_f1)
    wer = found["WER, entities"] / 2
    assert found["score"] == pytest.approx((100 - wer + found["F1"] + found["sentiment F1"]) / 3)


def test_differences_hold_what_was_put_in(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.setattr(benchmark, "SAMPLES", 200)
    run = benchmark.counts(made(tmp_path), SLUE, None)
    many = {name: np.tile(rows, (20, 1)) for name, rows in run.items()}
    worse = {name: rows.copy() for name, rows in many.items()}
    worse["slue-dev-joe"][:, 0] += 1  # one more word error in every utterance
    text = benchmark.table({"plain": [[many], [many]], "same": [[many], [many]], "worse": [[worse], [worse]]})
    rows = {row.split(" | ")[0]: row.split(" | ") for row in text.splitlines()}
    assert set(rows["| same − plain"][3:-1]) == {"+0.0 [+0.0, +0.0]"}
    change = rows["| worse − plain"][3]
    mean, low, high = (float(part.strip("[],")) for part in change.split())
    assert low <= mean <= high and mean == pytest.approx(100 * 3 / 7, abs=0.1) and low > 30
    assert rows["| worse − plain"][7] == "+0.0 [+0.0, +0.0]"  # F1
