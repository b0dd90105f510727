"""What is asked about types: presets, descriptions and values, from the request to the result."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from unislu.errors import MissingDependencyError, OptionError
from unislu.recognition.plan import resolve
from unislu.recognition.presets import PRESETS, meant, preset
from unislu.recognition.request import Request
from unislu.result import Analysis
from unislu.sequence import Target, Vocabulary, get_format, normalize_type
from unislu.sequence.prompt import DESCRIBED

from .scripted import entity, make, manifest, noise

CALL = "Call me on the third of May, it costs twenty dollars."
SAID = Target(
    CALL, (entity(CALL, "the third of May", "WHEN"), entity(CALL, "twenty dollars", "QUANT")), "Neutral"
)


def test_a_preset_stands_for_its_types() -> None:
    assert Request(entities=["PII"]).entities == PRESETS["pii"].types
    found = Request(entities=["meeting", "drug", "Person"]).entities
    assert found is not None and found[-2:] == ("drug", "Person") and "person" not in found
    both = Request(entities=["pii", "pci"])
    assert set(both.entities or ()) == {*PRESETS["pii"].types, *PRESETS["pci"].types} and not both.merged


@pytest.mark.parametrize("name", PRESETS)
def test_presets_fit_one_prompt(name: str, vocabulary: Vocabulary) -> None:
    types = PRESETS[name].types
    assert len({normalize_type(type_) for type_ in types}) == len(types) <= 24
    assert not {normalize_type(type_) for type_ in types} & set(PRESETS)
    assert sum(len(f" {type_},") for type_ in types) < 2 * 224  # bytes; a token has more than two


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(OptionError, match=r"'pi1' is unknown, did you mean pii\? Choose from pii, "):
        preset("pi1")
    with pytest.raises(OptionError, match="'zzzz' is unknown; choose from pii, pci, phi, meeting, news"):
        preset("zzzz")


def test_the_types_of_presets_are_not_taken_for_mistyped_presets() -> None:
    assert not [name for one in PRESETS.values() for name in one.types if meant(name)]  # pin, pii


def test_a_type_that_is_nearly_a_preset(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, {200: Target("No.", (), None)}, types_seen=("drug",))
    result = model.analyze(noise(200), sample_rate=16_000, entities=["meetings"], words=False)
    assert any("did you mean the preset meeting?" in warning for warning in result.warnings)


def test_descriptions_are_apart_from_names() -> None:
    request = Request(entities=["drug: a medicine's  name", "news: a headline", "ratio 1:2"])
    assert request.entities == ("drug", "news", "ratio 1:2")
    assert request.descriptions == (("drug", "a medicine's name"), ("news", "a headline"))
    assert request == Request(
        entities=["drug", "news: a headline", "ratio 1:2"], descriptions={"Drug": "a medicine's name"}
    )
    assert Request(**request.to_dict()) == request == replace(request) and hash(request)
    assert Request(**Request().to_dict()) == Request()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entities": ["drug: "]}, "is empty"),
        ({"entities": ["drug: " + "x" * 300]}, "300 characters"),
        ({"entities": ["drug: a\x00b"]}, "unprintable"),
        ({"entities": [": a thing"]}, "name it"),
        ({"entities": ["drug"], "descriptions": {"dose": "how much"}}, "not among the entities: drug"),
        ({"descriptions": {"dose": "how much"}}, "without entities"),
        ({"values": True, "tasks": ("asr",)}, "without the task ner"),
        ({"date": "2026-03-18"}, "date without values"),
        ({"tasks": ("sa",), "vocabulary": ["Ann"]}, "vocabulary without a transcript"),
        ({"region": "US"}, "region without values"),
    ],
)
def test_bad_requests(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Request(**options)


def passes(vocabulary: Vocabulary, **options: Any) -> list[tuple[tuple[str, ...] | None, dict[str, str]]]:
    formats = [get_format(name, vocabulary) for name in ("inline", "inline-open")]
    plan = resolve(Request(**options), manifest(vocabulary), vocabulary, formats)
    return [(step.prompt.types, dict(step.prompt.descriptions)) for step in plan.passes]


def test_the_prompt_has_the_descriptions(vocabulary: Vocabulary) -> None:
    assert passes(vocabulary, entities=["drug: a medicine", "dose"]) == [
        (("dose", "drug"), {"drug": "a medicine"})
    ]
    # The closed format would leave them out.
    assert passes(vocabulary, entities=["person"]) == [(("person",), {})]
    assert passes(vocabulary, entities=["person: somebody"]) == [(("person",), {"person": "somebody"})]


def test_described_types_are_few_to_a_prompt_as_in_training(vocabulary: Vocabulary) -> None:
    described = [f"type {letter}: what it is" for letter in "abcdef"]
    found = passes(vocabulary, entities=[*described, "drug", "dose"])
    assert sorted(name for types, _ in found for name in types or ()) == sorted(
        [*(f"type-{letter}" for letter in "abcdef"), "drug", "dose"]
    )
    assert all(len(types or ()) <= DESCRIBED for types, said in found if said)
    assert sum(len(said) for _, said in found) == 6


def test_the_model_reads_them_and_results_have_the_name(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, {200: SAID})
    engine_types = "date: when it is"
    model.analyze(noise(200), sample_rate=16_000, entities=[engine_types], words=False)
    assert any(engine_types in prompt for prompt in engine.prompts)


def analyzed(vocabulary: Vocabulary, **options: Any) -> Analysis:
    return make(vocabulary, {800: SAID})[0].analyze(noise(800), sample_rate=16_000, words=False, **options)


def test_values_only_if_asked(vocabulary: Vocabulary) -> None:
    result = analyzed(vocabulary)
    assert result.entities and "value" not in result.to_json()


def test_values_of_a_recording(vocabulary: Vocabulary) -> None:
    pytest.importorskip("dateparser")
    pytest.importorskip("phonenumbers")
    result = analyzed(vocabulary, values=True, date="2026-03-18", region="CA")
    assert [entity.value for entity in result.entities or ()] == [
        {"kind": "date", "iso": "2026-05-03"},
        {"kind": "money", "amount": 20, "currency": "CAD"},
    ]
    assert Analysis.from_dict(json.loads(result.to_json())) == result


def test_values_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dateparser", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "\.\[values\]"'):
        Request(values=True)
