"""Transcribe annotated clips with a bundle, for training decoders on the transcripts.

Beside each manifest come two, with the same clips: `recognised.jsonl`, the transcripts as the bundle writes
them, and `right.jsonl`, the same with the annotated words (see `unislu.data.transcripts`). Annotations are
carried over; clips whose transcript has too little in common with the annotated text, or lacks an entity, are
left out. A tagger (`model.learns: tags`) learns on both, the decoder that transcribes (`model.learns: words`)
on the second. Run it with `unislu tools transcripts`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unislu.data.records import AnnotatedEntity, Record, read_records, write_records
from unislu.data.transcripts import carried_over, put_right
from unislu.errors import RecipeError, UnisluError
from unislu.evaluation.profiles import profile
from unislu.files import Journal, read_journal
from unislu.progress import Progress
from unislu.recognition.model import Model

RECOGNISED, RIGHT = "recognised.jsonl", "right.jsonl"
JOURNAL = ".transcripts.jsonl"


def write_transcripts(model: Model, manifest: Path) -> tuple[int, int]:
    """Write both manifests beside one; how many records each holds.

    Raises `RecipeError` if no record has audio.
    """
    records = [record for record in read_records(manifest) if record.audio]
    if not records:
        raise RecipeError(f"{manifest}: no record has audio")
    normalize = profile("unislu")
    texts = _texts(model, manifest, records)
    recognised: list[Record] = []
    right: list[Record] = []
    for record in records:
        text = texts.get(record.id, "")
        for records_, words in ((recognised, text), (right, put_right(text, record.text, normalize))):
            found = retold(record, words) if words else None
            if found is not None:
                records_.append(found)
    counts = [
        write_records(manifest.with_name(name), rows)
        for name, rows in ((RECOGNISED, recognised), (RIGHT, right))
    ]
    manifest.with_name(JOURNAL).unlink(missing_ok=True)
    return counts[0], counts[1]


def retold(record: Record, text: str) -> Record | None:
    """The record with another transcript and its entities on it; None if they have no place there."""
    target = carried_over(record.target(), text, profile("unislu"))
    if target is None:
        return None
    entities = None
    if record.entities is not None and target.entities is not None:
        olds = sorted(record.entities, key=lambda entity: entity.start)
        entities = tuple(
            AnnotatedEntity(span.start, span.end, old.type, old.extra)
            for span, old in zip(target.entities, olds, strict=True)
        )
    return replace(record, text=text, entities=entities, spoken=record.spoken or record.text)


def _texts(model: Model, manifest: Path, records: Sequence[Record]) -> dict[str, str]:
    """The transcript of each clip by its id; none for one that cannot be read, with a line that says so.

    A journal beside the manifest keeps them until both manifests are written: an interrupted run is resumed.
    """
    path = manifest.with_name(JOURNAL)
    texts = {row["id"]: row["text"] for row in read_journal(path) if row.get("model") == model.name}
    todo = [record for record in records if record.id not in texts]
    paths = [record.audio_path(manifest.parent) for record in todo]
    results = model.analyze_many(paths, on_error="yield", tasks=("asr",), vad="energy")
    with Progress(len(records), len(texts), unit="clips") as bar, Journal(path) as journal:
        for record, result in zip(todo, results, strict=True):
            if isinstance(result, UnisluError):
                print(f"{result}; left out", file=sys.stderr)
            else:
                texts[record.id] = result.text or ""
                journal.add({"model": model.name, "id": record.id, "text": texts[record.id]})
            bar.advance()
    return texts
