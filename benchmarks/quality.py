"""Quality of a bundle on manifests: WER, entity F1, label-F1, sentiment macro-F1, one JSON row a question.

    python benchmarks/quality.py --bundle BUNDLE --json out.json closed:slue-dev/manifest.jsonl \
        open:mit/manifest.jsonl sentiment:meld/manifest.jsonl text:real/manifest.jsonl \
        empty:no-speech/manifest.jsonl

Each manifest is preceded by what is asked: `closed` entities, `open` entities with all types of the manifest
as the prompt, `sentiment`, the `text` alone, or `empty` (clips without speech: the share that gave no text).
Several manifests joined by `+` are pooled into one row. For a report with intervals, see `unislu evaluate`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from unislu.evaluation.evaluate import EvaluationSettings, ScoredPart, evaluate
from unislu.evaluation.predict import AskOptions, Dataset, read_datasets
from unislu.evaluation.systems import UnisluSystem

Ask = Literal["all", "balanced"]
KINDS = ("closed", "open", "sentiment", "text", "empty")


def only(kind: str, dataset: Dataset) -> Dataset:
    """The dataset with nothing annotated but what is asked."""
    drop: dict[str, Any] = {}
    if kind not in ("closed", "open"):
        drop["entities"] = None
    if kind != "sentiment":
        drop["sentiment"] = None
    return replace(dataset, records=tuple(replace(record, **drop) for record in dataset.records))


def row(system: UnisluSystem, question: str, limit: int | None, profile: str, ask: Ask) -> dict[str, Any]:
    """One pooled row of scores."""
    kind, _, paths = question.partition(":")
    if kind not in KINDS or not paths:
        raise SystemExit(f"{question!r}: expected KIND:MANIFEST[+MANIFEST…] with KIND of {', '.join(KINDS)}")
    datasets = [only(kind, dataset) for dataset in read_datasets(paths.split("+"), limit)]
    settings = EvaluationSettings(profile, "open" if kind == "open" else "closed", ask, samples=1)
    types = system.model.entity_types
    with TemporaryDirectory() as scratch:
        found = evaluate(system, datasets, settings, Path(scratch), labels=types, quiet=True)
    part = found.group("all")
    assert part is not None
    return {
        "kind": kind,
        "manifests": list(found.parts),
        "clips": part.scores.utterances,
        **figures(kind, part),
    }


def figures(kind: str, part: ScoredPart) -> dict[str, Any]:
    """The figures that there are."""
    scores = part.scores
    if kind == "empty":
        return {"no_text_percent": 100 * (1 - scores.invented / scores.silent) if scores.silent else None}
    assert scores.words is not None
    found: dict[str, Any] = {"wer": scores.words.wer, "rtfx": part.rtfx}
    if scores.entities is not None:
        micro = scores.entities.micro
        found |= {"precision": micro.precision, "recall": micro.recall, "f1": micro.f1}
        found["label_f1"] = scores.entities.label_f1
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
    parser.add_argument(
        "--ask",
        choices=("all", "balanced"),
        default="all",
        help="open types: as for unislu evaluate",
    )
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("questions", nargs="+", metavar="KIND:MANIFEST[+MANIFEST…]")
    args = parser.parse_args()
    options = AskOptions(args.bias, args.beam, not args.unconstrained)
    system = UnisluSystem.open(args.bundle, options, threads=args.threads)
    rows = []
    for question in args.questions:
        rows.append(row(system, question, args.limit, args.profile, args.ask))
        shown = {
            k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items() if k != "per_type"
        }
        print(json.dumps(shown), flush=True)
    if args.json:
        report = {
            "profile": args.profile,
            "ask": args.ask,
            **options.to_dict(),
            "model": system.name,
            "rows": rows,
        }
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
