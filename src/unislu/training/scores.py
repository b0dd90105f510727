"""`scores.json`: the scores of a run, and their mean over several seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unislu.evaluation.score import slue_score
from unislu.training.checkpoints import write_json

SCORES = "scores.json"
SLUE_SCORE = "slue"
Figures = Mapping[str, Mapping[str, float]]


def write_scores(folder: Path, scores: Mapping[str, Any]) -> None:
    """Write `scores.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SCORES, scores)


def with_slue_score(test: Figures) -> dict[str, Any]:
    """The figures of the test manifests, and the SLUE score where one has entities and another sentiments."""
    tagged = [f for f in test.values() if "ner.f1" in f and "sa.f1" not in f]
    rated = [f for f in test.values() if "sa.f1" in f and "ner.f1" not in f]
    found: dict[str, Any] = dict(test)
    if len(tagged) == len(rated) == 1:
        (entities,), (sentiments,) = tagged, rated
        score = slue_score(
            entities.get("wer"), sentiments.get("wer"), entities["ner.f1"], sentiments["sa.f1"]
        )
        if score is not None:
            found[SLUE_SCORE] = score
    return found


def averaged(folder: Path, seeds: Iterable[int]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds' `scores.json`, with each seed's own figures.

    A figure that some seed lacks (an undefined F1) has a mean over the others, and says how many they are.
    """
    runs = {
        f"seed-{seed}": json.loads((folder / f"seed-{seed}" / SCORES).read_text(encoding="utf-8"))
        for seed in seeds
    }
    figures: dict[str, list[float]] = {}
    for run in runs.values():
        for part in ("dev", "test"):
            for name, value in _flat(run.get(part, {}), part):
                figures.setdefault(name, []).append(value)
    mean = {
        name: {
            "mean": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "seeds": len(values),
        }
        for name, values in figures.items()
    }
    return {"mean": mean, "runs": runs}


def _flat(values: Mapping[str, Any], place: str) -> Iterable[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}/{key}")
        else:
            yield f"{place}/{key}", float(value)
