"""Several systems in one table: the same questions, the same scores, their size and their speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unislu.errors import OptionError
from unislu.evaluation.bootstrap import compare as compare_answers
from unislu.evaluation.evaluate import Evaluation, EvaluationSettings, score_run
from unislu.evaluation.predict import Dataset, rtfx
from unislu.evaluation.report.wording import table
from unislu.evaluation.runs import PredictedRun
from unislu.sequence.labels import SLUE

COLUMNS = (
    ("closed", "wer", "closed set: WER"),
    ("closed", "ner.f1", "F1"),
    ("closed", "ner.label_f1", "label-F1"),
    ("open", "wer", "open types: WER"),
    ("open", "ner.f1", "F1"),
    ("sentiment", "wer", "sentiment: WER"),
    ("sentiment", "sa.macro_f1", "macro-F1"),
)
"""Group, score and heading; a column without any value is left out."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Row:
    """A system: scores by (group, score) with their 95 % intervals, and p against the first system."""

    name: str
    parameters: int | None
    rtfx: float | None
    scores: Mapping[tuple[str, str], tuple[float, float | None, float | None]]
    p: Mapping[tuple[str, str], float]
    slue_score: float | None


@dataclass(frozen=True)
class Comparison:
    """The rows, in the order the systems were given in."""

    rows: tuple[Row, ...]
    profile: str
    datasets: Mapping[str, int]
    """Utterances by dataset."""

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """The entries of `COLUMNS` that have a value."""
        return tuple(c for c in COLUMNS if any(c[:2] in row.scores for row in self.rows))

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat mapping a system, for CSV and JSON."""
        found = []
        for row in self.rows:
            values: dict[str, Any] = {"system": row.name, "parameters": row.parameters, "rtfx": row.rtfx}
            for group, name, _ in self.columns:
                value, low, high = row.scores.get((group, name), (None, None, None))
                key = f"{group}.{name}"
                values |= {key: value, f"{key}.low": low, f"{key}.high": high}
                values[f"{key}.p"] = row.p.get((group, name))
            found.append(values | {"slue_score": row.slue_score})
        return found

    def markdown(self) -> str:
        """A table with a line below that says what its figures are."""
        heads = ["system", "parameters", "RTFx", *(head for _, _, head in self.columns)]
        slue = any(row.slue_score is not None for row in self.rows)
        heads += ["SLUE score"] if slue else []
        rows = []
        for row in self.rows:
            millions = "-" if row.parameters is None else f"{row.parameters / 1e6:.1f} M"
            cells = [row.name, millions, _number(row.rtfx)]
            cells += [self._cell(row, (group, name)) for group, name, _ in self.columns]
            rows.append([*cells, _number(row.slue_score)] if slue else cells)
        data = ", ".join(f"{name} ({count})" for name, count in self.datasets.items())
        lines = [
            *table(heads, rows),
            "",
            f"Profile `{self.profile}`; percent; utterances: {data}. RTFx: seconds of audio a second of "
            f"computing, all parts. †: differs from {self.rows[0].name} (p < {SIGNIFICANT}, approximate "
            "randomisation).",
        ]
        return "\n".join(lines) + "\n"

    def _cell(self, row: Row, key: tuple[str, str]) -> str:
        if key not in row.scores:
            return "-"
        differs = key in row.p and row.p[key] < SIGNIFICANT
        return _number(row.scores[key][0], 2) + (" †" if differs else "")


def compare_runs(
    datasets: Sequence[Dataset], runs: Sequence[PredictedRun], settings: EvaluationSettings
) -> Comparison:
    """Score every run alike; the closed set of entity types is SLUE's.

    Args:
        datasets: the gold.
        runs: the answers; the first is what the others are tested against.
        settings: profile, protocol, bootstrap.

    Raises:
        OptionError: two runs with the same name, or runs with different questions.
        RecordError: ids on one side only, and whatever `score_dataset` refuses.
    """
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"two runs are called {name!r}: name them, --run NAME=DIR")
    _check_questions(datasets, runs)
    evaluations = [_evaluation(datasets, run, settings) for run in runs]
    rows = [_row(run, found, evaluations[0], settings) for run, found in zip(runs, evaluations, strict=True)]
    return Comparison(tuple(rows), settings.profile, {d.name: len(d.records) for d in datasets})


def _check_questions(datasets: Sequence[Dataset], runs: Sequence[PredictedRun]) -> None:
    """One protocol: runs that record their questions must have the same ones."""
    for dataset in datasets:
        asked = {run.name: run.facts.get(dataset.name, {}).get("questions") for run in runs}
        known = {name: key for name, key in asked.items() if key is not None}
        if len(set(known.values())) > 1:
            raise OptionError(
                f"{dataset.name}: {', '.join(known)} were not asked the same questions (types, tasks or "
                "clips differ); evaluate them with the same options"
            )


def _evaluation(datasets: Sequence[Dataset], run: PredictedRun, settings: EvaluationSettings) -> Evaluation:
    return score_run(run.name, datasets, lambda d, _: run.answers[d.name], settings, SLUE.entity_types)


def _row(run: PredictedRun, found: Evaluation, first: Evaluation, settings: EvaluationSettings) -> Row:
    scores: dict[tuple[str, str], tuple[float, float | None, float | None]] = {}
    p: dict[tuple[str, str], float] = {}
    for group in ("closed", "open", "sentiment"):
        part, other = found.group(group), first.group(group)
        if part is None or other is None:
            continue
        for wanted, name, _ in COLUMNS:
            if wanted == group and name in part.intervals:
                interval = part.intervals[name].to_dict()
                scores[group, name] = (part.intervals[name].value, interval["low"], interval["high"])
        if found is not first:
            differences = compare_answers(
                other.judged, part.judged, samples=settings.samples, seed=settings.seed
            )
            p |= {(group, name): differences[name].p for _, name, _ in COLUMNS if name in differences}
    everything = [answer for answers in run.answers.values() for answer in answers]
    return Row(run.name, run.parameters, rtfx(everything), scores, p, found.slue_score)


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
