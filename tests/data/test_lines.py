"""Lines, fields and JSON as people's tools write them: line breaks, marks, quotes, hostile values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unislu.cli import main
from unislu.data.corpora.build import BuildOptions, Tally
from unislu.data.corpora.speech import fleurs, librispeech
from unislu.data.corpora.tables import json_rows, tsv_rows
from unislu.data.corpora.texts import mit, nuner, whisperner
from unislu.data.lines import lines_of, read_lines, tsv_fields
from unislu.data.records import read_records, write_records
from unislu.errors import RecordError
from unislu.evaluation.prediction_files import read_predictions

ODD = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"
"""Every character that `str.splitlines` breaks at and no editor does."""


def quoted(fields: list[str], quoting: int) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="", quoting=quoting).writerow(fields)
    return out.getvalue()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_ends_where_an_editor_ends_it(tmp_path: Path, end: str, mark: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes((mark + end.join([ODD, "", "last"])).encode())
    assert list(read_lines(path)) == [(1, ODD), (2, ""), (3, "last")]
    assert list(lines_of(end.join([ODD, "", "last"]))) == list(read_lines(path))


def test_text_with_odd_line_breaks_passes_every_reader(tmp_path: Path) -> None:
    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    record = {"id": "a", "text": ODD, "entities": []}
    line = json.dumps(record, ensure_ascii=False) + "\n"
    assert [r.text for r in read_records(written("m.jsonl", line))] == [ODD]
    assert [p.text for p in read_predictions(written("p.jsonl", line))] == [ODD]
    assert [p.text for p in read_predictions(written("p.tsv", f"id\tpred_text\na\t{ODD}\n"))] == [ODD]
    assert [row["text"] for _, row in json_rows(written("r.json", line))] == [ODD]
    (text,) = [row["b"] for _, row in tsv_rows(written("t.tsv", f"a\tb\n1\t{ODD}\n"))]
    assert text == ODD
    options, tally = BuildOptions(split="test"), Tally()
    source = written("test/1/2/1-2.trans.txt", f"1-2-0 {ODD}\n").parents[3]
    assert [record.text for record, _ in librispeech(source, options, tally)] == [ODD]
    row = "\t".join(["1", "a.wav", ODD, ODD, "c", "16000", "MALE"])
    assert [r.text for r, _ in fleurs(written("f/test.tsv", row + "\n").parent, options, tally)] == [ODD]
    bio = written("x.bio", "O\tone\u2028two\nB-PERSON\tMaria\xa0Lopez\n")
    ((record_, _),) = mit(bio, options, tally)
    assert record_.text == "one\u2028two Maria\xa0Lopez" and record_.entities


def test_windows_files_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.bio"
    path.write_bytes(b"\xef\xbb\xbfO\tcall\r\nB-PERSON\tMaria\r\n\r\nO\tbye\r\n")
    records = [record for record, _ in mit(path, BuildOptions(), Tally())]
    assert [record.text for record in records] == ["call Maria", "bye"]
    assert [len(record.entities or ()) for record in records] == [1, 0]


def test_conll_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.bio"
    lines = ["-DOCSTART- -X- O O", "", "Maria NNP I-NP B-PER", "Lopez NNP I-NP I-PER", "left VBD I-VP O", ""]
    path.write_text("\n".join(lines))
    ((record, _),) = mit(path, BuildOptions(), Tally())
    assert record.text == "Maria Lopez left"
    assert [(e.start, e.end, e.type) for e in record.entities or ()] == [(0, 11, "PER")]
    path.write_text("Maria NNP B-PER\nleft O\n")
    with pytest.raises(RecordError, match=r"sentence 1: .*CoNLL's columns"):
        list(mit(path, BuildOptions(), Tally()))


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@given(fields=st.lists(st.text(alphabet='ab"\' ,[]', max_size=6), min_size=1, max_size=4))
def test_fields_of_writers_that_quote(quoting: int, fields: list[str]) -> None:
    line = quoted(fields, quoting)
    if '"' in line:
        assert tsv_fields(line) == fields


@given(fields=st.lists(st.text(alphabet="ab,'", max_size=6), min_size=1, max_size=4), place=st.integers(0, 3))
def test_a_stray_quote_is_a_character(fields: list[str], place: int) -> None:
    fields[place % len(fields)] = '"' + fields[place % len(fields)]
    assert tsv_fields("\t".join(fields)) == fields


def test_a_quote_at_the_start_of_a_field_swallows_no_row(tmp_path: Path, capsys: Any) -> None:
    gold, answers = tmp_path / "m.jsonl", tmp_path / "p.tsv"
    texts = {"a": "good morning", "b": "bye", "c": "yes"}
    lines = [json.dumps({"id": key, "text": text, "entities": []}) for key, text in texts.items()]
    gold.write_text("\n".join(lines))
    answers.write_text('id\tpred_text\tpred_ner\na\t"good morning\t[]\nb\tbye"\t[]\nc\tyes\t[]\n')
    assert [p.id for p in read_predictions(answers, "slue")] == ["a", "b", "c"]
    assert main(["score", str(gold), str(answers), "--format", "slue"]) == 0
    assert "3 utterances, 0 without a prediction" in capsys.readouterr().out
    rows = [["id", "pred_ner"], ["a", "[['ORG', \"o'brien's\"]]"]]
    answers.write_text("\n".join(quoted(row, csv.QUOTE_MINIMAL) for row in rows))
    (prediction,) = read_predictions(answers, "slue")
    assert prediction.entities == (("ORG", "o'brien's"),)


def test_a_phrase_that_is_not_at_its_offsets_is_refused(tmp_path: Path, capsys: Any) -> None:
    text = "\U0001f44d Maria Lopez called"
    entity = {"start": 3, "end": 14, "type": "PERSON", "text": "Maria Lopez"}  # UTF-16 units
    gold, answers = tmp_path / "m.jsonl", tmp_path / "p.jsonl"
    fine = {"id": "a", "text": text, "entities": [{**entity, "start": 2, "end": 13}]}
    wrong = {"id": "b", "text": text, "entities": [entity]}
    gold.write_text(json.dumps(fine) + "\n" + json.dumps(wrong) + "\n")
    answers.write_text(json.dumps(fine) + "\n")
    assert main(["score", str(gold), str(answers)]) == 1
    message = capsys.readouterr().err
    assert f"{gold}:2: field `entities[0].text`: 'Maria Lopez' is not what [3, 14)" in message
    answers.write_text(json.dumps(fine) + "\n" + json.dumps(wrong) + "\n")
    with pytest.raises(RecordError, match=r"p.jsonl:2: field `entities\[0\].text`"):
        read_predictions(answers)
    ((record,)) = [r for r in read_records(_only(gold, 1))]
    assert record.to_dict()["entities"] == [{"start": 2, "end": 13, "type": "PERSON"}]


def _only(path: Path, count: int) -> Path:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))
    return path


def test_ids_may_be_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": 0, "text": "x"}\n{"id": 12, "text": "y"}\n')
    assert [record.id for record in read_records(path)] == ["0", "12"]
    assert [prediction.id for prediction in read_predictions(path)] == ["0", "12"]


def test_parts_of_files_are_not_taken_for_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "a", "text": "x", "audio": "a.wav", "offset": 1.5, "duration": 2}\n')
    (record,) = read_records(path)
    with pytest.raises(RecordError, match=r"field `offset`: 1\.5: only `unislu batch`"):
        record.audio_path(tmp_path)


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, '{"id": "a", "text": "x", "n": ' + "9" * 5000 + "}",
     '{"id": "\\ud800", "text": "x"}',
     '{"id": "a", "text": "x", "duration": 1' + "0" * 400 + "}",
     '{"id": "a", "text": "x", "audio": "\\u0000"}'],
    ids=["deep", "digits", "surrogate", "duration", "nul"],
)  # fmt: skip
@pytest.mark.parametrize("reader", [read_records, read_predictions])
def test_hostile_lines_are_one_line(tmp_path: Path, line: str, reader: Callable[..., Any]) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "b", "text": "x"}\n' + line + "\n")
    if reader is read_predictions and "audio" in line:
        return  # predictions name no file
    with pytest.raises(RecordError, match=r"m.jsonl:2: ") as caught:
        list(reader(path))
    assert len(str(caught.value)) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ENTITY = st.fixed_dictionaries(
    {},
    optional={
        "start": st.integers(-1, 9) | JSON, "end": st.integers(0, 9) | JSON,
        "type": st.text(max_size=3) | JSON, "text": st.text(max_size=3) | JSON,
        "confidence": st.floats() | JSON,
    },
)  # fmt: skip
KEYS = ("id", "text", "audio", "duration", "entities", "sentiment", "speaker", "split", "augmentation",
        "offset", "input", "output", "ner", "file", "timings", "seconds")  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(KEYS), JSON | st.text(max_size=9), max_size=6)
TAGGED = st.builds(lambda o, e: {**o, "id": "a", "text": "abcdefgh", "entities": e, "ner": e}, OBJECTS,
                   st.lists(ENTITY | JSON, max_size=3))  # fmt: skip
CONTENT = st.lists((OBJECTS | TAGGED).map(json.dumps) | st.text(max_size=40), max_size=4).map("\n".join)


def _read(builder: Any, path: Path) -> list[Any]:
    return [record for record, _ in builder(path, BuildOptions(), Tally())]


READERS: dict[str, Callable[[Path], list[Any]]] = {
    "records": lambda path: list(read_records(path)),
    "predictions": lambda path: list(read_predictions(path)),
    "slue": lambda path: list(read_predictions(path, "slue")),
    "tagged": lambda path: list(read_predictions(path, "whisperner")),
    "nuner": lambda path: _read(nuner, path),
    "whisperner": lambda path: _read(whisperner, path),
    "mit": lambda path: _read(mit, path),
}


@pytest.mark.parametrize("name", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=CONTENT, junk=st.binary(max_size=8), place=st.integers(0, 120))
def test_a_file_of_anything_is_read_or_refused(
    tmp_path: Path, name: str, content: str, junk: bytes, place: int
) -> None:
    data = content.encode("utf-8", "surrogatepass")
    path = tmp_path / "m.jsonl"
    path.write_bytes(data[:place] + junk + data[place:])
    try:
        found = READERS[name](path)
    except RecordError as error:
        assert str(path) in str(error) or "record " in str(error) or "prediction " in str(error)
    else:
        if name == "records":  # what was read can be written, and is the same when it is read again
            write_records(tmp_path / "again.jsonl", found)
            assert repr(list(read_records(tmp_path / "again.jsonl"))) == repr(found)
