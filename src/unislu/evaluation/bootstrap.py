"""The uncertainty of scores: bootstrap intervals over utterances, and a paired test between two systems.

Every score here is a function of counts that add up over utterances. So the utterances become a matrix
of counts, `[utterances, columns]`; a resample is a row of weights, and all resamples are one product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.errors import OptionError, RecordError
from unislu.evaluation.score import Judged, JudgedUtterance

SAMPLES = 1000
PERMUTATIONS = 10_000
LEVEL = 0.95
_CHUNK = 500
"""Resamples computed together: bounds the memory."""

Matrix = NDArray[np.float64]
Statistic = Callable[[Matrix], Matrix]
"""Totals `[samples, columns]` → scores `[samples]` in percent, NaN where undefined."""


@dataclass(frozen=True)
class Interval:
    """A score in percent and the bounds of its interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "low": _finite(self.low), "high": _finite(self.high)}


@dataclass(frozen=True)
class Difference:
    """System A minus system B in one score, in points."""

    a: float
    """Score of system A."""
    b: float
    """Score of system B."""
    low: float
    """Lower bound of the bootstrap interval of the difference."""
    high: float
    """Upper bound of that interval."""
    p: float
    """Probability of a difference at least as large if the answers of the two systems are swapped at random
    (approximate randomisation, two-sided).
    """

    @property
    def difference(self) -> float:
        return self.a - self.b

    def to_dict(self) -> dict[str, float | None]:
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "low": _finite(self.low),
            "high": _finite(self.high),
            "p": self.p,
        }


def intervals(judged: Judged, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, Interval]:
    """95 % percentile intervals of every score that is defined, by name (`wer`, `ner.f1`, `ner.f1.org`, …).

    Raises:
        OptionError: no samples.
    """
    _check(samples)
    table = _Table.of([judged])
    counts = table.counts(judged)
    drawn = _resampled([counts], samples, seed, table.statistics)[0]
    values = {name: float(found[0]) for name, found in _scores(counts.sum(0)[None], table.statistics).items()}
    return {
        name: Interval(value, *_bounds(drawn[name]))
        for name, value in values.items()
        if np.isfinite(value)
    }


def compare(
    a: Judged,
    b: Judged,
    *,
    samples: int = SAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two systems on the same utterances, by the name of the score.

    Raises:
        RecordError: the two were not judged on the same utterances under the same profile.
        OptionError: no samples or permutations.
    """
    _check(samples)
    _check(permutations)
    key = [utterance.id for utterance in a.utterances]
    if key != [utterance.id for utterance in b.utterances] or (a.profile, a.classes) != (
        b.profile,
        b.classes,
    ):
        raise RecordError(
            "the two systems were not judged on the same utterances; score both on one gold file"
        )
    table = _Table.of([a, b])
    one, two = table.counts(a), table.counts(b)
    first = _scores(one.sum(0)[None], table.statistics)
    second = _scores(two.sum(0)[None], table.statistics)
    drawn = _resampled([one, two], samples, seed, table.statistics)
    chance = _swapped(one, two, permutations, seed + 1, table.statistics)
    found = {}
    for name in table.statistics:
        x, y = float(first[name][0]), float(second[name][0])
        if np.isfinite(x) and np.isfinite(y):
            low, high = _bounds(drawn[0][name] - drawn[1][name])
            # A hair's tolerance: sums of the same numbers in another order.
            extreme = int(np.sum(np.abs(chance[name]) >= abs(x - y) - 1e-9))
            found[name] = Difference(x, y, low, high, (1 + extreme) / (1 + permutations))
    return found


def _finite(value: float) -> float | None:
    """JSON has no NaN: a bound is undefined if no resample has anything to score."""
    return value if np.isfinite(value) else None


def _check(samples: int) -> None:
    if samples < 1:
        raise OptionError(f"{samples} samples: give at least 1")


def _bounds(values: Matrix) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not len(values):  # no resample holds anything to score
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled(
    tables: Sequence[Matrix], samples: int, seed: int, statistics: Mapping[str, Statistic]
) -> list[dict[str, Matrix]]:
    """Scores of bootstrap samples; all tables are resampled by the same draws."""
    generator = np.random.default_rng(seed)
    rows = len(tables[0])
    chunks = []
    for size in _chunks(samples):
        weights = generator.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(np.float64)
        chunks.append([_scores(weights @ table, statistics) for table in tables])
    return [_joined(parts) for parts in zip(*chunks, strict=True)]


def _swapped(
    one: Matrix, two: Matrix, permutations: int, seed: int, statistics: Mapping[str, Statistic]
) -> dict[str, Matrix]:
    """Differences of the scores when each utterance's two answers are swapped by a coin."""
    generator = np.random.default_rng(seed)
    change = two - one
    start, end = one.sum(0), two.sum(0)
    chunks = []
    for size in _chunks(permutations):
        coins = generator.integers(0, 2, (size, len(one))).astype(np.float64)
        moved = coins @ change
        left, right = _scores(start + moved, statistics), _scores(end - moved, statistics)
        chunks.append({name: left[name] - right[name] for name in statistics})
    return _joined(chunks)


def _chunks(count: int) -> Iterator[int]:
    return (min(_CHUNK, count - first) for first in range(0, count, _CHUNK))


def _joined(chunks: Sequence[Mapping[str, Matrix]]) -> dict[str, Matrix]:
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _scores(totals: Matrix, statistics: Mapping[str, Statistic]) -> dict[str, Matrix]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: statistic(totals) for name, statistic in statistics.items()}


