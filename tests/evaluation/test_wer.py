"""Word errors: cases counted by hand, and parity with jiwer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert align(reference, ["we", "in", "paris", "the", "france"]) == [
        Edit("hit", 0, 0),
        Edit("deletion", 1, None),
        Edit("hit", 2, 1),
        Edit("hit", 3, 2),
        Edit("insertion", None, 3),
        Edit("hit", 4, 4),
    ]


def test_rate_is_percent_of_reference_words_and_undefined_without_any() -> None:
    assert WordErrors(hits=8, substitutions=1, deletions=1, insertions=2).wer == 40.0
    assert WordErrors(insertions=2).wer is None


def test_corpus_rate_is_of_the_sums_and_counts_words_invented_for_silence() -> None:
    silence = word_errors([], ["thank", "you"])
    assert total([silence, WordErrors(hits=8)]).wer == 25.0


@given(WORDS, WORDS)
def test_as_many_errors_as_jiwer(reference: list[str], hypothesis: list[str]) -> None:
    import jiwer

    ours = word_errors(reference, hypothesis)
    assert ours.hits + ours.substitutions + ours.insertions == len(hypothesis)
    assert ours.reference_words == len(reference)
    if reference:
        theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
        assert ours.errors == theirs.substitutions + theirs.deletions + theirs.insertions


@given(WORDS, WORDS)
def test_alignment_visits_every_word_once_in_order(reference: list[str], hypothesis: list[str]) -> None:
    edits = align(reference, hypothesis)
    assert [e.reference for e in edits if e.reference is not None] == list(range(len(reference)))
    assert [e.hypothesis for e in edits if e.hypothesis is not None] == list(range(len(hypothesis)))
    for edit in edits:
        if edit.reference is not None and edit.hypothesis is not None:
            same = reference[edit.reference] == hypothesis[edit.hypothesis]
            assert same == (edit.operation == "hit")
