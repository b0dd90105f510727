"""Targets: three states of annotation, and the resolution of spans and blanks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.errors import OptionError, RecordError
from unislu.sequence import ONTONOTES_TO_SLUE, SLUE, LabelSet, Prompt, Span, Target, normalize_type


def test_three_states_stay_apart() -> None:
    assert Target("a").resolved().entities is None
    assert Target("a", ()).resolved().entities == ()
    assert Prompt.of(Target("a")).tasks == frozenset()
    assert Prompt.of(Target("a", ())).tasks == {"ner"}
    assert Prompt.of(Target("a", None, "Positive")).tasks == {"sa"}


def test_blanks_collapse_and_offsets_follow() -> None:
    text = "\t the  New \n York\u00a0Times "
    target = Target(text, (Span(7, 17, "PLACE"), Span(17, 24, "ORG"))).resolved()
    assert target.text == "the New York Times"
    assert [target.text[s.start : s.end] for s in target.entities or ()] == ["New York", "Times"]


def test_longest_span_stays_then_the_earlier_then_the_smaller_type() -> None:
    nested = Target("New York City", (Span(0, 8, "A"), Span(0, 13, "B"), Span(9, 13, "C")))
    assert nested.resolved().entities == (Span(0, 13, "B"),)
    crossing = Target("a b c", (Span(2, 5, "A"), Span(0, 3, "B")))
    assert crossing.resolved().entities == (Span(0, 3, "B"),)
    twice = Target("a", (Span(0, 1, "B"), Span(0, 1, "A")))
    assert twice.resolved().entities == (Span(0, 1, "A"),)


def test_blank_spans_vanish_before_they_can_hide_others() -> None:
    target = Target("a    b", (Span(1, 5, "A"), Span(4, 6, "B"), Span(0, 0, "C")))
    assert target.resolved() == Target("a b", (Span(2, 3, "B"),))


@pytest.mark.parametrize("span", [(-1, 1), (0, 4), (2, 1), (4, 4)])
def test_spans_outside_the_text_are_errors(span: tuple[int, int]) -> None:
    with pytest.raises(RecordError, match="outside its text of 3 characters"):
        Target("abc", (Span(*span, "ORG"),))


def test_empty_type_and_half_characters_are_errors() -> None:
    with pytest.raises(RecordError, match="empty type"):
        Target("abc", (Span(0, 1, ""),))
    with pytest.raises(RecordError, match="half a character at 1"):
        Target("a\ud800")


@settings(deadline=None, max_examples=100)
@given(data=st.data(), text=st.text(st.characters(codec="utf-8") | st.sampled_from(" \t"), max_size=15))
def test_resolved_is_idempotent_flat_and_tidy(data: st.DataObject, text: str) -> None:
    place = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(place, place), max_size=5))
    spans = tuple(Span(min(pair), max(pair), "T") for pair in pairs)
    target = Target(text, spans).resolved()
    assert target.resolved() == target
    assert target.text == " ".join(text.split())
    entities = target.entities or ()
    assert all(a.end <= b.start for a, b in pairwise(entities))
    phrases = {" ".join(text[span.start : span.end].split()) for span in spans}
    for span in entities:
        phrase = target.text[span.start : span.end]
        assert phrase and phrase == phrase.strip() and phrase in phrases


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("WORK_OF_ART", "work-of-art"),
        ("Phone Number", "phone-number"),
        ("drug / dose:x", "drug-dose-x"),
        (" - ", ""),
    ],
)
def test_normalize_type(name: str, normal: str) -> None:
    assert normalize_type(name) == normal


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=12))
def test_normal_names_are_fixed_points_without_delimiters(name: str) -> None:
    normal = normalize_type(name)
    assert normalize_type(normal) == normal
    assert not set(normal) & set(" ,<>[]()\\/:_")


def test_label_sets() -> None:
    assert SLUE.entity_type("person") == "PERSON" and SLUE.entity_type("gpe") is None
    assert SLUE.sentiment(" positive ") == "Positive" and SLUE.sentiment("") is None
    assert set(filter(None, ONTONOTES_TO_SLUE.values())) == set(SLUE.entity_types)
    assert len(ONTONOTES_TO_SLUE) == 18
    with pytest.raises(OptionError, match="duplicate entity type 'a_b'"):
        LabelSet(("A B", "a_b"), ())
    with pytest.raises(OptionError, match="empty sentiment"):
        LabelSet((), ("",))


def test_prompts_normalise_and_refuse() -> None:
    assert Prompt(types=("Phone Number", "ORG")).types == ("phone-number", "org")
    with pytest.raises(OptionError, match="unknown task 'asr'"):
        Prompt(frozenset({"asr"}))
    with pytest.raises(OptionError, match="duplicate entity type 'Org'"):
        Prompt(types=("org", "Org"))
    with pytest.raises(OptionError, match="empty entity type ' '"):
        Prompt(types=(" ",))
