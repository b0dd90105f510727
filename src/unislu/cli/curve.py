"""Curves and analyses of the papers, each as a CSV and a figure (SVG and PNG).

examples:
  unislu curve bias dev/manifest.jsonl --bundle my-bundle -o curves
  unislu curve length dev/manifest.jsonl --run ours=report-a --run pipeline=report-b -o curves
  unislu curve formats dev/manifest.jsonl -o curves
  unislu curve negatives mit/manifest.jsonl --model runs/a/best --model runs/b/best -o curves
  unislu curve languages es=es/manifest.jsonl fr=fr/manifest.jsonl --entities closed -o curves
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, require
from ..evaluation.profiles import PROFILES
from ..files import make_folder
from .arguments import add_grid, names, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..evaluation.curves.figure import Table
    from ..recognition.recognizer import Recognizer

    _Lengths = dict[str, list[tuple[int, int, int]]]

_KINDS = {
    "bias": "precision and recall over the entity bias",
    "length": "scores by the number of words",
    "formats": "output length in tokens by format",
    "negatives": "models trained with different negatives and dropout",
    "languages": "languages that the model was not trained on",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the kinds and their options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    add = {name: kinds.add_parser(name, help=text, description=text) for name, text in _KINDS.items()}
    for name, kind in add.items():
        read, what = (str, "CODE=MANIFEST") if name == "languages" else (Path, "MANIFEST")
        kind.add_argument("manifests", nargs="+", type=read, metavar=what, help="annotated data")
        kind.add_argument(
            "-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to"
        )
        kind.add_argument("--limit", type=positive, metavar="N", help="the first N records of each manifest")
        kind.add_argument("--title", metavar="TEXT", help="title of the figure")
        kind.add_argument("-q", "--quiet", action="store_true", help="no progress")
        if name in ("bias", "formats", "languages"):
            what = "bundle or checkpoint" if name == "languages" else "bundle"
            kind.add_argument("--bundle", metavar="B", help=f"{what} (default: the embedded bundle)")
        if name != "length":
            kind.add_argument("--threads", type=positive, metavar="N", help="threads (default: all cores)")
        if name != "formats":
            profile = "slue" if name == "languages" else "unislu"
            kind.add_argument(
                "--profile",
                choices=PROFILES,
                default=profile,
                help=f"text normalisation (default: {profile})",
            )
    add["bias"].add_argument(
        "--entities", type=names, metavar="TYPE,…", help="open types (default: the closed set)"
    )
    add_grid(add["bias"])
    add["bias"].add_argument(
        "--journal", type=Path, metavar="FILE", help="journal of decoded clips, to resume from"
    )
    add["length"].add_argument(
        "--run", action="append", required=True, metavar="NAME=DIR", help="a report of `unislu evaluate`"
    )
    add["length"].add_argument(
        "--edges",
        type=_edges,
        default=(10, 20, 30, 40),
        metavar="N,…",
        help="limits of the ranges, in words (default: 10,20,30,40)",
    )
    add["formats"].add_argument(
        "--alphabet", choices=("atomic", "plain"), default="atomic", help="alphabet of the tags"
    )
    add["formats"].add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="count what this bundle or checkpoint writes in place of the annotation; may be repeated",
    )
    add["formats"].add_argument(
        "--transcripts",
        metavar="DIR",
        help="compare with the transcripts of this model, e.g. a Whisper (default: the first --model)",
    )
    add["negatives"].add_argument(
        "--model", action="append", required=True, metavar="[NAME=]DIR", help="bundle or checkpoint"
    )
    for name in ("formats", "languages"):
        add[name].add_argument(
            "--entities",
            choices=("closed", "open"),
            default="open",
            help="what models are asked for: the closed set, or each record's types and as many absent ones "
            "(default: open)",
        )


def run(arguments: argparse.Namespace) -> int:
    """Make one curve and print the paths of its files."""
    require("eval", "matplotlib")
    make_folder(arguments.output)  # before the work, not after it
    table, figure = {
        "bias": _bias,
        "length": _length,
        "formats": _formats,
        "negatives": _negatives,
        "languages": _languages,
    }[arguments.kind](arguments)
    from ..evaluation.curves.figure import save

    for path in save(table, figure, arguments.output, arguments.kind):
        print(path)
    return 0


def _bias(arguments: argparse.Namespace) -> tuple[Table, Figure]:
    from ..evaluation.curves.bias import bias_figure, bias_table
    from ..evaluation.sweep import biases, read_clips, sweep
    from ..recognition.recognizer import Recognizer

    grid = biases(arguments.low, arguments.high, arguments.step)
    clips = [c for c in read_clips(arguments.manifests, arguments.limit) if c.record.entities is not None]
    recognizer = Recognizer.open(arguments.bundle, threads=arguments.threads)
    swept = sweep(
        recognizer,
        clips,
        grid,
        arguments.entities,
        journal=arguments.journal,
        progress=not arguments.quiet,
    )
    table = bias_table(clips, swept, arguments.profile)
    what = f"{recognizer.manifest.name}, {len(clips)} utterances, profile {arguments.profile}"
    return table, bias_figure(table, arguments.title or f"Entity bias: {what}")


def _length(arguments: argparse.Namespace) -> tuple[Table, Figure]:
    from ..evaluation.curves.length import length_figure, length_table
    from ..evaluation.predict import read_datasets
    from ..evaluation.question import gold_of
    from ..evaluation.runs import read_run
    from ..evaluation.score import judge, pool

    datasets = read_datasets(arguments.manifests, arguments.limit)
    systems = {}
    for specification in arguments.run:
        found = read_run(specification, datasets)
        if found.name in systems:
            raise OptionError(f"--run {specification}: {found.name!r} is listed twice; name it NAME=DIR")
        judged = {}
        for dataset in datasets:
            golds = [gold_of(record) for record in dataset.records]
            wanted = {gold.id for gold in golds}
            # With --limit a run has more answers than are needed.
            answers = [answer for answer in found.answers[dataset.name] if answer.id in wanted]
            judged[dataset.name] = judge(golds, answers, arguments.profile)
        systems[found.name] = pool(judged)
    table = length_table(systems, arguments.edges)
    title = f"Scores by sentence length, profile {arguments.profile}"
    return table, length_figure(table, arguments.title or title)


def _formats(arguments: argparse.Namespace) -> tuple[Table, Figure]:
    from ..evaluation.curves.formats import format_figure, format_table

    lengths, what = (_written if arguments.model else _rendered)(arguments)
    table = format_table(lengths)
    count = len(next(iter(lengths.values())))
    return table, format_figure(lengths, table, arguments.title or f"Length of the output: {count} {what}")


def _rendered(arguments: argparse.Namespace) -> tuple[_Lengths, str]:
    """Lengths of the annotation in every format."""
    from ..bundle import open_bundle
    from ..data.records import read_records
    from ..evaluation.curves.formats import format_lengths
    from ..sequence import Vocabulary, WhisperTokenizer

    bundle = open_bundle(arguments.bundle)
    tokenizer = WhisperTokenizer.from_file(bundle.tokenizer)
    vocabulary = Vocabulary.from_manifest(tokenizer, bundle.manifest.vocabulary)
    records = [r for path in arguments.manifests for r in list(read_records(path))[: arguments.limit]]
    tags = "tags as single tokens" if arguments.alphabet == "atomic" else "tags as plain text"
    return format_lengths(records, vocabulary, arguments.alphabet), f"annotated sentences, {tags}"


def _written(arguments: argparse.Namespace) -> tuple[_Lengths, str]:
    """Lengths of what models write, the transcript alone first."""
    from ..evaluation.curves.formats import PLAIN, written_lengths
    from ..evaluation.predict import questions, read_datasets
    from ..evaluation.sweep import read_clips
    from .systems import open_unislu

    def recognizer(place: str) -> Recognizer:
        return open_unislu(place, threads=arguments.threads).model.recognizer

    models = _named("--model", arguments.model)
    clips = read_clips(arguments.manifests, arguments.limit)
    datasets = read_datasets(arguments.manifests, arguments.limit)
    asked = [question for dataset in datasets for question in questions(dataset, arguments.entities)]
    lengths: _Lengths = {}
    if arguments.transcripts is not None:
        lengths[PLAIN] = written_lengths(recognizer(arguments.transcripts), clips, None)[1]
    for name, place in models.items():
        if not arguments.quiet:
            print(f"{name}: {len(clips)} clips", file=sys.stderr)
        written, transcripts = written_lengths(recognizer(place), clips, asked)
        lengths.setdefault(PLAIN, transcripts)
        lengths[name] = written
    return lengths, "clips, as models write them"


def _named(option: str, specifications: Sequence[str]) -> dict[str, str]:
    """Names and places of `[NAME=]DIR`. Raises `OptionError` for a name that is listed twice."""
    found: dict[str, str] = {}
    for specification in specifications:
        name, equals, place = specification.partition("=")
        path = place if equals else specification
        name = name if equals else Path(path).resolve().name
        if name in found:
            raise OptionError(f"{option} {specification}: {name!r} is listed twice; name it NAME=DIR")
        found[name] = path
    return found


def _negatives(arguments: argparse.Namespace) -> tuple[Table, Figure]:
    from ..evaluation.curves.negatives import Trained, negatives_figure, negatives_table, trained_with
    from ..evaluation.evaluate import EvaluationSettings, evaluate
    from ..evaluation.predict import read_datasets
    from ..evaluation.score import Scores
    from .systems import open_unislu

    datasets = read_datasets(arguments.manifests, arguments.limit)
    settings = EvaluationSettings(arguments.profile, "open", samples=1)
    models: dict[str, tuple[Trained, Scores]] = {}
    for name, path in _named("--model", arguments.model).items():
        system = open_unislu(path, threads=arguments.threads)
        trained = trained_with(system.model.manifest, path)
        out = arguments.output / "negatives" / name
        found = evaluate(system, datasets, settings, out, quiet=arguments.quiet)
        part = found.pools.get("all") or next(iter(found.parts.values()))
        models[name] = (trained, part.scores)
    table = negatives_table(models)
    title = f"Negatives and type dropout, {len(models)} models, profile {arguments.profile}"
    return table, negatives_figure(table, arguments.title or title)


def _languages(arguments: argparse.Namespace) -> tuple[Table, Figure]:
    from ..evaluation.curves.languages import ask_language, language_figure, language_table
    from ..evaluation.predict import questions, read_datasets
    from ..evaluation.question import gold_of
    from ..evaluation.score import score
    from ..evaluation.sweep import read_clips
    from .systems import open_unislu

    recognizer = open_unislu(arguments.bundle, threads=arguments.threads).model.recognizer
    scores = {}
    for text in arguments.manifests:
        language, equals, place = text.partition("=")
        if not equals or not language or language in scores:
            raise OptionError(f"{text}: give CODE=MANIFEST once for each language, e.g. es=es/manifest.jsonl")
        dataset = read_datasets([place], arguments.limit)[0]
        clips = read_clips([Path(place)], arguments.limit)
        asked = questions(dataset, arguments.entities)
        if not arguments.quiet:
            print(f"{language}: {len(clips)} clips", file=sys.stderr)
        answers = ask_language(recognizer, clips, asked, language)
        golds = [gold_of(record) for record in dataset.records]
        scores[language] = score(golds, answers, arguments.profile)
    table = language_table(scores)
    title = f"Other languages: {recognizer.manifest.name}, profile {arguments.profile}"
    return table, language_figure(table, arguments.title or title)


def _edges(text: str) -> Sequence[int]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are not whole numbers separated by commas") from None
