"""SLUE-VoxPopuli, SLUE-VoxCeleb and SLUE phase 2's vp_nel, from the original files or from the hub.

Original layout: `slue-voxpopuli_<split>.tsv` beside `<split>/<id>.ogg`, and `slue-voxceleb_<split>.tsv`
beside `<split>_raw/<id>.flac`, whose seconds `start_second`…`end_second` are the utterance.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from unislu.data.corpora.build import (
    BuildOptions,
    Built,
    CorpusAudio,
    Tally,
    wanted_columns,
    without_overlaps,
)
from unislu.data.corpora.tables import Row, dataset_rows, tsv_rows
from unislu.data.records import AnnotatedEntity, Record
from unislu.errors import RecordError
from unislu.sequence import ONTONOTES_TO_SLUE

SENTIMENTS = ("positive", "negative", "neutral", "mixed")


def voxpopuli(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """SLUE-VoxPopuli from its TSV and Ogg files."""
    for place, row in tsv_rows(_table(source, "voxpopuli", options.split)):
        wanted_columns(row, ("id", f"{options.text}_text"), place)
        record = _named(row, place, _tsv_entities(row, options, place), options, tally)
        name = f"{row['id']}.ogg"
        yield record, CorpusAudio(source / options.split / name, name)


def voxceleb(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """SLUE-VoxCeleb from its TSV and FLAC files; each clip is cut to its seconds."""
    for place, row in tsv_rows(_table(source, "voxceleb", options.split)):
        record = _felt(row, place, options, tally)
        if record is not None:
            name = f"{row['id']}.flac"
            yield record, _cropped(source / f"{options.split}_raw" / name, name, row, place)


def _table(source: Path, name: str, split: str) -> Path:
    path = source / f"slue-{name}_{split}.tsv"
    return source / f"slue-{name}_test_blind.tsv" if split == "test" and not path.exists() else path


def hub_voxpopuli(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """SLUE-VoxPopuli from `asapp/slue`."""
    for place, row in dataset_rows(source, "voxpopuli", _hub_split(options.split)):
        kind = "combined_ner" if options.types == "combined" else "ner"
        column = f"{options.text}_{kind}"
        wanted_columns(row, ("id", f"{options.text}_text", column), place)
        listed = row[column]
        triples = (
            None if listed is None else zip(listed["type"], listed["start"], listed["length"], strict=True)
        )
        yield _named(row, place, triples, options, tally), _embedded(row, place)


def hub_voxceleb(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """SLUE-VoxCeleb from `asapp/slue`, whose audio is whole: each clip is cut to its seconds."""
    for place, row in dataset_rows(source, "voxceleb", _hub_split(options.split)):
        record = _felt(row, place, options, tally)
        if record is not None:
            clip = _embedded(row, place)
            yield record, _cropped(clip.audio, clip.name, row, place)


def vp_nel(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """Phase 2's named-entity localisation: entities with `start_second`, `end_second`, and timed `words`."""
    for place, row in dataset_rows(source, "vp_nel", _hub_split(options.split)):
        wanted_columns(row, ("id", "text", "ne_timestamps", "word_timestamps"), place)
        timed = row["ne_timestamps"]
        keys = ("ne_label", "start_char_idx", "char_offset", "start_sec", "end_sec")
        spans = [
            AnnotatedEntity(start, start + length, kind, {"start_second": first, "end_second": last})
            for kind, start, length, first, last in zip(*(timed[key] for key in keys), strict=True)
        ]
        words = row["word_timestamps"]
        listed = zip(words["word"], words["start_sec"], words["end_sec"], strict=True)
        yield (
            Record(
                id=str(row["id"]),
                text=row["text"],
                entities=without_overlaps(row["text"], _typed(spans, options, tally), tally, place),
                speaker=_optional(row.get("speaker_id")),
                split=options.split,
                extra={"words": [{"word": word, "start": a, "end": b} for word, a, b in listed]},
            ),
            _embedded(row, place),
        )


