"""Whether a bundle's graphs compute what their checkpoint does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.audio.features import log_mel
from unislu.bundle import DECODER, ENCODER
from unislu.engines.protocol import Engine
from unislu.errors import BundleError

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

CHECK_SECONDS = (2.0, 5.0, 3.3)
CHECK_TOKENS = 24
FLOAT_LIMIT = 1e-3
"""Largest difference between the logits of torch and of the float32 graph, in their standard deviations."""
FLOAT16_LIMIT = 0.1
"""The same of the float16 graph."""
INT8_AGREEMENT = 0.5
"""Below this share of equal tokens an int8 graph is broken, not merely coarse."""


@dataclass(frozen=True)
class Parity:
    """How two engines agree along the first one's greedy output."""

    tokens: int
    agreement: float
    """The share of positions where both find the same token likeliest."""
    difference: float
    """The largest difference of any logit, in standard deviations of the logits."""


def compare(
    reference: Engine, other: Engine, prefix: Sequence[int], windows: Sequence[NDArray[np.float32]]
) -> Parity:
    """Follow the greedy output of `reference` with both engines, window by window."""
    found: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for window in windows:
        tokens = np.array([prefix], np.int64)
        frames = np.array([window.shape[1]], np.int64)
        states = [engine.start(engine.encode(window[None], frames)) for engine in (reference, other)]
        for _ in range(min(CHECK_TOKENS, reference.max_tokens - len(prefix))):
            first, states[0] = reference.step(tokens, states[0])
            second, states[1] = other.step(tokens, states[1])
            found.append((first[0].copy(), second[0].copy()))
            tokens = first.argmax(axis=1)[:, None]
    expected, measured = (np.stack(column) for column in zip(*found, strict=True))
    same = expected.argmax(axis=1) == measured.argmax(axis=1)
    difference = float(np.abs(expected - measured).max() / expected.std())
    return Parity(len(found), float(same.mean()), difference)


def synthetic_windows(model: WhisperForConditionalGeneration) -> list[NDArray[np.float32]]:
    """Features of tones in noise, long enough to tell engines apart: no recording is needed."""
    generator = np.random.default_rng(0)
    windows = []
    for seconds in CHECK_SECONDS:
        limit = 2 * int(model.config.max_source_positions)
        time = np.arange(int(SAMPLE_RATE * min(seconds, limit / 100))) / SAMPLE_RATE
        tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in generator.uniform(100, 3000, 4))
        swell = 0.1 * (1 + np.sin(2 * np.pi * 3 * time))
        audio = swell * tones + 0.01 * generator.standard_normal(len(time))
        windows.append(log_mel(audio.astype(np.float32), int(model.config.num_mel_bins)))
    return windows


def silence_behind(
    window: NDArray[np.float32], model: WhisperForConditionalGeneration
) -> NDArray[np.float32]:
    """Features with silence behind them up to what the model takes at most."""
    missing = 2 * int(model.config.max_source_positions) - window.shape[1]
    return np.pad(window, ((0, 0), (0, max(0, missing))), constant_values=window.min())


def check(
    model: WhisperForConditionalGeneration,
    reference: Path | None,
    out: Path,
    prefix: Sequence[int],
    windows: Sequence[NDArray[np.float32]],
    quantize: str | None,
) -> tuple[Parity | None, Parity | None]:
    """Compare the graphs with torch; raises `BundleError` if they compute something else."""
    from unislu.engines.onnx import OnnxEngine
    from unislu.engines.torch import TorchEngine

    torch_engine = TorchEngine(model)
    exact = None
    if reference is not None:
        exact = compare(torch_engine, OnnxEngine(reference / ENCODER, reference / DECODER), prefix, windows)
    if exact is not None and exact.difference > FLOAT_LIMIT:
        raise BundleError(
            f"{out}: onnxruntime's logits differ from torch's by {exact.difference:.2g} "
            f"standard deviations (limit {FLOAT_LIMIT:g}); report this with the versions of both"
        )
    if reference == out:
        return exact, None
    coarse = compare(torch_engine, OnnxEngine(out / ENCODER, out / DECODER), prefix, windows)
    if coarse.agreement < INT8_AGREEMENT or (quantize == "float16" and coarse.difference > FLOAT16_LIMIT):
        raise BundleError(
            f"{out}: {coarse.agreement:.0%} of the {quantize} graph's tokens are the checkpoint's, and its "
            f"logits differ by {coarse.difference:.2g} standard deviations; export it without quantization"
        )
    return exact, coarse
