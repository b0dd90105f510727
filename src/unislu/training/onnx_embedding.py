"""The token embedding in a decoder's graph: rows of tokens that are fed, and logits of what may come.

Both read one matrix, in float32 or in int8. For a decoder that only writes words there are logits by a
shortlist. Two fifths of the int8 weights that a step reads are rows of the embedding, nearly all of tokens
that will not be written. So the upper four bits of the rows give rough logits, and the best `SHORTLIST` of
them are computed again from all eight bits, in the arithmetic of `block_linear`: greedy decoding writes the
same ids. The others stay rough, in the sum that makes probabilities and wherever a beam or a bias reaches
further down. A grammar that allows only a few tokens would not always find them on the shortlist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.training.onnx_graph import (
    BLOCK,
    INT8_ARITHMETIC,
    INT8_LIMIT,
    MICROSOFT,
    TINY,
    UINT8_ZERO,
    GraphWriter,
    block_linear,
    quantize_blocks,
)

EMBEDDING = "decoder.embed_tokens"
WEIGHT, SCALES = f"{EMBEDDING}.weight", f"{EMBEDDING}.scales"
SHORTLIST = 32
"""The picked token was the seventh of the rough ones at worst (benchmarks/results/2026-11-29-shortlist)."""
LEVELS = 16
"""Values that four bits can have."""


def embed(graph: GraphWriter, tokens: str, weights: Mapping[str, NDArray[Any]]) -> str:
    """Rows of the float32 embedding: `[batch, n]` -> `[batch, n, width]`."""
    return graph.op("Gather", [graph.constant(WEIGHT, weights[WEIGHT]), tokens])


def logits(graph: GraphWriter, x: str, weights: Mapping[str, NDArray[Any]]) -> str:
    """`[batch, width]` -> `[batch, vocabulary]` with the same float32 matrix as `embed`."""
    return graph.op("Gemm", [x, graph.constant(WEIGHT, weights[WEIGHT])], transB=1)


def embed_quantized(graph: GraphWriter, tokens: str, weights: Mapping[str, NDArray[Any]]) -> str:
    """Rows of the same int8 matrix that the logits are computed with, dequantised here."""
    values, scales = quantize_blocks(weights[WEIGHT], BLOCK)
    graph.constant(WEIGHT, values)
    graph.constant(SCALES, scales)
    return dequantized_rows(graph, tokens, 2, weights[WEIGHT].shape[1])


def logits_quantized(graph: GraphWriter, x: str, weights: Mapping[str, NDArray[Any]]) -> str:
    """`[batch, width]` -> `[batch, vocabulary]` with the same int8 matrix as `embed_quantized`."""
    return block_linear(graph, x, EMBEDDING, weights[WEIGHT], None)


def logits_by_shortlist(graph: GraphWriter, x: str, vocabulary: int, width: int) -> str:
    """As `logits_quantized`, by a shortlist (see the module); it reads the matrix of `embed_quantized`."""
    blocks = -(-width // BLOCK)
    if width % BLOCK:
        x = graph.op("Pad", [x, graph.ints(0, 0, 0, BLOCK * blocks - width)])
    x = graph.op("Reshape", [x, graph.ints(0, blocks, BLOCK)])
    rough = _rough_logits(graph, x, vocabulary, blocks)
    best = graph.fresh("best")
    count = graph.ints(min(SHORTLIST, vocabulary))
    graph.op("TopK", [rough, count], outputs=[graph.fresh("rough_best"), best], axis=1, sorted=0)
    column = graph.op("Reshape", [_rounded(graph, x), graph.ints(0, -1, 1)])
    rows = dequantized_rows(graph, best, 2, BLOCK * blocks)
    full = graph.op("Squeeze", [graph.op("MatMul", [rows, column]), graph.ints(2)])
    return graph.op("ScatterElements", [rough, best, full], axis=1)


def dequantized_rows(graph: GraphWriter, ids: str, axes: int, width: int) -> str:
    """Rows of the graph's int8 embedding as float32 `[*ids, width]`; `ids` int64 has `axes` axes."""
    rows, scales = graph.op("Gather", [WEIGHT, ids]), graph.op("Gather", [SCALES, ids])
    offset = graph.constant("offset", np.array(UINT8_ZERO, np.float32))
    centred = graph.op("Sub", [graph.op("Cast", [rows], to=1), offset])
    scaled = graph.op("Mul", [centred, graph.op("Unsqueeze", [scales, graph.ints(-1)])])
    flat = graph.op("Reshape", [scaled, graph.ints(*[0] * axes, -1)])
    if width % BLOCK == 0:
        return flat
    return graph.op("Slice", [flat, graph.ints(0), graph.ints(width), graph.ints(axes)])


def _rough_logits(graph: GraphWriter, x: str, vocabulary: int, blocks: int) -> str:
    """`[batch, blocks, BLOCK]` -> `[batch, vocabulary]` from the upper four bits of the rows.

    They are not stored: ONNX Runtime computes what depends on constants alone when it loads the graph. In a
    byte the kernel expects two neighbours of a block; here they are from its two halves, which are cheaper to
    take apart, and `x` is put in the same order.
    """
    halves = [graph.fresh("half"), graph.fresh("half")]
    graph.op("Split", [WEIGHT], outputs=halves, axis=2, num_outputs=2)
    four = graph.constant("four", np.array(4, np.uint8))
    upper = graph.constant("upper", np.array(0xF0, np.uint8))
    low = graph.op("BitShift", [halves[0], four], direction="RIGHT")
    pairs = graph.op("BitwiseOr", [low, graph.op("BitwiseAnd", [halves[1], upper])])
    scales = graph.op("Mul", [SCALES, graph.constant("levels", np.array(LEVELS, np.float32))])
    apart = graph.op("Reshape", [x, graph.ints(0, 0, 2, BLOCK // 2)])
    ordered = graph.op("Reshape", [graph.op("Transpose", [apart], perm=[0, 1, 3, 2]), graph.ints(0, -1)])
    product = graph.op(
        "MatMulNBits",
        [ordered, pairs, scales],
        domain=MICROSOFT,
        K=blocks * BLOCK,
        N=vocabulary,
        bits=4,
        block_size=BLOCK,
        accuracy_level=INT8_ARITHMETIC,
    )
    # The lower four bits, of which the mean is added: it times the sum of each block of `x`.
    sums = graph.op("ReduceSum", [x, graph.ints(-1)], keepdims=0)
    return graph.op("Gemm", [sums, SCALES, product], alpha=(LEVELS - 1) / 2, transB=1)


def _rounded(graph: GraphWriter, x: str) -> str:
    """`[batch, blocks, BLOCK]` rounded to int8 with one scale per block, as `MatMulNBits` does."""
    peak = graph.op("ReduceMax", [graph.op("Abs", [x]), graph.ints(-1)], keepdims=1)
    some = graph.op("Max", [peak, graph.constant("tiny", np.array(TINY, np.float32))])
    step = graph.op("Mul", [some, graph.constant("step", np.array(1 / INT8_LIMIT, np.float32))])
    return graph.op("Mul", [graph.op("Round", [graph.op("Div", [x, step])]), step])
