"""Corpus builders, each on a small fixture in the exact layout of its source."""

from __future__ import annotations

import io
import json
import struct
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from unislu.cli import main
from unislu.data.corpora.build import BuildOptions
from unislu.data.prepare import Part, PrepareReport, _seconds, prepare
from unislu.data.records import Record, read_records
from unislu.data.speech import write_audio
from unislu.errors import AudioError, OptionError, RecordError

RATE = 16_000
TEXT = "the european parliament in strasbourg met on monday"


def tone(seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.1 * np.sin(np.arange(round(seconds * RATE)) * 0.05)).astype(np.float32)


def clip(path: Path, seconds: float = 1.0) -> Path:
    write_audio(path, tone(seconds), RATE)
    return path


def wav_bytes(seconds: float, folder: Path) -> bytes:
    path = folder / "clip.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((tone(seconds) * 32767).astype("<i2").tobytes())
    return path.read_bytes()


def build(corpus: str, source: Path, out: Path, **options: Any) -> tuple[list[Record], PrepareReport]:
    report = prepare(corpus, source, out, BuildOptions(**options))
    return list(read_records(report.manifest)), report


def spans(record: Record) -> list[tuple[str, str]]:
    return [(record.text[e.start : e.end], e.type) for e in record.entities or ()]


def voxpopuli(
    folder: Path, ner: str | None = "[['ORG', 4, 19], ['GPE', 27, 10], ['DATE', 45, 6], ['FAC', 0, 3]]"
) -> None:
    header = ["id", "raw_text", "normalized_text", "speaker_id", "split", "raw_ner", "normalized_ner"]
    row = ["u1", "The European Parliament.", TEXT, "23", "fine-tune", "[['ORG', 4, 19]]", ner or "None"]
    lines = ["\t".join(header), "\t".join(row)]
    (folder / "slue-voxpopuli_fine-tune.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Ogg like the original: the content decides how it is read, not the name.
    clip(folder / "fine-tune" / "u1.flac", 1.5).rename(folder / "fine-tune" / "u1.ogg")


def test_slue_voxpopuli_from_the_original_files(tmp_path: Path) -> None:
    voxpopuli(tmp_path)
    (record,), report = build("slue-voxpopuli", tmp_path, tmp_path / "out", split="fine-tune")
    assert spans(record) == [("european parliament", "ORG"), ("strasbourg", "PLACE"), ("monday", "WHEN")]
    assert [e.extra["type18"] for e in record.entities or () if "type18" in e.extra] == ["GPE", "DATE"]
    assert record.audio_path(report.manifest.parent).resolve() == tmp_path / "fine-tune" / "u1.ogg"
    assert (record.speaker, record.duration) == ("23", pytest.approx(1.5, abs=0.01))
    assert report.left_out == {"type that SLUE leaves out": 1}
    assert "5,730" in report.table() and "5,000" in report.table()


def test_slue_voxpopuli_raw_text_with_18_types(tmp_path: Path) -> None:
    voxpopuli(tmp_path)
    (record,), _ = build(
        "slue-voxpopuli", tmp_path, tmp_path / "out", split="fine-tune", text="raw", types="raw"
    )
    assert record.text == "The European Parliament." and spans(record) == [("European Parliament", "ORG")]


def test_none_means_annotated_and_none_present(tmp_path: Path) -> None:
    voxpopuli(tmp_path, ner=None)
    (record,), _ = build("slue-voxpopuli", tmp_path, tmp_path / "out", split="fine-tune")
    assert record.entities == ()


def test_the_blind_test_set_is_not_annotated(tmp_path: Path) -> None:
    (tmp_path / "slue-voxpopuli_test_blind.tsv").write_text(
        "id\tnormalized_text\tspeaker_id\tsplit\nu2\t\t4\ttest\n", encoding="utf-8"
    )
    clip(tmp_path / "test" / "u2.ogg.flac").rename(tmp_path / "test" / "u2.ogg")
    (record,), _ = build("slue-voxpopuli", tmp_path, tmp_path / "out", split="test")
    assert record.entities is None and record.text == ""


@pytest.mark.parametrize("bad", ["[['ORG', 4]]", "[['ORG', 4, 19]", "ORG"])
def test_a_broken_annotation_names_file_line_and_column(tmp_path: Path, bad: str) -> None:
    voxpopuli(tmp_path, ner=bad)
    with pytest.raises(RecordError, match=r"slue-voxpopuli_fine-tune.tsv:2: column 'normalized_ner'"):
        build("slue-voxpopuli", tmp_path, tmp_path / "out", split="fine-tune")


def voxceleb(folder: Path) -> None:
    header = ["id", "normalized_text", "sentiment", "speaker_id", "split", "start_second", "end_second"]
    rows = [
        ["a", "i love it", "Positive", "id1", "dev", "0.5", "1.25"],
        ["b", "hm", "<mixed>", "id1", "dev", "0", "1"],
        ["c", "well", "Disagreement", "id2", "dev", "0", "1"],
    ]
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    (folder / "slue-voxceleb_dev.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in "abc":
        clip(folder / "dev_raw" / f"{name}.flac", 2.0)


def test_slue_voxceleb_is_cut_to_its_seconds(tmp_path: Path) -> None:
    voxceleb(tmp_path)
    (record,), report = build("slue-voxceleb", tmp_path, tmp_path / "out", split="dev")
    assert (record.sentiment, record.duration, record.audio) == ("positive", 0.75, "audio/a.flac")
    assert report.left_out == {"sentiment mixed": 1, "sentiment disagreement": 1}
    kept, _ = build("slue-voxceleb", tmp_path, tmp_path / "all", split="dev", mixed="keep")
    assert [r.sentiment for r in kept] == ["positive", "mixed"]


def hub(folder: Path, config: str, split: str, rows: list[dict[str, Any]]) -> None:
    path = folder / config / split / "0000.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)


def test_slue_from_the_hub(tmp_path: Path) -> None:
    audio = {"bytes": wav_bytes(2.0, tmp_path), "path": "u1.wav"}
    ner = {"type": ["PLACE"], "start": [27], "length": [10]}
    hub(
        tmp_path, "voxpopuli", "validation",
        [{"id": "u1", "audio": audio, "speaker_id": 7, "normalized_text": TEXT, "raw_text": TEXT,
          "normalized_combined_ner": ner, "normalized_ner": {**ner, "type": ["GPE"]}}],
    )  # fmt: skip
    hub(
        tmp_path, "voxceleb", "train",
        [{"id": "v1", "audio": audio, "speaker_id": "id1", "normalized_text": "yes", "sentiment": "Neutral",
          "start_second": 0.25, "end_second": 1.25}],
    )  # fmt: skip
    (record,), _ = build("hub-slue-voxpopuli", tmp_path, tmp_path / "vp", split="dev")
    assert spans(record) == [("strasbourg", "PLACE")] and record.duration == 2.0
    (record,), _ = build("hub-slue-voxpopuli", tmp_path, tmp_path / "vp18", split="dev", types="raw")
    assert spans(record) == [("strasbourg", "GPE")]
    (record,), report = build("hub-slue-voxceleb", tmp_path, tmp_path / "vc", split="fine-tune")
    assert (record.sentiment, record.duration) == ("neutral", 1.0)
    assert "5,777" in report.table()


def test_vp_nel_keeps_the_times(tmp_path: Path) -> None:
    row = {
        "id": "n1", "split": "dev", "speaker_id": "3", "text": TEXT,
        "audio": {"bytes": wav_bytes(1.0, tmp_path), "path": "n1.wav"},
        "word_timestamps": {"word": ["the"], "start_sec": [0.1], "end_sec": [0.2]},
        "ne_timestamps": {"ne_label": ["GPE"], "start_char_idx": [27], "char_offset": [10],
                          "start_sec": [0.5], "end_sec": [0.9]},
    }  # fmt: skip
    hub(tmp_path, "vp_nel", "validation", [row])
    (record,), _ = build("vp-nel", tmp_path, tmp_path / "out", split="dev")
    (entity,) = record.entities or ()
    assert (entity.type, entity.extra["start_second"], entity.extra["end_second"]) == ("PLACE", 0.5, 0.9)
    assert record.extra["words"] == [{"word": "the", "start": 0.1, "end": 0.2}]


def test_nuner_places_every_phrase_or_counts_it(tmp_path: Path) -> None:
    rows = [
        {
            "input": "Paris met Paris Hilton in Paris.",
            "output": str(["Paris <> city", "Paris Hilton <> person <> star", "Paris <> city"]),
        },
        {"input": "He took aspirin.", "output": str(["Aspirin <> drug", "aspirin"])},
        {"input": "Nothing.", "output": "not a list"},
    ]
    path = tmp_path / "nuner.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    records, report = build("nuner", path, tmp_path / "out")
    assert spans(records[0]) == [("Paris", "city"), ("Paris Hilton", "person"), ("Paris", "city")]
    assert [r.entities for r in records[1:]] == [(), ()]
    assert report.left_out == {
        "phrase not in the text": 1, "entity without a type": 1, "unreadable answer": 1
    }  # fmt: skip


@pytest.mark.parametrize("tag_first", [True, False])
def test_mit_bio(tmp_path: Path, tag_first: bool) -> None:
    rows = [
        ("O", "a"),
        ("B-Cuisine", "thai"),
        ("I-Cuisine", "food"),
        None,
        ("I-Price", "cheap"),
        ("O", "place"),
    ]
    lines = ["" if row is None else "\t".join(row if tag_first else row[::-1]) for row in rows]
    path = tmp_path / "restauranttrain.bio"
    path.write_text("\n".join(lines) + "\n")
    records, report = build("mit", path, tmp_path / "out")
    assert [spans(record) for record in records] == [[("thai food", "Cuisine")], [("cheap", "Price")]]
    assert report.left_out == {"I- without its B-, read as B-": 1}
    assert build("mit", tmp_path, tmp_path / "again", split="train")[0] == records


def test_whisperner_json(tmp_path: Path) -> None:
    clip(tmp_path / "audio" / "x.flac")
    rows = [{"text": TEXT, "audio": "audio/x.flac",
             "ner": [[27, 37, "city", "strasbourg", "why"], [0, 3, "day", "monday", "why"]]}]  # fmt: skip
    (tmp_path / "set.json").write_text(json.dumps(rows))
    (record,), report = build("whisperner", tmp_path / "set.json", tmp_path / "out")
    assert spans(record) == [("strasbourg", "city"), ("monday", "day")]
    assert report.left_out == {"offsets that miss their phrase": 1}


def test_librispeech(tmp_path: Path) -> None:
    folder = tmp_path / "test-clean" / "1089" / "134686"
    clip(folder / "1089-134686-0000.flac", 2.0)
    (folder / "1089-134686.trans.txt").write_text("1089-134686-0000 HE HOPED\n")
    (record,), _ = build("librispeech", tmp_path, tmp_path / "out", split="test-clean")
    assert (record.text, record.speaker, record.duration) == (
        "he hoped",
        "1089",
        pytest.approx(2.0, abs=0.01),
    )


def test_librispeechs_960_hours_are_one_manifest(tmp_path: Path) -> None:
    source = tmp_path / "LibriSpeech"
    parts = ("train-clean-100", "train-clean-360", "train-other-500")
    for number, part in enumerate(parts):
        folder = source / part / f"{number}" / "7"
        clip(folder / f"{number}-7-0000.flac")
        (folder / f"{number}-7.trans.txt").write_text(f"{number}-7-0000 HE HOPED\n")
    records, _ = build("librispeech", source, tmp_path / "out", split="train-960")
    assert [record.id for record in records] == ["0-7-0000", "1-7-0000", "2-7-0000"]
    assert all(record.audio_path(tmp_path / "out").is_file() for record in records)
    (source / "train-clean-360").rename(source / "elsewhere")
    with pytest.raises(RecordError, match="train-clean-360"):
        build("librispeech", source, tmp_path / "again", split="train-960")


def numbered(path: Path, count: int) -> Path:
    rows = [{"input": f"text {n} of Rome", "output": "['Rome <> city']"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_sample_is_drawn_from_all_of_a_corpus_and_is_always_the_same(tmp_path: Path) -> None:
    source = numbered(tmp_path / "nuner.jsonl", 400)

    def drawn(name: str, part: Part) -> list[str]:
        report = prepare("nuner", source, tmp_path / name, BuildOptions(), part=part)
        return [record.id for record in read_records(report.manifest)]

    first = drawn("a", Part(sample=100))
    assert first == drawn("b", Part(sample=100)) != drawn("c", Part(sample=100, seed=1))
    assert len(set(first)) == 100
    numbers = [int(id_.removeprefix("nuner-")) for id_ in first]
    assert numbers == sorted(numbers) and min(numbers) < 40 and max(numbers) >= 360
    train = drawn("train", Part(100, 0, "train", 0.2))
    dev = drawn("dev", Part(100, 0, "dev", 0.2))
    assert sorted(train + dev) == sorted(first) and 8 <= len(dev) <= 35
    # A larger sample moves no record from one part to the other.
    assert not set(dev) & set(drawn("all", Part(None, 0, "train", 0.2)))


@pytest.mark.parametrize(("name", "share"), [("dev", 0.0), (None, 0.1), ("train", 1.5)])
def test_a_part_needs_its_share(name: Any, share: float) -> None:
    with pytest.raises(OptionError, match="dev share"):
        Part(name=name, dev_share=share)


def test_mit_gets_a_dev_part_by_command(tmp_path: Path) -> None:
    lines = "".join(f"O\tword{n}\nB-GENRE\tdrama\n\n" for n in range(60))
    (tmp_path / "engtrain.bio").write_text(lines, encoding="utf-8")
    found = {}
    for part in ("train", "dev"):
        out = tmp_path / part
        arguments = ["prepare", "mit", str(tmp_path / "engtrain.bio"), str(out)]
        assert main([*arguments, "--part", part, "--dev-share", "0.2"]) == 0
        found[part] = list(read_records(out / "manifest.jsonl"))
        assert {record.split for record in found[part]} == {part}
    assert sum(map(len, found.values())) == 60 and 3 <= len(found["dev"]) <= 25


def test_voxpopuli_of_one_language(tmp_path: Path) -> None:
    name = "20120316-0900-PLENARY-4-es_20120316-09:01:00_0"
    header = "id\traw_text\tnormalized_text\tspeaker_id\tsplit\tgender"
    (tmp_path / "asr_test.tsv").write_text(f"{header}\n{name}\tGracias.\tgracias\t7\ttest\tfemale\n")
    clip(tmp_path / "2012" / "a.flac").rename(tmp_path / "2012" / f"{name}.ogg")
    (record,), _ = build("voxpopuli", tmp_path, tmp_path / "out", split="test")
    assert (record.id, record.text, record.speaker) == (name, "gracias", "7")
    assert record.duration == pytest.approx(1.0, abs=0.01)
    (record,), _ = build("voxpopuli", tmp_path, tmp_path / "raw", split="test", text="raw")
    assert record.text == "Gracias."


def test_fleurs_in_both_layouts(tmp_path: Path) -> None:
    clip(tmp_path / "audio" / "dev" / "77.flac").rename(tmp_path / "audio" / "dev" / "77.wav")
    (tmp_path / "dev.tsv").write_text('12\t77.wav\t"Hi," he said.\thi he said\th i |\t16000\tFEMALE\n')
    (record,), _ = build("fleurs", tmp_path, tmp_path / "out", split="dev", text="raw")
    assert (record.id, record.text, record.duration) == ("77", '"Hi," he said.', 1.0)
    audio = {"bytes": wav_bytes(1.0, tmp_path), "path": "78.wav"}
    row = {"id": 1, "path": "x/78.wav", "audio": audio, "transcription": "hi", "raw_transcription": "Hi."}
    hub(tmp_path / "hub", "en_us", "test", [row])
    (record,), _ = build("fleurs", tmp_path / "hub", tmp_path / "out2", split="test")
    assert (record.id, record.text) == ("78", "hi")


def test_whole_files_are_copied_when_asked(tmp_path: Path) -> None:
    voxpopuli(tmp_path)
    report = prepare("slue-voxpopuli", tmp_path, tmp_path / "out", BuildOptions("fine-tune"), copy_audio=True)
    (record,) = read_records(report.manifest)
    assert record.audio == "audio/u1.ogg" and (tmp_path / "out" / "audio" / "u1.ogg").is_file()


def test_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown corpus 'slue'"):
        build("slue", tmp_path, tmp_path / "out")
    with pytest.raises(RecordError, match=r"slue-voxpopuli_fine-tune.tsv: cannot be read: No such file"):
        build("slue-voxpopuli", tmp_path, tmp_path / "out", split="fine-tune")
    voxpopuli(tmp_path)
    (tmp_path / "fine-tune" / "u1.ogg").unlink()
    with pytest.raises(AudioError, match=r"u1.ogg: no such file, but record 'u1' names it"):
        build("slue-voxpopuli", tmp_path, tmp_path / "out", split="fine-tune")
    with pytest.raises(RecordError, match="no Parquet files"):
        build("hub-slue-voxpopuli", tmp_path, tmp_path / "out", split="dev")
    with pytest.raises(RecordError, match="nowhere: no such file or folder"):
        build("mit", tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="is not a folder and cannot be created"):
        build("slue-voxpopuli", tmp_path, tmp_path / "file", split="fine-tune")


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voxceleb(tmp_path)
    code = main(["prepare", "slue-voxceleb", str(tmp_path), str(tmp_path / "out"), "--split", "dev"])
    assert code == 0
    printed = capsys.readouterr().out
    assert "sentences" in printed and "1,454" in printed and "left out: sentiment mixed" in printed


def test_the_length_of_a_file_with_a_tag_in_another_encoding(tmp_path: Path) -> None:
    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    data, tag = bytes(48_000), "Gespräch".encode("latin-1")
    chunks = b"WAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack("<I", len(data)) + data
    chunks += b"LIST" + struct.pack("<I", 12 + len(tag)) + b"INFOINAM" + struct.pack("<I", len(tag)) + tag
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    assert _seconds(tmp_path / "a.wav") == 1.5
    mp3 = io.BytesIO()
    with av.open(mp3, "w", format="mp3") as out:
        sound = out.add_stream("libmp3lame", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        out.mux([*sound.encode(frame), *sound.encode(None)])
    (tmp_path / "a.mp3").write_bytes(mp3.getvalue() + b"TAG" + tag.ljust(125, b"\0"))
    assert 1.4 < _seconds(tmp_path / "a.mp3") < 1.7
    (tmp_path / "b.mp3").write_bytes(b"words")
    with pytest.raises(AudioError, match=r"b\.mp3: is not an audio or video file"):
        _seconds(tmp_path / "b.mp3")
