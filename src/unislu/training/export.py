"""From a trained checkpoint to a model bundle: graphs, tokenizer, manifest, and the check that they agree."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from unislu.bundle import (
    DATA,
    DECODER,
    ENCODER,
    MODEL_CARD,
    REQUIRED_FILES,
    TOKENIZER,
    Manifest,
    hash_files,
    write_manifest,
)
from unislu.engines.heads import Head, alignment_heads, write_heads
from unislu.errors import BundleError, needs
from unislu.sequence import Alphabet, Prompt, Vocabulary, WhisperTokenizer, get_format
from unislu.training.checkpoint import UNISLU, Checkpoint, tokenizer_of
from unislu.training.onnx_decoder import write_decoder
from unislu.training.onnx_encoder import Shape, write_encoder
from unislu.training.onnx_graph import PROTOBUF_LIMIT, GraphWriter, encoder_int8, float_linear
from unislu.training.parity import Parity, check, silence_behind, synthetic_windows
from unislu.training.saturation import check_saturation
from unislu.training.served import audio_settings, decoder_settings

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

Quantize = Literal["int8", "float16"] | None
KEPT_FLOAT32 = ("mel", "hidden", "logits", "align_query")
"""Inputs and outputs of a float16 graph that stay float32: what numpy computes with. The caches do not."""


@dataclass(frozen=True)
class Facts:
    """Fields of the manifest that are not in the checkpoint."""

    name: str
    version: str = "0"
    formats: tuple[str, ...] = ()
    """The formats the model writes; by default the one it was trained on."""
    bias: Mapping[str, float] = field(default_factory=dict)
    sentiment_bias: Mapping[str, float] = field(default_factory=dict)
    min_speech: float = 0.0
    tag_always: bool = False
    languages: tuple[str, ...] = ("en",)
    corpora: tuple[Mapping[str, Any], ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    alignment_heads: tuple[Sequence[int], ...] = ()
    """(layer, head) pairs that give the word times; by default what the checkpoint or its shape says."""
    licence: str | None = None
    """Of the weights."""
    unislu_version: str | None = None
    """The versions of unislu that can run it, for example `>=0.3,<0.5`."""


@dataclass(frozen=True)
class Exported:
    """A written bundle and what was measured on it."""

    folder: Path
    manifest: Manifest
    float32: Parity | None
    """None where float32 graphs were too large to be written beside the quantized ones."""
    quantized: Parity | None


def export(
    checkpoint: Path,
    out: Path,
    facts: Facts,
    quantize: Quantize = None,
    card: Path | None = None,
    windows: Sequence[NDArray[np.float32]] = (),
    alphabet: Literal["atomic", "plain"] | None = None,
) -> Exported:
    """Write a bundle and check that its graphs compute what the checkpoint does.

    Args:
        checkpoint: a Hugging Face Whisper folder with `tokenizer.json` and `unislu.json`, from training.
        out: the bundle's folder; files of these names in it are replaced.
        facts: the manifest's content.
        quantize: "int8", "float16" (features, logits and queries stay float32), or None for float32.
        card: the model card to include; without one a list of the manifest's facts is written.
        windows: log-mel features to compare on, float32 `[mels, frames]` each; synthetic sounds by default.
        alphabet: "plain" also takes a checkpoint published without `unislu.json`, whose delimiters are text.

    A graph of more than 2 GiB has its weights in a file beside it. Quantized graphs of so large a model are
    compared with the checkpoint alone, not with float32 graphs as well.

    Raises:
        BundleError: not a checkpoint of ours, or the graphs do not compute the same, or they would not on
            every processor.
        MissingDependencyError: torch, transformers or onnx are not installed.
    """
    known = read_checkpoint(checkpoint, alphabet)
    letters = Alphabet(known.alphabet)
    model = load_checkpoint(checkpoint)
    vocabulary = _vocabulary(known, model)
    out.mkdir(parents=True, exist_ok=True)
    formats = facts.formats or (known.format,)
    prefix = get_format(formats[0], vocabulary, letters, known.leading_blank).prefix(Prompt())
    heads = _heads(facts, model)
    with TemporaryDirectory() as scratch:
        reference = out if quantize is None else Path(scratch)
        large = quantize is not None and _float_bytes(model) > PROTOBUF_LIMIT
        if not large:
            write_graphs(model, reference, None, heads)
        if quantize is not None:
            write_graphs(model, out, quantize, heads)
        for graph in sorted(out.glob("*.onnx")):
            check_saturation(graph)
        compared = windows or synthetic_windows(model)
        if known.padding == "full" and not windows:
            compared = [silence_behind(window, model) for window in compared]
        float32, quantized = check(model, None if large else reference, out, prefix, compared, quantize)
    shutil.copyfile(tokenizer_of(checkpoint), out / TOKENIZER)
    parity = quantized or float32
    assert parity is not None
    manifest = _manifest(facts, formats, known, model, vocabulary, quantize, parity)
    _write_card(out / MODEL_CARD, card, manifest)
    manifest = replace(manifest, files=hash_files(out, _written(out)))
    write_manifest(out, manifest)
    return Exported(out, manifest, float32, quantized)


def _float_bytes(model: WhisperForConditionalGeneration) -> int:
    """Approximate size of the larger float32 graph in bytes."""
    decoder = sum(p.numel() for p in model.model.decoder.parameters())
    encoder = sum(p.numel() for p in model.model.encoder.parameters())
    return 4 * max(decoder, encoder)


def _written(folder: Path) -> list[str]:
    """The bundle's files, with those of weights that stand beside their graphs."""
    beside = [graph + DATA for graph in (ENCODER, DECODER)]
    return [*REQUIRED_FILES, *(name for name in beside if (folder / name).is_file())]


