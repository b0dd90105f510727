"""Log-mel features: parity with Whisper's extractor, shapes, speed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.audio.features import HOP, MELS, frame_count, log_mel, mel_filters, with_end
from unislu.errors import AudioError


def _signal(kind: str, n: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(n)
    t = np.arange(n) / 16_000
    signals = {
        "noise": rng.normal(0, 0.1, n),
        "tone": 0.5 * np.sin(2 * np.pi * 300 * t) * (t < 0.3) + 1e-4 * rng.normal(size=n),
        "zeros": np.zeros(n),
    }
    return signals[kind].astype(np.float32)


@pytest.fixture(scope="module")
def whisper() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.WhisperFeatureExtractor()


@pytest.mark.parametrize("kind", ["noise", "tone", "zeros"])
@pytest.mark.parametrize("n", [160_000, 16_000, 12_345, 401])
def test_parity_with_whisper(whisper: Any, kind: str, n: int) -> None:
    samples = _signal(kind, n)
    padded = np.pad(samples, (0, -n % HOP))
    expected = whisper._np_extract_fbank_features(padded[None], "cpu")[0]
    assert np.abs(log_mel(samples) - expected).max() < 1e-4


def test_filters_are_whispers(whisper: Any) -> None:
    assert np.abs(mel_filters(MELS).T - whisper.mel_filters).max() < 1e-7


@pytest.mark.parametrize("n", [1, 159, 160, 161, 1_600, 480_000, 1_000_001])
def test_shape_and_range(n: int) -> None:
    mel = log_mel(_signal("noise", n))
    assert mel.shape == (MELS, frame_count(n)) and mel.dtype == np.float32
    assert np.isfinite(mel).all() and mel.max() - mel.min() <= 2.0 + 1e-5


def test_blocks_do_not_show() -> None:
    long = _signal("noise", 1_200_000)
    middle = slice(6_000 * HOP - 3_200, 6_000 * HOP + 3_200)
    part = log_mel(long[middle])[:, 5:-5]
    whole = log_mel(long)[:, 6_000 - 20 : 6_000 + 20][:, 5:-5]
    assert np.abs(part - whole).max() < 1e-4


def test_large_models_have_128_bands() -> None:
    assert log_mel(_signal("noise", 1_600), 128).shape == (128, 10)


@pytest.mark.parametrize("shape", [(0,), (2, 100)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match="shape"):
        log_mel(np.zeros(shape, np.float32))


def test_ten_seconds_are_fast() -> None:
    samples = _signal("noise", 160_000)
    log_mel(samples)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        log_mel(samples)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1  # 8 ms on one core of a server; the rest is room for busy machines


def test_what_breaks_off_gets_an_end() -> None:
    """The end is what recorded silence would be."""
    cut = _signal("noise", 16_000)
    whole = np.concatenate([cut, np.zeros(1_920, np.float32)])
    mel = log_mel(whole)
    assert with_end(mel, 3_000) is mel
    mel = log_mel(cut)
    ended = with_end(mel, 3_000)
    assert ended.shape == (MELS, 150) and ended.dtype == np.float32
    assert np.array_equal(ended[:, :100], mel)
    silence = log_mel(np.concatenate([cut, np.zeros(8_000, np.float32)]))
    assert np.allclose(ended[:, 102:], silence[:, 102:], atol=1e-5), "as if silence had been recorded"
    assert with_end(mel, 120).shape[1] == 120 and with_end(mel, 100).shape[1] == 100
