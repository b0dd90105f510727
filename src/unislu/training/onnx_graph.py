"""A small writer of ONNX graphs, for full control over the exported graph.

Tracing a torch module gives a graph of several hundred shape computations that no optimiser turns
into the fused, quantised operators ONNX Runtime runs fastest. Whisper is small enough to write its
graph down by hand: this module has the writer and the kinds of linear layer, `onnx_encoder` and
`onnx_decoder` have the networks.

The matrices are stored in one of four ways:

* `float_linear`: float32 `MatMul`, the reference.
* `dynamic_linear`: int8 weights with one scale per output channel, activations quantised on the fly
  with one scale per tensor. The fastest for many rows (an encoder). The weights leave room for the
  processors that add two products in 16 bits: see `unislu.training.saturation`.
* `row_linear`: the same with one scale per row of activations.
* `block_linear`: int8 weights with one scale per block of inputs, activations quantised per row and
  block, so that rows of a batch do not touch one another. The fastest for one row (a decoder).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unislu.bundle import DATA
from unislu.training.saturation import PAIR_LIMIT, largest_pairs

if TYPE_CHECKING:
    import onnx

OPSET = 20
MICROSOFT_OPSET = 1
IR_VERSION = 10
MICROSOFT = "com.microsoft"
INT8_LIMIT = 127
UINT8_ZERO = 128
BLOCK = 128
INT8_ARITHMETIC = 4
GELU_DEPTH = 0.17
"""-0.17 is the least value of a GELU."""
TINY = 1e-8


PROTOBUF_LIMIT = 1_900_000_000
"""Bytes of constants that fit a file of a graph: protobuf ends at 2 GiB."""
PAGE = 65_536
"""Bytes to which data in a file of its own is aligned, so that every system can map it."""


class GraphWriter:
    """Collects nodes and constants and builds an `onnx.ModelProto` from them.

    `first`: the number of the first name that `op` makes up, for nodes that join another graph.
    """

    def __init__(self, name: str, first: int = 0) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._counter = first

    def input(self, name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> str:
        """Declare a graph input; a string in `shape` is a dynamic dimension."""
        self.inputs.append(_value_info(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> None:
        """Declare the graph output `name`, an alias of `value`."""
        if value != name:
            self.op("Identity", [value], outputs=[name])
        self.outputs.append(_value_info(name, dtype, shape))

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Store `array` under `name` once; the same name must always carry the same array."""
        self.constants.setdefault(name, array)
        return name

    @property
    def size(self) -> int:
        """Bytes of all constants."""
        return sum(array.nbytes for array in self.constants.values())

    def ints(self, *values: int) -> str:
        """A constant int64 vector, shared between all its users."""
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def op(
        self,
        kind: str,
        inputs: Sequence[str],
        *,
        outputs: Sequence[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append one node and return the name of its first output (a fresh one unless `outputs` is given)."""
        from onnx import helper

        self._counter += 1
        names = list(outputs) if outputs is not None else [f"{kind}_{self._counter}"]
        label = f"{kind}_{self._counter}"
        node = helper.make_node(kind, list(inputs), names, name=label, domain=domain, **attributes)
        self.nodes.append(node)
        return names[0]

    def fresh(self, stem: str) -> str:
        """A value name nothing else uses."""
        self._counter += 1
        return f"{stem}_{self._counter}"

    def halve(self, kept: Collection[str]) -> None:
        """Turn every float32 into float16, except the graph's inputs and outputs in `kept`.

        For a graph of `float_linear` layers, whose operators all exist in float16.
        """
        from onnx import TensorProto

        self.constants = {
            name: array.astype(np.float16) if array.dtype == np.float32 else array
            for name, array in self.constants.items()
        }
        for info in (*self.inputs, *self.outputs):
            if info.name not in kept and info.type.tensor_type.elem_type == TensorProto.FLOAT:
                info.type.tensor_type.elem_type = TensorProto.FLOAT16
        nodes, self.nodes = self.nodes, []
        for name in (info.name for info in self.inputs if info.name in kept):
            self.op("Cast", [name], outputs=[f"{name}_half"], to=TensorProto.FLOAT16)
        for node in nodes:
            for names in (node.input, node.output):
                names[:] = [f"{name}_half" if name in kept else name for name in names]
        self.nodes += nodes
        for name in (info.name for info in self.outputs if info.name in kept):
            self.op("Cast", [f"{name}_half"], outputs=[name], to=TensorProto.FLOAT)

    def model(self, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """The finished model, with `metadata` that ONNX Runtime hands to whoever loads it.

        Raises:
            onnx.checker.ValidationError: a node that does not fit its operator's schema.
        """
        from onnx import checker, numpy_helper

        model = self._assembled(
            [numpy_helper.from_array(np.asarray(a, order="C"), n) for n, a in self.constants.items()],
            metadata,
        )
        checker.check_model(model)
        return model

    def write(self, path: Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write the model to a file; constants of more than `PROTOBUF_LIMIT` go into `<path>.data` beside it.

        Raises as `model` does.
        """
        data = path.with_name(path.name + DATA)
        if self.size <= PROTOBUF_LIMIT:
            path.write_bytes(self.model(metadata).SerializeToString())
            data.unlink(missing_ok=True)  # of a larger model that was here
            return
        from onnx import checker

        with data.open("wb") as file:
            tensors = [_apart(name, array, file, data.name) for name, array in self.constants.items()]
        path.write_bytes(self._assembled(tensors, metadata).SerializeToString())
        checker.check_model(str(path))

    def _assembled(
        self, constants: Sequence[onnx.TensorProto], metadata: Mapping[str, str] | None
    ) -> onnx.ModelProto:
        from onnx import helper

        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, MICROSOFT_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="unislu")
        helper.set_model_props(model, dict(metadata or {}))
        return model


def _apart(name: str, array: NDArray[Any], file: BinaryIO, location: str) -> onnx.TensorProto:
    """A constant; one of a page or more is appended to `file`, which is called `location`."""
    from onnx import TensorProto, external_data_helper, helper, numpy_helper

    if array.nbytes < PAGE:
        return numpy_helper.from_array(np.asarray(array, order="C"), name)
    file.write(bytes(-file.tell() % PAGE))
    offset = file.tell()
    file.write(np.ascontiguousarray(array).data)
    tensor = TensorProto(name=name, dims=array.shape, data_type=helper.np_dtype_to_tensor_dtype(array.dtype))
    tensor.raw_data = b""
    external_data_helper.set_external_data(tensor, location, offset, array.nbytes)
    tensor.ClearField("raw_data")
    return tensor


Linear = Callable[[GraphWriter, str, str, NDArray[Any], NDArray[Any] | None], str]
"""One way to write `x @ weight.T + bias` into a graph: called with the graph, `x`, the layer's name, `weight`
float32 `[out, in]` (torch's layout) and `bias`; returns the output's name.
"""


def float_linear(
    graph: GraphWriter, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any] | None
) -> str:
    """float32 weights and arithmetic."""
    product = graph.op("MatMul", [x, graph.constant(f"{name}.weight", weight.T)])
    if bias is None:
        return product
    return graph.op("Add", [product, graph.constant(f"{name}.bias", bias)])


