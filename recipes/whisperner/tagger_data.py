"""The MIT sets as the trainers of GLiNER, NuNER and GNER read them, from manifests of `unislu prepare mit`.

    python recipes/whisperner/tagger_data.py texts/mit-movie taggers/mit-movie

Reads `train`, `dev` and `test` of a folder. Writes `train.json` … for the trainer of GLiNER and NuNER: words,
and entities by the number of their first and last word; and `train.txt` … with `label.txt` for GNER: a word
and its BIO tag a line. Types are named as `unislu evaluate` asks taggers for them.
"""

from __future__ import annotations

import json
import sys
from itertools import accumulate
from pathlib import Path

from unislu.data.records import Record, read_records
from unislu.sequence.labels import normalize_type

PARTS = ("train", "dev", "test")


def tagged(record: Record) -> tuple[list[str], list[tuple[int, int, str]]]:
    """The words of a record and (first word, last word, type) of its entities, which are whole words."""
    words = record.text.split(" ")
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    ends = [start + len(word) for start, word in zip(starts, words, strict=False)]
    spans = [
        (starts.index(e.start), ends.index(e.end), normalize_type(e.type).replace("-", " "))
        for e in record.entities or ()
    ]
    return words, spans


def bio(words: list[str], spans: list[tuple[int, int, str]]) -> list[str]:
    """The tag of each word."""
    tags = ["O"] * len(words)
    for first, last, name in spans:
        tags[first : last + 1] = [f"B-{name}", *[f"I-{name}"] * (last - first)]
    return tags


def main(source: Path, out: Path) -> None:
    """Convert every part."""
    out.mkdir(parents=True, exist_ok=True)
    names = set()
    for part in PARTS:
        sentences = [tagged(record) for record in read_records(source / part / "manifest.jsonl")]
        names |= {name for _, spans in sentences for _, _, name in spans}
        rows = [{"tokenized_text": words, "ner": spans} for words, spans in sentences]
        (out / f"{part}.json").write_text(json.dumps(rows), encoding="utf-8")
        blocks = ("".join(f"{w}\t{t}\n" for w, t in zip(words, bio(words, spans), strict=True))
                  for words, spans in sentences)  # fmt: skip
        (out / f"{part}.txt").write_text("\n".join(blocks), encoding="utf-8")
    (out / "label.txt").write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
