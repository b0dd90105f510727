"""A bundle of two decoders: one transcribes as its Whisper does, the other tags what was transcribed.

BUNDLE is a bundle in int8 or float16 whose decoder writes tags (`inline`, `inline-open`), or one of two
decoders, whose tagger stays; WHISPER the Hugging Face folder of a Whisper with the same encoder, whose
decoder learned nothing but transcripts. OUT gets the bundle's encoder, tokenizer and manifest, the
Whisper's decoder with the bundle's tokens as `decoder.onnx`, and the bundle's decoder as `tagger.onnx`.
Both attend to the same keys and values, so the key and value projections of their cross-attention must be
the same. Where the embedding was frozen both graphs read it from one file, `embedding.bin`. Run it with
`unislu tools compose`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unislu.bundle import (
    DECODER,
    ENCODER,
    MODEL_CARD,
    TAGGER,
    TOKENIZER,
    hash_files,
    open_bundle,
    write_manifest,
)
from unislu.bundle import EMBEDDING as SHARED
from unislu.bundle.folder import Bundle
from unislu.engines.heads import alignment_heads, write_heads
from unislu.errors import BundleError
from unislu.training.export import KEPT_FLOAT32, checkpoint_weights, load_checkpoint
from unislu.training.onnx_decoder import write_decoder
from unislu.training.onnx_embedding import EMBEDDING
from unislu.training.onnx_encoder import Shape
from unislu.training.onnx_graph import PAGE
from unislu.training.onnx_scores import scores_graph

if TYPE_CHECKING:
    import onnx


def compose(bundle: str | Path, whisper: Path, out: Path) -> Path:
    """Write the bundle of two decoders; see the module.

    Raises:
        BundleError: one of the two is not what it should be, or they do not fit together.
        MissingDependencyError: torch, transformers or onnx are not installed.
    """
    import onnx

    found = open_bundle(bundle)
    half = found.manifest.quantization == "float16"
    if found.manifest.quantization not in ("int8", "float16"):
        raise BundleError(
            f"{bundle}: its weights are {found.manifest.quantization}; give a bundle in int8 or float16"
        )
    model = load_checkpoint(whisper)
    weights = checkpoint_weights(model)
    table = renumbered(weights[f"{EMBEDDING}.weight"], whisper / TOKENIZER, found)
    weights[f"{EMBEDDING}.weight"] = table
    shape = replace(Shape.of(model.config), vocabulary=found.manifest.vocabulary["size"])
    heads = alignment_heads(model)
    graph = write_decoder(weights, shape, not half, heads, shortlist=not half)
    if half:
        graph.halve(KEPT_FLOAT32)
    had = onnx.load(str(found.decoder))
    metadata = {entry.key: entry.value for entry in had.metadata_props}
    out.mkdir(parents=True, exist_ok=True)
    decoder = graph.model({**metadata, "alignment_heads": write_heads(heads)})
    tagger = scores_graph(had) if found.tagger is None else onnx.load(str(found.tagger))
    shared = share_embedding(decoder, tagger, np.abs(table).max(axis=1) > 0, out / SHARED)
    onnx.save(decoder, str(out / DECODER))
    onnx.save(tagger, str(out / TAGGER))
    for name in (ENCODER, TOKENIZER, MODEL_CARD):
        if (found.path / name).resolve() != (out / name).resolve():
            shutil.copyfile(found.path / name, out / name)
    names = (ENCODER, DECODER, TOKENIZER, MODEL_CARD, TAGGER, *((SHARED,) if shared else ()))
    total = found.manifest.parameters
    if total is not None and found.tagger is None:
        total += sum(weights[name].size for name in weights if _is_own(name)) - shared * table.size
    write_manifest(out, replace(found.manifest, files=hash_files(out, names), parameters=total))
    return out


def _is_own(name: str) -> bool:
    """Whether a weight is the second decoder's alone; it attends to the keys and values of the first."""
    shared = ("encoder_attn.k_proj", "encoder_attn.v_proj")
    return name.startswith("decoder.") and not any(part in name for part in shared)


def renumbered(table: NDArray[Any], tokenizer: Path, bundle: Bundle) -> NDArray[np.float32]:
    """Rows of Whisper's embedding `[rows, width]` under a bundle's ids, zeros for tokens that Whisper lacks.

    Raises `BundleError` for a text token that Whisper lacks.
    """
    old = json.loads(tokenizer.read_text(encoding="utf-8"))
    text = old["model"]["vocab"]
    special = {token["content"]: token["id"] for token in old["added_tokens"]}
    new = json.loads(bundle.tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    missing = [token for token in new if token not in text]
    if missing:
        raise BundleError(f"{tokenizer}: has no token {missing[0]!r}, which {bundle.path} writes")
    rows = np.zeros((bundle.manifest.vocabulary["size"], table.shape[1]), np.float32)
    for token, place in new.items():
        rows[place] = table[text[token]]
    for token, place in bundle.manifest.vocabulary["tokens"].items():
        if token in special:  # a token of ours may be named as a piece of text is: `)`
            rows[place] = table[special[token]]
    return rows


def share_embedding(
    decoder: onnx.ModelProto, tagger: onnx.ModelProto, known: NDArray[np.bool_], path: Path
) -> bool:
    """Let two graphs read the tagger's embedding from one file, if they agree on the `known` rows.

    The other rows are of tokens that only the tagger writes. Returns whether the file was written.
    """
    from onnx import external_data_helper, numpy_helper

    tables = (f"{EMBEDDING}.weight", f"{EMBEDDING}.scales")  # float16 has no scales
    ours, theirs = (
        [item for name in tables for item in model.graph.initializer if item.name == name]
        for model in (decoder, tagger)
    )
    for one, other in zip(ours, theirs, strict=True):
        if not np.array_equal(numpy_helper.to_array(one)[known], numpy_helper.to_array(other)[known]):
            return False
    with path.open("wb") as file:
        for one, other in zip(ours, theirs, strict=True):
            data = numpy_helper.to_array(other).tobytes()
            offset = -(-file.tell() // PAGE) * PAGE
            file.write(bytes(offset - file.tell()) + data)
            for tensor in (one, other):
                tensor.raw_data = data
                external_data_helper.set_external_data(tensor, path.name, offset, len(data))
                tensor.ClearField("raw_data")
    return True
