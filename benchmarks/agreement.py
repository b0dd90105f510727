"""How often two ways to run one bundle give the same words: clips alone or in batches, here or there.

    python benchmarks/agreement.py MANIFEST --out alone.jsonl
    python benchmarks/agreement.py MANIFEST --out batch.jsonl --batch --against alone.jsonl
    LD_PRELOAD=$PWD/hide_avx512.so python benchmarks/agreement.py MANIFEST --out avx2.jsonl \\
      --against alone.jsonl

The last runs as on a processor that has AVX2 alone (benchmarks/hide_avx512.c). Prints the clips that differ,
how many they are, and the share of words that do.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unislu
from unislu.data.records import Record, read_records
from unislu.errors import UnisluError
from unislu.evaluation.wer import total, word_errors


def main() -> None:
    """Write what each clip gives, and compare it with an earlier run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--batch", action="store_true", help="many clips at a time")
    parser.add_argument("--against", type=Path, help="what an earlier run wrote")
    asked = parser.parse_args()
    clips = [record for record in read_records(asked.manifest) if record.audio]
    rows = dict(recognised(unislu.load(asked.bundle, threads=1), asked.manifest.parent, clips, asked.batch))
    asked.out.write_text("".join(json.dumps([id_, row]) + "\n" for id_, row in rows.items()))
    if asked.against:
        compare(rows, dict(map(json.loads, asked.against.read_text().splitlines())))


def recognised(
    model: unislu.Model, folder: Path, clips: list[Record], batch: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Text and entities of each clip."""
    paths = [record.audio_path(folder) for record in clips]
    if batch:
        results = model.analyze_many(paths, on_error="yield")
    else:
        results = (next(iter(model.analyze_many([path], on_error="yield"))) for path in paths)
    for record, result in zip(clips, results, strict=True):
        if isinstance(result, UnisluError):
            yield record.id, {"text": "", "entities": [], "error": str(result)}
        else:
            found = [[entity.type, entity.text] for entity in result.entities or ()]
            yield record.id, {"text": result.text or "", "entities": found}


def compare(rows: dict[str, Any], other: dict[str, Any]) -> None:
    """Print the clips that differ, and how many."""
    texts = [id_ for id_ in rows if rows[id_]["text"] != other[id_]["text"]]
    tags = [id_ for id_ in rows if id_ not in texts and rows[id_]["entities"] != other[id_]["entities"]]
    for id_ in [*texts, *tags]:
        print(f"{id_}\n  {other[id_]}\n  {rows[id_]}")
    pairs = [(other[id_]["text"].split(), row["text"].split()) for id_, row in rows.items()]
    words = total(word_errors(reference, found) for reference, found in pairs)
    print(
        f"{len(texts)} of {len(rows)} clips have other words "
        f"({words.errors} of {words.reference_words} words), "
        f"{len(tags)} the same words with other entities"
    )


if __name__ == "__main__":
    main()
