"""Logits by a shortlist are those of the whole product where it matters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")

from unislu.engines.session import open_small
from unislu.training.onnx_embedding import (
    SHORTLIST,
    WEIGHT,
    embed_quantized,
    logits_by_shortlist,
    logits_quantized,
)
from unislu.training.onnx_graph import GraphWriter

ROWS = 700


def both(width: int, hidden: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of `hidden` `[batch, width]` by the whole product, and by a shortlist."""
    graph = GraphWriter("logits")
    tokens, x = graph.input("tokens", np.int64, [1, 1]), graph.input("x", np.float32, ["batch", width])
    weights = {WEIGHT: table(width)}
    graph.output(embed_quantized(graph, tokens, weights), "rows", np.float32, [1, 1, width])
    graph.output(logits_quantized(graph, x, weights), "whole", np.float32, ["batch", ROWS])
    graph.output(logits_by_shortlist(graph, x, ROWS, width), "short", np.float32, ["batch", ROWS])
    session = open_small(graph.model().SerializeToString())
    given = {"tokens": np.zeros((1, 1), np.int64), "x": hidden}
    whole, short = session.run(["whole", "short"], given)
    return whole, short


def table(width: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((ROWS, width)).astype(np.float32)


@pytest.mark.parametrize("width", [32, 160, 256])
def test_the_best_tokens_have_the_logits_of_the_whole_product(width: int) -> None:
    noise = np.random.default_rng(1).standard_normal((3, width)).astype(np.float32)
    whole, short = both(width, table(width)[[3, 400, 699]] + noise)
    np.testing.assert_array_equal(short.argmax(axis=1), [3, 400, 699])
    for expected, found in zip(whole, short, strict=True):
        best = np.argsort(-expected)[:8]
        np.testing.assert_allclose(found[best], expected[best], rtol=1e-5, atol=1e-5)
        assert np.isclose(found, expected, rtol=1e-5, atol=1e-5).sum() < 2 * SHORTLIST


def test_rough_logits_are_right_on_average() -> None:
    """The four bits that are left out are above zero on average, and so may be the hidden state."""
    hidden = np.random.default_rng(2).standard_normal((2, 256)).astype(np.float32) + 2
    whole, short = both(256, hidden)
    assert 0.1 < np.abs(short - whole).mean() < 0.1 * whole.std()
    assert np.abs((short - whole).mean(axis=1)).max() < 0.01 * whole.std()


def test_a_hidden_state_of_zeros_has_logits_of_zero() -> None:
    whole, short = both(32, np.zeros((1, 32), np.float32))
    np.testing.assert_array_equal(short, whole)
    np.testing.assert_array_equal(short, np.zeros((1, ROWS)))
