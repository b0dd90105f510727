"""Every engine against Hugging Face's own model and against the others: (implementation, tolerance) pairs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.errors import BundleNotFoundError, EngineError

pytest.importorskip("torch")

FLOAT_TOLERANCE = 1e-4
FLOAT16_TOLERANCE = 0.02
INT8_TOLERANCE = 0.12
"""The largest error of any logit in units of their standard deviation."""
TOLERANCES = [
    ("torch", FLOAT_TOLERANCE),
    ("float32", FLOAT_TOLERANCE),
    ("float16", FLOAT16_TOLERANCE),
    ("device", FLOAT16_TOLERANCE),
    ("int8", INT8_TOLERANCE),
]
SHAPE_TOLERANCES = dict(TOLERANCES)
"""Between the same tokens fed one by one and together, or rows alone and with others: float sums differ in
their last bits, and where one lies between two levels of an int8 activation it rounds to the other."""
PREFIX = [1, 5, 9, 33]
ENGINES = list(SHAPE_TOLERANCES)

Get = Callable[[str], Any]
Array = np.ndarray[Any, Any]


def logits_along(engine: Any, state: Any, tokens: Array) -> Array:
    """The logits after each column of `tokens` `[batch, n]`, fed one by one: `[n, batch, vocab]`."""
    found = []
    for column in range(tokens.shape[1]):
        logits, state = engine.step(tokens[:, column : column + 1], state)
        found.append(logits.copy())
    return np.stack(found)


def begin(engine: Any, mel: Array, frames: Sequence[int]) -> Any:
    return engine.start(engine.encode(mel[: len(frames)], np.array(frames)))


def greedy(engine: Any, mel: Array, frames: Sequence[int], count: int = 16) -> Array:
    logits, state = engine.step(np.array([PREFIX] * len(frames)), begin(engine, mel, frames))
    ids = []
    for _ in range(count):
        ids.append(logits.argmax(-1))
        logits, state = engine.step(ids[-1][:, None], state)
    return np.stack(ids, axis=1)


def distance(found: Array, expected: Array) -> float:
    return float(np.abs(found - expected).max() / expected.std())


@pytest.mark.parametrize(("name", "tolerance"), TOLERANCES)
def test_full_window_matches_hugging_face(
    engines: Get, reference: Any, mel: Array, name: str, tolerance: float
) -> None:
    import torch

    tokens = np.array([[*PREFIX, 100, 7], [*PREFIX, 3, 250]])
    with torch.inference_mode():
        expected = reference(
            input_features=torch.tensor(mel[:2]), decoder_input_ids=torch.tensor(tokens)
        ).logits
    engine = engines(name)
    state = begin(engine, mel, [mel.shape[2]] * 2)
    found = logits_along(engine, state, tokens)
    assert distance(found, expected.numpy().transpose(1, 0, 2)) < tolerance


def test_hidden_states_match_hugging_face(
    checkpoint: Path, reference: Any, mel: Array, tmp_path: Path
) -> None:
    import onnxruntime
    import torch

    from unislu.engines.torch import encode_hidden
    from unislu.training.export import export_encoder

    with torch.inference_mode():
        expected = reference.model.encoder(torch.tensor(mel)).last_hidden_state.numpy()
        ours, lengths = encode_hidden(
            reference.model.encoder, torch.tensor(mel), torch.tensor([mel.shape[2]] * 3)
        )
    path = export_encoder(checkpoint, tmp_path / "hidden.onnx", hidden=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (graph,) = session.run(None, {"mel": mel})
    assert lengths.tolist() == [mel.shape[2] // 2] * 3
    assert distance(ours.numpy(), expected) < FLOAT_TOLERANCE
    assert distance(graph, expected) < FLOAT_TOLERANCE


@pytest.mark.parametrize("frames", [[160], [40], [40, 160, 98]])
def test_float32_graph_writes_the_same_tokens_as_torch(engines: Get, mel: Array, frames: list[int]) -> None:
    expected = greedy(engines("torch"), mel, frames)
    assert greedy(engines("float32"), mel, frames).tolist() == expected.tolist()
    states = [begin(engines(name), mel, frames) for name in ("torch", "float32")]
    torch_logits = logits_along(engines("torch"), states[0], expected)
    assert distance(logits_along(engines("float32"), states[1], expected), torch_logits) < FLOAT_TOLERANCE


def test_int8_graph_stays_close_on_unequal_lengths(engines: Get, mel: Array) -> None:
    frames = [40, 160, 98]
    tokens = greedy(engines("torch"), mel, frames)
    expected = logits_along(engines("torch"), begin(engines("torch"), mel, frames), tokens)
    found = logits_along(engines("int8"), begin(engines("int8"), mel, frames), tokens)
    assert distance(found, expected) < INT8_TOLERANCE


@pytest.mark.parametrize("name", ENGINES)
def test_a_prompt_longer_than_the_audio(engines: Get, mel: Array, name: str) -> None:
    engine, tokens = engines(name), np.arange(40, 52)[None]
    found, _ = engine.step(tokens, begin(engine, mel, [10]))
    expected = logits_along(engine, begin(engine, mel, [10]), tokens)[-1]
    assert distance(found, expected) < SHAPE_TOLERANCES[name]


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=8)
@given(frames=st.lists(st.integers(2, 160), min_size=1, max_size=3), noise=st.floats(-5, 5))
def test_a_row_is_what_it_is_alone(engines: Get, name: str, frames: list[int], noise: float) -> None:
    """Neither the other rows nor what lies beyond a row's length changes it; an odd last frame is dropped."""
    mel = np.random.default_rng(3).standard_normal((3, 80, 160)).astype(np.float32)
    engine = engines(name)
    tokens = np.array([PREFIX] * len(frames))
    padded = mel[: len(frames)].copy()
    for row, length in enumerate(frames):
        padded[row, :, length:] = noise
    together, _ = engine.step(tokens, begin(engine, padded, frames))
    together = together.copy()
    for row, length in enumerate(frames):
        even = length // 2 * 2
        alone, _ = engine.step(tokens[:1], begin(engine, mel[row : row + 1, :, :even], [even]))
        assert distance(together[row], alone[0]) < SHAPE_TOLERANCES[name]


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=8)
@given(
    rows=st.lists(st.integers(0, 1), min_size=1, max_size=4),
    cut=st.integers(1, 6),
    more=st.lists(st.integers(0, 300), min_size=1, max_size=5),
)
def test_select_forks_and_cuts_back(
    engines: Get, name: str, rows: list[int], cut: int, more: list[int]
) -> None:
    """A selected row goes on as if its tokens had been written afresh; the old state is untouched."""
    mel = np.random.default_rng(3).standard_normal((3, 80, 160)).astype(np.float32)
    engine, frames = engines(name), [60, 120]
    written = np.array([[*PREFIX, 20, 21], [*PREFIX, 120, 121]])
    _, state = engine.step(written, begin(engine, mel, frames))
    chosen = engine.select(state, rows, [cut] * len(rows))
    assert engine.lengths(chosen) == [cut] * len(rows)
    found, _ = engine.step(np.array([more] * len(rows)), chosen)
    found = found.copy()
    for place, row in enumerate(rows):
        fresh = begin(engine, mel[row : row + 1], [frames[row]])
        tokens = np.array([[*written[row, :cut], *more]])
        expected, _ = engine.step(tokens, fresh)
        assert distance(found[place], expected[0]) < SHAPE_TOLERANCES[name]
    assert engine.lengths(state) == [6, 6]
    went_on, _ = engine.step(np.array([[5], [6]]), engine.select(state, [0, 1]))
    went_on = went_on.copy()
    whole, _ = engine.step(np.concatenate([written, [[5], [6]]], axis=1), begin(engine, mel, frames))
    assert distance(went_on, whole) < SHAPE_TOLERANCES[name]


