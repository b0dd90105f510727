"""Operating points at run time: manifests that hold them, options that ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from unislu.bundle import REQUIRED_FILES, DecoderSettings, Manifest
from unislu.errors import BundleError, OptionError
from unislu.recognition.plan import resolve
from unislu.recognition.request import Request
from unislu.sequence import Vocabulary, get_format

from .scripted import manifest

POINTS: dict[str, dict[str, Any]] = {
    "privacy": {"bias": {"PERSON": 2.0}, "entities": None},
    "clinic": {"bias": {"drug": 1.0}, "entities": ["drug"]},
}
DEFAULT = {"*": -0.5, "ORG": 0.25}


def total(vocabulary: Vocabulary, **options: Any) -> Mapping[str, float]:
    bundle = manifest(vocabulary, decoder=DecoderSettings(bias=DEFAULT), operating_points=POINTS)
    formats = [get_format(name, vocabulary) for name in ("inline", "inline-open")]
    bias = resolve(Request(**options), bundle, vocabulary, formats).passes[0].options.bias
    assert isinstance(bias, Mapping)
    return dict(bias)


def test_a_point_replaces_the_defaults_of_its_types(vocabulary: Vocabulary) -> None:
    found = total(vocabulary, operating_point="privacy")
    assert (found["person"], found["org"], found["law"]) == (2.0, 0.25, -0.5)


def test_the_bias_comes_on_top(vocabulary: Vocabulary) -> None:
    assert total(vocabulary, operating_point="privacy", bias={"person": 0.5})["person"] == 2.5
    assert total(vocabulary, operating_point="privacy", entities=["Person"], bias=-1.0) == {"person": 1.0}


def test_an_open_point_holds_for_open_types(vocabulary: Vocabulary) -> None:
    assert total(vocabulary, operating_point="clinic", entities=["Drug", "dose"]) == {
        "drug": 1.0,
        "dose": -0.5,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operating_point": "secrecy"}, "this bundle has clinic, privacy"),
        ({"operating_point": ""}, "operating_point is ''"),
        ({"operating_point": 3}, "operating_point is 3"),
        ({"operating_point": "privacy", "tasks": ("asr",)}, "without the task ner"),
        ({"operating_point": "privacy", "entities": ["drug"]}, "closed set, but open types are requested"),
        ({"operating_point": "clinic"}, "open types, but the closed set is requested"),
        ({"operating_point": "privacy", "entities": ["law"]}, "tuned for person, none of which"),
    ],
)
def test_points_that_do_not_fit(vocabulary: Vocabulary, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        total(vocabulary, **options)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({}, "lacks `bias` or `entities`"),
        ({"bias": {"person": 1}}, "lacks"),
        ([], "lacks"),
        ({"bias": {}, "entities": None}, "not numbers by entity type"),
        ({"bias": {"person": "1"}, "entities": None}, "'person' is '1'"),
        ({"bias": {"person": float("nan")}, "entities": None}, "not a finite number"),
        ({"bias": {"person": True}, "entities": None}, "is True"),
        ({"bias": {"person": 1}, "entities": "drug"}, "neither a list nor null"),
    ],
)
def test_manifests_refuse_malformed_points(point: Any, message: str) -> None:
    vocabulary = {"size": 1, "tokens": {}, "entity_types": [], "sentiments": []}
    files = dict.fromkeys(REQUIRED_FILES, "0" * 64)
    data = Manifest("tiny", "1", ("inline",), vocabulary, files).to_dict()
    with pytest.raises(BundleError, match=message):
        Manifest.from_dict(data | {"operating_points": {"x": point}})
    assert Manifest.from_dict(data | {"operating_points": POINTS}).operating_points == POINTS
