"""The default bundle on speech whose word times are known by construction (`benchmarks/timed_speech.py`)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import unislu
from unislu.audio import SAMPLE_RATE, load_audio

from .. import needs

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MEDIAN_MS, P95_MS = 60, 200


@pytest.mark.slow
def test_word_times_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jiwer")
    monkeypatch.syspath_prepend(BENCHMARKS)
    import timed_speech
    import word_times

    needs.flite()
    utterances = timed_speech.joined("flite:awb", 8, seed=3)
    model = unislu.load(threads=1)
    errors, spoken = [], 0
    for utterance in utterances:
        found, count = word_times.edge_errors(model, utterance)
        errors += found
        spoken += count
    figures = word_times.summary(errors, spoken)
    assert figures["words_heard"] > 0.7 * spoken
    assert figures["median_ms"] <= MEDIAN_MS and figures["p95_ms"] <= P95_MS


def test_digital_silence_before_speech_only_moves_its_words() -> None:
    """A name that ended 1.7 s late was covered 1.7 s too long, and the next word had 20 ms left."""
    with resources.as_file(resources.files("unislu.server") / "static" / "jfk.flac") as path:
        samples = load_audio(path)
    late = 2.0
    quiet = np.zeros(round(late * SAMPLE_RATE), np.float32)
    model = unislu.load(threads=1)
    result = model.analyze(np.concatenate([quiet, samples]), sample_rate=SAMPLE_RATE)
    words = [word for segment in result.segments for word in segment.words or ()]
    name = next(word for word in words if word.text == "Americans,")
    assert abs(name.start - late - 1.60) < 0.1 and abs(name.end - late - 2.12) < 0.1
    following = next(
        word for segment in result.segments for word in segment.words or () if word.text == "ask"
    )
    assert abs(following.start - late - 3.30) < 0.1 and following.end - following.start > 0.25
