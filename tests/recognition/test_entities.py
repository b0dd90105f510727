"""Which entities are looked for: closed and open sets, passes over many types, bias, masking."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from unislu.bundle import DecoderSettings
from unislu.errors import OptionError
from unislu.recognition.plan import plan_entities
from unislu.recognition.request import Request
from unislu.sequence import SLUE, Target, Vocabulary
from unislu.sequence.prompt import MASK

from .scripted import TEXT, entity, make, noise


def test_open_types_are_spelled_as_asked_and_their_order_and_case_do_not_matter(
    vocabulary: Vocabulary,
) -> None:
    text = "Dial 555 for Ann."
    script = {
        200: Target(text, (entity(text, "555", "phone-number"), entity(text, "Ann", "person")), "Neutral")
    }
    model, engine = make(vocabulary, script)
    first = model.analyze(noise(200), sample_rate=16_000, entities=["Phone Number", "person"])
    second = model.analyze(noise(200), sample_rate=16_000, entities=["person", "Phone Number"])
    assert first.entities is not None and first.entities == second.entities
    assert [(e.type, e.text) for e in first.entities] == [("Phone Number", "555"), ("person", "Ann")]
    assert set(engine.prompts) == {" person, phone-number"}


def test_a_type_that_is_named_twice_is_one_with_a_warning(vocabulary: Vocabulary) -> None:
    text = "Dial 555 for Ann."
    model, engine = make(vocabulary, {200: Target(text, (entity(text, "555", "phone-number"),), "Neutral")})
    result = model.analyze(noise(200), sample_rate=16_000, entities=["phone number", "Phone-Number", "id"])
    assert [(e.type, e.text) for e in result.entities or ()] == [("phone number", "555")]
    assert set(engine.prompts) == {" id, phone-number"}
    assert "the entity type 'Phone-Number' is listed twice: as 'phone number' before" in result.warnings
    assert Request(entities=("person", "person")).merged == (("person", "person"),)
    assert Request(entities=("person", "drug")).merged == ()


def test_types_of_the_closed_set_use_the_closed_format(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, {200: Target(TEXT, (entity(TEXT, "Berlin", "PLACE"),), "Neutral")})
    result = model.analyze(noise(200), sample_rate=16_000, entities=["place"])
    assert result.entities is not None and engine.prompts == []
    assert [(e.type, e.text) for e in result.entities] == [("place", "Berlin")]


def test_many_types_take_several_passes(vocabulary: Vocabulary) -> None:
    text = "Dial 555 for Ann."
    script = {
        200: Target(text, (entity(text, "555", "a-type-7"), entity(text, "Ann", "z-type-9")), "Neutral")
    }
    model, engine = make(vocabulary, script)
    types = [f"a type {n}" for n in range(30)] + [f"z type {n}" for n in range(30)]
    result = model.analyze(noise(200), sample_rate=16_000, entities=types)
    assert result.entities is not None and result.sentiment is not None
    assert [(e.type, e.text) for e in result.entities] == [("a type 7", "555"), ("z type 9", "Ann")]
    assert len(engine.batches) == 1 and len(set(engine.prompts)) > 1
    assert all(len(prompt) <= 224 for prompt in engine.prompts)
    assert "60 entity types do not fit one prompt" in result.warnings[0]


def test_bias_changes_what_is_found(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary)
    none = model.analyze(noise(200), sample_rate=16_000, bias=-50.0)
    some = model.analyze(noise(200), sample_rate=16_000, bias={"person": -50.0})
    assert none.entities == () and some.entities is not None
    assert [e.type for e in some.entities] == [] or some.entities[0].type == "PLACE"


def test_the_bundles_bias_is_the_starting_point() -> None:
    defaults = DecoderSettings(bias={"PERSON": 1.0, "*": 0.25}).bias

    def total(request: Request) -> Mapping[str, float]:
        return plan_entities(request, SLUE, closed=True, opened=False, default_bias=defaults).bias

    found = total(Request(bias={"person": 0.5}))
    assert found["person"] == 1.5 and found["place"] == 0.25
    assert total(Request(bias=-1.0))["law"] == -0.75


def test_open_types_need_an_open_format(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, formats=("inline",))
    with pytest.raises(OptionError, match="entity type 'drug': this bundle only has the types LAW"):
        model.check(Request(entities=("person", "drug")))


def test_a_model_that_masks_never_writes_the_words(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, masking=True)
    result = model.analyze(noise(200), sample_rate=16_000, entities=("person", "place"), mask=True)
    assert result.text == "[PERSON]'s visit to [PLACE], on Monday."
    assert [(e.type, e.text) for e in result.entities or ()] == [("person", "[PERSON]"), ("place", "[PLACE]")]
    assert engine.prompts and all(prompt.startswith(f" {MASK}person, place") for prompt in engine.prompts)
    with pytest.raises(OptionError, match="30 types do not fit one prompt"):
        model.check(Request(entities=tuple(f"type {n}" for n in range(30)), mask=True))
