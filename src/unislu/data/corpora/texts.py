"""Text corpora with entities: NuNER, the MIT sets and WhisperNER's own files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unislu.data.corpora.build import (
    BuildOptions,
    Built,
    CorpusAudio,
    Tally,
    find_spans,
    wanted_columns,
    without_overlaps,
)
from unislu.data.corpora.tables import dataset_rows, json_rows
from unislu.data.lines import read_lines
from unislu.data.records import AnnotatedEntity, Record
from unislu.errors import RecordError

_TAG = re.compile(r"^(O|[BI]-\S+)$")
_BLANKS = re.compile(r"[ \t]+")  # a space that does not break is a part of its token
_DOCUMENT = "-DOCSTART-"


def nuner(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """NuNER: `output` is a stringified list of `span <> type`, without offsets.

    `source`: JSON, JSON lines, Parquet, or `hf:numind/NuNER`.
    """
    is_json = source.suffix in (".json", ".jsonl")
    rows = json_rows(source) if is_json else dataset_rows(source, "default", options.split)
    for number, (place, row) in enumerate(rows):
        wanted_columns(row, ("input", "output"), place)
        text = str(row["input"])
        yield (
            Record(
                id=f"nuner-{number}",
                text=text,
                entities=find_spans(text, _pairs(row["output"], tally, place), tally, place),
                split=options.split,
            ),
            None,
        )


def _pairs(output: Any, tally: Tally, place: str) -> list[tuple[str, str]]:
    """(phrase, type) of one answer; a description after a second `<>` is ignored."""
    try:
        listed = ast.literal_eval(output) if isinstance(output, str) else output
        parts = [[part.strip() for part in item.split("<>")] for item in listed]
    except (ValueError, SyntaxError, AttributeError, TypeError, MemoryError, RecursionError):
        tally.count("unreadable answer", f"{place}: {str(output)[:60]!r}")
        return []
    for part in parts:
        if len(part) < 2:
            tally.count("entity without a type", f"{place}: {part[0]!r}")
    return [(part[0], part[1]) for part in parts if len(part) >= 2]


def mit(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """MIT Movie and Restaurant: a BIO tag and a token a line, a blank line between sentences.

    CoNLL's columns are read as well: the token first, its entity tag last, others between them.
    """
    path = source if source.is_file() else _bio_file(source, options.split)
    for number, block in enumerate(_blocks(path)):
        words, tags = _columns(block, f"{path}: sentence {number + 1}")
        text, entities = _from_bio(words, tags, tally, f"{path.name}: sentence {number + 1}")
        yield Record(id=f"{path.stem}-{number}", text=text, entities=entities, split=options.split), None


def _bio_file(folder: Path, split: str) -> Path:
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such file or folder")
    found = sorted(folder.glob(f"*{split}*.bio"))
    if len(found) != 1:
        names = ", ".join(sorted(path.name for path in folder.glob("*.bio"))) or "none"
        raise RecordError(
            f"{folder}: must hold one .bio file of split {split!r}, and holds {names}; name the file"
        )
    return found[0]


def _blocks(path: Path) -> Iterator[list[list[str]]]:
    """The columns of the lines of each sentence."""
    block: list[list[str]] = []
    for _, line in read_lines(path):
        columns = _BLANKS.split(line.strip(" \t"))
        if columns[0] not in ("", _DOCUMENT):
            block.append(columns)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _columns(rows: list[list[str]], place: str) -> tuple[list[str], list[str]]:
    """Words and tags: of two columns whichever comes first, of more the first and the last."""
    if any(len(row) != len(rows[0]) or len(row) < 2 for row in rows):
        raise RecordError(
            f"{place}: its lines are not a tag and a token each, or CoNLL's columns (token first, tag last)"
        )
    first, last = [row[0] for row in rows], [row[-1] for row in rows]
    if len(rows[0]) == 2 and all(map(_TAG.match, first)):
        return last, first
    if all(map(_TAG.match, last)):
        return first, last
    raise RecordError(f"{place}: neither the first column nor the last holds BIO tags")


def _from_bio(
    words: list[str], tags: list[str], tally: Tally, case: str
) -> tuple[str, tuple[AnnotatedEntity, ...]]:
    spans: list[AnnotatedEntity] = []
    position, open_type = 0, None
    for word, tag in zip(words, tags, strict=True):
        kind = None if tag == "O" else tag[2:]
        end = position + len(word)
        if kind is not None and tag[0] == "I" and kind == open_type:
            spans[-1] = AnnotatedEntity(spans[-1].start, end, kind)
        elif kind is not None:
            if tag[0] == "I":
                tally.count("I- without its B-, read as B-", f"{case}: {word!r}")
            spans.append(AnnotatedEntity(position, end, kind))
        open_type, position = kind, end + 1
    return " ".join(words), tuple(spans)


def whisperner(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """WhisperNER's JSON (VoxPopuli-NER, LibriSpeech-NER, Fleurs-NER): `{text, audio, ner: [[start, end, type,
    surface, explanation]]}`. Where offsets and surface disagree the surface is searched for, and counted.
    """
    for number, (place, row) in enumerate(json_rows(source)):
        wanted_columns(row, ("text", "ner"), place)
        text = str(row["text"])
        exact: list[AnnotatedEntity] = []
        lost: list[tuple[str, str]] = []
        for start, end, kind, surface in _annotations(row["ner"], place):
            if text[start:end] == surface:
                exact.append(AnnotatedEntity(start, end, kind))
            else:
                tally.count("offsets that miss their phrase", f"{place}: {surface!r}")
                lost.append((surface, kind))
        spans = [*exact, *find_spans(text, lost, tally, place)]
        audio = row.get("audio")
        name = Path(str(audio)).name if audio else ""
        yield (
            Record(
                id=Path(name).stem or f"{source.stem}-{number}",
                text=text,
                entities=without_overlaps(text, spans, tally, place),
                split=options.split,
            ),
            CorpusAudio(source.parent / str(audio), name) if audio else None,
        )


def _annotations(listed: Any, place: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, type, surface) of WhisperNER's `ner`; what follows them is an explanation."""
    for item in listed if isinstance(listed, list) else [listed]:
        match item:
            case [int(start), int(end), str(kind), str(surface), *_]:
                yield start, end, kind, surface
            case _:
                raise RecordError(f"{place}: `ner` holds {item!r}, not [start, end, type, surface, …]")
