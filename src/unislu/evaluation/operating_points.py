"""Solving operating points: the bias of each entity type that reaches a target precision or recall.

A type's curve mostly depends on its own bias, so one sweep with a bias shared by all types gives the curves
of all of them. Each type is then solved on its own curve, and one run with all the solutions together says
what they really give; types that miss their target there are moved on and run again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from unislu.errors import OptionError, RecordError
from unislu.evaluation.ner import Counts, EntityScores, entity_scores
from unislu.evaluation.profiles import Profile
from unislu.evaluation.question import Gold, Prediction
from unislu.sequence.labels import normalize_type

Metric = Literal["precision", "recall"]
Match = Literal["phrase", "label"]
MATCHES: tuple[Match, ...] = ("phrase", "label")
METRICS: tuple[Metric, ...] = ("precision", "recall")
MIN_STEP = 1 / 64
"""Biases closer than this are considered equal."""


@dataclass(frozen=True)
class WantedShare:
    """A wanted share (0…1) of one type. Raises `OptionError` for a share out of range."""

    type: str
    metric: Metric
    share: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", normalize_type(self.type))
        if not self.type or self.metric not in METRICS:
            raise OptionError(f"target {self}: give TYPE:precision=SHARE or TYPE:recall=SHARE")
        if not 0 < self.share <= 1:
            raise OptionError(f"target {self}: a share lies above 0 and at most at 1, e.g. 0.95")

    def __str__(self) -> str:
        return f"{self.type}:{self.metric}={self.share:g}"

    def value(self, counts: Counts) -> float | None:
        """The value that the counts reach, as a share; None if undefined."""
        percent = counts.precision if self.metric == "precision" else counts.recall
        return None if percent is None else percent / 100

    def met(self, counts: Counts) -> bool:
        """Whether they reach it. A precision without any prediction does not."""
        value = self.value(counts)
        return value is not None and value >= self.share - 1e-9


@dataclass(frozen=True)
class Point:
    """One place of a type's curve: a bias (added to the bundle's default) and what it gives."""

    bias: float
    counts: Counts


@dataclass(frozen=True)
class Solution:
    """The bias found for a type. `reachable` is False if its curve never meets its targets."""

    bias: float
    reachable: bool


Run = Callable[[Mapping[str, float]], Mapping[str, Counts]]
"""Counts by type of a run with these biases by type (added to the defaults)."""


@dataclass(frozen=True)
class Solved:
    """The result of the search."""

    bias: Mapping[str, float]
    """By type, of the best joint run."""
    counts: Mapping[str, Counts]
    """By type, of the best joint run."""
    unmet: tuple[WantedShare, ...]
    """Targets that it misses."""
    rounds: int
    """Number of joint runs."""


def type_counts(
    golds: Iterable[Gold], predictions: Iterable[Prediction], profile: Profile, match: Match = "phrase"
) -> dict[str, Counts]:
    """Counts by normalised type over the utterances whose entities are annotated.

    `match`: an entity counts if its type and phrase are right, or (`label`) if only its type is.
    """
    answers = {prediction.id: prediction for prediction in predictions}
    total = EntityScores()
    for gold in golds:
        if gold.entities is None:
            continue
        answer = answers.get(gold.id, Prediction(gold.id))
        total += entity_scores(
            _pairs(gold.entities, profile, match), _pairs(answer.entities or (), profile, match)
        )
    return dict(total.per_type)


def _pairs(entities: Iterable[tuple[str, str]], profile: Profile, match: Match) -> list[tuple[str, str]]:
    if match == "label":
        return [(normalize_type(name), "") for name, _ in entities]
    return [(normalize_type(name), profile(phrase)) for name, phrase in entities]


def check_targets(targets: Sequence[WantedShare], types: Iterable[str], golds: Iterable[Gold]) -> None:
    """Check that the targets can be solved for.

    Raises:
        OptionError: no target, a type that is not requested, or two shares for one metric.
        RecordError: a type that is not in the dev data.
    """
    known = {normalize_type(name) for name in types}
    if not targets:
        raise OptionError("no target: give at least one, e.g. person:recall=0.98")
    for (name, metric), times in Counter((t.type, t.metric) for t in targets).items():
        if times > 1:
            raise OptionError(f"target {name}:{metric} is given {times} times; give it once")
    support = Counter(normalize_type(name) for gold in golds for name, _ in gold.entities or ())
    for target in targets:
        if target.type not in known:
            raise OptionError(
                f"target {target}: the type is not requested; the types are {', '.join(sorted(known))}"
            )
        if not support[target.type]:
            found = ", ".join(f"{name} ({count})" for name, count in sorted(support.items())) or "no entity"
            raise RecordError(f"target {target}: the dev data has no {target.type}; it has {found}")


def solve_type(curve: Sequence[Point], targets: Sequence[WantedShare]) -> Solution:
    """The bias at which a curve (in rising order of bias) meets all targets of its type.

    Of several the one with the best other side is taken: the most precision for a recall, and the
    reverse; for both, the best F1. A bound between two biases of the curve is interpolated. If none meets
    them, the one that comes nearest, by the largest shortfall.
    """
    good = [number for number, point in enumerate(curve) if all(t.met(point.counts) for t in targets)]
    if not good:
        nearest = min(curve, key=lambda point: (_shortfall(point.counts, targets), abs(point.bias)))
        return Solution(nearest.bias, False)
    best = max(
        good, key=lambda number: (_other_side(curve[number].counts, targets), -abs(curve[number].bias))
    )
    return Solution(_interpolated(curve, best, targets), True)


def _shortfall(counts: Counts, targets: Sequence[WantedShare]) -> float:
    return max(max(0.0, target.share - (target.value(counts) or 0.0)) for target in targets)


def _other_side(counts: Counts, targets: Sequence[WantedShare]) -> float:
    metrics = {target.metric for target in targets}
    if metrics == {"recall"}:
        return counts.precision or 0.0
    if metrics == {"precision"}:
        return counts.recall or 0.0
    return counts.f1 or 0.0


def _interpolated(curve: Sequence[Point], place: int, targets: Sequence[WantedShare]) -> float:
    """Between a point that meets its single target and its neighbour that does not, on the line of values."""
    here = curve[place]
    if len(targets) != 1:
        return here.bias
    target = targets[0]
    other = place - 1 if target.metric == "recall" else place + 1
    if not 0 <= other < len(curve):
        return here.bias
    value, beside = target.value(here.counts), target.value(curve[other].counts)
    if value is None or beside is None or beside >= target.share or value <= beside:
        return here.bias
    share = (value - target.share) / (value - beside)
    return here.bias + share * (curve[other].bias - here.bias)


def solve(
    curves: Mapping[str, Sequence[Point]], targets: Sequence[WantedShare], run: Run, *, rounds: int = 4
) -> Solved:
    """Solve every type on its curve, then run them together and move those that miss their targets.

    Args:
        curves: by type, in rising order of bias.
        targets: what is wanted.
        run: a run with given biases by type.
        rounds: the most joint runs.
    """
    by_type = {t.type: [o for o in targets if o.type == t.type] for t in targets}
    solutions = {name: solve_type(curves[name], wanted) for name, wanted in by_type.items()}
    bias = {name: round(solution.bias, 4) for name, solution in solutions.items()}
    best: Solved | None = None
    for number in range(1, rounds + 1):
        found = run(bias)
        counts = {name: found.get(name, Counts()) for name in by_type}
        unmet = tuple(target for target in targets if not target.met(counts[target.type]))
        now = Solved(dict(bias), counts, unmet, number)
        best = now if best is None or _loss(now, by_type) < _loss(best, by_type) else best
        moved = dict(bias)
        for name in {target.type for target in unmet if solutions[target.type].reachable}:
            missed = [target for target in unmet if target.type == name]
            moved[name] = _moved(curves[name], bias[name], missed)
        if moved == bias:
            break
        bias = moved
    assert best is not None  # the loop ran at least once
    return replace(best, rounds=number)


def _loss(solved: Solved, by_type: Mapping[str, Sequence[WantedShare]]) -> tuple[int, float]:
    shortfalls = [_shortfall(solved.counts[name], wanted) for name, wanted in by_type.items()]
    return len(solved.unmet), sum(shortfalls)


def _moved(curve: Sequence[Point], bias: float, missed: Sequence[WantedShare]) -> float:
    """The next bias of a type that missed: more of it for a recall, less for a precision; not both.

    The step goes to the next place of the curve in that direction, so that an interpolation that was too
    hopeful is taken back.
    """
    if len({target.metric for target in missed}) != 1:
        return bias
    biases = [point.bias for point in curve]
    if missed[0].metric == "recall":
        return next((b for b in biases if b > bias + MIN_STEP), bias)
    return next((b for b in reversed(biases) if b < bias - MIN_STEP), bias)


def best_reachable(curve: Sequence[Point], target: WantedShare) -> Point | None:
    """The point of a curve with the highest value of a target's metric; None if always undefined."""
    defined = [point for point in curve if target.value(point.counts) is not None]
    if not defined:
        return None
    return max(defined, key=lambda point: (target.value(point.counts) or 0.0, -abs(point.bias)))


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float] | None:
    """The 95 % interval of a share, after Wilson; None without any case."""
    if not total:
        return None
    share, spread = hits / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
