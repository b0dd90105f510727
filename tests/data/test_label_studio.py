"""Label Studio: tasks out, annotations back as records; what is broken costs itself and one line."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from unislu import cli
from unislu.audio import load_audio
from unislu.data.corpora.build import BuildOptions
from unislu.data.prepare import PrepareReport, prepare
from unislu.data.records import Record, read_records
from unislu.errors import RecordError
from unislu.result import Analysis, Entity, Segment, Sentiment
from unislu.writers import WriteOptions, get_writer
from unislu.writers.label_studio import labelling_config, task

from ..factories import write_tone

TEXT = "Ann O'Brien lives in Berlin. 🙂 She likes Paris."
MOOD = Sentiment("positive", {"positive": 0.75, "neutral": 0.25})


def entity(kind: str, phrase: str) -> Entity:
    start = TEXT.index(phrase)
    return Entity(kind, phrase, start, start + len(phrase), 0.5)


RESULT = Analysis(
    text=TEXT,
    duration=2.0,
    model="m 1",
    file="call.wav",
    entities=(entity("PERSON", "Ann O'Brien"), entity("PLACE", "Berlin"), entity("PLACE", "Paris")),
    segments=(
        Segment(0.0, 1.0, TEXT[:28], 0, 28, sentiment=MOOD),
        Segment(1.0, 1.25, "", 29, 29, no_speech=True),
        Segment(1.25, 2.0, TEXT[29:], 29, len(TEXT)),
    ),
)


def annotated(analysis: Analysis = RESULT, id_: int = 1) -> dict[str, Any]:
    """A task as Label Studio exports it after an annotator accepted its prediction."""
    made = task(analysis)
    (prediction,) = made["predictions"]
    result = json.loads(json.dumps(prediction["result"]))
    return {"id": id_, "annotations": [{"id": 7, "result": result, "was_cancelled": False}], **made}


def results(exported: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exported["annotations"][0]["result"]
    return found


def brought_back(folder: Path, tasks: Any, sound: bool = True) -> tuple[PrepareReport, list[Record]]:
    path = folder / "export.json"
    path.write_text(tasks if isinstance(tasks, str) else json.dumps(tasks))
    if sound:
        write_tone(folder / "call.wav", 32_000, 440)
    report = prepare("label-studio", path, folder / "out", BuildOptions())
    return report, list(read_records(report.manifest))


def test_a_task_has_the_published_form() -> None:
    writer = get_writer("label-studio", WriteOptions(audio="s3://calls/a.wav"))
    (made,) = json.loads(writer.render(RESULT))
    assert made["data"]["audio"] == "s3://calls/a.wav" and made["data"]["text"] == TEXT
    (prediction,) = made["predictions"]
    assert prediction["model_version"] == "m 1"
    speech, transcript, sentiment = prediction["result"][:3]
    assert speech == {
        "id": "segment-0", "from_name": "speech", "to_name": "audio", "type": "labels",
        "original_length": 2.0, "value": {"start": 0.0, "end": 1.0, "channel": 0, "labels": ["Speech"]},
    }  # fmt: skip
    assert transcript["id"] == speech["id"] and transcript["type"] == "textarea"
    assert transcript["value"]["text"] == [TEXT[:28]] and sentiment["value"]["choices"] == ["positive"]
    last = prediction["result"][-1]
    assert (last["to_name"], last["type"], last["score"]) == ("text", "labels", 0.5)
    assert TEXT[last["value"]["start"] : last["value"]["end"]] == "Paris" == last["value"]["text"]


def test_the_configuration_has_every_control_of_a_task() -> None:
    root = ElementTree.fromstring(labelling_config(["PERSON", 'a "b" & <c>'], ["positive", "mixed"]))
    controls = {e.get("name"): (e.get("toName"), e.tag) for e in root.iter() if e.get("toName")}
    assert {e.get("name"): e.get("value") for e in root if e.tag in ("Audio", "Text")} == {
        "audio": "$audio",
        "text": "$text",
    }
    kinds = {"labels": "Labels", "textarea": "TextArea", "choices": "Choices"}
    for result in results(annotated()):
        assert controls[result["from_name"]] == (result["to_name"], kinds[result["type"]])
    assert [e.get("value") for e in root.iter("Label")] == ["Speech", "PERSON", 'a "b" & <c>']
    assert [e.get("value") for e in root.iter("Choice")] == ["positive", "mixed"]


def test_what_was_accepted_comes_back(tmp_path: Path) -> None:
    report, (first, second) = brought_back(tmp_path, [annotated()])
    assert report.broken == () and (first.id, first.text, second.text) == ("1-1", TEXT[:28], TEXT[29:])
    assert [(e.type, first.text[e.start : e.end]) for e in first.entities or ()] == [
        ("PERSON", "Ann O'Brien"),
        ("PLACE", "Berlin"),
    ]
    assert [second.text[e.start : e.end] for e in second.entities or ()] == ["Paris"]
    assert (first.sentiment, second.sentiment, first.speaker) == ("positive", None, None)
    assert len(load_audio(second.audio_path(tmp_path / "out"))) == 12_000 and second.duration == 0.75


def test_entities_follow_a_corrected_transcript(tmp_path: Path) -> None:
    exported = annotated()
    corrected = {"segment-0": "Well, Anne O'Brian is living in Bern.", "segment-1": "🙂 She likes it."}
    for result in results(exported):
        if result["type"] == "textarea":
            result["value"]["text"] = [corrected[result["id"]]]
    report, (first, second) = brought_back(tmp_path, [exported])
    assert [first.text[e.start : e.end] for e in first.entities or ()] == ["Anne O'Brian", "Bern"]
    # The annotator's word stands in the place of `Paris`.
    assert [second.text[e.start : e.end] for e in second.entities or ()] == ["it"] and report.broken == ()


def test_speakers_and_channels(tmp_path: Path) -> None:
    first, silent, last = RESULT.segments
    split = replace(RESULT, segments=(replace(first, channel=0), silent, replace(last, channel=1)))
    report, records = brought_back(tmp_path, [annotated(split)])
    assert [record.speaker for record in records] == ["Channel 1", "Channel 2"] and report.broken == ()


BROKEN: list[tuple[Any, str]] = [
    ({"value": {"start": float("nan"), "end": 1.0, "labels": ["Speech"]}}, "its start is nan, not a number"),
    (
        {"value": {"start": 1.0, "end": 0.5, "labels": ["Speech"]}},
        "its times 1…0.5 s are not in a recording of 2 s",
    ),
    ({"value": {"start": 5.0, "end": 6.0, "labels": ["Speech"]}}, "its times 5…6 s are not in a recording"),
    ({"value": {"start": 0.0, "end": 1.0, "labels": []}}, "its labels are []"),
    ({"value": {"start": 0.0, "end": 1.0, "channel": "x", "labels": ["Speech"]}}, "its channel is 'x'"),
    ({"value": {"start": 0.0, "end": 1.0, "labels": ["Speech"]}}, "has no transcript"),
    (
        {"from_name": "entities", "value": {"start": 0, "end": 99, "labels": ["X"]}},
        "0…99 are not in a text of",
    ),
    (
        {"from_name": "entities", "value": {"start": 0.5, "end": 3, "labels": ["X"]}},
        "start is 0.5, not a whole",
    ),
    (
        {"from_name": "entities", "value": {"start": 0, "end": 3, "text": "Eve", "labels": ["X"]}},
        "its text is 'Eve'",
    ),
    ({"from_name": "entities", "value": {"start": 0, "end": 3, "labels": ["X"]}}, "overlaps another entity"),
    ({"from_name": "entities", "value": {"start": 21, "end": 35, "labels": ["X"]}}, "beyond one region"),
    ({"from_name": "entities", "value": {"start": 28, "end": 29, "labels": ["X"]}}, "are blank"),
    ({"from_name": "boxes", "value": {}}, "its control (from_name) is 'boxes'"),
    ({"id": None, "value": {}}, "its id is None"),
    ({"value": None}, "has no value"),
    ("nonsense", "has no value"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN)
def test_a_broken_region_costs_itself_and_one_line(tmp_path: Path, broken: Any, message: str) -> None:
    exported = annotated()
    region = {"id": "bad", "from_name": "speech", "to_name": "audio", "type": "labels"}
    results(exported).append({**region, **broken} if isinstance(broken, dict) else broken)
    report, records = brought_back(tmp_path, [exported, annotated(id_=2)])
    (line,) = report.broken
    assert message in line and "task 1 (id 1): region " in line and "left out" in line
    assert [record.text for record in records] == [TEXT[:28], TEXT[29:]] * 2
    assert all(record.entities for record in records)


def test_a_task_is_named_in_one_way(tmp_path: Path) -> None:
    """By its place in the file, with the id that Label Studio shows."""
    broken, empty = annotated(id_=4711), {**annotated(id_=4712), "data": {}}
    results(broken)[0]["value"]["start"] = "soon"
    report, _ = brought_back(tmp_path, [broken, empty, annotated(id_=4713)], sound=False)
    places = [line.partition("task ")[2].partition(": ")[0] for line in report.broken]
    assert places == ["1 (id 4711)", "1 (id 4711)", "2 (id 4712)", "3 (id 4713)"]


def test_where_nothing_can_be_used_nothing_is_written(tmp_path: Path) -> None:
    untouched = {**annotated(), "annotations": []}
    for tasks, reason in (
        ([untouched], "task without an annotation: 1"),
        ([{"id": 1}, {"id": 2}], r"task 1 \(id 1\): has no data.* and 1 more reasons"),
        ([], "no record was found; nothing was written"),
    ):
        with pytest.raises(RecordError, match=reason) as caught:
            brought_back(tmp_path, tasks)
        assert "no record was found" in str(caught.value) and "\n" not in str(caught.value)
        assert not list(tmp_path.rglob("manifest.jsonl"))


def test_ten_megabytes_with_broken_regions(tmp_path: Path) -> None:
    tasks = [annotated(id_=n) for n in range(1, 5001)]
    results(tasks[2000])[0]["value"]["start"] = "soon"
    results(tasks[4000])[-1]["value"]["end"] = 10**9
    text = json.dumps(tasks)
    assert len(text) > 10_000_000
    start = time.perf_counter()
    report, records = brought_back(tmp_path, text, sound=False)
    assert time.perf_counter() - start < 60
    broken = [line for line in report.broken if "region" in line]
    assert [line.partition("task ")[2][:4] for line in broken] == ["2001", "4001"]
    assert len(records) == 10_000 and sum(len(record.entities or ()) for record in records) == 15_000 - 1
    # Nothing is lost where the recording is somewhere else: its name and the place in it are kept.
    assert {record.audio for record in records} == {"call.wav"}
    assert records[1].extra == {"offset": 1.25} and "its recording 'call.wav' is not here" in report.broken[0]


def test_a_task_that_is_not_json(tmp_path: Path) -> None:
    first, second, third = (json.dumps(annotated(id_=n)) for n in (1, 2, 3))
    report, records = brought_back(tmp_path, f"[{first},{second[:-40]},{third}]")
    (line,) = report.broken
    assert "task 2: " in line and "the next task is read" in line
    assert [record.id for record in records] == ["1-1", "1-2", "3-1", "3-2"]
    report, records = brought_back(tmp_path, f"[{first},{second[:-40]}")
    assert [record.id for record in records] == ["1-1", "1-2"] and "nothing after it" in report.broken[0]


def test_which_annotation_counts(tmp_path: Path) -> None:
    exported = annotated()
    (kept,) = exported["annotations"]
    old = {"result": [], "updated_at": "2025-01-01T00:00:00Z"}
    cancelled = {"result": [], "was_cancelled": True, "updated_at": "2027-01-01T00:00:00Z"}
    exported["annotations"] = [old, {**kept, "updated_at": "2026-01-01T00:00:00Z"}, cancelled]
    skipped = {**annotated(id_=2), "annotations": [cancelled]}
    report, records = brought_back(tmp_path, [exported, skipped, exported])
    assert [record.id for record in records] == ["1-1", "1-2", "1+-1", "1+-2"]
    assert report.left_out == {"task without an annotation": 1} and report.broken == ()


@pytest.mark.parametrize(
    "audio",
    ["/data/local-files/?d=call.wav", "http://ls/data/upload/3/0123abcd-call.wav", "s3://bucket/x/call.wav"],
)
def test_where_a_recording_is(tmp_path: Path, audio: str) -> None:
    exported = annotated(replace(RESULT, file=None))
    exported["data"]["audio"] = audio
    report, records = brought_back(tmp_path, [exported])
    assert report.broken == () and records[0].audio == "audio/1-1.flac"


def test_a_recording_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_bytes(b"no sound")
    report, records = brought_back(tmp_path, [annotated()], sound=False)
    assert len(report.broken) == 1 and "call.wav" in report.broken[0] and len(records) == 2


@pytest.mark.parametrize("text", ["", "{}", "[", "[]", '[{"id": 1, "audio": "a.wav"}]', "[1]", "[\xff"])
def test_no_export(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecordError, match=r"export\.json: "):
        brought_back(tmp_path, text)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported = annotated()
    results(exported)[0]["value"] = None
    (tmp_path / "export.json").write_text(json.dumps([exported]))
    write_tone(tmp_path / "call.wav", 32_000, 440)
    command = ["prepare", "label-studio", str(tmp_path / "export.json"), str(tmp_path / "out")]
    assert cli.main(command) == 1
    said = capsys.readouterr()
    assert said.err.count("region 'segment-0'") == 1 and "sentences" in said.out
    assert cli.main(["tools", "label-studio", "--entities", "person,drug", "--speakers", "A,B"]) == 0
    values = [e.get("value") for e in ElementTree.fromstring(capsys.readouterr().out).iter("Label")]
    assert values == ["A", "B", "person", "drug"]
