"""Word error rate from counts and an alignment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Operation = Literal["hit", "substitution", "deletion", "insertion"]


@dataclass(frozen=True)
class WordErrors:
    """Counts of one alignment, or of many added up."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_words(self) -> int:
        return self.hits + self.substitutions + self.deletions

    @property
    def wer(self) -> float | None:
        """Word error rate in percent; `None` without any reference word.

        Words invented for empty references are insertions: in a sum they raise the rate, on their own
        the rate is undefined.
        """
        return 100 * self.errors / self.reference_words if self.reference_words else None

    def to_dict(self) -> dict[str, float | int | None]:
        return {
            "wer": self.wer,
            "words": self.reference_words,
            "hits": self.hits,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
        }


@dataclass(frozen=True)
class Edit:
    """One step of an alignment; the side that an insertion or deletion lacks is `None`."""

    operation: Operation
    reference: int | None
    hypothesis: int | None


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """Aligns two word sequences with the fewest edits, left to right.

    Memory is 4 bytes for each pair of words that remain once the common start and end are set aside.
    """
    n, m = len(reference), len(hypothesis)
    start = 0
    while start < min(n, m) and reference[start] == hypothesis[start]:
        start += 1
    end = 0
    while end < min(n, m) - start and reference[n - 1 - end] == hypothesis[m - 1 - end]:
        end += 1
    edits = [Edit("hit", i, i) for i in range(start)]
    edits += _align_middle(reference[start : n - end], hypothesis[start : m - end], start)
    edits += [Edit("hit", n - k, m - k) for k in range(end, 0, -1)]
    return edits


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> WordErrors:
    """Counts the edits that turn the reference's words into the hypothesis's."""
    operations = [edit.operation for edit in align(reference, hypothesis)]
    return WordErrors(
        hits=operations.count("hit"),
        substitutions=operations.count("substitution"),
        deletions=operations.count("deletion"),
        insertions=operations.count("insertion"),
    )


def total(errors: Iterable[WordErrors]) -> WordErrors:
    """Adds up counts over a corpus."""
    return sum(errors, WordErrors())


def _align_middle(reference: Sequence[str], hypothesis: Sequence[str], offset: int) -> list[Edit]:
    distance, costs = _distances(reference, hypothesis)
    i, j = len(reference), len(hypothesis)
    edits: list[Edit] = []
    while i or j:
        here = distance[i, j]
        if i and j and distance[i - 1, j - 1] + costs[i - 1, j - 1] == here:
            i, j = i - 1, j - 1
            edits.append(Edit("substitution" if costs[i, j] else "hit", offset + i, offset + j))
        elif i and distance[i - 1, j] + 1 == here:
            i -= 1
            edits.append(Edit("deletion", offset + i, None))
        else:
            j -= 1
            edits.append(Edit("insertion", None, offset + j))
    return edits[::-1]


def _distances(
    reference: Sequence[str], hypothesis: Sequence[str]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Levenshtein distances `[words + 1, words + 1]` of all prefixes, and where two words differ."""
    numbers: dict[str, int] = {}
    rows = np.array([numbers.setdefault(word, len(numbers)) for word in reference], np.int32)
    columns = np.array([numbers.setdefault(word, len(numbers)) for word in hypothesis], np.int32)
    costs = rows[:, None] != columns[None, :]
    steps = np.arange(len(columns) + 1, dtype=np.int32)
    distance = np.empty((len(rows) + 1, len(columns) + 1), np.int32)
    distance[0] = steps
    for i in range(len(rows)):
        row = distance[i + 1]
        row[0] = i + 1
        np.minimum(distance[i, :-1] + costs[i], distance[i, 1:] + 1, out=row[1:])
        # A run of insertions costs one a step: subtracting the steps makes it a running minimum.
        np.minimum.accumulate(row - steps, out=row)
        row += steps
    return distance, costs
