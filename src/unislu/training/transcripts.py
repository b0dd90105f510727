"""Write down what a bundle recognises in annotated clips, for decoders that learn from it.

Beside each manifest come two, with the same clips: `recognised.jsonl`, the transcripts as the bundle writes
them, and `right.jsonl`, the same with the annotated words (see `unislu.data.transcripts`). Annotations are
carried over; clips whose transcript has too little in common with the annotated text, or lacks an entity, are
left out. A tagger (`model.learns: tags`) learns on both, ears (`unislu tools ears-listen --given`) on the
second. Run it with `unislu tools transcripts`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from unislu.data.records import Entity, Record, read_records, write_records
from unislu.data.transcripts import carried_over, put_right
from unislu.errors import RecipeError, UnisluError
from unislu.evaluation.profiles import profile
from unislu.recognition.model import Model

RECOGNISED, RIGHT = "recognised.jsonl", "right.jsonl"


def write_transcripts(model: Model, manifest: Path) -> tuple[int, int]:
    """Write both manifests beside one; how many records each holds.

    Raises `RecipeError` if no record has audio.
    """
    records = [record for record in read_records(manifest) if record.audio]
    if not records:
        raise RecipeError(f"{manifest}: no record has audio")
    normalize = profile("unislu")
    recognised: list[Record] = []
    right: list[Record] = []
    for record, text in zip(records, _texts(model, manifest, records), strict=True):
        for records_, words in ((recognised, text), (right, put_right(text, record.text, normalize))):
            found = retold(record, words) if words else None
            if found is not None:
                records_.append(found)
    counts = [
        write_records(manifest.with_name(name), rows)
        for name, rows in ((RECOGNISED, recognised), (RIGHT, right))
    ]
    return counts[0], counts[1]


def retold(record: Record, text: str) -> Record | None:
    """The record in other words, with its entities on them; None where they have no place there."""
    target = carried_over(record.target(), text, profile("unislu"))
    if target is None:
        return None
    entities = None
    if record.entities is not None and target.entities is not None:
        olds = sorted(record.entities, key=lambda entity: entity.start)
        entities = tuple(
            Entity(span.start, span.end, old.type, old.extra)
            for span, old in zip(target.entities, olds, strict=True)
        )
    return replace(record, text=text, entities=entities, spoken=record.spoken or record.text)


def _texts(model: Model, manifest: Path, records: Sequence[Record]) -> Iterator[str]:
    """The transcript of each clip; empty for one that cannot be read, with a line that says so."""
    paths = [record.audio_path(manifest.parent) for record in records]
    with ExitStack() as stack:
        results = model.analyze_many(paths, on_error="yield", tasks=("asr",), vad="energy")
        stack.callback(getattr(results, "close", lambda: None))
        for number, result in enumerate(results, start=1):
            if isinstance(result, UnisluError):
                print(f"{result}; left out", file=sys.stderr)
                yield ""
            else:
                yield result.text or ""
            if number % 50 == 0:
                print(f"\r{manifest.parent.name}: {number}/{len(records)}", end="", file=sys.stderr)
    print(file=sys.stderr)