def export_encoder(checkpoint: Path, out: Path, quantize: Quantize = None, hidden: bool = False) -> Path:
    """Write the encoder graph of a Hugging Face Whisper folder to the file `out` and return it.

    With `hidden=True` the graph's one output is `hidden` (for caching a frozen encoder's output),
    otherwise the cross-attention keys and values of every decoder layer.
    """
    return _write_encoder(load_checkpoint(checkpoint), out, quantize, hidden)


def write_graphs(
    model: WhisperForConditionalGeneration, folder: Path, quantize: Quantize, heads: Sequence[Head]
) -> None:
    """Write both graphs of a loaded model into a bundle's folder."""
    _write_encoder(model, folder / ENCODER, quantize, hidden=False)
    shape = Shape.of(model.config)
    graph = write_decoder(checkpoint_weights(model), shape, quantize == "int8", heads)
    _save(graph, shape, folder / DECODER, {"alignment_heads": write_heads(heads)}, half=quantize == "float16")


def load_checkpoint(checkpoint: Path) -> WhisperForConditionalGeneration:
    """Load a Hugging Face Whisper folder in float32, in evaluation mode.

    Raises:
        BundleError: the folder has no `config.json`.
        MissingDependencyError: torch, transformers or onnx are not installed.
    """
    if not (checkpoint / "config.json").is_file():
        raise BundleError(
            f"{checkpoint}: no config.json; give the folder of a Hugging Face Whisper checkpoint"
        )
    with needs("export", "train"):
        import onnx  # noqa: F401
        import torch
        from transformers import WhisperForConditionalGeneration
    return WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()


def checkpoint_weights(model: WhisperForConditionalGeneration) -> dict[str, NDArray[Any]]:
    """All weights as float32 arrays, under their names without the leading `model.`."""
    state = model.state_dict()
    arrays = {name: value.detach().cpu().float().numpy() for name, value in state.items()}
    return {name.removeprefix("model."): array for name, array in arrays.items()}


def read_checkpoint(folder: Path, alphabet: str | None = None) -> Checkpoint:
    """Read a checkpoint that can become a bundle.

    Raises:
        BundleError: `unislu.json` or `tokenizer.json` is missing or damaged, or the model is of a kind that
            has no bundle, or of another alphabet than the one that is asked for.
    """
    if alphabet == "plain" and not (folder / UNISLU).is_file():
        return Checkpoint.published(folder)
    known = Checkpoint.read(folder)
    if known.kind != "whisper":
        raise BundleError(
            f"{folder}: a model of kind {known.kind} has no bundle; evaluate its checkpoint instead"
        )
    if not (folder / TOKENIZER).is_file():
        raise BundleError(f"{folder}: no {TOKENIZER}; give a checkpoint that `unislu train` wrote")
    if alphabet not in (None, known.alphabet):
        raise BundleError(f"{folder}: was trained with the alphabet {known.alphabet}, not {alphabet}")
    return known


