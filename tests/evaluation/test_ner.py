"""Entity scores counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.evaluation.ner import Counts, EntityScores, entity_scores

ENTITIES = st.lists(
    st.tuples(st.sampled_from(["org", "place"]), st.sampled_from(["council", "paris"])), max_size=6
)


def test_micro_macro_and_label_scores() -> None:
    gold = [("org", "council"), ("place", "paris"), ("place", "rome"), ("when", "today")]
    predicted = [("org", "council"), ("place", "paris"), ("place", "room"), ("quant", "one")]
    scores = entity_scores(gold, predicted)
    assert scores.per_type == {
        "org": Counts(1, 0, 0),
        "place": Counts(1, 1, 1),
        "quant": Counts(0, 1, 0),
        "when": Counts(0, 0, 1),
    }
    assert (scores.micro.precision, scores.micro.recall, scores.micro.f1) == (50.0, 50.0, 50.0)
    # org 100, place 50, quant 0, when 0: types seen on either side
    assert scores.macro_f1 == 37.5
    # org 1, place 2 of 2; quant false, when missed
    assert scores.labels == Counts(3, 1, 1)
    assert scores.label_f1 == 75.0


def test_entities_are_a_multiset() -> None:
    twice = [("place", "paris"), ("place", "paris")]
    assert entity_scores(twice, twice[:1]).micro == Counts(1, 0, 1)
    assert entity_scores(twice[:1], twice).micro == Counts(1, 1, 0)


def test_zero_of_zero_is_undefined_and_zero_of_some_is_zero() -> None:
    nothing = entity_scores([], [])
    assert (nothing.micro.precision, nothing.micro.recall, nothing.micro.f1) == (None, None, None)
    assert (nothing.macro_f1, nothing.label_f1) == (None, None)
    missed = entity_scores([("org", "council")], []).micro
    assert (missed.precision, missed.recall, missed.f1) == (None, 0.0, 0.0)


def test_counts_add_up_over_utterances() -> None:
    both = entity_scores([("org", "council")], []) + entity_scores([("place", "rome")], [("place", "rome")])
    assert both.per_type == {"org": Counts(0, 0, 1), "place": Counts(1, 0, 0)}
    assert both.micro.f1 == pytest.approx(200 / 3)
    assert sum([both, both], EntityScores()).micro == Counts(2, 0, 2)


@given(ENTITIES, ENTITIES)
def test_order_does_not_count_and_swapping_sides_swaps_precision_and_recall(
    gold: list[tuple[str, str]], predicted: list[tuple[str, str]]
) -> None:
    scores, swapped = entity_scores(gold, predicted[::-1]), entity_scores(predicted, gold)
    assert scores.micro.precision == swapped.micro.recall
    assert scores.micro.f1 == swapped.micro.f1
    assert scores.labels.true_positives >= scores.micro.true_positives