@dataclass(frozen=True)
class _Table:
    """The columns of the counts, and the scores that are functions of them."""

    types: tuple[str, ...]
    classes: tuple[str, ...]
    columns: Mapping[Any, int]
    statistics: Mapping[str, Statistic]

    @classmethod
    def of(cls, sets: Sequence[Judged]) -> _Table:
        utterances = [utterance for judged in sets for utterance in judged.utterances]
        types = tuple(sorted({name for u in utterances if u.entities for name in u.entities.per_type}))
        classes = sets[0].classes
        keys: list[Any] = ["errors", "words"]
        keys += [(name, what) for name in (*types, None) for what in ("tp", "fp", "fn")]
        keys += [("sentiment", gold, found) for gold in classes for found in (*classes, None)]
        columns = {key: number for number, key in enumerate(keys)}
        statistics: dict[str, Statistic] = {}
        if any(u.words is not None for u in utterances):
            statistics["wer"] = _ratio([columns["errors"]], [columns["words"]])
        if any(u.entities is not None for u in utterances):
            statistics |= _entity_statistics(types, columns)
        if any(str(u.gold.sentiment).lower() in classes for u in utterances):
            statistics |= _sentiment_statistics(classes, columns)
        return cls(types, classes, columns, statistics)

    def counts(self, judged: Judged) -> Matrix:
        """`[utterances, columns]`."""
        table = np.zeros((len(judged.utterances), len(self.columns)))
        for row, utterance in zip(table, judged.utterances, strict=True):
            self._fill(row, utterance)
        return table

    def _fill(self, row: Matrix, utterance: JudgedUtterance) -> None:
        at = self.columns
        if utterance.words is not None:
            row[at["errors"]] = utterance.words.errors
            row[at["words"]] = utterance.words.reference_words
        if utterance.entities is not None:
            for name, counts in (*utterance.entities.per_type.items(), (None, utterance.entities.labels)):
                row[at[name, "tp"]] = counts.true_positives
                row[at[name, "fp"]] = counts.false_positives
                row[at[name, "fn"]] = counts.false_negatives
        gold = str(utterance.gold.sentiment).lower()
        if gold in self.classes:
            found = (utterance.prediction.sentiment or "").lower()
            row[at["sentiment", gold, found if found in self.classes else None]] = 1


def _ratio(numerator: Sequence[int], denominator: Sequence[int]) -> Statistic:
    """100 · Σ numerator / Σ denominator; columns may repeat."""

    def score(totals: Matrix) -> Matrix:
        whole = totals[:, list(denominator)].sum(1)
        return np.where(whole > 0, 100 * totals[:, list(numerator)].sum(1) / whole, np.nan)

    return score


def _mean(parts: Collection[Statistic]) -> Statistic:
    """Mean of the scores that are defined."""

    def score(totals: Matrix) -> Matrix:
        if not parts:
            return np.full(len(totals), np.nan)
        values = np.stack([part(totals) for part in parts])
        defined = np.isfinite(values)
        found = defined.sum(0)
        return np.where(found > 0, np.where(defined, values, 0).sum(0) / found, np.nan)

    return score


def _f1(tp: Sequence[int], fp: Sequence[int], fn: Sequence[int]) -> Statistic:
    return _ratio([*tp, *tp], [*tp, *tp, *fp, *fn])


def _entity_statistics(types: Sequence[str], at: Mapping[Any, int]) -> dict[str, Statistic]:
    tp, fp, fn = ([at[name, what] for name in types] for what in ("tp", "fp", "fn"))
    by_type = {name: _f1(*([at[name, what]] for what in ("tp", "fp", "fn"))) for name in types}
    return {
        "ner.f1": _f1(tp, fp, fn),
        "ner.precision": _ratio(tp, [*tp, *fp]),
        "ner.recall": _ratio(tp, [*tp, *fn]),
        "ner.macro_f1": _mean(by_type.values()),
        "ner.label_f1": _f1([at[None, "tp"]], [at[None, "fp"]], [at[None, "fn"]]),
        **{f"ner.f1.{name}": score for name, score in by_type.items()},
    }


def _sentiment_statistics(classes: Sequence[str], at: Mapping[Any, int]) -> dict[str, Statistic]:
    def cells(gold: Sequence[str], found: Sequence[str | None]) -> list[int]:
        return [at["sentiment", g, f] for g in gold for f in found]

    by_class = {}
    for name in classes:
        others = [other for other in classes if other != name]
        right, false = cells([name], [name]), cells(others, [name])
        by_class[name] = _f1(right, false, cells([name], [*others, None]))
    hits = [at["sentiment", name, name] for name in classes]
    return {
        "sa.macro_f1": _mean(by_class.values()),
        "sa.accuracy": _ratio(hits, cells(classes, [*classes, None])),
        **{f"sa.f1.{name}": score for name, score in by_class.items()},
    }
