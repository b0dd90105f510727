"""Spectra and embeddings against recorded values: librosa's numbers, and the encoder's weights in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.audio import load_audio
from unislu.speakers import embedding

HERE = Path(__file__).parent
RECORDED: dict[str, Any] = json.loads((HERE / "recorded.json").read_text(encoding="utf-8"))
"""Written by benchmarks/speaker_encoder.py --record."""


@pytest.fixture(scope="module")
def mel() -> np.ndarray[Any, Any]:
    return embedding.spectrogram(load_audio(HERE.parents[1] / "examples" / "jfk.flac"))


def test_spectra_are_those_that_the_encoder_was_trained_on(mel: np.ndarray[Any, Any]) -> None:
    assert list(mel.shape) == RECORDED["shape"]
    for place, values in RECORDED["frames"].items():
        assert np.allclose(mel[int(place)], values, rtol=2e-3, atol=1e-6 * mel.max()), place


def test_int8_keeps_the_embeddings(mel: np.ndarray[Any, Any]) -> None:
    for place, values in RECORDED["embeddings"].items():
        first = int(place) * embedding.FRAMES
        window = mel[first : first + embedding.FRAMES]
        level = np.float32(embedding._LEVEL / window.sum())
        found = embedding._run((window * level)[None])[0]
        assert float(found @ np.asarray(values, np.float32)) > 0.97
