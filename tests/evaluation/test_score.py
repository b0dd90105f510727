"""Joining gold and predictions, and the report."""

from __future__ import annotations

import json

import pytest

from unislu.errors import RecordError
from unislu.evaluation.question import Gold, Prediction, gold_of
from unislu.evaluation.score import score, slue_score
from unislu.sequence.target import Span

GOLDS = [
    Gold("a", "The council met in Paris.", (("ORG", "council"), ("PLACE", "Paris")), "neutral"),
    Gold("b", "Article twenty one!", (), None),
    Gold("c", "I love it", None, "positive"),
]


class _Record:
    def __init__(self, id: str, text: str, entities: list[Span] | None, sentiment: str | None) -> None:
        self.id, self.text, self.entities, self.sentiment = id, text, entities, sentiment
        self.extra: dict[str, object] = {}


def test_scores_what_is_annotated() -> None:
    scores = score(
        GOLDS,
        [
            # not in the gold's order: ids join them
            Prediction("c", "i love it", (("ORG", "it"),), "Positive"),
            Prediction("b", "article 21", (("law", "article 21"),)),
            Prediction("a", "the council met in paris", (("place", "paris"),), "negative"),
        ],
    )
    assert scores.words is not None and scores.words.wer == 0.0
    # c has no entity annotation, so its prediction is neither right nor wrong
    assert scores.entities is not None
    assert scores.entities.micro.to_dict() | {"f1": None} == {
        "precision": 50.0,
        "recall": 50.0,
        "f1": None,
        "support": 2,
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 1,
    }
    assert scores.sentiment is not None and scores.sentiment.accuracy == 50.0


def test_the_profile_decides_whether_numbers_are_the_same() -> None:
    answer = [Prediction("b", "article 21")]
    assert score(GOLDS[1:2], answer, "unislu").words.wer == 0.0  # type: ignore[union-attr]
    assert score(GOLDS[1:2], answer, "slue").words.errors == 2  # type: ignore[union-attr]


def test_a_missing_prediction_counts_as_wrong() -> None:
    scores = score(GOLDS, [], allow_missing=True)
    assert scores.missing == 3
    assert scores.words is not None and scores.words.wer == 100.0
    assert scores.entities is not None and scores.entities.micro.false_negatives == 2
    assert scores.sentiment is not None and scores.sentiment.accuracy == 0.0


def test_words_invented_for_silence_are_counted() -> None:
    golds = [Gold("a", ""), Gold("b", " . "), Gold("c", "one word")]
    scores = score(golds, [Prediction("a", "thank you"), Prediction("b", ""), Prediction("c", "one")], "slue")
    assert (scores.silent, scores.invented) == (2, 1)
    assert scores.words is not None and scores.words.wer == 150.0
    assert "words invented in 1 of 2 utterances without speech" in str(scores)


def test_nothing_annotated_is_nothing_scored() -> None:
    scores = score([Gold("a")], [Prediction("a", "words")])
    assert (scores.words, scores.entities, scores.sentiment) == (None, None, None)


@pytest.mark.parametrize(
    ("golds", "answers", "message"),
    [
        ([GOLDS[0], GOLDS[0]], [], "gold: id 'a' occurs twice"),
        ([GOLDS[0]], [Prediction("a"), Prediction("a")], "predictions: id 'a' occurs twice"),
        (
            [GOLDS[0]],
            [Prediction("z")],
            "1 ids in the gold have no prediction: a; 1 ids in the predictions are not in the gold: z",
        ),
        ([], [Prediction("z")], "gold: has no utterances"),
    ],
)
def test_ids_must_join(golds: list[Gold], answers: list[Prediction], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        score(golds, answers)


def test_dict_is_json_and_table_is_readable() -> None:
    scores = score(
        GOLDS,
        [Prediction("a", "council met in Paris", (("place", "Paris"),), "neutral")],
        "slue",
        allow_missing=True,
    )
    plain = json.loads(json.dumps(scores.to_dict()))
    assert plain["profile"] == "slue"
    assert plain["entities"]["per_type"]["place"]["f1"] == 100.0
    assert str(scores).splitlines() == [
        "profile slue, 3 utterances, 2 without a prediction",
        "WER 63.64   11 words: 0 substituted, 7 deleted, 0 inserted",
        "entity type      P      R     F1  support",
        "org              -   0.00   0.00        1",
        "place       100.00 100.00 100.00        1",
        "all         100.00  50.00  66.67        2",
        "macro-F1 50.00   label-F1 66.67",
        "sentiment      P      R     F1  support",
        "positive       -   0.00   0.00        1",
        "neutral   100.00 100.00 100.00        1",
        "negative       -      -      -        0",
        "macro-F1 50.00   accuracy 50.00",
    ]


def test_records_are_predicted_and_scored() -> None:
    record = _Record("a", "the council met", [Span(4, 11, "ORG")], None)
    assert gold_of(record) == Gold("a", "the council met", (("ORG", "council"),), None)

    perfect = Prediction("a", record.text, gold_of(record).entities, record.sentiment)
    scores = score([gold_of(record)], [perfect])
    assert scores.entities is not None and scores.entities.micro.f1 == 100.0
    assert scores.sentiment is None


def test_slue_score_of_unislu_medium() -> None:
    # Table 1 of the UniSLU paper: 8.77 / 11.47, 69.95, 61.60 give 73.81
    assert slue_score(8.77, 11.47, 69.95, 61.60) == pytest.approx(73.81, abs=0.005)
    assert slue_score(8.77, None, 69.95, 61.60) is None
