"""One table over several systems' predictions: scores, parameters and speed.

examples:
  unislu evaluate default dev/manifest.jsonl --report runs/ours
  unislu evaluate faster-whisper:base+spacy+vader dev/manifest.jsonl --report runs/pipeline
  unislu compare dev/manifest.jsonl --run ours=runs/ours --run runs/pipeline -o table

The predictions may be those of any system: files that `unislu score` reads, one for each manifest.

Runs of `unislu train` as rows of the papers' tables, mean ± deviation over seeds; separate models joined:
  unislu compare --trained "UniSLU=runs/unislu-small" \
    --trained "SLUE=runs/slue-ner-w2v2-base,runs/slue-asr-w2v2-base,runs/slue-sa-w2v2-base" -o table
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import OptionError, require
from ..files import make_folder
from .arguments import positive
from .evaluate import add_scoring


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("manifests", nargs="*", metavar="MANIFEST", help="annotated records")
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help=(
            "predictions of a system, e.g. a report of `unislu evaluate`; the others are compared with the "
            "first"
        ),
    )
    parser.add_argument(
        "--trained",
        action="append",
        default=[],
        metavar="[NAME=]DIR[,DIR…]",
        help=(
            "one row: the folder of a run of `unislu train`, or the folders of the separate models of one "
            "system"
        ),
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="write compare.md, .csv and .json")
    parser.add_argument(
        "--entities",
        choices=("auto", "closed", "open"),
        default="auto",
        help="as for evaluate (default: auto)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="as for evaluate")
    add_scoring(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    if bool(arguments.trained) == bool(arguments.manifests or arguments.run):
        raise OptionError("give manifests with --run, or only --trained")
    if arguments.trained:
        return _trained(arguments)
    if not arguments.run or not arguments.manifests:
        raise OptionError("give manifests and at least one --run [NAME=]DIR")
    return _predicted(arguments)


def _trained(arguments: argparse.Namespace) -> int:
    from ..evaluation.trained import markdown, read_row, to_rows

    rows = [read_row(text) for text in arguments.trained]
    table = markdown(rows)
    _write(arguments.output, table, to_rows(rows), {})
    print(table, end="")
    return 0


def _write(output: Path | None, table: str, rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    from ..evaluation.curves.figure import write_csv

    if output is None:
        return
    make_folder(output)
    (output / "compare.md").write_text(table, encoding="utf-8")
    write_csv(rows, output / "compare.csv")
    text = json.dumps({**facts, "rows": rows}, indent=1)
    (output / "compare.json").write_text(text + "\n", encoding="utf-8")


def _predicted(arguments: argparse.Namespace) -> int:
    require("eval", *(["whisper_normalizer"] if arguments.profile == "unislu" else []))
    from ..evaluation.compare import compare_runs
    from ..evaluation.evaluate import EvaluationSettings
    from ..evaluation.predict import read_datasets
    from ..evaluation.runs import read_run

    settings = EvaluationSettings(
        arguments.profile,
        arguments.entities,
        classes=arguments.classes,
        samples=arguments.samples,
        seed=arguments.seed,
        allow_missing=arguments.allow_missing,
    )
    if arguments.output is not None:
        make_folder(arguments.output)  # before the work, not after it
    datasets = read_datasets(arguments.manifests, arguments.limit)
    found = compare_runs(datasets, [read_run(text, datasets) for text in arguments.run], settings)
    table = found.markdown()
    facts = {"profile": found.profile, "data": dict(found.datasets)}
    _write(arguments.output, table, found.to_rows(), facts)
    print(table, end="")
    return 0
