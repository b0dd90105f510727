"""Sentiment scores counted by hand."""

from __future__ import annotations

import pytest

from unislu.evaluation.sentiment import FOUR_CLASSES, sentiment_scores

PAIRS = [
    ("Positive", "positive"),
    ("positive", "neutral"),
    ("neutral", "neutral"),
    ("negative", None),
    ("mixed", "mixed"),
]


def test_three_classes_drop_mixed_and_count_a_missing_prediction_as_wrong() -> None:
    scores = sentiment_scores(PAIRS)
    assert (scores.support, scores.dropped) == (4, 1)
    assert scores.accuracy == 50.0
    assert scores.confusion == {
        ("positive", "positive"): 1,
        ("positive", "neutral"): 1,
        ("neutral", "neutral"): 1,
        ("negative", None): 1,
    }
    # F1: positive 2/3, neutral 2/3, negative 0
    assert scores.macro_f1 == pytest.approx(400 / 9)


def test_four_classes() -> None:
    scores = sentiment_scores(PAIRS, FOUR_CLASSES)
    assert (scores.support, scores.dropped) == (5, 0)
    assert scores.macro_f1 == pytest.approx(100 * (2 / 3 + 2 / 3 + 0 + 1) / 4)


def test_a_prediction_outside_the_classes_is_wrong() -> None:
    assert sentiment_scores([("neutral", "mixed")]).macro_f1 == 0.0


def test_nothing_scored_is_undefined() -> None:
    scores = sentiment_scores([])
    assert (scores.accuracy, scores.macro_f1) == (None, None)
