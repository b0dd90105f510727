"""Word error rate from counts and an alignment; the alignment is jiwer's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from operator import add
from typing import Literal

from unislu.errors import needs

Operation = Literal["hit", "substitution", "deletion", "insertion"]
_NAMES: dict[str, Operation] = {
    "equal": "hit",
    "substitute": "substitution",
    "delete": "deletion",
    "insert": "insertion",
}


@dataclass(frozen=True)
class WordErrors:
    """Counts of one alignment, or of many added up."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(*map(add, astuple(self), astuple(other)))

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
        return {"wer": self.wer, "words": self.reference_words, **asdict(self)}


@dataclass(frozen=True)
class Edit:
    """One step of an alignment; the side that an insertion or deletion lacks is `None`."""

    operation: Operation
    reference: int | None
    hypothesis: int | None


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Edit, ...]:
    """Align two word sequences with the fewest edits, left to right. Words hold no blanks.

    Raises:
        MissingDependencyError: jiwer is not installed.
    """
    with needs("scoring", "eval"):
        import jiwer
    if not reference or not hypothesis:  # jiwer 3 refuses empty references
        missed = [Edit("deletion", number, None) for number in range(len(reference))]
        return (*missed, *(Edit("insertion", None, number) for number in range(len(hypothesis))))
    edits: list[Edit] = []
    for chunk in jiwer.process_words(" ".join(reference), " ".join(hypothesis)).alignments[0]:
        operation = _NAMES[chunk.type]
        first, second = chunk.ref_start_idx, chunk.hyp_start_idx
        for step in range(max(chunk.ref_end_idx - first, chunk.hyp_end_idx - second)):
            here = None if operation == "insertion" else first + step
            there = None if operation == "deletion" else second + step
            edits.append(Edit(operation, here, there))
    return tuple(edits)


def count(edits: Iterable[Edit]) -> WordErrors:
    """The counts of an alignment."""
    operations = [edit.operation for edit in edits]
    return WordErrors(
        hits=operations.count("hit"),
        substitutions=operations.count("substitution"),
        deletions=operations.count("deletion"),
        insertions=operations.count("insertion"),
    )


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> WordErrors:
    """Count the edits that turn the reference's words into the hypothesis's."""
    return count(align(reference, hypothesis))


def total(errors: Iterable[WordErrors]) -> WordErrors:
    """Add up counts over a corpus."""
    return sum(errors, WordErrors())
