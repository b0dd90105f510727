"""What entity biases bring: precision, recall and F1 of sets of clips at every bias of a grid.

    python benchmarks/biases.py --grid 0,0.5,1 closed:slue/manifest.jsonl open:movie/manifest.jsonl \
        open:snips/manifest.jsonl+sgd/manifest.jsonl alone:asked/manifest.jsonl

`closed` and `open` as for quality.py with `--ask balanced`, manifests joined by `+` pooled; `alone` as for
asked.py: its false alarms are the clips without the type in which something was found. The biases are added
to the bundle's own. A clip is decoded only at the biases where its answer changes. One JSON row a question
and bias; `--halves` adds one for the odd clips and one for the even ones, `--types` F1 by type.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from unislu.evaluation.predict import questions, read_datasets
from unislu.evaluation.question import Gold, Prediction, gold_of
from unislu.evaluation.score import score
from unislu.evaluation.sweep import RecordClip, sweep
from unislu.recognition.recognizer import Recognizer

Heard = tuple[Gold, tuple[Prediction, ...]]
"""A clip's annotation, and its answer at every bias."""


def main() -> None:
    """Print every row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="default: the embedded bundle")
    parser.add_argument("--grid", default="0,0.5,1,1.5,2,2.5", help="rising (default: %(default)s)")
    parser.add_argument("--only", help="the one type whose bias moves")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--halves", action="store_true")
    parser.add_argument("--types", action="store_true")
    parser.add_argument("questions", nargs="+", metavar="KIND:MANIFEST[+MANIFEST…]")
    options = parser.parse_args()
    grid = [float(value) for value in options.grid.split(",")]
    recognizer = Recognizer.open(options.bundle, threads=1)
    for question in options.questions:
        kind, _, paths = question.partition(":")
        if kind not in ("closed", "open", "alone") or not paths:
            parser.error(f"{question!r}: expected KIND:MANIFEST with KIND of closed, open, alone")
        heard = list(hear(recognizer, kind, paths.split("+"), grid, options.limit, options.only))
        parts = {"all": heard} | ({"odd": heard[::2], "even": heard[1::2]} if options.halves else {})
        for part, clips in parts.items():
            for place, bias in enumerate(grid):
                found = row(clips, place, kind, options.types)
                print(json.dumps({"question": question, "part": part, "bias": bias, **found}), flush=True)


def hear(
    recognizer: Recognizer,
    kind: str,
    paths: Sequence[str],
    grid: Sequence[float],
    limit: int | None,
    only: str | None,
) -> Iterator[Heard]:
    """The answers about each clip, asked about its own types."""
    for dataset in read_datasets(paths, limit):
        protocol = "closed" if kind == "closed" else "open"
        for record, question in zip(dataset.records, questions(dataset, protocol), strict=True):
            types = record.extra["asked"] if kind == "alone" else question.types
            clip = RecordClip(f"{dataset.name}/{record.id}", question.audio, record)
            swept = sweep(recognizer, [clip], grid, types, only=only)
            yield replace(gold_of(record), id=clip.id, sentiment=None), swept.answers[clip.id]


def row(clips: Sequence[Heard], place: int, kind: str, types: bool) -> dict[str, Any]:
    """The scores at one bias."""
    answers = [runs[place] for _, runs in clips]
    scores = score([gold for gold, _ in clips], answers).entities
    assert scores is not None
    micro = scores.micro
    found = {"clips": len(clips), "precision": micro.precision, "recall": micro.recall, "f1": micro.f1}
    found = {name: round(value, 2) for name, value in (found | {"label_f1": scores.label_f1}).items()}
    if kind == "alone":
        absent = [runs[place] for gold, runs in clips if not gold.entities]
        found |= {"absent": len(absent), "false_alarms": sum(bool(answer.entities) for answer in absent)}
    if types:
        found["per_type"] = {name: round(counts.f1, 1) for name, counts in scores.per_type.items()}
    return found


if __name__ == "__main__":
    main()
