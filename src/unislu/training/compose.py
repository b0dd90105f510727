"""A bundle of two decoders: one transcribes as its Whisper does, the other tags what was transcribed.

BUNDLE is a bundle in int8 or float16 whose decoder writes tags (`inline`, `inline-open`); WHISPER the Hugging
Face folder of a Whisper with the same encoder, whose decoder learned nothing but transcripts. OUT gets the
bundle's encoder, tokenizer and manifest, the Whisper's decoder with the bundle's tokens as `decoder.onnx`,
and the bundle's decoder as `tagger.onnx`. Both attend to the same keys and values, so the key and value
projections of their cross-attention must be the same. Where the embedding was frozen both graphs read it from
one file, `embedding.bin`. Run it with `unislu tools compose`.
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
from unislu.training.onnx_decoder import EMBEDDING, write_decoder
from unislu.training.onnx_encoder import Shape
from unislu.training.onnx_graph import PAGE, UINT8_ZERO

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
    if found.manifest.quantization not in ("int8", "float16") or found.tagger is not None:
        raise BundleError(f"{bundle}: give a bundle in int8 or float16 with one decoder")
    model = load_checkpoint(whisper)
    weights = checkpoint_weights(model)
    table = renumbered(weights[f"{EMBEDDING}.weight"], whisper / TOKENIZER, found)
    weights[f"{EMBEDDING}.weight"] = table
    shape = replace(Shape.of(model.config), vocabulary=found.manifest.vocabulary["size"])
    heads = alignment_heads(model)
    graph = write_decoder(weights, shape, not half, heads)
    if half:
        graph.halve(KEPT_FLOAT32)
    tags = onnx.load(str(found.decoder))
    metadata = {entry.key: entry.value for entry in tags.metadata_props}
    out.mkdir(parents=True, exist_ok=True)
    decoder = graph.model({**metadata, "alignment_heads": write_heads(heads)})
    tagger = scores_graph(tags)
    shared = share_embedding(decoder, tagger, np.abs(table).max(axis=1) > 0, out / SHARED)
    onnx.save(decoder, str(out / DECODER))
    onnx.save(tagger, str(out / TAGGER))
    for name in (ENCODER, TOKENIZER, MODEL_CARD):
        if (found.path / name).resolve() != (out / name).resolve():
            shutil.copyfile(found.path / name, out / name)
    names = (ENCODER, DECODER, TOKENIZER, MODEL_CARD, TAGGER, *((SHARED,) if shared else ()))
    total = found.manifest.parameters
    if total is not None:
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


def scores_graph(decoder: onnx.ModelProto) -> onnx.ModelProto:
    """A decoder graph with scores of `wanted` tokens at every position in place of its other outputs.

    Raises `BundleError` if it is not a graph that `unislu export` wrote, in int8 or float16.
    """
    from onnx import TensorProto, checker, helper

    graph = decoder.graph
    gathers = (node for node in graph.node if node.op_type == "Gather")
    newest = next((node for node in gathers if node.input[1] == "newest"), None)
    tables = {item.name: item for item in graph.initializer if item.name.startswith(f"{EMBEDDING}.")}
    half = [item.data_type for item in tables.values()] == [TensorProto.FLOAT16]
    if newest is None or not (half or {f"{EMBEDDING}.weight", f"{EMBEDDING}.scales"} <= set(tables)):
        raise BundleError(
            "the decoder is not a graph in int8 or float16 that this version of unislu wrote: export it again"
        )
    hidden = newest.input[0]
    graph.output.remove(next(item for item in graph.output if item.name == "logits"))
    for item in [item for item in graph.output if item.name == "align_query"]:
        graph.output.remove(item)
    graph.input.append(helper.make_tensor_value_info("wanted", TensorProto.INT64, ["c"]))
    make = helper.make_node
    if half:
        graph.node.append(make("Gather", [f"{EMBEDDING}.weight", "wanted"], ["scores_rows"]))
    else:
        _dequantize_wanted(graph)
    graph.node.extend(
        [
            make("Transpose", ["scores_rows"], ["scores_columns"], perm=[1, 0]),
            make("MatMul", [hidden, "scores_columns"], ["scores_half" if half else "scores"]),
        ]
    )
    if half:
        graph.node.append(make("Cast", ["scores_half"], ["scores"], to=TensorProto.FLOAT))
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "n", "c"]))
    _without_dead_nodes(graph)
    checker.check_model(decoder)
    return decoder


def _dequantize_wanted(graph: Any) -> None:
    """Append nodes that make `scores_rows` float32 `[c, width]`: the embedding's rows of `wanted`."""
    from onnx import TensorProto, helper, numpy_helper

    values, scales = f"{EMBEDDING}.weight", f"{EMBEDDING}.scales"
    width = next(item for item in graph.initializer if item.name == "decoder.positions").dims[1]
    for name, array in (
        ("scores_zero", np.array(UINT8_ZERO, np.float32)),
        ("scores_flat", np.array([0, -1], np.int64)),
        ("scores_start", np.array([0], np.int64)),
        ("scores_end", np.array([width], np.int64)),
        ("scores_axis", np.array([1], np.int64)),
        ("scores_last", np.array([-1], np.int64)),
    ):
        graph.initializer.append(numpy_helper.from_array(array, name))
    make = helper.make_node
    graph.node.extend(
        [
            make("Gather", [values, "wanted"], ["scores_bytes"]),
            make("Gather", [scales, "wanted"], ["scores_steps"]),
            make("Cast", ["scores_bytes"], ["scores_floats"], to=TensorProto.FLOAT),
            make("Sub", ["scores_floats", "scores_zero"], ["scores_centred"]),
            make("Unsqueeze", ["scores_steps", "scores_last"], ["scores_wide"]),
            make("Mul", ["scores_centred", "scores_wide"], ["scores_scaled"]),
            make("Reshape", ["scores_scaled", "scores_flat"], ["scores_padded"]),
            make("Slice", ["scores_padded", "scores_start", "scores_end", "scores_axis"], ["scores_rows"]),
        ]
    )


def _without_dead_nodes(graph: Any) -> None:
    """Drop what leads to no output, nodes and constants."""
    needed = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    constants = [item for item in graph.initializer if item.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(constants)
