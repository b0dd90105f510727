"""Sentiment scores: macro-F1 over three or four classes, accuracy, and the confusion behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unislu.evaluation.ner import Counts

THREE_CLASSES = ("positive", "neutral", "negative")
FOUR_CLASSES = (*THREE_CLASSES, "mixed")


@dataclass(frozen=True)
class SentimentScores:
    """Counts of (gold, predicted) label pairs, in lower case.

    `predicted` is `None` where there was no readable prediction; it counts as wrong. Gold labels outside
    `classes` were not scored; `dropped` says how many.
    """

    classes: tuple[str, ...] = THREE_CLASSES
    confusion: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    dropped: int = 0

    @property
    def support(self) -> int:
        return sum(self.confusion.values())

    @property
    def accuracy(self) -> float | None:
        """In percent; `None` if nothing was scored."""
        hits = sum(count for (gold, predicted), count in self.confusion.items() if gold == predicted)
        return 100 * hits / self.support if self.support else None

    @property
    def per_class(self) -> dict[str, Counts]:
        return {name: self._counts(name) for name in self.classes}

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of the classes seen in the reference or in a prediction, in percent."""
        scores = [counts.f1 for counts in self.per_class.values() if counts.f1 is not None]
        return sum(scores) / len(scores) if scores else None

    def to_dict(self) -> dict[str, object]:
        return {
            "macro_f1": self.macro_f1,
            "accuracy": self.accuracy,
            "support": self.support,
            "dropped": self.dropped,
            "per_class": {name: counts.to_dict() for name, counts in self.per_class.items()},
            "confusion": [
                {"gold": gold, "predicted": predicted, "count": count}
                for (gold, predicted), count in sorted(self.confusion.items(), key=str)
            ],
        }

    def _counts(self, name: str) -> Counts:
        gold = sum(count for (label, _), count in self.confusion.items() if label == name)
        predicted = sum(count for (_, label), count in self.confusion.items() if label == name)
        return Counts.of(self.confusion.get((name, name), 0), predicted, gold)


def sentiment_scores(
    pairs: Iterable[tuple[str, str | None]], classes: tuple[str, ...] = THREE_CLASSES
) -> SentimentScores:
    """Scores (gold, predicted) labels; upper and lower case are the same."""
    confusion: Counter[tuple[str, str | None]] = Counter()
    dropped = 0
    for gold, predicted in pairs:
        if gold.lower() not in classes:
            dropped += 1
            continue
        label = predicted.lower() if predicted else None
        confusion[gold.lower(), label] += 1
    return SentimentScores(classes, dict(confusion), dropped)
