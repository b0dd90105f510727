"""Written figures and addresses in words."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.data.spoken import codes, numbers, spoken_form


def ways(text: str) -> set[str]:
    """Every form that forty generators choose."""
    return {spoken_form(text, random.Random(seed)) for seed in range(40)}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("It costs $45.20.", "It costs forty-five dollars and twenty cents."),
        ("It costs $3 million", "It costs three million dollars"),
        ("up 20% today", "up twenty percent today"),
        ("at 10:30 a.m. sharp", "at ten thirty AM sharp"),
        ("at 6 pm", "at six PM"),
        ("at 7:05", "at seven oh five"),
        ("on March 3rd", "on March third"),
        ("on the 3rd of March", "on the third of March"),
        ("in 1998", "in nineteen ninety-eight"),
        ("in the 1990s", "in the nineteen nineties"),
        ("1/2 cup", "one half cup"),
        ("1 1/2 cups", "one and a half cups"),
        ("40 mg", "forty milligrams"),
        ("1 km away", "one kilometer away"),
        ("at 10:00 today", "at ten o'clock today"),
        ("at 10:30 today", "at ten thirty today"),
        ("the 2nd floor", "the second floor"),
        ("jane.doe@example.com", "jane dot doe at example dot com"),
        ("see example.org/help", "see example dot org slash help"),
        ("no figures at all", "no figures at all"),
    ],
)
def test_a_usual_form_is_among_the_ways(text: str, form: str) -> None:
    assert form in ways(text)


@pytest.mark.parametrize("text", ["the 13th of July", "by the 3rd of March 2020"])
def test_an_article_is_not_said_twice(text: str) -> None:
    assert not any("the the" in form for form in ways(text))


def test_several_ways_are_said() -> None:
    assert len(ways("call 415-200-0134 in 2012, it costs $2,500")) > 4


def test_the_same_generator_gives_the_same_form() -> None:
    text = "room 2500 at 10:30 in 2005, 555-0134"
    assert spoken_form(text, random.Random(3)) == spoken_form(text, random.Random(3))


_WORD_OF = dict(zip("0123456789", numbers.DIGITS, strict=True))


def _figures(said: str) -> str:
    """The digits that words stand for, with "double" and "oh" undone."""
    digits: list[str] = []
    times = 1
    by_word = {word: digit for digit, word in _WORD_OF.items()} | {"oh": "0"}
    for word in re.findall(r"\w+", said):
        if word in ("double", "triple"):
            times = 2 if word == "double" else 3
        else:
            digits += [by_word[word]] * times
            times = 1
    return "".join(digits)


@given(st.text("0123456789", min_size=1, max_size=16), st.integers(0, 999))
def test_no_digit_is_lost_or_gained(text: str, seed: int) -> None:
    assert _figures(codes.digits(text, random.Random(seed), doubles=0.7)) == text


@given(st.lists(st.text("0123456789", min_size=1, max_size=5), min_size=1, max_size=5), st.integers(0, 999))
def test_groups_keep_their_digits(groups: list[str], seed: int) -> None:
    said = codes.digit_groups("-".join(groups), random.Random(seed), doubles=0.5)
    assert [_figures(part) for part in said.split(", ")] == groups


@given(st.integers(0, 9999), st.integers(0, 99))
def test_numbers_are_words(number: int, seed: int) -> None:
    rng = random.Random(seed)
    for said in (numbers.cardinal(number, rng), numbers.year(number, rng), numbers.ordinal(number)):
        assert re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", said)


def test_a_code_is_spelled_with_pauses() -> None:
    assert codes.spelled("AB1 2CD", random.Random(0)) == "A B one, two C D"
    assert "as in" in " ".join(codes.spelled("ABCDEF", random.Random(seed), nato=1.0) for seed in range(5))


@given(st.text() | st.text("0123456789²½٣$€%.,:/-@ apmk", max_size=12))
def test_any_text_has_a_spoken_form(text: str) -> None:
    assert isinstance(spoken_form(text, random.Random(0)), str)