@pytest.mark.parametrize("name", ["float32", "device", "int8"])
def test_caches_grow_with_what_is_written(
    engines: Get, mel: Array, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, frames = engines(name), [160, 90]
    expected = greedy(engine, mel, frames, 24)
    monkeypatch.setattr("unislu.engines.onnx.ROOM", 5)
    np.testing.assert_array_equal(greedy(engine, mel, frames, 24), expected)
    _, state = engine.step(np.array([PREFIX, PREFIX]), begin(engine, mel, frames))
    forked = engine.select(state, [1, 1, 0])
    tokens = np.arange(3 * 12).reshape(3, 12)
    grown = logits_along(engine, forked, tokens)
    monkeypatch.undo()
    _, state = engine.step(np.array([PREFIX, PREFIX]), begin(engine, mel, frames))
    forked = engine.select(state, [1, 1, 0])
    assert distance(grown, logits_along(engine, forked, tokens)) < SHAPE_TOLERANCES[name]
    assert forked.queries.shape[1] == engine.max_tokens  # 128 and more would be more than it can write


@pytest.mark.parametrize("name", ENGINES)
def test_rows_of_different_lengths_step_together(engines: Get, mel: Array, name: str) -> None:
    engine = engines(name)
    _, state = engine.step(np.array([[*PREFIX, 20, 21]] * 2), begin(engine, mel, [60, 120]))
    state = engine.select(state, [0, 1], [3, 6])
    found, state = engine.step(np.array([[50], [51]]), state)
    found = found.copy()
    assert engine.lengths(state) == [4, 7]
    for row, tokens in enumerate([[*PREFIX[:3], 50], [*PREFIX, 20, 21, 51]]):
        expected, _ = engine.step(np.array([tokens]), begin(engine, mel[row : row + 1], [60 * (row + 1)]))
        assert distance(found[row], expected[0]) < SHAPE_TOLERANCES[name]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("frames", [[1], [0], [162], [], [40, 1]])
def test_impossible_lengths_are_refused(engines: Get, mel: Array, name: str, frames: list[int]) -> None:
    with pytest.raises(EngineError, match="frames"):
        engines(name).encode(mel[: len(frames)], np.array(frames, np.int64))


@pytest.mark.parametrize("name", ENGINES)
def test_too_many_tokens_are_refused(engines: Get, mel: Array, name: str) -> None:
    engine = engines(name)
    state = begin(engine, mel, [40])
    with pytest.raises(EngineError, match="positions"):
        engine.step(np.ones((1, engine.max_tokens + 1), np.int64), state)


def test_missing_and_foreign_graphs_are_named(tmp_path: Path) -> None:
    from unislu.engines.onnx import OnnxEngine
    from unislu.engines.torch import TorchEngine

    with pytest.raises(BundleNotFoundError, match=r"encoder\.onnx"):
        OnnxEngine(tmp_path / "encoder.onnx", tmp_path / "decoder.onnx")
    (tmp_path / "encoder.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineError, match=r"encoder\.onnx.*onnxruntime"):
        OnnxEngine(tmp_path / "encoder.onnx", tmp_path / "decoder.onnx")
    with pytest.raises(BundleNotFoundError, match=r"config\.json"):
        TorchEngine.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("torch", 1e-5), ("float32", 1e-5), ("device", 2e-3), ("int8", 0.03)]
)
def test_attention_is_hugging_faces(
    engines: Get, reference: Any, mel: Array, name: str, tolerance: float
) -> None:
    """The alignment heads' weights, of tokens fed one by one, together, and in a batch of two."""
    import torch

    tokens = np.array([[*PREFIX, 100, 7], [*PREFIX, 3, 250]])
    eager = copy.deepcopy(reference)
    eager.set_attn_implementation("eager")
    with torch.inference_mode():
        found = eager(
            input_features=torch.tensor(mel[:2]),
            decoder_input_ids=torch.tensor(tokens),
            output_attentions=True,
        ).cross_attentions
    heads = [found[1][:, head] for head in range(4)]  # the last half of two layers
    expected = torch.stack(heads, dim=1).numpy()
    engine = engines(name)
    _, state = engine.step(tokens[:, :4], begin(engine, mel, [mel.shape[2]] * 2))
    for column in (4, 5):
        _, state = engine.step(tokens[:, column : column + 1], state)
    assert engine.aligns
    for row in range(2):
        weights = engine.attention(state, row, 0, 6)
        assert weights.shape == (4, 6, 80) and weights.dtype == np.float32
        assert np.abs(weights - expected[row]).max() < tolerance
        selected = engine.select(state, [row], [5])
        for part, expected_part in (
            (engine.attention(state, row, 2, 5), weights[:, 2:5]),
            (engine.attention(selected, 0, 0, 5), weights[:, :5]),
        ):
            np.testing.assert_allclose(part, expected_part, atol=1e-6)


