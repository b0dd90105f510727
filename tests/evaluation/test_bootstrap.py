"""Intervals and the paired test: against exact answers of small cases."""

from __future__ import annotations

import pytest

from unislu.errors import OptionError, RecordError
from unislu.evaluation.bootstrap import compare, intervals
from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.score import Judged, judge, summarize

LABELS = ["positive", "neutral", "negative"]


def judged(right: list[bool], profile: str = "slue") -> Judged:
    """Utterances of four words, an entity and a sentiment each, all right or all wrong."""
    golds = [Gold(str(n), "we met in paris", (("place", "paris"),), LABELS[n % 3]) for n in range(len(right))]
    answers = [
        Prediction(str(n), "we met in paris", (("place", "paris"),), LABELS[n % 3])
        if good
        else Prediction(str(n), "we met in rome", (("org", "rome"),), LABELS[(n + 1) % 3])
        for n, good in enumerate(right)
    ]
    return judge(golds, answers, profile)


def test_values_are_those_of_the_scores() -> None:
    sets = judged([True, False, True, True, False, True, True, False])
    found, scores = intervals(sets, samples=50), summarize(sets)
    assert scores.words is not None and scores.entities is not None and scores.sentiment is not None
    expected = {
        "wer": scores.words.wer,
        "ner.f1": scores.entities.micro.f1,
        "ner.precision": scores.entities.micro.precision,
        "ner.recall": scores.entities.micro.recall,
        "ner.macro_f1": scores.entities.macro_f1,
        "ner.label_f1": scores.entities.label_f1,
        "ner.f1.org": scores.entities.per_type["org"].f1,
        "ner.f1.place": scores.entities.per_type["place"].f1,
        "sa.macro_f1": scores.sentiment.macro_f1,
        "sa.accuracy": scores.sentiment.accuracy,
        **{f"sa.f1.{name}": counts.f1 for name, counts in scores.sentiment.per_class.items()},
    }
    assert {name: interval.value for name, interval in found.items()} == pytest.approx(expected)


def test_an_interval_is_that_of_the_binomial() -> None:
    # 100 utterances, 30 wrong: accuracy is a binomial share, sd 100 * sqrt(.7 * .3 / 100) = 4.58
    found = intervals(judged([n % 10 >= 3 for n in range(100)]), samples=4000)["sa.accuracy"]
    assert found.value == 70.0
    assert found.low == pytest.approx(70 - 1.96 * 4.58, abs=1.2)
    assert found.high == pytest.approx(70 + 1.96 * 4.58, abs=1.2)


def test_the_seed_decides_and_only_the_seed() -> None:
    sets = judged([n % 4 > 0 for n in range(40)])
    assert intervals(sets, samples=100, seed=3) == intervals(sets, samples=100, seed=3)
    assert intervals(sets, samples=100, seed=3) != intervals(sets, samples=100, seed=4)


def test_without_errors_there_is_no_doubt() -> None:
    found = intervals(judged([True] * 5), samples=20)
    assert (found["wer"].value, found["wer"].low, found["wer"].high) == (0, 0, 0)
    assert found["ner.f1"].low == 100.0


def test_what_is_not_annotated_has_no_interval() -> None:
    only_text = judge([Gold("a", "words")], [Prediction("a", "word")], "slue")
    assert set(intervals(only_text, samples=5)) == {"wer"}


def test_undefined_resamples_are_left_out_and_json_has_no_nan() -> None:
    golds = [Gold("a", "x", (("org", "x"),)), Gold("b", "y", ())]
    sets = judge(golds, [Prediction("a", "x", (("org", "x"),)), Prediction("b", "y", ())], "slue")
    assert intervals(sets)["ner.f1"].to_dict() == {"value": 100.0, "low": 100.0, "high": 100.0}
    lone = [intervals(sets, samples=1, seed=seed)["ner.f1"].to_dict() for seed in range(8)]
    assert {"value": 100.0, "low": None, "high": None} in lone


def test_two_equal_systems_do_not_differ() -> None:
    sets = judged([True, False, True])
    for found in compare(sets, sets, samples=20, permutations=50).values():
        assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1.0)


def test_p_is_the_share_of_swaps() -> None:
    # A is right on all of 6, B on none: only swapping all or nothing reaches the difference: 2 in 64.
    found = compare(judged([True] * 6), judged([False] * 6), samples=20, permutations=20_000)["sa.accuracy"]
    assert (found.a, found.b, found.difference) == (100, 0, 100)
    assert found.p == pytest.approx(2 / 64, abs=0.005)
    assert (found.low, found.high) == (100, 100)


def test_a_clear_difference_is_significant_and_its_interval_excludes_zero() -> None:
    a, b = judged([n % 10 > 0 for n in range(80)]), judged([n % 10 > 3 for n in range(80)])
    found = compare(a, b, samples=500, permutations=1000)
    assert found["wer"].difference < 0 and found["wer"].high < 0 and found["wer"].p < 0.01
    assert found["ner.f1"].low > 0 and found["ner.f1"].to_dict()["difference"] == found["ner.f1"].difference


def test_bad_questions() -> None:
    sets = judged([True, True])
    with pytest.raises(RecordError, match="not judged on the same utterances"):
        compare(sets, judged([True]))
    with pytest.raises(RecordError, match="not judged on the same utterances"):
        compare(sets, judged([True, True], "unislu"))
    with pytest.raises(OptionError, match="0 samples"):
        intervals(sets, samples=0)
