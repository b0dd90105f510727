"""Transcripts beside references: words put right, entities carried over."""

from __future__ import annotations

import pytest

from unislu.data.transcripts import carried_over, in_figures, put_right
from unislu.evaluation.profiles import profile
from unislu.sequence import Span, Target

normalize = profile("unislu")


@pytest.mark.parametrize(
    ("hypothesis", "reference", "right"),
    [
        ("The liu is big.", "the EU is big", "The EU is big."),
        ("In 2014, we met.", "in two thousand and fourteen we met", "In 2014, we met."),
        ("In 2000 and then, we met there.", "in two thousand and ten we met there", "In 2010, we met there."),
        ("Since 2000 and 19, yes.", "since two thousand and nineteen yes", "Since 2019, yes."),
        ("I love dairy queen, yes.", "i love olive garden yes", "I love olive garden, yes."),
        ("Where is Dary Quin?", "where is dairy queen", "Where is Dairy Queen?"),
        ("the color, please", "the colour please", "the color, please"),
        ("We met uh today.", "We met today.", "We met today."),
        ("met today.", "We met today.", "We met today."),
    ],
)
def test_words_are_put_right_in_the_style_of_the_hypothesis(
    hypothesis: str, reference: str, right: str
) -> None:
    assert put_right(hypothesis, reference, normalize) == right


@pytest.mark.parametrize(
    ("words", "figures"),
    [
        ("aged between eighteen and twenty-nine.", "aged between 18 and 29."),
        ("Nineteen ninety five, two thousand and nine", "1995, 2009"),
        ("three hundred and forty days, one or two", "340 days, one or two"),
        ("fifty percent of two thousand five hundred", "50 percent of 2500"),
        ("one hundred million and a hundred", "100 million and a hundred"),
        ("five five five, twenty twenty twenty", "five five five, twenty twenty twenty"),
        ("the twenty first of the second half", "the twenty first of the second half"),
    ],
)
def test_numbers_are_written_in_figures(words: str, figures: str) -> None:
    assert in_figures(words, normalize) == figures


def test_texts_of_two_clips_have_nothing_to_put_right() -> None:
    assert put_right("Completely different words.", "the EU is big", normalize) is None
    assert put_right("", "the EU is big", normalize) is None
    assert carried_over(Target("the EU is big", ()), "Completely different words.", normalize) is None


def carried(text: str, phrases: dict[str, str], hypothesis: str) -> list[tuple[str, str]] | None:
    spans = tuple(Span(text.index(p), text.index(p) + len(p), t) for p, t in phrases.items())
    found = carried_over(Target(text, spans), hypothesis, normalize)
    if found is None:
        return None
    assert found.text == hypothesis
    return [(hypothesis[s.start : s.end], s.type) for s in found.entities or ()]


def test_entities_stand_on_the_words_that_were_written_for_them() -> None:
    text = "in two thousand and fourteen mr juncker went to addis ababa"
    phrases = {"two thousand and fourteen": "WHEN", "juncker": "PERSON", "addis ababa": "PLACE"}
    assert carried(text, phrases, "In 2014, Mr. Yunker went to Addis Ababa.") == [
        ("2014", "WHEN"),
        ("Yunker", "PERSON"),
        ("Addis Ababa", "PLACE"),
    ]
    assert carried("the council's report", {"council": "ORG"}, "The Council's report.") == [
        ("Council", "ORG")
    ]
    assert carried("it was $5 ok", {"$5": "QUANT"}, "It was $5, ok.") == [("$5", "QUANT")]


def test_an_entity_that_was_not_written_leaves_the_clip_out() -> None:
    assert carried("we saw anna here today", {"anna": "PERSON"}, "We saw here today.") is None


def test_unannotated_stays_unannotated() -> None:
    found = carried_over(Target("we met", None, "Positive"), "We met.", normalize)
    assert found == Target("We met.", None, "Positive")
