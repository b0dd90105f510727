"""Scores by the number of words in a sentence (UniSLU, Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unislu.errors import OptionError
from unislu.evaluation.curves.figure import COLORS, Table, from_zero, label, legend, line, panels
from unislu.evaluation.score import Judged, JudgedUtterance, slue_score, summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGES = (10, 20, 30, 40)
ALL = "all"
_PANELS = (
    ("ner_f1", "Entities", "micro-F1 in percent"),
    ("sentiment_f1", "Sentiment", "macro-F1 in percent"),
    ("slue_score", "All: SLUE score", "SLUE score"),
    ("wer", "Transcript", "word error rate in percent"),
)


def length_table(systems: Mapping[str, Judged], edges: Sequence[int] = EDGES) -> Table:
    """One row for each system and range of words in the reference; `all` words last.

    The SLUE score takes the word error rates of what has entities and of what has a sentiment as those of
    SLUE's two corpora.

    Raises:
        OptionError: edges that do not rise.
    """
    if not edges or list(edges) != sorted(set(edges)) or edges[0] < 1:
        raise OptionError(f"edges {list(edges)}: give rising numbers of words, e.g. 10,20,30,40")
    rows = []
    for name, judged in systems.items():
        # [0, 10), [10, 20), …, [40, ∞), and all
        for low, high in zip([0, *edges, 0], [*edges, None, None], strict=True):
            inside = tuple(u for u in judged.utterances if _inside(u, low, high))
            rows.append(
                {
                    "system": name,
                    "words": _name(low, high),
                    "from": low,
                    "to": high,
                    **_scores(replace(judged, utterances=inside)),
                }
            )
    return rows


def _inside(utterance: JudgedUtterance, low: int, high: int | None) -> bool:
    words = len(utterance.reference)
    return low <= words and (high is None or words < high)


def _name(low: int, high: int | None) -> str:
    if high is None:
        return ALL if low == 0 else f"≥ {low}"
    return f"< {high}" if low == 0 else f"{low}–{high - 1}"


def _scores(judged: Judged) -> dict[str, Any]:
    with_entities = [u for u in judged.utterances if u.gold.entities is not None]
    with_sentiment = [u for u in judged.utterances if u.gold.sentiment is not None]
    scores = summarize(judged)
    f1 = None if scores.entities is None else scores.entities.micro.f1
    felt = None if scores.sentiment is None else scores.sentiment.macro_f1
    wers = [_wer(judged, part) for part in (with_entities, with_sentiment)]
    return {
        "utterances": len(judged.utterances),
        "with_entities": len(with_entities),
        "with_sentiment": len(with_sentiment),
        "wer": None if scores.words is None else scores.words.wer,
        "ner_f1": f1,
        "sentiment_f1": felt,
        "slue_score": slue_score(wers[0], wers[1], f1, felt),
    }


def _wer(judged: Judged, utterances: Sequence[JudgedUtterance]) -> float | None:
    words = summarize(replace(judged, utterances=tuple(utterances))).words
    return None if words is None else words.wer


def length_figure(table: Table, title: str) -> Figure:
    """One panel for each score that is defined anywhere; under the ranges the utterances in them."""
    rows = [row for row in table if row["words"] != ALL]
    shown = [panel for panel in _PANELS if any(row[panel[0]] is not None for row in rows)]
    figure, axes = panels(len(shown), title)
    names = list(dict.fromkeys(row["system"] for row in rows))
    ranges = list(dict.fromkeys(row["words"] for row in rows))
    counts = {row["words"]: row["utterances"] for row in rows}
    for axis, (key, head, unit) in zip(axes, shown, strict=True):
        for number, name in enumerate(names):
            values = {row["words"]: row[key] for row in rows if row["system"] == name}
            line(axis, range(len(ranges)), [values[words] for words in ranges], name, number)
        axis.set_xticks(range(len(ranges)), [f"{words}\nn={counts[words]}" for words in ranges], fontsize=8)
        from_zero(axis)
        label(axis, head, "words in the reference", unit)
    if len(names) > 1:
        legend(axes[0])
    else:
        axes[0].lines[0].set_color(COLORS[0])
    return figure
