"""Precision and recall over the entity bias (WhisperNER, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unislu.errors import RecordError
from unislu.evaluation.curves.figure import COLORS, INK, Table, label, legend, line, panels
from unislu.evaluation.question import gold_of
from unislu.evaluation.score import score
from unislu.evaluation.sweep import RecordClip, Swept

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL = "all"


def bias_table(clips: Sequence[RecordClip], swept: Swept, profile: str) -> Table:
    """One row for each bias and entity type, and `all` of them; in percent.

    Raises:
        RecordError: no clip has an annotated entity.
    """
    golds = [replace(gold_of(clip.record), id=clip.id, sentiment=None) for clip in clips]
    if not any(gold.entities for gold in golds):
        raise RecordError("no record has entities: there is nothing to trade; give a manifest with entities")
    rows: list[dict[str, Any]] = []
    types: set[str] = set()
    for place, bias in enumerate(swept.grid):
        scores = score(golds, swept.predictions(place), profile)
        assert scores.entities is not None and scores.words is not None  # both are annotated
        found = {ALL: scores.entities.micro, **scores.entities.per_type}
        types |= set(found)
        wer = scores.words.wer
        rows += [
            {
                "bias": bias,
                "type": name,
                "precision": counts.precision,
                "recall": counts.recall,
                "f1": counts.f1,
                "support": counts.support,
                "predicted": counts.true_positives + counts.false_positives,
                "wer": wer if name == ALL else None,
            }
            for name, counts in found.items()
        ]
    return rows


def bias_figure(table: Table, title: str) -> Figure:
    """Left: the three scores over the bias. Right: precision against recall, biases written beside."""
    figure, (left, right) = panels(2, title)
    every = [row for row in table if row["type"] == ALL]
    biases = [row["bias"] for row in every]
    for number, name in enumerate(("precision", "recall", "f1")):
        line(left, biases, [row[name] for row in every], "F1" if name == "f1" else name, number)
    left.axvline(0, color=INK, linewidth=1, linestyle=":")
    left.annotate(
        "default", (0, 0), xycoords=("data", "axes fraction"), xytext=(3, 4), textcoords="offset points",
        fontsize=8,
    )  # fmt: skip
    left.set_ylim(0, 100)
    label(left, "Scores by bias", "bias added to the entity openers", "percent")
    legend(left)
    _trade(right, every)
    return figure


def _trade(axis: Axes, rows: Table) -> None:
    """Precision over recall, with lines of equal F1 behind it."""
    for f1 in (20, 40, 60, 80):
        recalls = [f1 / 2 + (100 - f1 / 2) * n / 100 for n in range(1, 101)]
        precisions = [f1 * recall / (2 * recall - f1) for recall in recalls]
        axis.plot(recalls, precisions, color="#c4c9cf", linewidth=0.8, zorder=0)
        axis.annotate(f"F1 {f1}", (99, f1 * 99 / (2 * 99 - f1)), fontsize=7, color="#8a9097", ha="right")
    known = [row for row in rows if row["precision"] is not None]
    recall, precision = [row["recall"] for row in known], [row["precision"] for row in known]
    axis.plot(recall, precision, color=COLORS[0], marker="o", markersize=4)
    last: tuple[float, float] | None = None
    for row in known:
        here = (row["recall"], row["precision"])
        # Names only where there is room for them.
        if last is None or abs(here[0] - last[0]) + abs(here[1] - last[1]) > 9 or row["bias"] == 0:
            axis.annotate(f"{row['bias']:+g}", here, textcoords="offset points", xytext=(6, 5), fontsize=8)
            last = here
    axis.set_xlim(0, 100)
    axis.set_ylim(0, 102)
    label(axis, "The trade, by bias", "recall in percent", "precision in percent")
