"""The default bundle on speech whose word times are known by construction (`benchmarks/timed_speech.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

import unislu

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
