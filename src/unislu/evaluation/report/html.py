"""The page: everything inline, nothing loaded, readable without its script. Its markup is in `templates`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unislu.errors import needs
from unislu.evaluation.bootstrap import Interval
from unislu.evaluation.evaluate import Evaluation, ScoredPart
from unislu.evaluation.ner import Counts, EntityScores
from unislu.evaluation.report.audio import Players
from unislu.evaluation.report.costliest import ENTITY_COST, Case, marked
from unislu.evaluation.report.figures import Figure
from unislu.evaluation.report.wording import KIND_TITLES, PROFILE_TITLES, bounds, entities_asked, length, rate
from unislu.evaluation.sentiment import SentimentScores

if TYPE_CHECKING:
    from jinja2 import Environment

_MOST_TYPES = 24
"""A confusion matrix of more types than these is not readable; the rarest are left out."""
_COLUMNS = (
    ("WER", "wer"),
    ("entity F1", "ner.f1"),
    ("precision", "ner.precision"),
    ("recall", "ner.recall"),
    ("label-F1", "ner.label_f1"),
    ("sentiment macro-F1", "sa.macro_f1"),
    ("accuracy", "sa.accuracy"),
)


def page(evaluation: Evaluation, cases: Sequence[Case], players: Players, figures: Sequence[Figure]) -> str:
    """The whole HTML document; every text from outside is escaped.

    Raises:
        MissingDependencyError: Jinja is not installed.
    """
    groups = (("Closed set", evaluation.group("closed")), ("Open types", evaluation.group("open")))
    entity_parts = [(title, part) for title, part in groups if part is not None and part.scores.entities]
    sentiment = evaluation.group("sentiment")
    sections = {
        "summary": ("Summary", True),
        "entities": ("Entities", entity_parts),
        "sentiment": ("Sentiment", sentiment is not None),
        "curves": ("Curves", figures),
        "worst": ("Worst utterances", True),
        "provenance": ("Provenance", True),
    }
    every = [*evaluation.parts.values(), *evaluation.pools.values()]
    return (
        _environment()
        .get_template("report.html")
        .render(
            evaluation=evaluation,
            settings=evaluation.settings,
            seconds=sum(part.seconds for part in evaluation.parts.values()),
            sections=[(key, title) for key, (title, shown) in sections.items() if shown],
            cards=list(_cards(evaluation)),
            every_part=every,
            columns=[(title, key) for title, key in _COLUMNS if any(key in part.intervals for part in every)],
            profile_title=PROFILE_TITLES[evaluation.settings.profile],
            entity_parts=entity_parts,
            sentiment_part=sentiment,
            kind_titles=KIND_TITLES,
            figures=figures,
            cases=cases,
            players=players,
            entity_cost=ENTITY_COST,
            machine_parts=_machine(evaluation.provenance.get("machine", {})),
        )
    )


def _environment() -> Environment:
    with needs("the report", "eval"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "along": _along,
        "bounds": bounds,
        "by_support": _by_support,
        "class_matrix": _class_matrix,
        "entities_asked": entities_asked,
        "high": lambda interval: _known(interval)[1],
        "length_of": length,
        "low": lambda interval: _known(interval)[0],
        "marked": marked,
        "rate": rate,
        "type_matrix": _type_matrix,
    }
    return environment


@dataclass(frozen=True)
class Card:
    """One of the large figures at the top."""

    title: str
    figure: str
    note: str
    interval: Interval | None = None


def _cards(evaluation: Evaluation) -> Iterator[Card]:
    everything = evaluation.group("all")
    if everything is not None:
        yield _measured("Word error rate", everything, "wer", "lower is better")
    for group, title in (("closed", "Entity F1"), ("open", "Open-type F1")):
        if (part := evaluation.group(group)) is not None:
            label = part.scores.entities.label_f1 if part.scores.entities else None
            yield _measured(title, part, "ner.f1", f"label-F1 {rate(label, 1)}")
    if (part := evaluation.group("sentiment")) is not None:
        classes = len(evaluation.settings.labels)
        yield _measured("Sentiment", part, "sa.macro_f1", f"macro-F1 of {classes} classes")
    for part in evaluation.parts.values():
        if (speakers := part.scores.speakers) is not None:
            note = f"number right in {speakers.right_number} of {speakers.recordings}: {part.name}"
            yield Card("Diarization error rate", rate(speakers.der, 1), note)
    if (score := evaluation.slue_score) is not None:
        yield Card("SLUE score", f"{score:.1f}", "of WER, entity F1 and sentiment macro-F1")
    if everything is not None and everything.rtfx is not None:
        yield Card("Speed", f"{everything.rtfx:.1f}×", "real time")


def _measured(title: str, part: ScoredPart, metric: str, note: str) -> Card:
    interval = part.intervals.get(metric)
    return Card(title, rate(None if interval is None else interval.value, 1), note, interval)


@dataclass(frozen=True)
class Cell:
    """How often one name was predicted for another."""

    count: int
    share: int
    """Percent of the row."""
    hit: bool
    """Row and column have the same name."""


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: gold in rows, predicted in columns."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def _matrix(
    rows: Sequence[str | None],
    columns: Sequence[str | None],
    counts: Mapping[tuple[str | None, str | None], int],
    names: tuple[str, str],
) -> Matrix:
    """`names`: what a missing row and a missing column are called."""
    lines = []
    for row in rows:
        found = [counts.get((row, column), 0) for column in columns]
        whole = sum(found) or 1
        cells = [
            Cell(n, round(100 * n / whole), row == column) for n, column in zip(found, columns, strict=True)
        ]
        lines.append((row or names[0], cells))
    return Matrix([column or names[1] for column in columns], lines)


def _type_matrix(part: ScoredPart) -> Matrix:
    assert part.scores.entities is not None and part.scores.entity_errors is not None
    names = sorted(name for name, _ in _by_support(part.scores.entities)[:_MOST_TYPES])
    sides = [*names, None]
    return _matrix(sides, sides, part.scores.entity_errors.confusion, ("spurious", "missed"))


def _class_matrix(scores: SentimentScores) -> Matrix:
    """Predictions outside the classes, or none at all, are in one column."""
    folded: dict[tuple[str | None, str | None], int] = {}
    for (gold, found), count in scores.confusion.items():
        key = (gold, found if found in scores.classes else None)
        folded[key] = folded.get(key, 0) + count
    columns: list[str | None] = list(scores.classes)
    if any(label is None for _, label in folded):
        columns.append(None)
    return _matrix(scores.classes, columns, folded, ("none", "other"))


def _by_support(scores: EntityScores) -> list[tuple[str, Counts]]:
    return sorted(scores.per_type.items(), key=lambda item: -item[1].support)


def _known(interval: Interval) -> tuple[float, float]:
    """The interval's bounds; its value where no resample holds anything to score."""
    known = math.isfinite(interval.low)
    return (interval.low, interval.high) if known else (interval.value, interval.value)


def _along(value: float, start: float, size: float, whole: float = 100) -> float:
    """The position of a value of 0 … `whole` on a line of that start and size, rounded to a tenth."""
    return round(start + size * min(whole, max(0.0, value)) / whole, 1)


def _machine(machine: Mapping[str, object]) -> list[str]:
    units = {"cpu": "", "cores": " cores", "memory_gib": " GiB", "system": ""}
    return [f"{machine[key]}{unit}" for key, unit in units.items() if machine.get(key)]
