"""Turn a published corpus into a manifest, and print its counts beside those of its paper.

examples:
  unislu prepare slue-voxpopuli slue-voxpopuli/ out/ --split fine-tune
  unislu prepare slue-voxceleb slue-voxceleb/ out/ --split dev --mixed keep
  unislu prepare hub-slue-voxpopuli hf:asapp/slue out/ --split dev --types raw
  unislu prepare nuner hf:numind/NuNER out/ --split entity --sample 350000 --part train --dev-share 0.01
  unislu prepare mit engtrain.bio out/ --part dev --dev-share 0.1
  unislu prepare librispeech LibriSpeech/ out/ --split train-960
  unislu prepare label-studio project-1.json out/
"""

from __future__ import annotations

import argparse
import sys

from . import complain
from .arguments import positive


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "corpus",
        metavar="CORPUS",
        help="slue-voxpopuli, slue-voxceleb, hub-slue-voxpopuli, hub-slue-voxceleb, vp-nel, nuner, mit, "
        "whisperner, librispeech, fleurs, voxpopuli or label-studio",
    )
    parser.add_argument("source", metavar="SOURCE", help="its folder or file, or hf:owner/name on the hub")
    parser.add_argument("out", metavar="OUT", help="folder for manifest.jsonl (and audio/ where it is cut)")
    parser.add_argument(
        "--split", default="train", metavar="S", help="the corpus's name of the split (default: train)"
    )
    parser.add_argument(
        "--text", default="normalized", choices=("normalized", "raw"), help="which text (default: normalized)"
    )
    parser.add_argument(
        "--types", default="combined", choices=("combined", "raw"), help="SLUE's 7 types or OntoNotes' 18"
    )
    parser.add_argument(
        "--mixed",
        default="drop",
        choices=("drop", "keep"),
        help="utterances of mixed sentiment (default: drop)",
    )
    parser.add_argument("--copy-audio", action="store_true", help="also copy whole audio files into OUT")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N records")
    parser.add_argument("--sample", type=positive, metavar="N", help="only N records, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of --sample (default: 0)")
    parser.add_argument(
        "--part", choices=("train", "dev"), help="only this part; the id decides which part a record is in"
    )
    parser.add_argument(
        "--dev-share", type=float, default=0.0, metavar="X", help="share of --part dev, between 0 and 1"
    )


def run(arguments: argparse.Namespace) -> int:
    """Build the manifest and print the table; 1 if part of the source could not be read."""
    from ..data.corpora.build import BuildOptions
    from ..data.prepare import Part, prepare

    report = prepare(
        arguments.corpus,
        arguments.source,
        arguments.out,
        BuildOptions(
            split=arguments.split, text=arguments.text, types=arguments.types, mixed=arguments.mixed
        ),
        copy_audio=arguments.copy_audio,
        limit=arguments.limit,
        part=Part(arguments.sample, arguments.seed, arguments.part, arguments.dev_share),
    )
    for case in (*report.cases, *report.broken):
        complain(case)
    print(report.table())
    print(f"{report.manifest}", file=sys.stderr)
    return 1 if report.broken else 0
