"""Score a model on manifests, and write a report: HTML with audio, Markdown and JSON.

examples:
  unislu evaluate default dev/manifest.jsonl --report out/
  unislu evaluate runs/a/best slue-dev/manifest.jsonl meld-dev/manifest.jsonl --profile slue --report out/
  unislu evaluate my-bundle restaurant-dev/manifest.jsonl --entities open --bias 0.5 --report out/
  unislu evaluate faster-whisper:base+spacy+vader slue-dev/manifest.jsonl --report out/

An interrupted evaluation resumes where it was: predictions are kept in out/predictions/.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engines.devices import DEVICES
from ..errors import require
from ..evaluation.profiles import PROFILES
from .arguments import bias, positive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..evaluation.evaluate import Evaluation
    from ..evaluation.report.audio import AudioOptions

DEFAULT = "default"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help=f"a bundle ({DEFAULT!r}: the embedded one), a checkpoint's folder, or a baseline such as "
        "faster-whisper:base+spacy+vader",
    )
    parser.add_argument("manifests", nargs="+", metavar="MANIFEST", help="annotated records with audio")
    parser.add_argument("--report", required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--entities",
        choices=("auto", "closed", "open"),
        default="auto",
        help="request the model's own types or those of the manifest (default: auto, by the types)",
    )
    parser.add_argument(
        "--ask",
        choices=("balanced", "all"),
        default="balanced",
        help="open types requested for a clip: its own and as many absent ones, or all of the manifest's",
    )
    parser.add_argument("--bias", type=bias, default=0.0, metavar="B", help="as for analyze")
    parser.add_argument("--operating-point", metavar="NAME", help="as for analyze")
    parser.add_argument(
        "--beam", type=positive, metavar="N", help="beam size (default: 1; a checkpoint: its recipe's)"
    )
    constrained = parser.add_mutually_exclusive_group()
    constrained.add_argument(
        "--constrained",
        action="store_true",
        default=None,
        help="mask what does not parse (the default; a checkpoint: as in its recipe)",
    )
    constrained.add_argument(
        "--unconstrained",
        action="store_false",
        dest="constrained",
        default=None,
        help="let the model write what does not parse",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="device, as for analyze; a checkpoint runs on cpu, cuda or auto (default: cpu)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16"),
        default="fp32",
        help="what a checkpoint computes in (default: fp32)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N records of a manifest")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads (default: all cores)")
    add_scoring(parser)
    add_reporting(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no table")


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Add the options that `score` and `compare` share."""
    parser.add_argument(
        "--profile", choices=PROFILES, default="unislu", help="text normalisation (default: unislu)"
    )
    parser.add_argument(
        "--classes", type=int, choices=(3, 4), default=3, help="sentiment classes, 4 with mixed (default: 3)"
    )
    parser.add_argument(
        "--samples", type=positive, default=1000, metavar="N", help="bootstrap samples (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of samples and negative types")
    parser.add_argument(
        "--allow-missing", action="store_true", help="score even if ids are missing on one side"
    )


def add_reporting(parser: argparse.ArgumentParser) -> None:
    """Add the options of the written report."""
    parser.add_argument(
        "--audio",
        choices=("embed", "link", "none"),
        default="embed",
        help="audio of the worst utterances: inside the page, linked, or not at all (default: embed)",
    )
    parser.add_argument(
        "--audio-limit",
        type=float,
        default=8.0,
        metavar="MB",
        help="maximum size of embedded audio; the rest is linked",
    )
    parser.add_argument(
        "--worst", type=positive, default=50, metavar="N", help="worst utterances shown (default: 50)"
    )
    parser.add_argument(
        "--figure", action="append", default=[], metavar="FILE", help="SVG or PNG to include; may be repeated"
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print the table, and print the page's path."""
    require("eval", "jinja2", "jiwer", *(["whisper_normalizer"] if arguments.profile == "unislu" else []))
    from ..evaluation.evaluate import EvaluationSettings, evaluate
    from ..evaluation.predict import AskOptions, read_datasets
    from .systems import open_system

    settings = EvaluationSettings(
        arguments.profile, arguments.entities, arguments.ask, arguments.classes, arguments.samples,
        arguments.seed, arguments.allow_missing,
    )  # fmt: skip
    audio = check_reporting(arguments)
    datasets = read_datasets(arguments.manifests, arguments.limit)
    options = AskOptions(arguments.bias, arguments.beam, arguments.constrained, arguments.operating_point)
    system, labels = open_system(
        arguments.model, options, threads=arguments.threads, device=arguments.device,
        precision=arguments.precision,
    )  # fmt: skip
    evaluation = evaluate(
        system,
        datasets,
        settings,
        Path(arguments.report),
        labels=labels,
        quiet=arguments.quiet,
    )
    page = finish(evaluation, system.facts, arguments, audio)
    if not arguments.quiet:
        for part in (*evaluation.parts.values(), *evaluation.pools.values()):
            title = f"pooled: {part.name}" if part.members else part.name
            print(f"\n{title}\n{part.scores}", file=sys.stderr)
    print(page)
    return 0


def check_reporting(arguments: argparse.Namespace) -> AudioOptions:
    """Raises `OptionError` for what a report cannot show, before any computation."""
    from ..evaluation.report.audio import AudioOptions
    from ..evaluation.report.figures import read_figures

    read_figures(arguments.figure)
    return AudioOptions(arguments.audio, arguments.audio_limit)


def finish(
    evaluation: Evaluation, system: Mapping[str, Any], arguments: argparse.Namespace, audio: AudioOptions
) -> Path:
    """Write the report, with its provenance; returns the page's path."""
    from ..evaluation.provenance import provenance
    from ..evaluation.report import write_report

    facts = provenance(evaluation.datasets, system, seed=arguments.seed)
    return write_report(
        replace(evaluation, provenance=facts), Path(arguments.report), audio=audio,
        figures=arguments.figure, count=arguments.worst,
    )  # fmt: skip
