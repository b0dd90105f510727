"""Training runs as rows of the papers' tables: one model of all tasks, or separate models joined into one.

`scores.json` of a run holds the figures of its test manifests, of each seed with `--seeds`. Runs of one row
give different figures: SLUE's baseline is a model of entities (VoxPopuli), a recogniser and a classifier
(VoxCeleb). Rows of WhisperNER have several sets with entities: F1 and word error rate of each, and the means.
Figures are averaged over seeds after they are joined, the SLUE score as well.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unislu.errors import OptionError
from unislu.evaluation.report.wording import table
from unislu.evaluation.score import slue_score

SCORES = "scores.json"
COLUMNS = (
    ("wer_entities", "WER VP"),
    ("wer_sentiment", "WER VC"),
    ("ner.f1", "NER F1"),
    ("ner.label_f1", "label-F1"),
    ("sa.f1", "SA F1"),
    ("slue", "SLUE score"),
)
"""Figure and heading. VP and VC: the data with entities (SLUE-VoxPopuli) and with sentiments (VoxCeleb)."""
AVERAGE = "average"
_OF_A_SET = (("ner.f1", "F1"), ("wer", "WER"))
Figures = Mapping[str, float]


@dataclass(frozen=True)
class TrainedRow:
    """A row: each figure of every seed, in percent; a figure that some run lacks is missing."""

    name: str
    seeds: int
    figures: Mapping[str, tuple[float, ...]]

    def mean(self, figure: str) -> float | None:
        """Over the seeds that have it."""
        values = self.figures.get(figure)
        return statistics.fmean(values) if values else None

    def deviation(self, figure: str) -> float | None:
        """Standard deviation of the sample; None of fewer than two seeds."""
        values = self.figures.get(figure, ())
        return statistics.stdev(values) if len(values) > 1 else None


def read_row(specification: str) -> TrainedRow:
    """Read `[NAME=]DIR[,DIR…]`: the folders of runs that together make one row.

    Raises:
        OptionError: a folder without scores, runs of different numbers of seeds, or two that give one figure.
    """
    name, equals, places = specification.partition("=")
    folders = [Path(place) for place in (places if equals else specification).split(",")]
    runs = {folder: _seeds(folder) for folder in folders}
    counts = {folder: len(seeds) for folder, seeds in runs.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{folder} ({count})" for folder, count in counts.items())
        raise OptionError(f"--trained {specification}: the runs have different numbers of seeds: {listed}")
    joined = [_summary(_joined(parts, specification)) for parts in zip(*runs.values(), strict=True)]
    names = dict.fromkeys(figure for values in joined for figure in values)
    figures = {figure: tuple(values[figure] for values in joined if figure in values) for figure in names}
    present = {figure: values for figure, values in figures.items() if values}
    return TrainedRow(name if equals else folders[0].name, len(joined), present)


def _seeds(folder: Path) -> list[Mapping[str, Figures]]:
    """The test figures of a run by data set, of each of its seeds."""
    try:
        scores = json.loads((folder / SCORES).read_text(encoding="utf-8"))
        runs = scores["runs"].values() if "runs" in scores else [scores]
        found = [run["test"] for run in runs]
    except OSError as error:
        raise OptionError(
            f"{folder}: no {SCORES} there ({error.strerror}); give the folder of a finished `unislu train`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OptionError(
            f"{folder / SCORES}: holds no test figures; name `evaluation.test` in the recipe and train again"
        ) from None
    return [{name: part for name, part in run.items() if isinstance(part, Mapping)} for run in found]


def _joined(parts: Sequence[Mapping[str, Figures]], specification: str) -> dict[str, dict[str, float]]:
    """The figures of each data set, which no two runs may give."""
    found: dict[str, dict[str, float]] = {}
    for part in parts:
        for data, figures in part.items():
            known = found.setdefault(data, {})
            if twice := sorted(set(known) & set(figures)):
                raise OptionError(f"--trained {specification}: two runs give {twice[0]} of {data}")
            known |= figures
    return found


def _summary(data: Mapping[str, Figures]) -> dict[str, float]:
    """The columns of one seed."""
    tagged = [figures for figures in data.values() if "ner.f1" in figures and "sa.f1" not in figures]
    rated = [figures for figures in data.values() if "sa.f1" in figures and "ner.f1" not in figures]
    found: dict[str, float | None] = {}
    if len(tagged) > 1:
        found |= _of_each(data)
    if len(tagged) == 1:
        (entities,) = tagged
        found |= {"wer_entities": entities.get("wer"), "ner.f1": entities["ner.f1"]}
        found["ner.label_f1"] = entities.get("ner.label_f1")
    if len(rated) == 1:
        (sentiments,) = rated
        found |= {"wer_sentiment": sentiments.get("wer"), "sa.f1": sentiments["sa.f1"]}
    names = ("wer_entities", "wer_sentiment", "ner.f1", "sa.f1")
    found["slue"] = slue_score(*(found.get(name) for name in names))
    return {name: value for name, value in found.items() if value is not None}


def _of_each(data: Mapping[str, Figures]) -> dict[str, float]:
    """F1 and word error rate of each set with entities, and their means."""
    tagged = {name: figures for name, figures in data.items() if "ner.f1" in figures}
    found = {
        f"{name}/{figure}": figures[figure]
        for name, figures in tagged.items()
        for figure, _ in _OF_A_SET
        if figure in figures
    }
    for figure, _ in _OF_A_SET:
        values = [figures[figure] for figures in tagged.values() if figure in figures]
        if len(values) == len(tagged):
            found[f"{AVERAGE}/{figure}"] = statistics.fmean(values)
    return found


def columns(rows: Sequence[TrainedRow]) -> list[tuple[str, str]]:
    """Figure and heading of each column that some row has: SLUE's, then those of single sets, then means."""
    heads = dict(_OF_A_SET)
    names = dict.fromkeys(figure for row in rows for figure in row.figures if "/" in figure)
    apart = sorted(names, key=lambda figure: figure.startswith(f"{AVERAGE}/"))
    named = [(figure, f"{figure.rpartition('/')[0]} {heads[figure.rpartition('/')[2]]}") for figure in apart]
    return [*(pair for pair in COLUMNS if any(pair[0] in row.figures for row in rows)), *named]


def to_rows(rows: Sequence[TrainedRow]) -> list[dict[str, Any]]:
    """One flat mapping a row, for CSV and JSON."""
    found = []
    for row in rows:
        values: dict[str, Any] = {"system": row.name, "seeds": row.seeds}
        for figure, _ in [*COLUMNS, *(pair for pair in columns(rows) if pair not in COLUMNS)]:
            values |= {figure: row.mean(figure), f"{figure}.std": row.deviation(figure)}
        found.append(values)
    return found


def markdown(rows: Sequence[TrainedRow]) -> str:
    """The table of the papers, with mean ± standard deviation over seeds."""
    shown = columns(rows)
    cells = [[row.name, str(row.seeds), *(_cell(row, figure) for figure, _ in shown)] for row in rows]
    lines = table(["system", "seeds", *(head for _, head in shown)], cells)
    note = "Percent; mean ± standard deviation over seeds."
    if any(pair in COLUMNS for pair in shown):
        note += " VP: the test data with entities, VC: with sentiments."
    return "\n".join([*lines, "", note]) + "\n"


def _cell(row: TrainedRow, figure: str) -> str:
    mean, deviation = row.mean(figure), row.deviation(figure)
    if mean is None:
        return "-"
    partly = len(row.figures[figure]) < row.seeds
    return f"{mean:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "") + (" *" if partly else "")
