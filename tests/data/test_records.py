"""Records: three annotation states, validation that names file, line and field, and exact round trips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.data.records import AnnotatedEntity, Record, output_folder, read_records, write_records
from unislu.errors import OptionError, RecordError
from unislu.sequence.target import Span

FULL: dict[str, Any] = {
    "id": "a-1",
    "text": "madam president of the Commission",
    "audio": "audio/a-1.flac",
    "duration": 2.5,
    "entities": [
        {"start": 6, "end": 15, "type": "PERSON", "type18": "PERSON"},
        {"start": 23, "end": 33, "type": "ORG"},
    ],
    "sentiment": "neutral",
    "speaker": "s1",
    "voice": "flite:slt",
    "split": "train",
    "augmentation": [{"name": "gain", "db": 1.5}],
    "emotion": "joy",
    "stars": 4,
}


def write_lines(path: Path, *objects: Any) -> Path:
    lines = (item if isinstance(item, str) else json.dumps(item) for item in objects)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_key_survives_a_round_trip(tmp_path: Path) -> None:
    records = list(read_records(write_lines(tmp_path / "in.jsonl", FULL, {"id": "b", "text": ""})))
    assert records[0].extra == {"emotion": "joy", "stars": 4}
    assert records[0].entities is not None and records[0].entities[0].extra == {"type18": "PERSON"}
    assert write_records(tmp_path / "out.jsonl", records) == 2
    assert list(read_records(tmp_path / "out.jsonl")) == records
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0]) == FULL
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


@pytest.mark.parametrize(("entities", "expected"), [(None, None), ([], ()), ([(0, 2, "X")], 1)])
def test_missing_empty_and_present_annotations_stay_apart(entities: Any, expected: Any) -> None:
    values: dict[str, Any] = {"id": "x", "text": "abc"}
    if entities is not None:
        values["entities"] = [dict(zip(("start", "end", "type"), e, strict=True)) for e in entities]
    target = Record.from_dict(values).target()
    assert target.sentiment is None
    assert (len(target.entities) if target.entities else target.entities) == expected


def test_target_holds_the_spans() -> None:
    target = Record.from_dict(FULL).target()
    assert target.entities == (Span(6, 15, "PERSON"), Span(23, 33, "ORG"))
    assert (target.text, target.sentiment) == (FULL["text"], "neutral")


def entity(**changes: Any) -> dict[str, Any]:
    values = {"start": 0, "end": 3, "type": "X", **changes}
    return {"id": "x", "text": "abcdef", "entities": [{k: v for k, v in values.items() if v is not None}]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "expected a JSON object, found a list"),
        ({"text": "x"}, "field `id`: is missing"),
        ({"id": "", "text": "x"}, "field `id`: is empty"),
        ({"id": 3.5, "text": "x"}, "field `id`: expected a string, found the number 3.5"),
        ({"id": "x"}, "field `text`: is missing"),
        ({"id": "x", "text": ["a"]}, "field `text`: expected a string, found a list"),
        ('{"id": "x", "text": "\\ud800"}', "it holds half a character"),
        ('{"id": "x", "text": "a", "spoken": 5}', "field `spoken`: expected a string"),
        ({"id": "x", "text": "", "duration": "2"}, "field `duration`: expected a number, found '2'"),
        ({"id": "x", "text": "", "duration": -1}, "field `duration`: -1.0 is not a length"),
        ('{"id": "x", "text": "", "duration": NaN}', "field `duration`: nan"),
        ({"id": "x", "text": "", "duration": True}, "expected a number, found True"),
        ({"id": "x", "text": "", "entities": {}}, "field `entities`: expected a list, found an object"),
        ({"id": "x", "text": "", "entities": [4]}, "field `entities[0]`: expected an object"),
        ({"id": "x", "text": "", "sentiment": 1}, "field `sentiment`: expected a string"),
        ({"id": "x", "text": "", "augmentation": ["n"]}, "field `augmentation`: expected a list of objects"),
        (entity(end=None), "field `entities[0].end`: is missing"),
        (entity(start="0"), "field `entities[0].start`: expected an integer, found a string"),
        (entity(start=True), "field `entities[0].start`: expected an integer, found a boolean"),
        (entity(end=7), "field `entities[0]`: [0, 7) is not a span of a text of 6 characters"),
        (entity(end=0), "field `entities[0]`: [0, 0) is not a span"),
        (entity(start=-1), "field `entities[0]`: [-1, 3) is not a span"),
        (entity(type=""), "field `entities[0].type`: is empty"),
    ],
)
def test_a_bad_line_is_named_with_file_line_and_field(tmp_path: Path, line: Any, message: str) -> None:
    path = write_lines(tmp_path / "corpus.jsonl", {"id": "fine", "text": "ok"}, "", line)
    with pytest.raises(RecordError) as caught:
        list(read_records(path))
    assert f"{path}:3: " in str(caught.value)
    assert message in str(caught.value)


def test_overlapping_and_unsorted_entities_are_refused() -> None:
    with pytest.raises(RecordError, match=r"entities\[1\]`: starts at 1, before the previous entity's end 3"):
        Record("x", "abcdef", entities=(AnnotatedEntity(0, 3, "A"), AnnotatedEntity(1, 4, "B")))


def test_a_repeated_id_names_both_lines(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "c.jsonl", {"id": "x", "text": "a"}, {"id": "x", "text": "b"})
    with pytest.raises(RecordError, match=r":2: field `id`: 'x' was already used in line 1"):
        list(read_records(path))


def test_reading_streams(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "c.jsonl", {"id": "x", "text": "a"}, "{")
    records = read_records(path)
    assert next(records).id == "x"
    with pytest.raises(RecordError):
        next(records)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_an_unreadable_file_is_a_record_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        list(read_records(tmp_path / name))


def test_text_in_another_encoding_is_a_record_error(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_bytes('{"id": "x", "text": "é"}'.encode("latin-1"))
    with pytest.raises(RecordError, match="not UTF-8"):
        list(read_records(tmp_path / "c.jsonl"))


def test_audio_is_a_path(tmp_path: Path) -> None:
    assert Record("x", "", "a/b.wav").audio_path(tmp_path) == tmp_path / "a" / "b.wav"
    with pytest.raises(RecordError, match="is a URL; download it"):
        Record("x", "", "https://example.org/b.wav").audio_path(tmp_path)


def test_an_output_folder_can_be_written_and_keeps_its_source(tmp_path: Path) -> None:
    corpus = write_lines(tmp_path / "manifest.jsonl", {"id": "x", "text": "a"})
    assert output_folder(tmp_path / "a" / "b", corpus).is_dir()
    with pytest.raises(OptionError, match=r"manifest.jsonl: is not a folder and cannot be created"):
        output_folder(corpus, corpus)
    with pytest.raises(OptionError, match="is the corpus itself; choose another folder"):
        output_folder(tmp_path / "a" / "..", corpus)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    write_records(path, [Record("old", "text")])

    def broken() -> Any:
        yield Record("new", "text")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(path, broken())
    assert [record.id for record in read_records(path)] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["c.jsonl"]


def test_types_from_another_key() -> None:
    record = Record(
        "x", "abc", entities=(AnnotatedEntity(0, 1, "PLACE", {"type18": "GPE"}), AnnotatedEntity(1, 2, "ORG"))
    )
    with pytest.raises(RecordError, match=r"'x': field `entities\[1\].type18`: is missing"):
        record.with_types("type18")
    first = Record("x", "abc", entities=record.entities[:1] if record.entities else None)
    assert [e.type for e in first.with_types("type18").entities or ()] == ["GPE"]
    assert Record("x", "abc").with_types("type18").entities is None


def test_a_record_without_audio_says_what_to_do() -> None:
    with pytest.raises(RecordError, match="unislu synthesize"):
        Record("x", "abc").audio_path("/data")
    assert Record("x", "abc", audio="a.flac").audio_path("/data") == Path("/data/a.flac")


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4),
)
def test_any_valid_record_survives_json(text: str, spans: list[tuple[int, int]]) -> None:
    entities = tuple(AnnotatedEntity(start, end, "T") for start, end in spans)
    try:
        record = Record("x", text, entities=entities)
    except RecordError:
        return
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_audio_may_lack_its_text_where_that_is_expected(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "c.jsonl", {"id": "a", "text": "so"}, {"id": "b", "audio": "b.wav"})
    with pytest.raises(RecordError, match=r"c\.jsonl:2: field `text`: is missing"):
        list(read_records(path))
    written, unwritten = read_records(path, untranscribed=True)
    assert written.transcribed and not unwritten.transcribed and unwritten.text == ""
    write_records(tmp_path / "again.jsonl", [written, unwritten])
    assert list(read_records(tmp_path / "again.jsonl", untranscribed=True)) == [written, unwritten]
    with pytest.raises(RecordError, match="field `text`: is missing"):
        list(read_records(write_lines(path, {"id": "no audio"}), untranscribed=True))
