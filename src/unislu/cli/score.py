"""Score the predictions of any system against an annotated manifest, or compare two systems.

examples:
  unislu score dev/manifest.jsonl predictions.jsonl
  unislu score dev/manifest.jsonl submission.tsv --profile slue --ontonotes
  unislu score dev/manifest.jsonl ours.jsonl --compare theirs.jsonl
  unislu score dev/manifest.jsonl whisperner.txt --labels open --report out/

Predictions are JSON lines, SLUE's submission TSV, or lines of an id, a tab and WhisperNER's tagged text.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import OptionError, require
from .arguments import names, positive
from .evaluate import add_reporting, add_scoring, check_reporting, finish

if TYPE_CHECKING:
    from ..evaluation.bootstrap import Difference
    from ..evaluation.evaluate import Evaluation, EvaluationSettings
    from ..evaluation.predict import Dataset


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("gold", metavar="GOLD", help="annotated manifest")
    parser.add_argument("predictions", metavar="PRED", help="predictions of a system")
    parser.add_argument(
        "--compare",
        metavar="PRED",
        help="predictions of a second system, for differences and their significance",
    )
    parser.add_argument(
        "--format",
        choices=("jsonl", "slue", "whisperner"),
        help="format of the predictions (default: by content)",
    )
    parser.add_argument(
        "--labels",
        type=names,
        metavar="TYPE,…",
        help="entity types; slue = SLUE's seven, open = any (default: slue if the gold annotation fits)",
    )
    parser.add_argument(
        "--ontonotes", action="store_true", help="map OntoNotes' 18 types to SLUE's seven on both sides"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N records of the gold")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--report", metavar="DIR", help="folder for a report like that of evaluate")
    add_scoring(parser)
    add_reporting(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no table")


def run(arguments: argparse.Namespace) -> int:
    """Score, and print the table or JSON."""
    require("eval", "jinja2", "jiwer", *(["whisper_normalizer"] if arguments.profile == "unislu" else []))
    from ..evaluation.evaluate import EvaluationSettings
    from ..evaluation.predict import read_datasets

    settings = EvaluationSettings(
        arguments.profile, classes=arguments.classes, samples=arguments.samples, seed=arguments.seed,
        allow_missing=arguments.allow_missing,
    )  # fmt: skip
    audio = check_reporting(arguments)
    (dataset,) = read_datasets([arguments.gold], arguments.limit)
    first = _evaluation(dataset, arguments.predictions, settings, arguments)
    found: dict[str, Any] = first.parts[dataset.name].to_dict()
    table = f"{first.parts[dataset.name].scores}"
    if arguments.compare is not None:
        from ..evaluation.bootstrap import compare

        second = _evaluation(dataset, arguments.compare, settings, arguments)
        judged = (first.parts[dataset.name].judged, second.parts[dataset.name].judged)
        differences = compare(*judged, samples=arguments.samples, seed=arguments.seed)
        found["compared"] = {name: value.to_dict() for name, value in differences.items()}
        table += "\n\n" + _comparison(differences)
    if arguments.report is not None:
        system = {"predictions": Path(arguments.predictions).name}
        print(finish(first, system, arguments, audio), file=sys.stderr)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    elif not arguments.quiet:
        print(table)
    return 0


def _evaluation(
    dataset: Dataset, path: str, settings: EvaluationSettings, arguments: argparse.Namespace
) -> Evaluation:
    from ..evaluation.evaluate import assemble, score_dataset
    from ..evaluation.ontonotes import mapped_dataset, mapped_prediction
    from ..evaluation.prediction_files import read_predictions
    from ..evaluation.runs import joinable

    answers = read_predictions(path, arguments.format)
    if arguments.ontonotes:
        dataset = mapped_dataset(dataset)
        answers = [mapped_prediction(answer) for answer in answers]
    answers = joinable(answers, dataset)
    labels = _labels(arguments.labels, dataset)
    protocol: Literal["closed", "open"] | None = "open" if labels is None else "closed"
    protocol = protocol if dataset.has_entities else None
    part = score_dataset(dataset, answers, settings, protocol, labels)
    return assemble(Path(path).stem, settings, [dataset], {dataset.name: part})


def _labels(given: list[str] | None, dataset: Dataset) -> tuple[str, ...] | None:
    """The label set; None = any type."""
    from ..sequence.labels import SLUE, normalize_type

    if given is not None and not all(map(normalize_type, given)):
        raise OptionError(f"--labels {','.join(given)}: one of the types is empty")
    if given is None:
        known = {normalize_type(name) for name in SLUE.entity_types}
        return SLUE.entity_types if set(dataset.types) <= known else None
    if given == ["open"]:
        return None
    return SLUE.entity_types if given == ["slue"] else tuple(given)


def _comparison(differences: dict[str, Difference]) -> str:
    width = max([len("score"), *map(len, differences)])
    lines = [f"{'score':<{width}}  first second   diff   95 % interval        p"]
    for name, d in differences.items():
        mark = " *" if d.p < 0.05 else ""
        lines.append(
            f"{name:<{width}} {d.a:6.2f} {d.b:6.2f} {d.difference:+6.2f}   {d.low:+6.2f} … {d.high:+6.2f}   "
            f"{d.p:6.4f}{mark}"
        )
    return "\n".join([*lines, "p: approximate randomisation, two-sided; * below 0.05, not corrected"])
