"""Prompts of open types, as properties: what is dropped vanishes, and what is present is never denied."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.data.prompts import OpenPrompt, PromptMix, open_prompt
from unislu.data.type_names import TypeTable
from unislu.sequence import Span, Target, normalize_type

#: Several spellings of the same types, since corpora do not agree on one.
NAMES = st.sampled_from(
    ["ORG", "org", "Person", "PERSON", "WORK_OF_ART", "work of art", "place", "date", "dish", "Song", "role"]
)
OTHERS = st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=5)
SEEDS = st.integers(0, 2**32)


@st.composite
def targets(draw: st.DrawFn) -> Target:
    """A sentence of numbered words, some of which are entities."""
    types = draw(st.lists(st.none() | NAMES, min_size=1, max_size=8))
    words = [f"word{number}" for number in range(len(types))]
    spans, position = [], 0
    for word, name in zip(words, types, strict=True):
        if name is not None:
            spans.append(Span(position, position + len(word), name))
        position += len(word) + 1
    return Target(" ".join(words), tuple(spans), draw(st.sampled_from([None, "Positive"])))


def present(target: Target) -> set[str]:
    return {normalize_type(span.type) for span in target.entities or ()}


def check_answer(target: Target, drawn: OpenPrompt) -> None:
    """The answer holds exactly the entities whose type is asked for; the rest of the target is untouched."""
    expected = [(s.start, s.end, normalize_type(s.type)) for s in target.entities or ()]
    answered = [(s.start, s.end, s.type) for s in drawn.target.entities or ()]
    assert answered == [span for span in expected if span[2] in drawn.types]
    assert (drawn.target.text, drawn.target.sentiment) == (target.text, target.sentiment)


@given(targets(), OTHERS, SEEDS, st.integers(0, 4), st.sampled_from([0.0, 0.3, 0.9]), st.integers(1, 30))
def test_a_type_is_in_prompt_and_answer_or_in_neither(
    target: Target, others: list[list[str]], seed: int, negatives: int, dropout: float, max_types: int
) -> None:
    drawn = open_prompt(
        target, others, random.Random(seed), negatives=negatives, dropout=dropout, max_types=max_types
    )
    check_answer(target, drawn)
    assert len(set(drawn.types)) == len(drawn.types) <= max_types
    assert all(name == normalize_type(name) for name in drawn.types)
    assert set(drawn.types) <= present(target) | {normalize_type(n) for names in others for n in names}


@given(targets(), OTHERS, SEEDS)
def test_no_negative_brings_a_dropped_type_back(target: Target, others: list[list[str]], seed: int) -> None:
    # Every other example names a present type too, so a careless draw would bring it back.
    others = [[*names, *sorted(present(target))] for names in others]
    drawn = open_prompt(target, others, random.Random(seed), negatives=5, dropout=1.0)
    if set(drawn.types) - present(target):
        assert not set(drawn.types) & present(target)
        assert drawn.target.entities == ()
    else:  # without negatives there is nothing to ask for but what was dropped
        assert set(drawn.types) == present(target)


@given(targets(), OTHERS, SEEDS)
def test_without_dropout_every_present_type_is_asked_for(
    target: Target, others: list[list[str]], seed: int
) -> None:
    drawn = open_prompt(target, others, random.Random(seed), dropout=0.0)
    assert present(target) <= set(drawn.types)
    assert len(drawn.target.entities or ()) == len(target.entities or ())


@given(targets(), OTHERS, SEEDS, st.frozensets(NAMES.map(normalize_type)))
def test_never_keeps_names_out_of_the_negatives(
    target: Target, others: list[list[str]], seed: int, never: frozenset[str]
) -> None:
    drawn = open_prompt(target, others, random.Random(seed), negatives=5, dropout=0.5, never=never)
    assert set(drawn.types) & never <= present(target)
    check_answer(target, drawn)


@given(targets(), OTHERS, SEEDS)
def test_the_generator_decides_everything(target: Target, others: list[list[str]], seed: int) -> None:
    first, again = (open_prompt(target, others, random.Random(seed)) for _ in range(2))
    assert first == again
    in_order = open_prompt(target, others, random.Random(seed), shuffle=False)
    assert list(in_order.types) == sorted(first.types)


@given(targets(), OTHERS, SEEDS, st.integers(1, 3))
def test_positives_come_before_negatives_when_types_are_limited(
    target: Target, others: list[list[str]], seed: int, max_types: int
) -> None:
    drawn = open_prompt(
        target, others, random.Random(seed), negatives=5, dropout=0.0, max_types=max_types, shuffle=False
    )
    positives = present(target) & set(drawn.types)
    assert len(positives) == min(len(present(target)), max_types)


TABLE = """
person: {names: [name, person name], about: ["a human being's name"]}
full name: {is: [person], names: [first and last name]}
org: {names: [organization, company]}
place: {names: [location]}
date: {near: [place]}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> TypeTable:
    path = tmp_path_factory.mktemp("types") / "types.yml"
    path.write_text(TABLE)
    return TypeTable.read(path)


@given(targets(), OTHERS, SEEDS)
def test_no_negative_can_mean_what_is_present(
    table: TypeTable, target: Target, others: list[list[str]], seed: int
) -> None:
    drawn = open_prompt(target, others, random.Random(seed), table=table, dropout=0.0)
    assert len(set(drawn.types)) == len(drawn.types)
    answered = {span.type for span in drawn.target.entities or ()}
    assert answered <= set(drawn.types)
    for name in set(drawn.types) - answered:
        assert not any(table.overlap(name, type_) for type_ in present(target))
    assert len(drawn.target.entities or ()) == len(target.entities or ())
    for asked, annotated in zip(drawn.target.entities or (), target.entities or (), strict=True):
        own = normalize_type(annotated.type)
        assert asked.type == own or asked.type in table.names(own)


@given(targets(), OTHERS, SEEDS)
def test_one_type_alone_and_one_that_is_absent(
    table: TypeTable, target: Target, others: list[list[str]], seed: int
) -> None:
    alone = open_prompt(target, others, random.Random(seed), dropout=0.0, mix=PromptMix(alone=1.0))
    if present(target):
        assert len(alone.types) == 1 and set(alone.types) <= present(target)
        assert alone.target.entities
    absent = open_prompt(target, others, random.Random(seed), dropout=0.0, mix=PromptMix(absent=1.0))
    if absent.types and not set(absent.types) & present(target):
        assert len(absent.types) == 1 and absent.target.entities == ()


@given(targets(), SEEDS)
def test_descriptions_belong_to_types_that_are_asked_for(table: TypeTable, target: Target, seed: int) -> None:
    own = {"place": "where something is"}
    drawn = open_prompt(
        target, [], random.Random(seed), table=table, mix=PromptMix(described=1.0), described=own
    )
    assert {name for name, _ in drawn.descriptions} <= set(drawn.types)
    if "place" in present(target) and "place" in drawn.types and len(drawn.types) <= 4:
        assert ("place", "where something is") in drawn.descriptions