def _vocabulary(known: Checkpoint, model: WhisperForConditionalGeneration) -> Vocabulary:
    vocabulary = known.decoded_with(WhisperTokenizer.from_file(tokenizer_of(known.folder)))
    if vocabulary.size != model.config.vocab_size:
        raise BundleError(
            f"{known.folder}: the weights have {model.config.vocab_size} tokens and {UNISLU} "
            f"{vocabulary.size}: they are of different checkpoints"
        )
    return vocabulary


def _manifest(
    facts: Facts,
    formats: tuple[str, ...],
    known: Checkpoint,
    model: WhisperForConditionalGeneration,
    vocabulary: Vocabulary,
    quantize: Quantize,
    parity: Parity,
) -> Manifest:
    """The manifest; the files' hashes are filled in when the files are complete."""
    placeholder = dict.fromkeys((ENCODER, DECODER, TOKENIZER, MODEL_CARD), "0" * 64)
    return Manifest(
        name=facts.name,
        version=facts.version,
        formats=formats,
        vocabulary=vocabulary.to_manifest(),
        files=placeholder,
        alphabet=known.alphabet,
        quantization=quantize or "float32",
        saturation_free=True,
        parameters=int(model.num_parameters()),
        languages=facts.languages,
        types_seen=known.types_seen,
        audio=audio_settings(known, model.config, facts.min_speech),
        decoder=decoder_settings(
            known,
            model,
            vocabulary,
            formats,
            bias=dict(facts.bias),
            sentiment_bias=dict(facts.sentiment_bias),
            tag_always=facts.tag_always,
        ),
        provenance={**known.provenance, **facts.provenance},
        corpora=facts.corpora,
        scores={**facts.scores, "parity": asdict(parity)},
        licence=facts.licence,
        unislu_version=facts.unislu_version,
    )


def _write_card(path: Path, card: Path | None, manifest: Manifest) -> None:
    if card is not None:
        if card.resolve() != path.resolve():
            shutil.copyfile(card, path)
        return
    corpora = "".join(f"- {corpus['name']} ({corpus['licence']})\n" for corpus in manifest.corpora)
    path.write_text(
        f"# {manifest.name} {manifest.version}\n\nFormats: {', '.join(manifest.formats)}. "
        f"Weights: {manifest.quantization}.\n\n## Corpora\n\n{corpora or 'Not stated.'}\n",
        encoding="utf-8",
    )


def _write_encoder(
    model: WhisperForConditionalGeneration, out: Path, quantize: Quantize, hidden: bool
) -> Path:
    linear = encoder_int8 if quantize == "int8" else float_linear
    shape = Shape.of(model.config)
    int8_cache = quantize == "int8"
    graph = write_encoder(checkpoint_weights(model), shape, linear, hidden=hidden, int8_cache=int8_cache)
    return _save(graph, shape, out, half=quantize == "float16")


def _heads(facts: Facts, model: WhisperForConditionalGeneration) -> tuple[Head, ...]:
    """The alignment heads that are asked for, or the checkpoint's. Raises `BundleError` for one it lacks."""
    layers, heads = int(model.config.decoder_layers), int(model.config.decoder_attention_heads)
    for pair in facts.alignment_heads:
        if len(pair) != 2 or not (0 <= pair[0] < layers and 0 <= pair[1] < heads):
            raise BundleError(
                f"alignment_heads has {list(pair)}: give [layer, head], with layer < {layers} and head "
                f"< {heads}, or leave them out"
            )
    return tuple(sorted((layer, head) for layer, head in facts.alignment_heads)) or alignment_heads(model)


def _save(
    graph: GraphWriter, shape: Shape, out: Path, extra: Mapping[str, str] | None = None, half: bool = False
) -> Path:
    metadata = {key: str(value) for key, value in asdict(shape).items()} | dict(extra or {})
    out.parent.mkdir(parents=True, exist_ok=True)
    if half:
        graph.halve(KEPT_FLOAT32)
    graph.write(out, metadata)
    return out
