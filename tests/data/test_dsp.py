"""Resampling, filtering and levels against what the mathematics says."""

from __future__ import annotations

import numpy as np
import pytest

from unislu.data import dsp


def tone(hertz: float, rate: int, seconds: float = 1.0) -> dsp.Samples:
    time = np.arange(round(rate * seconds)) / rate
    # A smooth beginning and end, as a clip of speech has.
    return (np.sin(2 * np.pi * hertz * time) * np.hanning(len(time))).astype(np.float32)


@pytest.mark.parametrize("source", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("target", [8000, 16000])
def test_resampling_keeps_a_tone(source: int, target: int) -> None:
    result = dsp.resample(tone(440, source), source, target)
    assert result.dtype == np.float32 and len(result) == target
    np.testing.assert_allclose(result, tone(440, target), atol=2e-3)


def test_resampling_removes_what_the_new_rate_cannot_hold() -> None:
    assert dsp.rms(dsp.resample(tone(11000, 24000), 24000, 16000)) < 1e-3
    assert dsp.rms(dsp.resample(tone(6000, 24000), 24000, 16000)) > 0.4


@pytest.mark.parametrize("length", [0, 1, 2, 7, 441, 1000])
def test_resampling_has_the_exact_length(length: int) -> None:
    assert len(dsp.resample(np.ones(length, np.float32), 22050, 16000)) == -(-length * 320 // 441)


def test_fast_lengths_are_the_least_5_smooth_numbers() -> None:
    smooth = sorted(2**a * 3**b * 5**c for a in range(12) for b in range(8) for c in range(6))
    for minimum in range(1, 1500):
        assert dsp.fast_length(minimum) == next(n for n in smooth if n >= minimum)


def test_convolution_is_numpys() -> None:
    rng = np.random.default_rng(0)
    signal, response = rng.standard_normal((2, 300)).astype(np.float32)
    np.testing.assert_allclose(
        dsp.convolve(signal, response[:40]), np.convolve(signal, response[:40])[:300], atol=1e-4
    )


def test_trim_and_pad() -> None:
    clip = np.concatenate([np.zeros(5000), np.full(1000, 0.5), np.full(3000, 1e-4)]).astype(np.float32)
    trimmed = dsp.trim(clip, 16000)
    assert len(trimmed) == 1000 + 2 * 320
    padded = dsp.pad(trimmed, 16000, 0.2)
    assert len(padded) == len(trimmed) + 6400 and not padded[:3200].any() and not padded[-3200:].any()
    assert len(dsp.trim(np.zeros(100, np.float32), 16000)) == 0


def test_level_is_that_of_the_speech_and_never_clips() -> None:
    speech = dsp.pad(tone(300, 16000), 16000, 2.0)
    quiet = dsp.set_level(speech, 16000, -23)
    assert 20 * np.log10(dsp.active_rms(quiet, 16000)) == pytest.approx(-23, abs=0.1)
    assert float(np.max(np.abs(dsp.set_level(speech, 16000, 0)))) <= 0.99 + 1e-6
    assert not dsp.set_level(np.zeros(10, np.float32), 16000, -23).any()
