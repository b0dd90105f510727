"""Whisper's encoder as an ONNX graph: log-mel of the true length -> hidden states or cross keys and values.

The two convolutions are written as matrix products over neighbouring frames, which makes the second
one (a tenth of the encoder's work) quantisable like every other layer. Positions are sliced to the
audio's length instead of padding the audio to 30 s (design: "true length").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.training.onnx_graph import INT8_LIMIT, MICROSOFT, TINY, GraphWriter, Linear, float_linear

LAYER_NORM_EPSILON = 1e-5

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Shape:
    """The sizes of a Whisper checkpoint that its graphs depend on."""

    mels: int
    width: int
    vocabulary: int
    encoder_layers: int
    encoder_heads: int
    decoder_layers: int
    decoder_heads: int
    audio_positions: int
    text_positions: int

    @classmethod
    def of(cls, config: Any) -> Shape:
        """The sizes in a `transformers.WhisperConfig`."""
        return cls(
            mels=config.num_mel_bins,
            width=config.d_model,
            vocabulary=config.vocab_size,
            encoder_layers=config.encoder_layers,
            encoder_heads=config.encoder_attention_heads,
            decoder_layers=config.decoder_layers,
            decoder_heads=config.decoder_attention_heads,
            audio_positions=config.max_source_positions,
            text_positions=config.max_target_positions,
        )


def write_encoder(
    weights: Weights, shape: Shape, linear: Linear, *, hidden: bool = False, int8_cache: bool = False
) -> GraphWriter:
    """Write the encoder.

    Inputs: `mel` float32 `[batch, mels, frames]`, frames even, all rows of one true length.
    Outputs: `hidden` float32 `[batch, frames/2, width]`, or with `hidden=False` for every decoder layer
    `cross_key_i` and `cross_value_i`, float32 `[batch, heads, frames/2, head]`; with `int8_cache` they are
    int8, `batch` is 1, and `cross_scales` float32 `[1, 2 * layers, width]` has the scale of every channel.
    """
    graph = GraphWriter("encoder")
    mel = graph.input("mel", np.float32, ["batch", shape.mels, "frames"])
    x = _front_end(graph, mel, weights, shape, linear)
    residual, normed = x, layer_norm(graph, x, weights, "encoder.layers.0.self_attn_layer_norm")
    for index in range(shape.encoder_layers):
        name = f"encoder.layers.{index}"
        attended = _self_attention(graph, normed, weights, f"{name}.self_attn", shape, linear)
        normed, residual = add_norm(graph, attended, residual, weights, f"{name}.final_layer_norm")
        following = f"encoder.layers.{index + 1}.self_attn_layer_norm"
        last = index + 1 == shape.encoder_layers
        updated = feed_forward(graph, normed, weights, name, linear)
        normed, residual = add_norm(
            graph, updated, residual, weights, "encoder.layer_norm" if last else following
        )
    if hidden:
        graph.output(normed, "hidden", np.float32, ["batch", "positions", shape.width])
    else:
        _cross_outputs(graph, normed, weights, shape, linear, int8_cache)
    return graph


def _front_end(graph: GraphWriter, mel: str, weights: Weights, shape: Shape, linear: Linear) -> str:
    """Both convolutions, GELU and positions: `[batch, mels, frames]` -> `[batch, frames/2, width]`."""
    frames = graph.op("Transpose", [mel], perm=[0, 2, 1])
    padded = graph.op("Pad", [frames, graph.ints(0, 1, 0, 0, 1, 0)])
    before = _slice(graph, padded, 1, 0, -2)
    after = _slice(graph, padded, 1, 2, None)
    neighbours = graph.op("Concat", [before, frames, after], axis=2)
    # The first convolution stays in float32: it sees the raw signal and costs almost nothing.
    x = _convolution(graph, neighbours, weights, "encoder.conv1", float_linear)
    pairs = graph.op("Reshape", [x, graph.ints(0, -1, 2 * shape.width)])
    odd = _slice(graph, pairs, 2, shape.width, None)
    previous = graph.op("Pad", [odd, graph.ints(0, 1, 0, 0, -1, 0)])
    x = _convolution(graph, graph.op("Concat", [previous, pairs], axis=2), weights, "encoder.conv2", linear)
    table = graph.constant("encoder.positions", weights["encoder.embed_positions.weight"])
    length = graph.op("Shape", [x], start=1, end=2)
    positions = graph.op("Slice", [table, graph.ints(0), length, graph.ints(0)])
    return graph.op("Add", [x, positions])


def _convolution(graph: GraphWriter, x: str, weights: Weights, name: str, linear: Linear) -> str:
    """A kernel-3 convolution over already unfolded frames `[batch, n, 3 * in]`, with GELU."""
    kernel = weights[f"{name}.weight"]
    matrix = kernel.transpose(0, 2, 1).reshape(kernel.shape[0], -1)
    return gelu(graph, linear(graph, x, name, matrix, weights[f"{name}.bias"]))


def _self_attention(
    graph: GraphWriter, x: str, weights: Weights, name: str, shape: Shape, linear: Linear
) -> str:
    query, key, value = (project(graph, x, weights, f"{name}.{part}_proj", linear) for part in "qkv")
    mixed = graph.op(
        "MultiHeadAttention", [query, key, value], domain=MICROSOFT, num_heads=shape.encoder_heads
    )
    return project(graph, mixed, weights, f"{name}.out_proj", linear)


def _cross_outputs(
    graph: GraphWriter, x: str, weights: Weights, shape: Shape, linear: Linear, int8_cache: bool
) -> None:
    head = shape.width // shape.decoder_heads
    scales = []
    for index in range(shape.decoder_layers):
        for part, kind in (("k", "key"), ("v", "value")):
            flat = project(graph, x, weights, f"decoder.layers.{index}.encoder_attn.{part}_proj", linear)
            if int8_cache:
                flat, scale = _quantize_cache(graph, flat)
                scales.append(scale)
            split = graph.op("Reshape", [flat, graph.ints(0, 0, shape.decoder_heads, head)])
            name = f"cross_{kind}_{index}"
            graph.op("Transpose", [split], outputs=[name], perm=[0, 2, 1, 3])
            dims: list[int | str] = ["batch", shape.decoder_heads, "positions", head]
            graph.output(name, name, np.int8 if int8_cache else np.float32, dims)
    if int8_cache:
        stacked = graph.op("Concat", scales, axis=0)
        table = graph.op("Reshape", [stacked, graph.ints(1, -1, shape.width)])
        graph.output(table, "cross_scales", np.float32, [1, 2 * shape.decoder_layers, shape.width])


def _quantize_cache(graph: GraphWriter, x: str) -> tuple[str, str]:
    """`[1, n, width]` -> int8 with one symmetric scale per channel, and the scales `[width]`."""
    peak = graph.op("ReduceMax", [graph.op("Abs", [x]), graph.ints(0, 1)], keepdims=0)
    floor = graph.op("Max", [peak, graph.constant("tiny", np.array(TINY, np.float32))])
    scale = graph.op("Mul", [floor, graph.constant("step", np.array(1 / INT8_LIMIT, np.float32))])
    # A division and a quantisation with one scale are vectorised; one with a scale per channel is not.
    unit = [
        graph.constant("unit", np.array(1, np.float32)),
        graph.constant("int8_zero", np.array(0, np.int8)),
    ]
    return graph.op("QuantizeLinear", [graph.op("Div", [x, scale]), *unit]), scale


def project(graph: GraphWriter, x: str, weights: Weights, name: str, linear: Linear) -> str:
    """The linear layer `name` of the checkpoint."""
    return linear(graph, x, name, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def feed_forward(graph: GraphWriter, x: str, weights: Weights, name: str, linear: Linear) -> str:
    """The two-layer perceptron of the block `name`."""
    inner = gelu(graph, project(graph, x, weights, f"{name}.fc1", linear))
    return project(graph, inner, weights, f"{name}.fc2", linear)


def gelu(graph: GraphWriter, x: str) -> str:
    """The exact (erf) GELU, as Whisper has it."""
    return graph.op("Gelu", [x], domain=MICROSOFT)


def layer_norm(graph: GraphWriter, x: str, weights: Weights, name: str) -> str:
    """Layer normalisation with the checkpoint's scale and shift `name`."""
    return graph.op("LayerNormalization", [x, *_norm(graph, weights, name)], epsilon=LAYER_NORM_EPSILON)


def add_norm(graph: GraphWriter, x: str, residual: str, weights: Weights, name: str) -> tuple[str, str]:
    """`residual + x` and its layer normalisation; returns (normalised, sum)."""
    # ONNX Runtime would fuse an Add into SkipLayerNormalization, whose CPU kernel is six times slower.
    total = graph.op("Sum", [residual, x])
    return layer_norm(graph, total, weights, name), total


def _norm(graph: GraphWriter, weights: Weights, name: str) -> tuple[str, str]:
    return (
        graph.constant(f"{name}.weight", weights[f"{name}.weight"]),
        graph.constant(f"{name}.bias", weights[f"{name}.bias"]),
    )


def _slice(graph: GraphWriter, x: str, axis: int, start: int, end: int | None) -> str:
    stop = np.iinfo(np.int64).max if end is None else end
    return graph.op("Slice", [x, graph.ints(start), graph.ints(stop), graph.ints(axis)])
