"""Word errors: cases counted by hand, and parity with jiwer."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.errors import MissingDependencyError
from unislu.evaluation.wer import Edit, WordErrors, align, total, word_errors

WORDS = st.lists(st.sampled_from(["a", "b", "c", "council", "the"]), max_size=12)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("the council met", "the council met", WordErrors(hits=3)),
        ("the council met", "the counsel met", WordErrors(hits=2, substitutions=1)),
        ("the council met", "council met today", WordErrors(hits=2, deletions=1, insertions=1)),
        ("the council met", "", WordErrors(deletions=3)),
        ("", "thank you", WordErrors(insertions=2)),
        ("", "", WordErrors()),
        # The first 'the' has no counterpart, the second has: one deletion, not two errors.
        ("the the council", "the council", WordErrors(hits=2, deletions=1)),
    ],
)
def test_counts(reference: str, hypothesis: str, expected: WordErrors) -> None:
    assert word_errors(reference.split(), hypothesis.split()) == expected


def test_alignment_names_the_words_on_both_sides() -> None:
    reference = ["we", "met", "in", "paris", "france"]
    assert align(reference, ["we", "in", "paris", "the", "france"]) == (
        Edit("hit", 0, 0),
        Edit("deletion", 1, None),
        Edit("hit", 2, 1),
        Edit("hit", 3, 2),
        Edit("insertion", None, 3),
        Edit("hit", 4, 4),
    )


def test_rate_is_percent_of_reference_words_and_undefined_without_any() -> None:
    assert WordErrors(hits=8, substitutions=1, deletions=1, insertions=2).wer == 40.0
    assert WordErrors(insertions=2).wer is None


def test_corpus_rate_is_of_the_sums_and_counts_words_invented_for_silence() -> None:
    silence = word_errors([], ["thank", "you"])
    assert total([silence, WordErrors(hits=8)]).wer == 25.0


@given(WORDS, WORDS)
def test_no_alignment_has_fewer_edits(reference: list[str], hypothesis: list[str]) -> None:
    """Against the textbook recursion (slue-toolkit counts errors as `editdistance` does: the same number)."""
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    ours = word_errors(reference, hypothesis)
    assert ours.errors == row[-1]
    assert ours.hits + ours.substitutions + ours.insertions == len(hypothesis)
    assert ours.reference_words == len(reference)


def test_missing_jiwer_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "\.\[eval\]"'):
        align(["a"], ["b"])


@given(WORDS, WORDS)
def test_alignment_visits_every_word_once_in_order(reference: list[str], hypothesis: list[str]) -> None:
    edits = align(reference, hypothesis)
    assert [e.reference for e in edits if e.reference is not None] == list(range(len(reference)))
    assert [e.hypothesis for e in edits if e.hypothesis is not None] == list(range(len(hypothesis)))
    for edit in edits:
        if edit.reference is not None and edit.hypothesis is not None:
            same = reference[edit.reference] == hypothesis[edit.hypothesis]
            assert same == (edit.operation == "hit")
