"""Entity scores after SLUE: multisets of (type, phrase), counted per utterance, summed over a corpus.

Order and position do not count. *label-F1* is the same with the phrases ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from operator import add

Entity = tuple[str, str]
"""(type, phrase), both already normalised."""


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives; every score is a view of them."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @classmethod
    def of(cls, hits: int, predicted: int, gold: int) -> Counts:
        return cls(hits, predicted - hits, gold - hits)

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(add, astuple(self), astuple(other)))

    @property
    def precision(self) -> float | None:
        """In percent; `None` if nothing was predicted."""
        return _percent(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """In percent; `None` if there was nothing to find."""
        return _percent(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float | None:
        """In percent; `None` if there was nothing to find and nothing was predicted."""
        return _percent(
            2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives
        )

    @property
    def support(self) -> int:
        return self.true_positives + self.false_negatives

    def to_dict(self) -> dict[str, float | int | None]:
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
            **asdict(self),
        }


@dataclass(frozen=True)
class EntityScores:
    """Counts by type, with and without the phrases."""

    per_type: Mapping[str, Counts] = field(default_factory=dict)
    labels: Counts = Counts()

    def __add__(self, other: EntityScores) -> EntityScores:
        names = sorted({*self.per_type, *other.per_type})
        none = Counts()
        merged = {name: self.per_type.get(name, none) + other.per_type.get(name, none) for name in names}
        return EntityScores(merged, self.labels + other.labels)

    @property
    def micro(self) -> Counts:
        return sum(self.per_type.values(), Counts())

    @property
    def label_f1(self) -> float | None:
        """F1 of the types alone, in percent."""
        return self.labels.f1

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of the types seen in the reference or in a prediction, in percent."""
        scores = [counts.f1 for counts in self.per_type.values() if counts.f1 is not None]
        return sum(scores) / len(scores) if scores else None

    def to_dict(self) -> dict[str, object]:
        return {
            **self.micro.to_dict(),
            "macro_f1": self.macro_f1,
            "label_f1": self.label_f1,
            "per_type": {name: counts.to_dict() for name, counts in self.per_type.items()},
        }


def entity_scores(gold: Iterable[Entity], predicted: Iterable[Entity]) -> EntityScores:
    """Counts the entities of one utterance."""
    reference, hypothesis = Counter(gold), Counter(predicted)
    hits, found, wanted = (_by_label(c) for c in (reference & hypothesis, hypothesis, reference))
    names = sorted({*found, *wanted})
    per_type = {name: Counts.of(hits[name], found[name], wanted[name]) for name in names}
    return EntityScores(per_type, Counts.of((found & wanted).total(), found.total(), wanted.total()))


def _by_label(entities: Counter[Entity]) -> Counter[str]:
    return Counter(type_ for type_, _ in entities.elements())


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
