"""The graph of a tagger: a decoder that is fed many tokens at a time and scores a few after each.

It is made from the graph of a decoder that writes, which is fed one token at a time. What is fastest for one
row is not for many, so in int8 two kinds of node are replaced:

* products of matrices have one scale per row of activations (`row_linear`) in place of one per block;
* attention over the audio is written out in float32. The kernel that reads the int8 cache as it is saves
  memory bandwidth for one row and repeats its conversion for every further one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from unislu.errors import BundleError
from unislu.training.onnx_embedding import EMBEDDING, dequantized_rows
from unislu.training.onnx_graph import MICROSOFT, UINT8_ZERO, GraphWriter, row_linear

if TYPE_CHECKING:
    import onnx

_INT64, _FLOAT = 7, 1
"""Of `onnx.TensorProto`."""
_FIRST = 100_000
"""Numbers of new names begin here, beyond those of the graph."""


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
    writer = GraphWriter("scores", first=_FIRST)
    if half:
        rows = writer.op("Gather", [f"{EMBEDDING}.weight", "wanted"])
    else:
        width = next(item for item in graph.initializer if item.name == "decoder.positions").dims[1]
        rows = dequantized_rows(writer, "wanted", 1, width)
    columns = writer.op("Transpose", [rows], perm=[1, 0])
    writer.op("MatMul", [hidden, columns], outputs=["scores_half" if half else "scores"])
    if half:
        writer.op("Cast", ["scores_half"], outputs=["scores"], to=_FLOAT)
    graph.node.extend(writer.nodes)
    _add_constants(graph, writer)
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "n", "c"]))
    _without_dead_nodes(graph)
    if not half:
        for_many_rows(graph)
    checker.check_model(decoder)
    return decoder


def _add_constants(graph: onnx.GraphProto, writer: GraphWriter) -> None:
    """Add the constants of a writer to a graph, which may have some already, such as the same axes."""
    from onnx import numpy_helper

    known = {item.name for item in graph.initializer}
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in writer.constants.items()
        if name not in known
    )


def for_many_rows(graph: onnx.GraphProto) -> None:
    """Replace an int8 graph's products and its attention over the audio; see the module.

    A tagger has one row, whose audio is cut to its length, so that nothing is masked. Its caches of the audio
    are only read: the outputs `new_cross_*` and the input `cross_total` go.
    """
    writer = GraphWriter("rows", first=2 * _FIRST)
    constants = {item.name: item for item in graph.initializer}
    key = next(item for item in graph.input if item.name == "cross_key_0")
    head = key.type.tensor_type.shape.dim[3].dim_value
    ended = writer.op("Add", ["cross_last", writer.constant("one_more", np.ones(1, np.int32))])
    length = writer.op("Cast", [ended], to=_INT64)
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            _row_product(writer, node, constants)
        elif node.op_type == "GroupQueryAttention" and node.input[3].startswith("cross_"):
            _cross_attention(writer, node, length, head)
        else:
            writer.nodes.append(node)
            continue
        writer.nodes[-1].output[0] = node.output[0]
    del graph.node[:]
    graph.node.extend(writer.nodes)
    _add_constants(graph, writer)
    for kept, name in ((graph.output, "new_cross_"), (graph.input, "cross_total")):
        for item in [item for item in kept if item.name.startswith(name)]:
            kept.remove(item)
    _without_dead_nodes(graph)


def _row_product(writer: GraphWriter, node: onnx.NodeProto, constants: Mapping[str, Any]) -> None:
    """Write a blockwise product anew, with one scale per row of activations."""
    from onnx import numpy_helper

    sizes = {attribute.name: attribute.i for attribute in node.attribute}
    values, scales = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
    centred = (values.astype(np.float32) - UINT8_ZERO) * scales.reshape(sizes["N"], -1, 1)
    weight = centred.reshape(sizes["N"], -1)[:, : sizes["K"]]
    bias = numpy_helper.to_array(constants[node.input[5]]) if len(node.input) > 5 else None
    name = node.input[1].removesuffix(".weight")
    row_linear(writer, node.input[0], f"{name}.rows", weight, bias, after_gelu=name.endswith(".fc2"))


def _cross_attention(writer: GraphWriter, node: onnx.NodeProto, length: str, head: int) -> None:
    """Write attention over `length` positions of an int8 cache in float32, with heads of width `head`.

    Queries are scaled by the channels of the keys before, and what is mixed by those of the values after it.
    """
    key, value = (
        writer.op("Cast", [writer.op("Slice", [name, writer.ints(0), length, writer.ints(2)])], to=_FLOAT)
        for name in node.input[3:5]
    )
    apart = writer.op("Reshape", [node.input[0], writer.ints(0, 0, -1, head)])
    query = writer.op("Transpose", [apart], perm=[0, 2, 1, 3])
    scores = writer.op("FusedMatMul", [query, key], domain=MICROSOFT, transB=1, alpha=head**-0.5)
    mixed = writer.op("MatMul", [writer.op("Softmax", [scores], axis=-1), value])
    joined = writer.op("Transpose", [mixed], perm=[0, 2, 1, 3])
    writer.op("Reshape", [joined, writer.ints(0, 0, -1)])


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
