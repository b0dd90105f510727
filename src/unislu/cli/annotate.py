"""Label transcripts with open entity types using a language model behind an OpenAI-compatible endpoint.

The key is read from OPENAI_API_KEY. A run that was stopped resumes where it was.

examples:
  unislu annotate texts.jsonl out/ --endpoint http://127.0.0.1:8000/v1 --model qwen --estimate
  unislu annotate texts.jsonl out/ --endpoint http://127.0.0.1:8000/v1 --model qwen --types person,drug
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice

from . import complain
from .arguments import names, positive


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("texts", metavar="TEXTS", help="corpus as JSON lines with id and text")
    parser.add_argument("out", metavar="OUT", help="folder for manifest.jsonl, the journal and failed.jsonl")
    parser.add_argument("--endpoint", required=True, metavar="URL", help="http://host:port/v1")
    parser.add_argument("--model", required=True, metavar="NAME", help="the model's name at the endpoint")
    parser.add_argument(
        "--types", type=names, action="extend", metavar="TYPE,…", help="only these types (default: any)"
    )
    parser.add_argument(
        "--prompt",
        choices=("entities", "concepts"),
        default="entities",
        help="named entities, or fine-grained concepts as in NuNER (default: entities)",
    )
    parser.add_argument(
        "--attempts", type=positive, default=3, metavar="N", help="requests for one text (default: 3)"
    )
    parser.add_argument(
        "--workers", type=positive, default=4, metavar="N", help="parallel requests (default: 4)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N records")
    parser.add_argument(
        "--prices",
        nargs=2,
        type=float,
        default=(0.0, 0.0),
        metavar=("READ", "WRITTEN"),
        help="per million tokens",
    )
    parser.add_argument("--estimate", action="store_true", help="only print an estimate")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Annotate the corpus; 1 if a text could not be annotated."""
    from ..data.annotate import AnnotateOptions, annotate, estimate
    from ..data.records import read_records

    options = AnnotateOptions(
        arguments.endpoint,
        arguments.model,
        tuple(arguments.types) if arguments.types else None,
        attempts=arguments.attempts,
        workers=arguments.workers,
        prices=tuple(arguments.prices),
        prompt=arguments.prompt,
    )
    expected = estimate(islice(read_records(arguments.texts), arguments.limit), options)
    if arguments.estimate:
        print(expected)
        return 0
    if not arguments.quiet:
        print(expected, file=sys.stderr)
    report = annotate(
        arguments.texts, arguments.out, options, limit=arguments.limit, progress=not arguments.quiet
    )
    for case in report.tally.cases:
        complain(case)
    print(
        f"{report.manifest}: {report.annotated} annotated, {report.entities} entities, "
        f"{report.failed} failed, {report.tokens[0]:,} tokens read, {report.tokens[1]:,} written "
        f"in {report.seconds:.0f} s"
    )
    return 1 if report.failed else 0
