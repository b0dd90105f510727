"""Abbreviations in lower-case corpora: their capitals, and how they are said."""

from __future__ import annotations

import pytest

from unislu.data.abbreviations import SAID, SPELLED, capitals, spelled
from unislu.data.restore import Truecaser
from unislu.sequence.target import Span, Target


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("eib", "EIB"),
        ("meps", "MEPs"),
        ("nato", "NATO"),
        ("us", None),
        ("its", None),
        ("who", None),
        ("on", None),
    ],
)
def test_capitals(word: str, form: str | None) -> None:
    assert capitals(word) == form


def test_a_word_of_its_own_is_an_abbreviation_only_as_a_whole_name() -> None:
    text = "who told us that the us and the who agree"
    us, who = text.rindex("us"), text.rindex("who")
    target = Target(text, (Span(us, us + 2, "PLACE"), Span(who, who + 3, "ORG")))
    assert Truecaser().restore(target).text == "Who told us that the US and the WHO agree"


def test_abbreviations_are_restored_with_their_genitive_and_plural() -> None:
    target = Target("the ebrd's view of smes", (Span(4, 10, "ORG"),))
    assert Truecaser().restore(target).text == "The EBRD's view of SMEs"


def test_letters_are_spelled_and_words_are_not() -> None:
    assert spelled("The EIB, RTL, two MEPs, NATO, DR No") == "The E I B, R T L, two M E P's, NATO, DR No"
    assert not SPELLED & SAID
