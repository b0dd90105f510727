"""Quality of a bundle on manifests: WER, entity F1, label-F1, sentiment macro-F1.

    python benchmarks/quality.py --bundle BUNDLE --json out.json closed:slue-dev/manifest.jsonl \
        open:mit/manifest.jsonl sentiment:meld/manifest.jsonl text:real/manifest.jsonl \
        empty:no-speech/manifest.jsonl

Each manifest is preceded by what is asked: `closed` entities, `open` entities with all types of the manifest
as the prompt, `sentiment`, the `text` alone, or `empty` (clips without speech: the share that gave no text).
Several manifests joined by `+` are pooled into one row.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import unislu
from unislu.data.records import Record, read_records
from unislu.evaluation.run import gold_of
from unislu.evaluation.score import Prediction, score
from unislu.sequence import normalize_type

TASKS = {
    "closed": ("asr", "ner"),
    "open": ("asr", "ner"),
    "sentiment": ("asr", "sa"),
    "text": ("asr",),
    "empty": ("asr", "ner"),
}


def ask(
    model: Any, kind: str, manifest: Path, limit: int | None, options: dict[str, Any]
) -> tuple[list[Record], list[Any]]:
    """Records of a manifest and what the model heard in each."""
    records = [replace(r, id=f"{manifest.parent.name}/{r.id}") for r in read_records(manifest)][:limit]
    types = (
        sorted({normalize_type(e.type) for r in records for e in r.entities or ()})
        if kind == "open"
        else None
    )
    sources = [str(manifest.parent / str(r.audio)) for r in records]
    return records, list(model.analyze_many(sources, tasks=TASKS[kind], entities=types, **options))


def row(
    model: Any, kind: str, manifests: list[Path], limit: int | None, profile: str, options: dict[str, Any]
) -> dict[str, Any]:
    """One pooled row of scores."""
    golds, predictions, seconds, started = [], [], 0.0, time.perf_counter()
    empty = 0
    for manifest in manifests:
        records, analyses = ask(model, kind, manifest, limit, options)
        for record, analysis in zip(records, analyses, strict=True):
            keep = {"sentiment": kind == "sentiment", "entities": kind in ("closed", "open")}
            gold = gold_of(record)
            golds.append(replace(gold, **{name: None for name, kept in keep.items() if not kept}))
            phrases = (
                None if analysis.entities is None else tuple((e.type, e.text) for e in analysis.entities)
            )
            label = analysis.sentiment.label if analysis.sentiment else None
            predictions.append(Prediction(record.id, analysis.text, phrases, label))
            seconds += analysis.duration
            empty += not analysis.text
    elapsed = time.perf_counter() - started
    scores = score(golds, predictions, profile)
    found: dict[str, Any] = {
        "kind": kind,
        "manifests": [m.parent.name for m in manifests],
        "clips": len(golds),
    }
    if kind == "empty":
        return found | {"no_text_percent": 100 * empty / len(golds)}
    assert scores.words is not None
    found |= {"wer": scores.words.wer, "rtfx": seconds / elapsed}
    if scores.entities is not None:
        micro = scores.entities.micro
        found |= {
            "precision": micro.precision,
            "recall": micro.recall,
            "f1": micro.f1,
            "label_f1": scores.entities.label_f1,
        }
        found["per_type"] = {name: counts.f1 for name, counts in scores.entities.per_type.items()}
    if scores.sentiment is not None:
        found |= {"macro_f1": scores.sentiment.macro_f1, "accuracy": scores.sentiment.accuracy}
    return found


def main() -> None:
    """Print a row of figures for each argument and write them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="default: the embedded bundle")
    parser.add_argument("--profile", choices=["unislu", "slue"], default="unislu")
    parser.add_argument("--bias", type=float, default=0.0)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--unconstrained", action="store_true")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("questions", nargs="+", metavar="KIND:MANIFEST[+MANIFEST…]")
    args = parser.parse_args()
    model = unislu.load(args.bundle)
    options = {"bias": args.bias, "beam": args.beam, "constrained": not args.unconstrained}
    rows = []
    for question in args.questions:
        kind, _, paths = question.partition(":")
        rows.append(row(model, kind, [Path(p) for p in paths.split("+")], args.limit, args.profile, options))
        shown = {
            k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items() if k != "per_type"
        }
        print(json.dumps(shown), flush=True)
    if args.json:
        report = {"profile": args.profile, **options, "model": model.name, "rows": rows}
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
