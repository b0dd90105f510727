"""Sentences from patterns."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from unislu.data.compose import Patterns, Sentence, Source, Value, annotated_types, compose
from unislu.errors import RecordError

SOURCES: dict[str, Source] = {
    "phone": lambda rng, _: Value("555-0134", "five five five, oh one three four"),
    "symptom": lambda rng, _: Value("a cough", "a cough", lead=2),
    "city": lambda rng, _: Value("Ulm", "Ulm"),
    "nation": lambda rng, _: Value("Indian", "Indian"),
    "time": lambda rng, _: Value("10 a.m.", "ten AM"),
    "spelling": lambda rng, of: Value("-".join(of.upper()), " ".join(of.upper())),
}


def made(pattern: str) -> Sentence:
    return compose(pattern, SOURCES, random.Random(0))


def spans(sentence: Sentence) -> list[tuple[str, str]]:
    return [(sentence.text[entity.start : entity.end], entity.type) for entity in sentence.entities]


def test_a_value_is_written_one_way_and_said_another() -> None:
    sentence = made("My number is {phone number:phone}.")
    assert sentence.text == "My number is 555-0134."
    assert sentence.spoken == "My number is five five five, oh one three four."
    assert spans(sentence) == [("555-0134", "phone number")]


def test_hesitations_are_said_and_not_written() -> None:
    sentence = made("~Uh,~ it's in ~um,~ {city}. ~well,~ call {phone}.")
    assert sentence.text == "It's in Ulm. Call 555-0134."
    assert sentence.spoken == "Uh, it's in um, Ulm. Well, call five five five, oh one three four."
    assert spans(sentence) == [("Ulm", "city"), ("555-0134", "phone")]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("come at {time}.", "Come at 10 a.m."),
        ("come at {time}. bye.", "Come at 10 a.m. Bye."),
        ("at {time} we go", "At 10 a.m. we go"),
        ("a {nation} friend", "An Indian friend"),
        ("hello , {city} !", "Hello, Ulm!"),
        ("is it {city}? yes.", "Is it Ulm? Yes."),
    ],
)
def test_the_text_is_tidy(pattern: str, text: str) -> None:
    sentence = made(pattern)
    assert sentence.text == text
    assert all(word == word.strip() for word, _ in spans(sentence))


def test_an_article_is_outside_of_the_entity() -> None:
    assert spans(made("I have {symptom}.")) == [("cough", "symptom")]


def test_what_only_looks_alike_is_not_annotated() -> None:
    assert spans(made("Press {=phone} in {city}.")) == [("Ulm", "city")]


def test_a_value_can_be_spelled_after_it_was_said() -> None:
    sentence = made("It's {city -> c}, {=spelling <- c}.")
    assert sentence.text == "It's Ulm, U-L-M."
    assert sentence.spoken == "It's Ulm, U L M."


def test_patterns_expand_rules_and_brackets(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text(
        "# comment\nopen: Hi, | <more>\nmore: Hey,\n\n<open> (one|two) {city}.\n", encoding="utf-8"
    )
    patterns = Patterns.read([path])
    found = {patterns.expand(patterns.sentences[0], random.Random(seed)) for seed in range(50)}
    assert found == {f"{a} {b} {{city}}." for a in ("Hi,", "Hey,") for b in ("one", "two")}
    assert patterns.sources() == {"city"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [("<missing> there.", "<missing> is no rule"), ("a: b\na: c", "already defined")],
)
def test_faults_of_a_pattern_file_name_the_line(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(RecordError, match=message):
        Patterns.read([path])


@pytest.mark.parametrize(
    ("pattern", "message"), [("{town}", "no known source"), ("{=spelling <- x}", "no value was kept")]
)
def test_a_slot_without_values_is_an_error(pattern: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        made(pattern)


def test_annotated_types() -> None:
    assert annotated_types("{a}, {b:c -> x} and {=d}") == {"a", "b"}
