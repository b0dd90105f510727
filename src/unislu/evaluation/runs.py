"""Existing predictions, as `unislu evaluate` stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unislu.errors import OptionError, RecordError
from unislu.evaluation.predict import Dataset, run_facts
from unislu.evaluation.prediction_files import read_predictions
from unislu.evaluation.question import Prediction


@dataclass(frozen=True)
class PredictedRun:
    """The answers of one system to some datasets.

    `answers`: by dataset. `facts`: what `predict` wrote down about the run of each dataset, empty for a
    file of another origin: `system`, `facts`, `questions`.
    """

    name: str
    answers: Mapping[str, Sequence[Prediction]]
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def parameters(self) -> int | None:
        """Weights of the system, if the run says so."""
        counts = ((facts.get("facts") or {}).get("parameters") for facts in self.facts.values())
        return next((count for count in counts if isinstance(count, int)), None)


def read_run(specification: str, datasets: Sequence[Dataset]) -> PredictedRun:
    """Read `NAME=PATH` or `PATH`.

    `PATH` is the report folder of `unislu evaluate`, a folder with `DATASET.jsonl` for each dataset, or,
    for one dataset, a file in any format that `unislu score` reads. Without a name the run's own is taken.

    Raises:
        OptionError: a file for several datasets.
        RecordError: there are no predictions of a dataset.
    """
    name, equals, place = specification.partition("=")
    path = Path(place if equals else specification)
    answers: dict[str, Sequence[Prediction]] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    for dataset in datasets:
        file = _file(path, dataset, len(datasets))
        answers[dataset.name] = joinable(read_predictions(file), dataset)
        facts[dataset.name] = run_facts(file)
    known = next((found["system"] for found in facts.values() if "system" in found), path.stem)
    return PredictedRun(name if equals else str(known), answers, facts)


def joinable(answers: Sequence[Prediction], dataset: Dataset) -> list[Prediction]:
    """Results of `unislu analyze` have no ids: their file's name is looked for in the manifest's audio."""
    ids = {record.id for record in dataset.records}
    by_file: dict[str, list[str]] = {}
    for record in dataset.records:
        if record.audio:
            by_file.setdefault(Path(record.audio).stem, []).append(record.id)
    found = []
    for answer in answers:
        named = by_file.get(answer.id, [])
        # Two files with the same name are ambiguous.
        sure = answer.id not in ids and len(named) == 1
        found.append(replace(answer, id=named[0]) if sure else answer)
    return found


def _file(path: Path, dataset: Dataset, count: int) -> Path:
    if path.is_file():
        if count > 1:
            raise OptionError(
                f"{path}: one file for {count} manifests; give the folder that holds a file for each"
            )
        return path
    for folder in (path / "predictions", path):
        if (file := folder / f"{dataset.name}.jsonl").is_file():
            return file
    raise RecordError(
        f"{path}: no predictions of {dataset.name} ({dataset.name}.jsonl); make them with `unislu evaluate`"
    )
