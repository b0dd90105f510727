"""int8 products are the same on every processor: no two of them overflow 16 bits together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("onnx")

import onnx
from onnx import numpy_helper

from unislu.bundle import DEFAULT_PATH, open_bundle
from unislu.errors import BundleError
from unislu.training.onnx_graph import GraphWriter, Linear, dynamic_linear, quantize_channels, row_linear
from unislu.training.saturation import check_saturation, largest_pairs

LARGEST_ACTIVATION, LARGEST_SUM = 255, 2**15 - 1
WEIGHTS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.floats(-8, 8, width=32, allow_subnormal=False),
)


def test_every_pair_of_the_shipped_encoder_fits_16_bits() -> None:
    """Read here by hand, so that the check of export is not its own witness."""
    graph = onnx.load(DEFAULT_PATH / "encoder.onnx").graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 49  # 6 blocks of 6 layers, 12 cross projections, one convolution
    for node in products:
        weights = np.abs(constants[node.input[1]].astype(np.int32))
        sums = LARGEST_ACTIVATION * (weights[0::2] + weights[1::2])
        assert sums.max() <= LARGEST_SUM, node.name


# The speaker encoder is not of this exporter: tests/speakers/test_parity.py holds it to the float weights.
OURS = [path for path in sorted(DEFAULT_PATH.parents[1].rglob("*.onnx")) if path.name != "ge2e.onnx"]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_every_shipped_graph_passes_the_check_of_export(path: Path) -> None:
    assert check_saturation(path) == {"encoder.onnx": 49, "tagger.onnx": 36}.get(path.name, 0)


def test_the_shipped_manifest_says_so() -> None:
    assert open_bundle().manifest.saturation_free


@given(WEIGHTS)
@example(np.full((1, 5), 3, np.float32))
@example(np.zeros((2, 3), np.float32))
def test_quantised_weights_leave_room_for_two_products(weight: np.ndarray[Any, Any]) -> None:
    values, scales = quantize_channels(weight)
    assert values.dtype == np.int8
    assert LARGEST_ACTIVATION * largest_pairs(values.astype(np.int32)).max() <= LARGEST_SUM
    error = np.abs(values * scales[:, None] - weight)
    assert (error <= scales[:, None] * 0.5001).all()
    peaks = np.abs(weight).max(axis=1)
    assert (scales[peaks > 0] <= 2.001 * peaks[peaks > 0] / 127).all()  # at worst 7 bits


@pytest.mark.parametrize("linear", [dynamic_linear, row_linear])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_right_on_this_processor(linear: Linear, sign: int) -> None:
    """All weights and activations at their peaks: with 8 bits AVX2 halves the sum. Half a step is 0.8 %."""
    import onnxruntime

    weight, x = np.full((8, 512), sign, np.float32), np.ones((4, 512), np.float32)
    graph = GraphWriter("product")
    same = graph.op("Identity", [graph.input("x", np.float32, ["rows", 512])])
    graph.output(linear(graph, same, "layer", weight, None), "y", np.float32, ["rows", 8])
    session = onnxruntime.InferenceSession(
        graph.model().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_allclose(session.run(None, {"x": x})[0], np.full((4, 8), sign * 512), rtol=0.01)


def test_a_graph_that_could_be_clipped_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    save_product(path, np.array([[64], [64], [127], [1]], np.int8))
    assert check_saturation(path) == 1
    save_product(path, np.array([[1], [64], [64], [1], [-64], [65]], np.int8))
    with pytest.raises(BundleError, match=r"encoder\.onnx.*product.*129 together, more than 128"):
        check_saturation(path)


@pytest.mark.parametrize("kind", ["MatMulInteger", "ConvInteger"])
def test_a_product_whose_weights_cannot_be_read_is_refused(tmp_path: Path, kind: str) -> None:
    node = onnx.helper.make_node(kind, ["x", "computed"], ["y"], name="product")
    save(tmp_path / "graph.onnx", [node], [])
    with pytest.raises(BundleError, match=f"cannot tell whether product .{kind}. is clipped"):
        check_saturation(tmp_path / "graph.onnx")


def save_product(path: Path, weights: np.ndarray[Any, Any]) -> None:
    """A graph of one product, with `weights` `[in, out]`."""
    node = onnx.helper.make_node("MatMulInteger", ["x", "w"], ["y"], name="product")
    save(path, [node], [numpy_helper.from_array(weights, "w")])


def save(path: Path, nodes: list[Any], constants: list[Any]) -> None:
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", [], [], constants)), path)
