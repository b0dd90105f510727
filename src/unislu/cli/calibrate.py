"""Calibrate the confidences of words, entities and sentiments with curves fitted on dev data.

examples:
  unislu calibrate my-bundle dev/manifest.jsonl sentiment-dev/manifest.jsonl
  unislu calibrate default dev/manifest.jsonl -o my-bundle
  unislu calibrate my-bundle dev/manifest.jsonl --dry-run

`default` is the embedded bundle, which needs -o. Words need texts in the manifests, entities and sentiments
their annotation; without annotation the existing curve is kept. Transcripts, entities and sentiments do not
change, only their confidences.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import positive

if TYPE_CHECKING:
    from ..evaluation.calibrate import Fitted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a name (`default`), a folder, or hf:owner/name")
    parser.add_argument("dev", nargs="+", type=Path, metavar="DEV", help="manifests with audio")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write a copy of the bundle")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be stored, but do not store it"
    )
    parser.add_argument("--profile", default="unislu", metavar="P", help="as for evaluate (default: unislu)")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N records of each manifest")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads (default: all cores)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Fit, report and store."""
    from ..bundle import open_bundle
    from ..evaluation.calibrate import calibrate, store
    from ..evaluation.tune import check_destination

    bundle = open_bundle(arguments.bundle)
    if not arguments.dry_run:
        check_destination(bundle, arguments.output)  # checked before the work, not after it

    def say(text: str) -> None:
        if not arguments.quiet:
            print(text, file=sys.stderr)

    fitted = calibrate(
        bundle.path,
        arguments.dev,
        limit=arguments.limit,
        profile=arguments.profile,
        threads=arguments.threads,
        say=say,
    )
    print("\n".join(report(fitted)))
    if not arguments.dry_run:
        say(f"stored in {store(bundle, fitted, arguments.output)}")
    return 0


def report(fitted: Fitted) -> list[str]:
    """One line for each kind of confidence."""
    head = f"{'answers':<10}{'count':>7}{'right %':>9}{'ECE before':>12}{'after':>8}   curve"
    lines = [f"{fitted.clips} clips, profile {fitted.profile}; ECE in percent, after: over two folds", head]
    for name, part in fitted.parts.items():
        curve = ", ".join(f"{key} {value:g}" for key, value in part.value.items())
        lines.append(
            f"{name:<10}{part.count:>7}{part.accuracy:>9.1f}{part.before:>12.2f}{part.after:>8.2f}   {curve}"
        )
    return lines
