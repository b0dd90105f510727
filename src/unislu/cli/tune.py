"""Find entity biases that reach the precision or recall you need on dev data; store them in the bundle.

examples:
  unislu tune my-bundle dev.jsonl --target person:recall=0.95 --target org:precision=0.9 --name privacy
  unislu tune default dev.jsonl --target person:recall=0.95 --name privacy -o my-bundle
  unislu tune my-bundle dev.jsonl --entities drug,dose --target drug:recall=0.9 --name clinic
  unislu analyze call.mp3 --bundle my-bundle --operating-point privacy

`default` is the embedded bundle, which needs -o. Exit code 1: a target cannot be met; the best reachable
value is printed, and nothing is stored unless --allow-unmet is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError
from .arguments import add_grid, names, positive

if TYPE_CHECKING:
    from ..evaluation.operating_points import WantedShare
    from ..evaluation.tune import Tuned


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a name (`default`), a folder, or hf:owner/name")
    parser.add_argument("dev", nargs="+", type=Path, metavar="DEV", help="manifests with entities and audio")
    parser.add_argument(
        "--target",
        action="append",
        required=True,
        metavar="TYPE:METRIC=SHARE",
        help="person:recall=0.95 or org:precision=0.9 (repeatable)",
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="name of the operating point")
    parser.add_argument(
        "--entities", type=names, metavar="TYPE,…", help="open types to look for (default: the closed set)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write a copy of the bundle")
    parser.add_argument("--allow-unmet", action="store_true", help="store it even if a target is missed")
    parser.add_argument(
        "--match",
        choices=("phrase", "label"),
        default="phrase",
        help=(
            "an entity is correct if its type and words are (phrase), or only its type (label) (default: "
            "phrase)"
        ),
    )
    parser.add_argument("--profile", default="unislu", metavar="P", help="as for evaluate (default: unislu)")
    add_grid(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N records of each manifest")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="keep the sweep here for good")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads (default: all cores)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Tune, report and store; 1 if a target is not met."""
    from ..bundle import open_bundle
    from ..evaluation.sweep import biases
    from ..evaluation.tune import TuneOptions, check_destination, journal_for, journals, store, tune
    from ..recognition.presets import expand

    options = TuneOptions(
        [read_target(text) for text in arguments.target],
        arguments.name,
        None if arguments.entities is None else expand(arguments.entities),
        arguments.profile,
        arguments.match,
        biases(arguments.low, arguments.high, arguments.step),
        limit=arguments.limit,
        journal=arguments.journal,
        threads=arguments.threads,
        progress=not arguments.quiet,
    )
    bundle = open_bundle(arguments.bundle)
    check_destination(bundle, arguments.output)  # before the work, not after it
    kept = arguments.journal
    if kept is None and os.access(".", os.W_OK):
        kept = journal_for(bundle, arguments.dev, options)
        options = replace(options, journal=kept)

    def say(text: str) -> None:
        if not arguments.quiet:
            print(text, file=sys.stderr)

    if kept is not None and kept.exists():
        say(f"goes on from {kept}")
    tuned = tune(bundle.path, arguments.dev, options, say)
    print("\n".join(report(tuned)))
    if tuned.met or arguments.allow_unmet:
        folder = store(bundle, arguments.name, tuned.point, arguments.output)
        say(f"stored {arguments.name!r} in {folder}")
        if arguments.journal is None and kept is not None:
            for path in journals(kept):
                path.unlink()
    else:
        say("not stored: a target is not met; lower it, or keep this point with --allow-unmet")
        if kept is not None:
            say(f"the sweep is kept in {kept}, and need not be repeated for other targets")
    return 0 if tuned.met else 1


def read_target(text: str) -> WantedShare:
    """`person:recall=0.95`. Raises `OptionError`."""
    from ..evaluation.operating_points import METRICS, WantedShare

    what, equals, share = text.partition("=")
    name, colon, metric = what.rpartition(":")
    known = next((known for known in METRICS if known == metric.strip()), None)
    try:
        value = float(share)
    except ValueError:
        value = None
    if not (equals and colon and name.strip()) or known is None or value is None:
        raise OptionError(f"--target {text}: give TYPE:precision=SHARE or TYPE:recall=SHARE, share 0 to 1")
    return WantedShare(name, known, value)


def report(tuned: Tuned) -> list[str]:
    """One line per target with the value reached, and the best reachable value of unmet targets."""
    from ..evaluation.tune import interval_of

    width = max(len("type"), *(len(target.type) for target in tuned.targets))
    lines = [
        f"{'type':<{width}}  target             bias  reached  95 % interval  precision  recall  entities"
    ]
    for target in tuned.targets:
        counts = tuned.solved.counts[target.type]
        interval = interval_of(target, counts)
        spread = "-" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}"
        lines.append(
            f"{target.type:<{width}}  {target.metric + ' ≥ ' + format(target.share, 'g'):<16} "
            f"{tuned.point['bias'][target.type]:>+6.2f}  {_rate(target.value(counts)):>7}  {spread:>13}  "
            f"{_percent(counts.precision):>9}  {_percent(counts.recall):>6}  {counts.support:>8}"
        )
    for target in tuned.solved.unmet:
        lines.append(f"{target} is not met{_best(tuned, target)}")
    return lines


def _best(tuned: Tuned, target: WantedShare) -> str:
    point = tuned.best[target]
    if point is None:
        return ": nothing of that type was found at any bias"
    curve = tuned.point["curve"][target.type]
    offset = tuned.point["bias"][target.type] - tuned.solved.bias[target.type]
    best = target.value(point.counts) or 0.0
    text = (
        f": the best reachable {target.metric} is {best:.3f}, at bias {offset + point.bias:+.2f} "
        f"(precision {_percent(point.counts.precision)}, recall {_percent(point.counts.recall)})"
    )
    if best >= target.share:  # on its own curve, but not together with the other types and targets
        text += "; only with that type's other targets or the other types' biases changed"
    elif point.bias in (curve["bias"][0] - offset, curve["bias"][-1] - offset):
        text += "; it is at the end of the range; widen it with --from and --to"
    return text


def _rate(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _percent(percent: float | None) -> str:
    return _rate(None if percent is None else percent / 100)
