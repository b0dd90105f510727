"""Synthesise a text corpus with several voices: audio and a manifest for training.

An interrupted run resumes where it stopped; every clip depends only on the seed and its record.

examples:
  unislu synthesize texts.jsonl spoken --voices hibari:us=3,flite:slt=1
  unislu synthesize texts.jsonl spoken --voices flite:awb --augment noise=0.3,reverb=0.2 --workers 4

voices: hibari:us, kokoro:NAME, piper:NAME, flite:NAME, espeak:NAME, each with a weight after `=`.
augmentations: `default`, or probabilities of speed, gain, noise, reverb, telephone and codec.
"""

from __future__ import annotations

import argparse
import json

from . import complain
from .arguments import positive


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("texts", metavar="TEXTS", help="corpus as JSON lines with id and text")
    parser.add_argument("out", metavar="OUT", help="folder for audio and manifest.jsonl")
    parser.add_argument("--voices", required=True, metavar="VOICE=W,…", help="voices and their weights")
    parser.add_argument("--augment", default="none", metavar="STEP=P,…", help="augmentations (default: none)")
    parser.add_argument(
        "--copies", type=positive, default=1, metavar="N", help="clips per record (default: 1)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N records")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of all random choices (default: 0)"
    )
    parser.add_argument(
        "--speed", default="0.95-1.2", metavar="LOW-HIGH", help="speaking rate (default: %(default)s)"
    )
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument(
        "--sample-rate", type=positive, default=16_000, metavar="HZ", help="in Hz (default: 16000)"
    )
    parser.add_argument(
        "--silence",
        type=float,
        default=0.2,
        metavar="S",
        help="seconds of silence at both ends (default: 0.2)",
    )
    parser.add_argument(
        "--max-seconds", type=float, default=30.0, metavar="S", help="longer clips are left out (default: 30)"
    )
    parser.add_argument("--audio-format", default="flac", metavar="F", help="flac or wav (default: flac)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Synthesise the corpus and print a summary; 1 if a clip failed."""
    from ..data.synthesize import parse_range, summary, synthesize

    report = synthesize(
        arguments.texts,
        arguments.out,
        arguments.voices,
        augment=arguments.augment,
        copies=arguments.copies,
        limit=arguments.limit,
        seed=arguments.seed,
        speed=parse_range(arguments.speed),
        workers=arguments.workers,
        sample_rate=arguments.sample_rate,
        silence=arguments.silence,
        max_seconds=arguments.max_seconds,
        audio_format=arguments.audio_format,
        progress=not arguments.quiet,
    )
    for failure in report.failures:
        complain(failure)
    print(json.dumps(summary(report), ensure_ascii=False))
    return 1 if report.counts.get("failed") else 0
