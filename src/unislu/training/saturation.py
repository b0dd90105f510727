"""Checks on a written int8 graph that no sum of products saturates on any processor.

x86 processors with AVX2 but without VNNI multiply unsigned activations by signed weights with an instruction
that adds the products of two neighbouring inputs in 16 bits and clips what does not fit. Other processors add
in 32 bits, so the same graph would compute something else there. Two weights that are small enough together
cannot be clipped, whatever the activations are. Blockwise weights (`MatMulNBits`) are multiplied by kernels
that add in 32 bits everywhere, and need no such care.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unislu.errors import BundleError

if TYPE_CHECKING:
    import onnx

PAIR_LIMIT = 32_767 // 255
"""The largest sum of the absolute values of two neighbouring weights: times 255 it still fits 16 bits."""
PRODUCTS = {"MatMulInteger": 1, "MatMulIntegerToFloat": 1, "DynamicQuantizeMatMul": 1, "QLinearMatMul": 3}
"""Matrix products of 8-bit integers, and which of their inputs has the weights `[in, out]`."""
OTHERS = ("QGemm", "QAttention", "ConvInteger", "QLinearConv", "DynamicQuantizeLSTM")
"""What else multiplies 8-bit integers; nothing that unislu exports has it."""


def largest_pairs(weights: NDArray[Any]) -> NDArray[Any]:
    """The largest `|w1| + |w2|` of inputs 2i and 2i + 1 in each row: `[out, in]` -> `[out]`."""
    padded = np.pad(np.abs(weights), ((0, 0), (0, weights.shape[1] % 2)))
    sums: NDArray[Any] = padded[:, 0::2] + padded[:, 1::2]
    return sums.max(axis=1, initial=0)


def check_saturation(graph: Path) -> int:
    """Check every 8-bit product of an ONNX file, and return how many there are.

    Raises:
        BundleError: a product whose sum of two could be clipped, or one whose weights cannot be read.
    """
    import onnx

    model = onnx.load(graph, load_external_data=False)  # which may be larger than memory
    count = 0
    for node, weights in _products(graph, model):
        largest = int(largest_pairs(weights.T.astype(np.int32)).max(initial=0))
        if largest > PAIR_LIMIT:
            raise BundleError(
                f"{graph}: two neighbouring weights of {node.name} are {largest} together, more than "
                f"{PAIR_LIMIT}: processors without VNNI would clip their products; "
                "export the checkpoint again with --quantize int8"
            )
        count += 1
    return count


def _products(graph: Path, model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, NDArray[Any]]]:
    """Every node that multiplies 8-bit integers, with its signed weights `[in, out]`."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in (*PRODUCTS, *OTHERS):
            continue
        tensor = constants.get(node.input[PRODUCTS.get(node.op_type, 0)])
        if node.op_type in OTHERS or tensor is None:
            raise BundleError(
                f"{graph}: cannot tell whether {node.name} ({node.op_type}) is clipped on processors without "
                "VNNI; export the checkpoint with unislu, or without quantization"
            )
        weights = numpy_helper.to_array(tensor, str(graph.parent))
        if weights.dtype == np.int8:
            yield node, weights