@pytest.mark.parametrize("name", ENGINES)
def test_attention_of_a_row_keeps_to_its_audio(engines: Get, mel: Array, name: str) -> None:
    engine = engines(name)
    _, state = engine.step(np.array([PREFIX] * 2), begin(engine, mel, [40, 120]))
    for row, audio in enumerate((20, 60)):
        weights = engine.attention(state, row, 1, 4)
        assert weights.shape == (4, 3, audio)
        assert np.allclose(weights.sum(axis=2), 1, atol=1e-5)


def test_a_graph_without_alignment_heads_does_not_align(
    checkpoint: Path, engines: Get, tmp_path: Path
) -> None:
    from unislu.engines.onnx import OnnxEngine
    from unislu.training.export import load_checkpoint, write_graphs

    write_graphs(load_checkpoint(checkpoint), tmp_path, None, ())
    engine = OnnxEngine(tmp_path / "encoder.onnx", tmp_path / "decoder.onnx", threads=1)
    mel = np.random.default_rng(3).standard_normal((1, 80, 60)).astype(np.float32)
    found, state = engine.step(np.array([PREFIX]), begin(engine, mel, [60]))
    expected, _ = engines("float32").step(np.array([PREFIX]), begin(engines("float32"), mel, [60]))
    assert not engine.aligns and np.allclose(found, expected, atol=1e-5)
    assert engine.select(state, [0, 0]).queries.size == 0


def test_heads_come_from_the_checkpoint_its_shape_or_its_last_layers(reference: Any) -> None:
    from types import SimpleNamespace

    from unislu.engines.heads import alignment_heads, read_heads, write_heads

    def model(width: int, layers: int, named: Any = None) -> Any:
        config = SimpleNamespace(d_model=width, decoder_layers=layers, decoder_attention_heads=2)
        return SimpleNamespace(config=config, generation_config=SimpleNamespace(alignment_heads=named))

    assert alignment_heads(model(512, 6, [[4, 1], [2, 0]])) == ((2, 0), (4, 1))
    assert (3, 1) in alignment_heads(model(512, 6)) and len(alignment_heads(model(512, 6))) == 8
    assert alignment_heads(model(48, 3)) == ((1, 0), (1, 1), (2, 0), (2, 1))
    assert read_heads(write_heads(((3, 1), (5, 12)))) == ((3, 1), (5, 12))
    assert read_heads("") == ()
