"""Whisper's decoder as an ONNX graph: one step over new tokens with its caches updated in place.

Both attentions are ONNX Runtime's `GroupQueryAttention`: it appends to a cache buffer that is bound as
input and output at once, knows a length for every row of the batch, and reads an int8 cache with
vector instructions. The cross-attention is the same operator with nothing to append and no causal
mask. A quantised cross cache has one scale per channel of every utterance; the key's scales are
multiplied into the query and the value's into the output, which is exact.

Inputs: `tokens` int64 `[batch, n]`; `positions` int64 `[batch, n]`; `self_last` int32 `[batch]` and
`self_total` int32 scalar: the last position written and the longest length after this step;
`cross_last` int32 `[batch]` and `cross_total` int32 scalar: the same of the audio;
for every layer i `self_key_i`, `self_value_i` float32 `[batch, heads, capacity, head]` and `cross_key_i`,
`cross_value_i` float32 or int8 `[batch, heads, audio, head]`; with int8 `cross_scales` float32
`[batch, 2 * layers, width]`. Outputs: `logits` float32 `[batch, vocabulary]` of the last position; the
caches under the inputs' names with the prefix `new_` (bind them to the same memory); with alignment heads
`align_query` float32 `[batch, n, heads * head]`, their cross-attention queries. The fused operator gives
no attention weights; who wants them multiplies these queries with the heads' keys, scales included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.engines.heads import Head
from unislu.training.onnx_embedding import (
    embed,
    embed_quantized,
    logits,
    logits_by_shortlist,
    logits_quantized,
)
from unislu.training.onnx_encoder import Shape, Weights, add_norm, feed_forward, layer_norm, project
from unislu.training.onnx_graph import MICROSOFT, GraphWriter, Linear, block_linear, float_linear


def write_decoder(
    weights: Weights,
    shape: Shape,
    quantized: bool,
    heads: Sequence[Head] = (),
    shortlist: bool = False,
) -> GraphWriter:
    """Write the decoder, with float32 or with int8 weights and cross cache.

    Args:
        weights: of the checkpoint.
        shape: its sizes.
        quantized: int8.
        heads: those whose queries are an output, sorted; none leaves the output away.
        shortlist: full logits of the likeliest tokens only (`onnx_embedding`); for int8 and a decoder that
            writes nothing but words.
    """
    graph = GraphWriter("decoder")
    linear: Linear = block_linear if quantized else float_linear
    tokens = graph.input("tokens", np.int64, ["batch", "n"])
    positions = graph.input("positions", np.int64, ["batch", "n"])
    attention = _Attention(graph, shape, quantized, heads)
    embedded = (embed_quantized if quantized else embed)(graph, tokens, weights)
    table = graph.constant("decoder.positions", weights["decoder.embed_positions.weight"])
    residual = graph.op("Add", [embedded, graph.op("Gather", [table, positions])])
    normed = layer_norm(graph, residual, weights, "decoder.layers.0.self_attn_layer_norm")
    for index in range(shape.decoder_layers):
        name = f"decoder.layers.{index}"
        packed = linear(graph, normed, f"{name}.self_attn.qkv", *_pack(weights, f"{name}.self_attn"))
        mixed = project(
            graph, attention.self_attend(packed, index), weights, f"{name}.self_attn.out_proj", linear
        )
        normed, residual = add_norm(graph, mixed, residual, weights, f"{name}.encoder_attn_layer_norm")
        query = project(graph, normed, weights, f"{name}.encoder_attn.q_proj", linear)
        crossed = attention.cross_attend(query, index)
        mixed = project(graph, crossed, weights, f"{name}.encoder_attn.out_proj", linear)
        normed, residual = add_norm(graph, mixed, residual, weights, f"{name}.final_layer_norm")
        updated = feed_forward(graph, normed, weights, name, linear)
        last = index + 1 == shape.decoder_layers
        following = "decoder.layer_norm" if last else f"decoder.layers.{index + 1}.self_attn_layer_norm"
        normed, residual = add_norm(graph, updated, residual, weights, following)
    newest = graph.op("Gather", [normed, graph.constant("newest", np.array(-1, np.int64))], axis=1)
    if shortlist:
        found = logits_by_shortlist(graph, newest, shape.vocabulary, shape.width)
    else:
        found = (logits_quantized if quantized else logits)(graph, newest, weights)
    graph.output(found, "logits", np.float32, ["batch", shape.vocabulary])
    attention.write_queries()
    return graph


class _Attention:
    """Writes the attention nodes and declares the caches they read and update."""

    def __init__(self, graph: GraphWriter, shape: Shape, quantized: bool, heads: Sequence[Head]) -> None:
        self.graph = graph
        self.heads = heads
        self.queries: list[str] = []
        self.shape = shape
        self.quantized = quantized
        self.head = shape.width // shape.decoder_heads
        for kind in ("self", "cross"):
            graph.input(f"{kind}_last", np.int32, ["batch"])
            graph.input(f"{kind}_total", np.int32, [])
        # Cross-attention appends nothing to its cache: keys and values of no position, `[batch, 0, width]`.
        batch = graph.op("Shape", ["tokens"], start=0, end=1)
        dims = graph.op("Concat", [batch, graph.ints(0, shape.width)], axis=0)
        empty = graph.constant("nothing", np.zeros((1, 0, shape.width), np.float32))
        self.nothing = graph.op("Expand", [empty, dims])
        if quantized:
            self._declare_scales()

    def self_attend(self, packed: str, index: int) -> str:
        """Causal attention over everything written so far; `packed` is query, key and value side by side."""
        return self._attend([packed, "", ""], "self", index, np.float32, "capacity", {"causal": 1})

    def cross_attend(self, query: str, index: int) -> str:
        """Attention over the audio's keys and values."""
        if self.quantized:
            query = self.graph.op("Mul", [query, self.scales[2 * index]])
        self._keep_query(query, index)
        inputs = [query, self.nothing, self.nothing]
        if not self.quantized:
            return self._attend(inputs, "cross", index, np.float32, "audio", {"causal": 0})
        one = self.graph.constant("unit_scale", np.ones(1, np.float32))
        attributes = {
            "causal": 0,
            "kv_cache_bit_width": 8,
            "k_quant_type": "PER_TENSOR",
            "v_quant_type": "PER_TENSOR",
        }
        # Unit scales after five absent inputs: the channels' own scales are applied outside.
        extra = [*[""] * 5, one, one]
        mixed = self._attend(inputs, "cross", index, np.int8, "audio", attributes, extra)
        return self.graph.op("Mul", [mixed, self.scales[2 * index + 1]])

    def write_queries(self) -> None:
        """Declare the output `align_query`, if there are alignment heads."""
        if self.queries:
            joined = self.graph.op("Concat", self.queries, axis=2)
            width = len(self.heads) * self.head
            self.graph.output(joined, "align_query", np.float32, ["batch", "n", width])

    def _keep_query(self, query: str, index: int) -> None:
        columns = [np.arange(h * self.head, (h + 1) * self.head) for layer, h in self.heads if layer == index]
        if columns:
            taken = self.graph.constant(f"align_columns_{index}", np.concatenate(columns).astype(np.int64))
            self.queries.append(self.graph.op("Gather", [query, taken], axis=2))

    def _attend(
        self,
        inputs: list[str],
        kind: str,
        index: int,
        dtype: type[np.generic],
        length: str,
        attributes: dict[str, Any],
        extra: list[str] | None = None,
    ) -> str:
        dims: list[int | str] = ["batch", self.shape.decoder_heads, length, self.head]
        caches = [self.graph.input(f"{kind}_{part}_{index}", dtype, dims) for part in ("key", "value")]
        outputs = [f"new_{cache}" for cache in caches]
        for name in outputs:
            self.graph.output(name, name, dtype, dims)
        result = self.graph.fresh(f"{kind}_attention")
        return self.graph.op(
            "GroupQueryAttention",
            [*inputs, *caches, f"{kind}_last", f"{kind}_total", *(extra or [])],
            outputs=[result, *outputs],
            domain=MICROSOFT,
            num_heads=self.shape.decoder_heads,
            kv_num_heads=self.shape.decoder_heads,
            **attributes,
        )

    def _declare_scales(self) -> None:
        count = 2 * self.shape.decoder_layers
        stacked = self.graph.input("cross_scales", np.float32, ["batch", count, self.shape.width])
        self.scales = [self.graph.fresh("cross_scale") for _ in range(count)]
        self.graph.op("Split", [stacked], outputs=self.scales, axis=1, num_outputs=count)


def _pack(weights: Weights, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Query, key (which has no bias) and value projections stacked into one matrix and bias."""
    matrix = np.concatenate([weights[f"{name}.{part}_proj.weight"] for part in "qkv"])
    query = weights[f"{name}.q_proj.bias"]
    bias = np.concatenate([query, np.zeros_like(query), weights[f"{name}.v_proj.bias"]])
    return matrix, bias
