"""Export a trained checkpoint as a model bundle, and check that both compute the same.

examples:
  unislu export runs/default/best my-bundle --quantize int8 --dev dev/manifest.jsonl
  unislu export runs/default/best my-bundle --formats inline,inline-open --facts facts.json --card CARD.md
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, require
from .arguments import names

if TYPE_CHECKING:
    from ..training.export import Facts
    from ..training.parity import Parity


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="folder that training wrote")
    parser.add_argument("bundle", metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--quantize", choices=("int8", "float16"), help="number format of the weights (default: float32)"
    )
    parser.add_argument("--name", metavar="NAME", help="name of the model in results (default: the folder's)")
    parser.add_argument("--model-version", metavar="V", help="version of the model in results (default: 0)")
    parser.add_argument(
        "--formats",
        type=names,
        metavar="F,…",
        help="formats of the model, the default first (default: as trained)",
    )
    parser.add_argument(
        "--facts",
        metavar="JSON",
        help="any of name, version, formats, bias, sentiment_bias, min_speech, languages, corpora, …",
    )
    parser.add_argument(
        "--alphabet",
        choices=("atomic", "plain"),
        help=(
            "alphabet of its delimiters (default: as trained); plain also takes a published checkpoint "
            "such as whisper-ner's"
        ),
    )
    parser.add_argument("--card", metavar="MD", help="model card to include")
    parser.add_argument(
        "--dev",
        metavar="MANIFEST",
        help="also compare WER and entity F1 with those of the checkpoint on these clips",
    )
    parser.add_argument(
        "--dev-limit", type=int, default=100, metavar="N", help="the first N clips of --dev (default: 100)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print how well the graphs agree")


def run(arguments: argparse.Namespace) -> int:
    """Export, and print the bundle's folder."""
    facts = _read_facts(arguments.facts)
    chosen = {"name": arguments.name, "version": arguments.model_version, "formats": arguments.formats}
    facts |= {key: value for key, value in chosen.items() if value is not None}
    facts.setdefault("name", Path(arguments.bundle).resolve().name)
    if arguments.card is not None and not Path(arguments.card).is_file():
        raise OptionError(f"--card {arguments.card}: no such file")

    require("train", "torch", "transformers", "onnx")
    from ..training.export import Facts, export

    exported = export(
        Path(arguments.checkpoint),
        Path(arguments.bundle),
        _facts(Facts, facts),
        arguments.quantize,
        None if arguments.card is None else Path(arguments.card),
        alphabet=arguments.alphabet,
    )
    if not arguments.quiet:
        if exported.float32 is not None:
            _say("float32 graphs", exported.float32)
        if exported.quantized is not None:
            _say(f"{arguments.quantize} graphs", exported.quantized)
    if arguments.dev is not None:
        _compare_on_dev(arguments)
    print(exported.folder)
    return 0


def _compare_on_dev(arguments: argparse.Namespace) -> None:
    from ..training.dev_check import dev_check

    check = dev_check(
        Path(arguments.checkpoint), Path(arguments.bundle), Path(arguments.dev), arguments.dev_limit
    )
    if not arguments.quiet:
        for name, figures in (("checkpoint", check.checkpoint), ("bundle", check.bundle)):
            shown = [
                f"{what} {v:.1f}"
                for what, v in (("WER", figures.wer), ("entity F1", figures.f1))
                if v is not None
            ]
            print(f"{name} on {check.clips} clips: {', '.join(shown)}", file=sys.stderr)


def _read_facts(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"--facts {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise OptionError(f"--facts {path}: is not JSON ({error})") from None
    if not isinstance(facts, dict):
        raise OptionError(f"--facts {path}: contains a {type(facts).__name__}, not an object")
    return facts


def _facts(cls: type[Facts], values: dict[str, Any]) -> Facts:
    known = {field.name for field in fields(cls)}
    for key in sorted(set(values) - known):
        raise OptionError(f"--facts: unknown key {key!r}; known are {', '.join(sorted(known))}")
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return cls(**values | lists)


def _say(what: str, parity: Parity) -> None:
    print(
        f"{what}: {parity.agreement:.1%} of {parity.tokens} tokens as the checkpoint's, "
        f"logits within {parity.difference:.2g} standard deviations",
        file=sys.stderr,
    )
