"""Results: invariants, strict dict I/O, and the published JSON schema."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.errors import RecordError
from unislu.result import SCHEMA_VERSION, Analysis, Entity, Segment, Sentiment, SentimentMean, Speaker, Word

DOCS = Path(__file__).parents[1] / "docs" / "reference"
SCHEMA = json.loads((DOCS / "result.schema.json").read_text(encoding="utf-8"))


def validate(value: Any, schema: dict[str, Any], place: str = "result") -> None:
    """The part of JSON schema that the published one uses."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        kinds = [option for option in schema["anyOf"] if (value is None) == (option.get("type") == "null")]
        return validate(value, kinds[0], place)
    if "const" in schema:
        assert value == schema["const"], place
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    python = {"string": str, "null": type(None), "number": (int, float), "integer": int,
              "boolean": bool, "array": list, "object": dict}  # fmt: skip
    if kinds:
        assert any(isinstance(value, python[k]) for k in kinds), f"{place}: {value!r} is not {kinds}"
        assert not isinstance(value, bool) or "boolean" in kinds, place
    if isinstance(value, str):
        assert len(value) >= schema.get("minLength", 0), place
        assert re.search(schema.get("pattern", ""), value), place
    if isinstance(value, int | float):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), place
    if isinstance(value, list):
        for number, item in enumerate(value):
            validate(item, schema["items"], f"{place}[{number}]")
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        assert not set(schema.get("required", ())) - set(value), place
        for key, item in value.items():
            assert key in properties or rest is not False, f"{place} has the unknown key {key}"
            validate(item, properties.get(key, rest), f"{place}.{key}")


