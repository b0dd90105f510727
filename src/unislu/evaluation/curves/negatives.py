"""Negatives and type dropout in training, over several trained models (WhisperNER, Figs. 3 and 4)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unislu.bundle import Manifest
from unislu.errors import BundleError
from unislu.evaluation.curves.figure import COLORS, Table, from_zero, label, line, panels
from unislu.evaluation.score import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trained:
    """How a model was trained: examples that supply negatives, and the share of dropped types."""

    negatives: int
    dropout: float


def trained_with(manifest: Manifest, place: str) -> Trained:
    """Read it from a model's provenance.

    Raises:
        BundleError: the provenance has no recipe with `prompts.negatives` and `prompts.dropout`.
    """
    prompts = (manifest.provenance.get("recipe") or {}).get("prompts") or {}
    try:
        return Trained(int(prompts["negatives"]), float(prompts["dropout"]))
    except (KeyError, TypeError, ValueError):
        raise BundleError(
            f"{place}: its provenance does not say with how many negatives and which dropout it was trained; "
            "give models that `unislu train` made"
        ) from None


def negatives_table(models: Mapping[str, tuple[Trained, Scores]]) -> Table:
    """One row a model, in rising order of negatives and dropout; in percent."""
    rows = []
    ordered = sorted(models.items(), key=lambda item: (item[1][0].negatives, item[1][0].dropout, item[0]))
    for name, (trained, scores) in ordered:
        micro = scores.entities.micro if scores.entities is not None else None
        rows.append(
            {
                "model": name,
                "negatives": trained.negatives,
                "dropout": trained.dropout,
                "precision": micro and micro.precision,
                "recall": micro and micro.recall,
                "f1": micro and micro.f1,
                "wer": scores.words.wer if scores.words is not None else None,
                "utterances": scores.utterances,
            }
        )
    return rows


def negatives_figure(table: Table, title: str) -> Figure:
    """Left and middle: F1 and WER over the negatives, a line for each dropout. Right: bars by both."""
    figure, (left, middle, right) = panels(3, title)
    dropouts = sorted({row["dropout"] for row in table})
    for axis, key in ((left, "f1"), (middle, "wer")):
        for number, dropout in enumerate(dropouts):
            means = _means([row for row in table if row["dropout"] == dropout], "negatives", key)
            line(axis, list(means), list(means.values()), f"dropout {dropout:g}", number)
        axis.set_xticks(sorted({row["negatives"] for row in table}))
    label(left, "Entities by negatives", "examples that give negatives", "F1 in percent")
    label(middle, "Transcript by negatives", "examples that give negatives", "word error rate in percent")
    left.legend(frameon=False, fontsize=9)
    _bars(right, table)
    return figure


def _means(rows: Table, key: str, value: str) -> dict[int, float | None]:
    """Average models that differ only in their seed."""
    found: dict[int, float | None] = {}
    for place in sorted({row[key] for row in rows}):
        known = [row[value] for row in rows if row[key] == place and row[value] is not None]
        found[place] = statistics.fmean(known) if known else None
    return found


def _bars(axis: Axes, rows: Table) -> None:
    """Those of the four cases of Fig. 3 that exist: with and without negatives, with and without dropout."""
    cases = []
    for negatives in (False, True):
        for dropout in (False, True):
            inside = [r for r in rows if (r["negatives"] > 0) == negatives and (r["dropout"] > 0) == dropout]
            if inside:
                name = f"{'with' if negatives else 'no'} negatives\n{'with' if dropout else 'no'} dropout"
                cases.append((name, inside))
    for number, key in enumerate(("precision", "recall", "f1")):
        values = [statistics.fmean(r[key] or 0.0 for r in inside) for _, inside in cases]
        places = [place + 0.26 * (number - 1) for place in range(len(cases))]
        axis.bar(places, values, 0.24, label="F1" if key == "f1" else key, color=COLORS[number])
    axis.set_xticks(range(len(cases)), [name for name, _ in cases], fontsize=8)
    from_zero(axis, 1.35)  # the legend stands above the bars
    axis.grid(False, axis="x")
    axis.legend(frameon=False, fontsize=9, loc="upper left", ncols=3)
    label(axis, "With and without", "training", "percent")