def _named(
    row: Row, place: str, triples: Iterable[Any] | None, options: BuildOptions, tally: Tally
) -> Record:
    """The record of a row with (type, start, length) triples; None = not annotated (the blind test set)."""
    text = row[f"{options.text}_text"] or ""
    entities = None
    if triples is not None:
        spans = [
            AnnotatedEntity(int(start), int(start) + int(length), str(kind))
            for kind, start, length in triples
        ]
        entities = without_overlaps(text, _typed(spans, options, tally), tally, place)
    return Record(
        id=str(row["id"]),
        text=text,
        entities=entities,
        speaker=_optional(row.get("speaker_id")),
        split=options.split,
    )


def _typed(
    spans: Iterable[AnnotatedEntity], options: BuildOptions, tally: Tally
) -> Iterator[AnnotatedEntity]:
    """Combined types where they are asked for; types that SLUE drops are counted."""
    combined = set(ONTONOTES_TO_SLUE.values())
    for span in spans:
        if options.types == "raw" or span.type in combined:
            yield span
            continue
        if span.type not in ONTONOTES_TO_SLUE:
            raise RecordError(f"entity type {span.type!r} is none of OntoNotes' 18: the file is not SLUE's")
        kind = ONTONOTES_TO_SLUE[span.type]
        if kind is None:
            tally.count("type that SLUE leaves out", span.type)
        else:
            yield AnnotatedEntity(span.start, span.end, kind, {**span.extra, "type18": span.type})


def _tsv_entities(row: Row, options: BuildOptions, place: str) -> list[Any] | None:
    """The Python literal `[['LAW', 86, 18]]`; None when the column is not there (blind)."""
    column = f"{options.text}_ner"
    if column not in row:
        return None
    value = (row[column] or "").strip()
    if value in ("", "None", "nan", "[]"):
        return []
    try:
        found = ast.literal_eval(value)
        if all([type(part) for part in item] == [str, int, int] for item in found):
            return list(found)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        pass
    raise RecordError(f"{place}: column {column!r} is {value[:60]!r}, not a list of [type, start, length]")


def _felt(row: Row, place: str, options: BuildOptions, tally: Tally) -> Record | None:
    """A record with its sentiment; None if the utterance has none that can be learned."""
    wanted_columns(row, ("id", "normalized_text", "start_second", "end_second"), place)
    label = (row.get("sentiment") or "").strip("<> ").lower() or None
    if label is not None and label not in SENTIMENTS:
        tally.count(f"sentiment {label}", str(row["id"]))
        return None
    if label == "mixed" and options.mixed == "drop":
        tally.count("sentiment mixed", str(row["id"]))
        return None
    return Record(
        id=str(row["id"]),
        text=row["normalized_text"] or "",
        sentiment=label,
        speaker=_optional(row.get("speaker_id")),
        split=options.split,
    )


def _cropped(audio: Path | bytes, name: str, row: Row, place: str) -> CorpusAudio:
    try:
        start, end = float(row["start_second"]), float(row["end_second"])
    except (TypeError, ValueError):
        raise RecordError(f"{place}: start_second and end_second are not numbers") from None
    if not 0 <= start < end:
        raise RecordError(f"{place}: seconds {start}…{end} are no stretch of audio")
    return CorpusAudio(audio, name, start, end)


def _embedded(row: Row, place: str) -> CorpusAudio:
    """The audio inside a Parquet row: `{bytes, path}`."""
    audio = row.get("audio")
    if not isinstance(audio, Mapping) or not audio.get("bytes"):
        raise RecordError(
            f"{place}: column 'audio' holds no bytes; download the Parquet files of the data set"
        )
    return CorpusAudio(audio["bytes"], Path(audio.get("path") or f"{row['id']}.flac").name)


def _hub_split(split: str) -> str:
    return {"fine-tune": "train", "dev": "validation"}.get(split, split)


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)