def _words(text: str) -> tuple[Word, ...]:
    return tuple(
        Word(match[0], match.start() / 10, match.end() / 10, match.start(), match.end(), 0.5)
        for match in re.finditer(r"\S+", text)
    )


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    text = draw(st.text(max_size=40))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    shares = st.floats(0, 1, allow_nan=False)
    entities = [
        Entity(draw(st.sampled_from(["ORG", "phone number"])), text[a:b], a, b, draw(st.none() | shares))
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    positive = draw(shares)
    sentiment = Sentiment("positive", {"positive": positive, "negative": 1 - positive})
    words = draw(st.none() | st.just(_words(text)))
    segment = Segment(
        0.0, draw(st.floats(0, 1e4)), text, 0, len(text), not text, draw(st.none() | st.just(-0.5)), words,
        draw(st.sampled_from([None, sentiment])), draw(st.none() | st.text()),
        draw(st.none() | st.integers(0, 1)),
    )  # fmt: skip
    return Analysis(
        text=text,
        duration=segment.end,
        model="tiny 1",
        file=draw(st.none() | st.text()),
        language="en",
        entities=draw(st.sampled_from([None, (), tuple(entities)])),
        sentiment=draw(st.sampled_from([None, sentiment])),
        segments=(segment,),
        timings={"total": draw(shares)},
        warnings=tuple(draw(st.lists(st.text(), max_size=2))),
        untrained_types=tuple(draw(st.lists(st.text(), max_size=2))),
    )


@given(analyses())
def test_dict_round_trip_and_schema(analysis: Analysis) -> None:
    data = json.loads(analysis.to_json())
    assert Analysis.from_dict(data) == analysis
    validate(data, SCHEMA)


def test_the_schema_lists_exactly_the_fields() -> None:
    defs = SCHEMA["$defs"]
    for cls, schema in (
        (Analysis, SCHEMA), (Entity, defs["entity"]), (Sentiment, defs["sentiment"]),
        (Segment, defs["segment"]), (Word, defs["word"]), (Speaker, defs["speaker"]),
    ):  # fmt: skip
        names = {f.name for f in dataclasses.fields(cls)}
        assert names == set(schema["properties"]), cls
        # Keys of features that were not requested are left out.
        assert names - set(schema["required"]) <= {"speaker", "speakers", "value"}, cls


def test_the_documented_example_is_valid() -> None:
    page = (DOCS / "result.md").read_text(encoding="utf-8")
    data = json.loads(re.search(r"```json\n(.*?)```", page, re.S)[1])  # type: ignore[index]
    validate(data, SCHEMA)
    assert Analysis.from_dict(data).to_dict() == data


def _analysis(**changes: Any) -> Analysis:
    values: dict[str, Any] = {"text": "in Rome", "duration": 1.0, "model": "m"}
    return Analysis(**values | changes)


def test_offsets_must_hold() -> None:
    _analysis(entities=(Entity("PLACE", "Rome", 3, 7),))
    for entity in (
        Entity("PLACE", "Rome", 2, 6),
        Entity("PLACE", "Rome", 3, 8),
        Entity("PLACE", "rome", 3, 7),
    ):
        with pytest.raises(RecordError, match="is not at"):
            _analysis(entities=(entity,))
    with pytest.raises(RecordError, match="is not at"):
        _analysis(segments=(Segment(0, 1, "Rome", 0, 4),))
    with pytest.raises(RecordError, match="without a text"):
        _analysis(text=None, entities=(Entity("PLACE", "Rome", 3, 7),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Entity("", "a", 0, 1), "empty type"),
        (lambda: Entity("A", "a", 1, 1), "characters"),
        (lambda: Entity("A", "a", 0, 1, 1.5), "confidence"),
        (lambda: Entity("A", "a", 0, 1, float("nan")), "confidence"),
        (lambda: Entity("A", "a", 0, 1, start=2.0, end=1.0), "times"),
        (lambda: Sentiment("Positive", {"Positive": 1.0}), "lower-case"),
        (lambda: Sentiment("mixed", {"positive": 1.0}), "lower-case"),
        (lambda: Sentiment("a", {"a": 0.5, "b": 0.4}), "add up"),
        (lambda: Segment(1.0, 0.5, "a", 0, 1), "times"),
        (lambda: Word("a", 0.0, float("nan"), 0, 1), "times"),
    ],
)
def test_impossible_values(make: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"entities": [{"type": "A"}]}, "entities"),
        ({"entities": "none"}, "not a list"),
        ({"segments": [5]}, "not an object"),
        ({"sentiment": {"label": "a"}}, "sentiment"),
        (
            {
                "text": 5,
                "segments": [],
                "entities": [{"type": "A", "text": "b", "start_char": 0, "end_char": 1}],
            },
            "result",
        ),
    ],
)
def test_from_dict_is_strict(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        Analysis.from_dict({**_analysis().to_dict(), **change})


def test_null_and_empty_are_different() -> None:
    assert _analysis().to_dict()["entities"] is None
    assert _analysis(entities=()).to_dict()["entities"] == []
    assert _analysis().schema_version == SCHEMA_VERSION


def test_no_speech() -> None:
    silent = Segment(0, 1, "", 0, 0, no_speech=True)
    assert Analysis("", 1.0, "m", segments=(silent,)).no_speech
    assert not Analysis("a", 2.0, "m", segments=(silent, Segment(1, 2, "a", 0, 1))).no_speech


def test_the_mean_of_sentiments_weighs_by_seconds() -> None:
    mean = SentimentMean()
    assert mean.sentiment() is None
    mean.add({"Positive": 0.9, "Negative": 0.1}, 1.0)
    mean.add({"positive": 0.1, "negative": 0.9}, 3.0)
    assert mean.sentiment() == Sentiment("negative", {"positive": 0.3, "negative": 0.7})


def test_labels_that_only_rounding_makes_equal_are_told_apart() -> None:
    mean = SentimentMean()
    mean.add({"positive": 0.49999, "negative": 0.50001}, 2.0)
    assert mean.sentiment() == Sentiment("negative", {"positive": 0.5, "negative": 0.5})
    mean = SentimentMean()
    mean.add({"positive": 0.5, "negative": 0.5}, 0.0)
    assert mean.sentiment() is None
