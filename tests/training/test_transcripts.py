"""What a bundle recognises, written beside a manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import unislu
from unislu.data.records import AnnotatedEntity, Record, read_records
from unislu.errors import RecipeError
from unislu.training.transcripts import JOURNAL, RECOGNISED, RIGHT, retold, write_transcripts

SPEECH = Path(__file__).parents[2] / "examples" / "jfk.flac"
SAID = (
    "and so my fellow yankees ask not what your country can do for you ask what you can do for your country"
)


def test_both_manifests_lie_beside_the_first(tmp_path: Path) -> None:
    shutil.copyfile(SPEECH, tmp_path / "jfk.flac")
    (tmp_path / "broken.flac").write_bytes(b"no audio")
    start = SAID.index("yankees")
    rows = [
        {"id": "jfk", "text": SAID, "audio": "jfk.flac",
         "entities": [{"start": start, "end": start + 7, "type": "NORP", "type18": "NORP"}]},
        {"id": "broken", "text": "nothing", "audio": "broken.flac"},
        {"id": "text", "text": "no audio here"},
    ]  # fmt: skip
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert write_transcripts(unislu.load(), manifest) == (1, 1)
    (recognised,), (right,) = (list(read_records(tmp_path / name)) for name in (RECOGNISED, RIGHT))
    for record, word in ((recognised, "Americans"), (right, "Yankees")):
        (entity,) = record.entities or ()
        assert record.text[entity.start : entity.end] == word
        assert entity.type == "NORP" and entity.extra == {"type18": "NORP"}
        assert record.audio == "jfk.flac" and record.spoken == SAID
    assert right.text != SAID  # capitals and marks are the recogniser's
    assert not (tmp_path / JOURNAL).exists()


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """What was transcribed before is not transcribed again; what another model wrote is."""
    model = unislu.load()
    shutil.copyfile(SPEECH, tmp_path / "jfk.flac")
    manifest = tmp_path / "manifest.jsonl"
    rows = [{"id": name, "text": "kept words", "audio": "jfk.flac"} for name in ("done", "other")]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = {"model": model.name, "id": "done", "text": "Kept words."}
    other = {"model": "another", "id": "other", "text": "Kept words."}
    (tmp_path / JOURNAL).write_text("".join(json.dumps(row) + "\n" for row in (done, other)))
    assert write_transcripts(model, manifest) == (1, 1)
    (record,) = read_records(tmp_path / RECOGNISED)
    assert (record.id, record.text) == ("done", "Kept words.")


def test_a_record_in_other_words_keeps_what_is_not_annotated() -> None:
    found = retold(Record("a", "we met", sentiment="positive"), "We met.")
    assert found is not None and found.entities is None and found.sentiment == "positive"
    assert retold(Record("a", "we met anna", entities=(AnnotatedEntity(7, 11, "person"),)), "We met.") is None


def test_a_manifest_without_audio_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps({"id": "a", "text": "b"}) + "\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="no record has audio"):
        write_transcripts(unislu.load(), manifest)
