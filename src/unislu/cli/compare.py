"""One table over several systems' predictions: scores, parameters and speed.

examples:
  unislu evaluate default dev/manifest.jsonl --report runs/ours
  unislu evaluate faster-whisper:base+spacy+vader dev/manifest.jsonl --report runs/pipeline
  unislu compare dev/manifest.jsonl --run ours=runs/ours --run runs/pipeline -o table

The predictions may also be anyone's: files that `unislu score` reads, one for each manifest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .arguments import positive
from .evaluate import add_scoring
from .requirements import require
from .writing import make_folder


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="annotated records")
    parser.add_argument(
        "--run",
        action="append",
        required=True,
        metavar="[NAME=]DIR",
        help="predictions of a system, e.g. a report of `unislu evaluate`; the first is compared with",
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
    require("eval", *(["whisper_normalizer"] if arguments.profile == "unislu" else []))
    from ..evaluation.compare import compare_runs
    from ..evaluation.curves.figure import Table
    from ..evaluation.evaluate import Settings
    from ..evaluation.predict import read_datasets
    from ..evaluation.runs import read_run

    settings = Settings(
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
    if arguments.output is not None:
        rows = found.to_rows()
        (arguments.output / "compare.md").write_text(table, encoding="utf-8")
        Table.of(rows).write(arguments.output / "compare.csv")
        text = json.dumps({"profile": found.profile, "data": dict(found.datasets), "rows": rows}, indent=1)
        (arguments.output / "compare.json").write_text(text + "\n", encoding="utf-8")
    print(table, end="")
    return 0
