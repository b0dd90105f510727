"""Formats for other programs: CoNLL, spaCy's DocBin, Parquet."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import pytest

from unislu.errors import MissingDependencyError, OptionError, RecordError
from unislu.result import Analysis, Entity, Segment, Sentiment, Speaker, Word
from unislu.writers import get_writer


def example() -> Analysis:
    text = "Ann O'Brien called 555-1234. She said yes"
    return Analysis(
        text=text,
        duration=4.0,
        model="m 1",
        file="a.wav",
        language="en",
        entities=(
            Entity("PERSON", "Ann O'Brien", 0, 11, 0.9, 0.0, 1.0, 0, 2),
            Entity("phone number", "555-1234", 19, 27),
        ),
        sentiment=Sentiment("neutral", {"neutral": 0.75, "positive": 0.25}),
        segments=(
            Segment(0.0, 2.0, text[:28], 0, 28, words=(Word("Ann", 0.0, 0.4, 0, 3, 0.5),)),
            Segment(2.0, 4.0, text[29:], 29, len(text)),
        ),
        timings={"total": 0.5},
    )


def test_conll() -> None:
    assert get_writer("conll").render(example()) == (
        "-DOCSTART-\tO\n\n"
        "Ann\tB-PERSON\nO'Brien\tI-PERSON\ncalled\tO\n555-1234\tB-phone-number\n.\tO\n\n"
        "She\tO\nsaid\tO\nyes\tO\n\n"
    )
    assert get_writer("conll").render(Analysis(text="", duration=1.0, model="m")) == "-DOCSTART-\tO\n\n"


def test_conll_begins_an_entity_anew() -> None:
    analysis = Analysis(
        text="Ann Eve's",
        duration=1.0,
        model="m",
        entities=(Entity("P", "Ann", 0, 3), Entity("P", "Eve", 4, 7)),
    )
    assert "Ann\tB-P\nEve\tB-P\n's" in get_writer("conll").render(analysis).replace("'\tO\n", "'")


def test_parquet() -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    data = get_writer("parquet").content(example())
    (row,) = pq.read_table(io.BytesIO(data)).to_pylist(maps_as_pydicts="strict")
    assert Analysis.from_dict(row) == example()
    silent = Analysis(text=None, duration=1.0, model="m")
    tables = [pq.read_table(io.BytesIO(get_writer("parquet").content(a))) for a in (example(), silent)]
    assert tables[0].schema == tables[1].schema


def spoken_by_ann() -> Analysis:
    whole = example()
    segments = tuple(
        replace(s, speaker="S1", words=s.words and tuple(replace(w, speaker="S1") for w in s.words))
        for s in whole.segments
    )
    entities = tuple(replace(entity, speaker="S1") for entity in whole.entities or ())
    who = Speaker("S1", 2.5, "Ann", whole.sentiment)
    return replace(whole, segments=segments, entities=entities, speakers=(who,))


def test_parquet_keeps_who_speaks() -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (row,) = pq.read_table(io.BytesIO(get_writer("parquet").content(spoken_by_ann()))).to_pylist(
        maps_as_pydicts="strict"
    )
    assert Analysis.from_dict(row) == spoken_by_ann()


def test_parquet_has_every_key() -> None:
    pytest.importorskip("pyarrow")
    from unislu.writers.parquet import schema

    plain = json.loads(spoken_by_ann().to_json())
    plain["entities"][0]["value"] = None
    assert set(schema().names) == set(plain)
    for column in ("segments", "entities", "speakers"):
        keys = plain[column][0]
        kind = schema().field(column).type.value_type
        assert {kind.field(n).name for n in range(kind.num_fields)} == set(keys)


def test_parquet_has_values_as_json() -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    value = {"kind": "date", "iso": "2026-03-18"}
    said = spoken_by_ann()
    entities = [replace(entity, value=value) for entity in said.entities or ()]
    table = pq.read_table(io.BytesIO(get_writer("parquet").content(replace(said, entities=tuple(entities)))))
    (row,) = table.to_pylist(maps_as_pydicts="strict")
    assert [json.loads(entity["value"]) for entity in row["entities"]] == [value] * len(entities)


def test_a_row_with_values_is_a_result_again() -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    values = ({"kind": "person", "known": True}, None)
    entities = tuple(
        replace(e, value=v) for e, v in zip(spoken_by_ann().entities or (), values, strict=True)
    )
    analysis = replace(spoken_by_ann(), entities=entities)
    data = get_writer("parquet").content(analysis)
    (row,) = pq.read_table(io.BytesIO(data)).to_pylist(maps_as_pydicts="strict")
    assert Analysis.from_dict(row) == analysis


@pytest.mark.parametrize("value", ["", "{", "[]", "12", "[" * 100_000])
def test_a_value_that_is_no_object_is_refused(value: str) -> None:
    plain = example().to_dict()
    plain["entities"][0]["value"] = value
    with pytest.raises(RecordError, match="not an object"):
        Analysis.from_dict(plain)


def test_docbin() -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    (doc,) = DocBin().from_bytes(get_writer("docbin").content(example())).get_docs(spacy.blank("en").vocab)
    assert doc.text == example().text
    assert (doc.ents[0].label_, doc.ents[0].text) == ("PERSON", "Ann O'Brien")
    assert doc.cats == {"neutral": 0.75, "positive": 0.25} and doc.user_data["file"] == "a.wav"


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("docbin", "spacy", "spacy"), ("parquet", "pyarrow", "scale")]
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf'pip install "\.\[{extra}\]"'):
        get_writer(name).content(example())


@pytest.mark.parametrize("name", ["docbin", "parquet"])
def test_binary_formats_are_no_text(name: str) -> None:
    with pytest.raises(OptionError, match="is a binary format: write it to a file"):
        get_writer(name).render(example())