def dynamic_linear(
    graph: GraphWriter, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any] | None
) -> str:
    """int8 weights per output channel, uint8 activations per tensor, quantised once for all readers."""
    kind = "DynamicQuantizeLinear"
    parts = next((list(n.output) for n in graph.nodes if n.op_type == kind and n.input[0] == x), None)
    if parts is None:
        parts = [graph.fresh(part) for part in ("uint8", "scale", "zero")]
        graph.op(kind, [x], outputs=parts)
    values, scale, zero = parts
    quantized, scales = quantize_channels(weight)
    inputs = [
        values,
        graph.constant(f"{name}.weight", quantized.T),
        scale,
        graph.constant(f"{name}.scales", scales),
        zero,
    ]
    if bias is not None:
        inputs += ["", graph.constant(f"{name}.bias", bias)]
    return graph.op("MatMulIntegerToFloat", inputs, domain=MICROSOFT)


def row_linear(
    graph: GraphWriter,
    x: str,
    name: str,
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    after_gelu: bool = False,
) -> str:
    """int8 weights per output channel, activations with one scale per row.

    Worth its elementwise operations where single rows have outliers that would leave the others a
    handful of levels (the inner activations of Whisper), or where no row may touch another.

    `after_gelu`: the input is a GELU's output, which is never below -0.17, so that the largest value of a
    row, or 0.17, bounds it on both sides.
    """
    size = x if after_gelu else graph.op("Abs", [x])
    least = ("floor", GELU_DEPTH) if after_gelu else ("least", TINY)
    highest = graph.op("ReduceMax", [size, graph.ints(-1)], keepdims=1)
    peak = graph.op("Max", [highest, graph.constant(least[0], np.array(least[1], np.float32))])
    step = graph.constant("step", np.array(1 / INT8_LIMIT, np.float32))
    zero = graph.constant("zero", np.array(UINT8_ZERO, np.uint8))
    values = graph.op("QuantizeLinear", [graph.op("Div", [x, peak]), step, zero])
    scale = graph.op("Mul", [peak, step])
    quantized, scales = quantize_channels(weight)
    inputs = [
        values,
        graph.constant(f"{name}.weight", quantized.T),
        graph.constant("one", np.array(1, np.float32)),
        graph.constant(f"{name}.scales", scales),
        zero,
    ]
    product = graph.op("MatMulIntegerToFloat", inputs, domain=MICROSOFT)
    scaled = graph.op("Mul", [product, scale])
    if bias is None:
        return scaled
    return graph.op("Add", [scaled, graph.constant(f"{name}.bias", bias)])


