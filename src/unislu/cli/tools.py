"""Single steps of preparing corpora and checkpoints; see docs/how-to/train.md.

examples:
  unislu tools no-speech no-speech --count 300
  unislu tools cache --encoder whisper-base cache spoken/manifest.jsonl
  unislu tools average runs/first/last=0.3 runs/second/last=0.7 runs/mean
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from ..errors import require
from .arguments import names, not_negative, number, positive


def configure(parser: ArgumentParser) -> None:
    """Add the tools and their options."""
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")
    for name, (about, add_options, _) in TOOLS.items():
        style = RawDescriptionHelpFormatter
        add_options(
            tools.add_parser(name, help=about.partition(".")[0], description=about, formatter_class=style)
        )


def run(arguments: argparse.Namespace) -> int:
    """Run one tool."""
    if arguments.tool not in _WITHOUT_TORCH:
        require("train", "torch", "transformers", "onnx")
    TOOLS[arguments.tool][2](arguments)
    return 0


def _no_speech_options(parser: ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for manifest.jsonl and the WAV files")
    parser.add_argument("--count", type=positive, default=400, metavar="N", help="clips (default: 400)")
    _seed(parser)


def _no_speech(arguments: argparse.Namespace) -> None:
    from ..data.no_speech import write_corpus

    write_corpus(arguments.out, arguments.count, arguments.seed)
    print(f"{arguments.out / 'manifest.jsonl'}: {arguments.count} clips")


def _shards_options(parser: ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT", help="folder or object storage (s3://…)")
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST", help="corpora to pack")
    parser.add_argument(
        "--clips", type=positive, default=512, metavar="N", help="clips per shard (default: 512)"
    )


def _shards(arguments: argparse.Namespace) -> None:
    from ..training.shards import write_shards

    print(f"{write_shards(arguments.manifests, arguments.out, arguments.clips)} shards in {arguments.out}")


def _cache_options(parser: ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the cache, which is extended")
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST", help="corpora to encode")
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="ENCODER",
        help="encoder_hidden.onnx, or the folder or name of a Hugging Face Whisper",
    )
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="clips per batch (default: 2)"
    )
    parser.add_argument(
        "--padding",
        choices=["none", "full"],
        default="none",
        help="full: silence behind clips up to 30 s, for recipes with audio.padding: full (default: none)",
    )


def _cache(arguments: argparse.Namespace) -> None:
    from ..training.cache import fill, onnx_encoder
    from ..training.models.whisper import torch_encoder

    name = arguments.encoder
    encode, d = onnx_encoder(Path(name)) if name.endswith(".onnx") else torch_encoder(name)
    for manifest in arguments.manifests:
        added = fill(manifest, arguments.out, encode, d, arguments.workers, arguments.padding)
        print(f"{manifest}: {added} clips added", flush=True)


def _restore_options(parser: ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="corpus with normalised transcripts")
    parser.add_argument("out", type=Path, metavar="OUT", help="manifest to write")
    parser.add_argument("--backbone", required=True, metavar="WHISPER", help="folder or name of the Whisper")
    parser.add_argument(
        "--cache", type=Path, required=True, metavar="CACHE", help="folder written by `tools cache`"
    )
    parser.add_argument(
        "--margin",
        type=number,
        default=0.0,
        metavar="X",
        help="margin in nats by which a mark must beat the next word (default: 0)",
    )


def _restore(arguments: argparse.Namespace) -> None:
    from ..sequence import SLUE
    from ..training.cache import EncoderCache
    from ..training.model_config import ModelConfig
    from ..training.models.whisper import load_unified
    from ..training.restore import PunctuationRestorer, restore_manifest

    restorer = PunctuationRestorer(load_unified(ModelConfig(arguments.backbone), SLUE), arguments.margin)
    cache = EncoderCache(arguments.cache)
    print(f"{restore_manifest(arguments.manifest, arguments.out, restorer, cache)} marks inserted")


def _transcripts_options(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="bundle that transcribes")
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST", help="annotated clips")


def _transcripts(arguments: argparse.Namespace) -> None:
    from .. import load
    from ..training.transcripts import write_transcripts

    model = load(arguments.bundle)
    for manifest in arguments.manifests:
        recognised, right = write_transcripts(model, manifest)
        print(f"{manifest}: {recognised} as recognised, {right} with the annotated words", flush=True)


def _augment_options(parser: ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for manifest.jsonl and the clips")
    parser.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST", help="recordings to draw from")
    parser.add_argument("--clips", type=positive, metavar="N", help="number of clips (default: all)")
    parser.add_argument(
        "--augment", default="default", metavar="STEP=P,…", help="e.g. noise=0.2,silence=1 (default: default)"
    )
    _seed(parser)


def _augment(arguments: argparse.Namespace) -> None:
    from ..data.augmented import augment_corpus

    count = augment_corpus(
        arguments.out, arguments.manifests, arguments.augment, arguments.clips, arguments.seed
    )
    print(f"{arguments.out / 'manifest.jsonl'}: {count} clips")


def _average_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        type=_weighted,
        nargs="+",
        metavar="CHECKPOINT=WEIGHT",
        help="e.g. runs/first/last=0.3; the weights add up to 1",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")


def _average(arguments: argparse.Namespace) -> None:
    from ..training.average import average

    average(arguments.checkpoints, arguments.out)
    print(arguments.out)


def _prune_options(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder that training wrote")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument(
        "texts",
        type=Path,
        nargs="+",
        metavar="TEXT",
        help="texts that it must still be able to write: one per line, or records (.jsonl)",
    )


def _prune(arguments: argparse.Namespace) -> None:
    from ..training.prune import prune, read_texts

    before, after = prune(arguments.checkpoint, arguments.out, read_texts(arguments.texts))
    print(f"{arguments.out}: {after} of {before} tokens kept")


def _compose_options(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="bundle (int8 or float16) whose decoder writes tags")
    parser.add_argument(
        "whisper", type=Path, metavar="WHISPER", help="Hugging Face folder whose decoder transcribes"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="bundle to write")


def _compose(arguments: argparse.Namespace) -> None:
    from ..training.compose import compose

    print(compose(arguments.bundle, arguments.whisper, arguments.out))


def _label_studio_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--entities", type=names, metavar="TYPE,…", help="types to choose from (default: the seven built in)"
    )
    parser.add_argument(
        "--speakers", type=names, default=["Speech"], metavar="NAME,…", help="who speaks (default: Speech)"
    )


def _label_studio(arguments: argparse.Namespace) -> None:
    from ..sequence import SLUE
    from ..writers.label_studio import labelling_config

    types = arguments.entities or SLUE.entity_types
    sentiments = [name.lower() for name in SLUE.sentiments]
    print(labelling_config(types, sentiments, arguments.speakers), end="")


def _seed(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=not_negative, default=0, metavar="N", help="seed of random choices (default: 0)"
    )


def _weighted(text: str) -> tuple[Path, float]:
    folder, equals, weight = text.rpartition("=")
    if not equals or not folder:
        raise ArgumentTypeError(f"{text!r} is not CHECKPOINT=WEIGHT, as in runs/first/last=0.3")
    return Path(folder), number(weight)


TOOLS: dict[str, tuple[str, Callable[[ArgumentParser], None], Callable[[argparse.Namespace], None]]] = {
    "no-speech": (
        "write clips without speech: silence, noise, hum, tones and clicks, with empty transcripts.",
        _no_speech_options, _no_speech,
    ),
    "augment": (
        "write augmented copies of recordings: in rooms, over noise, on the telephone. Resumes where it was\n"
        "stopped.",
        _augment_options, _augment,
    ),
    "shards": ("pack corpora into tar files for training on many machines.", _shards_options, _shards),
    "cache": (
        "encode the clips of corpora once, for training with a frozen encoder.", _cache_options, _cache,
    ),
    "restore": (
        "put punctuation back into normalised transcripts. The words stay; a Whisper says, from the\n"
        "audio, where a mark belongs.",
        _restore_options, _restore,
    ),
    "transcripts": (
        "write down what a bundle recognises in annotated clips. Beside each manifest: recognised.jsonl,\n"
        "and right.jsonl with the annotated words.",
        _transcripts_options, _transcripts,
    ),
    "average": ("take the weighted mean of checkpoints of one lineage.", _average_options, _average),
    "prune": ("remove text tokens that no text needs.", _prune_options, _prune),
    "compose": (
        "join a decoder that transcribes with a bundle whose decoder tags.", _compose_options, _compose,
    ),
    "label-studio": (
        "print the labelling configuration of Label Studio for tasks of `unislu analyze -f label-studio`.",
        _label_studio_options, _label_studio,
    ),
}  # fmt: skip
"""The description, the options and the function of each tool."""
_WITHOUT_TORCH = ("no-speech", "augment", "label-studio")
