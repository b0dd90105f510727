"""The parts of the pipeline by themselves: windows, silence, style, confidence, merged passes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from unislu.recognition.hypothesis import Hypothesis, entity_confidence, merge_passes, moved
from unislu.recognition.style import normalize
from unislu.result import Entity
from unislu.vad import MAX_SECONDS, is_silent

from ..factories import windows
from .scripted import entity


def test_windows_cover_the_audio_and_cut_in_pauses() -> None:
    rng = np.random.default_rng(0)
    for seconds in (0.2, 5, 30, 30.01, 31, 44.5, 59.99, 60, 61, 300):
        samples = rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
        pauses = np.arange(0, len(samples), 16_000 * 4)
        for start in pauses:
            samples[start : start + 6_400] *= 0.01
        spans = windows(samples)
        assert spans[0][0] == 0.0 and spans[-1][1] == len(samples) / 16_000
        assert all(a[1] == b[0] for a, b in pairwise(spans))
        assert all(0 < end - start <= MAX_SECONDS for start, end in spans)
        assert len(spans) == 1 or min(end - start for start, end in spans) > 10
        for start, _ in spans[1:]:
            assert min(abs(start - pause / 16_000 - 0.2) for pause in pauses) < 0.25


def test_silence() -> None:
    rng = np.random.default_rng(0)
    dither = rng.integers(-1, 2, 16_000) / 32_768
    assert is_silent(np.zeros(0, np.float32)) and is_silent(np.full(16_000, 0.5, np.float32))
    assert is_silent(dither.astype(np.float32))
    assert not is_silent(rng.normal(0, 0.001, 16_000).astype(np.float32))
    click = np.zeros(16_000, np.float32)
    click[-1] = 0.5
    assert not is_silent(click)


@pytest.mark.parametrize(
    ("text", "phrase", "expected", "found"),
    [("Europe's plan.", "Europe", "europe 's plan", "europe"),
     ("In St. Paul’s, yes!", "St. Paul’s", "in st paul 's yes", "st paul 's"),
     ("$3.5, ok? ", "$3.5", "$35 ok", "$35"),
     ("İzmir !", "İzmir", "i̇zmir", "i̇zmir"),
     ("a . b", ".", "a b", None)],
)  # fmt: skip
def test_normalized_style(text: str, phrase: str, expected: str, found: str | None) -> None:
    out, spans, kept = normalize(text, [entity(text, phrase, "X")])
    assert out == expected
    assert [out[s.start : s.end] for s in spans] == ([] if found is None else [found])
    assert kept == (() if found is None else (0,))


def test_confidence_is_a_geometric_mean() -> None:
    assert entity_confidence([0.0, math.log(0.5), math.log(0.125), -9.0], 1, 3) == pytest.approx(0.25)
    assert entity_confidence([], 0, 0) == 0.0


def found(text: str, phrase: str, name: str, confidence: float) -> Entity:
    start = text.index(phrase)
    return Entity(name, phrase, start, start + len(phrase), confidence)


def test_merging_passes() -> None:
    text, likelier = "Dr Ann Lee called.", "Dr. Ann Lee called."
    best = Hypothesis(
        0.0, 1.0, likelier, (found(likelier, "Ann Lee", "person", 0.9),), None, {"Neutral": 1.0}, -0.1, (1, 2)
    )
    entities = (found(text, "Dr Ann Lee", "doctor", 0.5), found(text, "called.", "verb", 0.6))
    other = Hypothesis(0.0, 1.0, text, entities, None, None, -0.2, (3,))
    merged = merge_passes([other, best])
    assert merged.text == best.text and merged.sentiment == {"Neutral": 1.0} and merged.ids == (3, 1, 2)
    assert merged.entities is not None
    assert [(e.type, e.text, e.start_char) for e in merged.entities] == [
        ("person", "Ann Lee", 4),
        ("verb", "called.", 12),
    ]
    assert moved(Entity("x", "abc", 0, 3), "abc", "xyz") is None