def encoder_int8(
    graph: GraphWriter, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any] | None
) -> str:
    """The int8 encoder's mixture: activations per row before `fc2`, where outliers live, else per tensor.

    On whisper-base this halves the relative error of the hidden states (12 % -> 6 %) for 4 % more time.
    """
    if name.endswith(".fc2"):
        return row_linear(graph, x, name, weight, bias, after_gelu=True)
    return dynamic_linear(graph, x, name, weight, bias)


def block_linear(
    graph: GraphWriter, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any] | None
) -> str:
    """int8 weights per block of inputs; activations quantised per row and block by the kernel."""
    out, inner = weight.shape
    quantized, scales = quantize_blocks(weight, BLOCK)
    inputs = [
        x,
        graph.constant(f"{name}.weight", quantized),
        graph.constant(f"{name}.scales", scales),
    ]
    if bias is not None:
        inputs += ["", "", graph.constant(f"{name}.bias", bias)]
    return graph.op(
        "MatMulNBits",
        inputs,
        domain=MICROSOFT,
        K=inner,
        N=out,
        bits=8,
        block_size=BLOCK,
        accuracy_level=INT8_ARITHMETIC,
    )


def quantize_blocks(weight: NDArray[Any], block: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Symmetric int8 with an offset of 128 and one scale per `block` inputs.

    `[out, in]` float32 -> uint8 `[out, blocks, block]` (zero-padded at the end), float32 `[out, blocks]`.
    """
    out, inner = weight.shape
    blocks = -(-inner // block)
    padded = np.zeros((out, blocks * block), np.float32)
    padded[:, :inner] = weight
    grouped = padded.reshape(out, blocks, block)
    scales = _scales(np.abs(grouped).max(axis=2))
    values = np.rint(grouped / scales[:, :, None]) + UINT8_ZERO
    return values.astype(np.uint8), scales


def quantize_channels(weight: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale per row: `[out, in]` float32 -> int8 `[out, in]`, float32 `[out]`.

    The scale is as fine as `PAIR_LIMIT` allows: where a row's largest weights have small neighbours nearly
    8 bits are used, and 7 where two of the largest meet.
    """
    # Rounding adds at most a half to each of two weights.
    scales = _scales(largest_pairs(weight), PAIR_LIMIT - 1)
    return np.rint(weight / scales[:, None]).astype(np.int8), scales


def _scales(peaks: NDArray[Any], levels: int = INT8_LIMIT) -> NDArray[np.float32]:
    """The step between levels for each peak; 1 where all weights are zero."""
    return np.where(peaks > 0, peaks / levels, 1.0).astype(np.float32)


def _value_info(name: str, dtype: type[np.generic], shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
