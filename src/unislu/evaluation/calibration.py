"""Expected calibration error of confidences, over bins of equal width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies in one tenth of 0…1."""

    count: int = 0
    hits: int = 0
    confidence: float = 0.0
    """Sum of the confidences."""

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0…1."""
        return self.hits / self.count if self.count else None

    @property
    def mean_confidence(self) -> float | None:
        return self.confidence / self.count if self.count else None


@dataclass(frozen=True)
class Reliability:
    """Reliability of confidences."""

    bins: tuple[Bin, ...]

    @property
    def count(self) -> int:
        return sum(bin_.count for bin_ in self.bins)

    @property
    def ece(self) -> float | None:
        """Expected calibration error in percent: mean distance of confidence and accuracy by bin.

        Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3. `None` without answers.
        """
        if not self.count:
            return None
        return 100 * sum(abs(bin_.hits - bin_.confidence) for bin_ in self.bins) / self.count

    def to_dict(self) -> dict[str, object]:
        return {
            "ece": self.ece,
            "count": self.count,
            "bins": [
                {"count": b.count, "accuracy": b.accuracy, "confidence": b.mean_confidence} for b in self.bins
            ],
        }


def calibration(answers: Iterable[tuple[float, bool]], bins: int = BINS) -> Reliability:
    """Sort (confidence 0…1, right?) into bins; the upper edge belongs to a bin, as in the paper."""
    counts, hits, sums = [0] * bins, [0] * bins, [0.0] * bins
    for confidence, right in answers:
        # -(-x // 1) rounds up: (0, 0.1] is the first bin, and 0 joins it.
        number = max(0, min(bins - 1, int(-(-confidence * bins // 1)) - 1))
        counts[number] += 1
        hits[number] += right
        sums[number] += confidence
    return Reliability(tuple(Bin(*values) for values in zip(counts, hits, sums, strict=True)))
