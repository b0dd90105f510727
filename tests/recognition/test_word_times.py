"""Words, times and calibrated confidences through the whole pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from unislu.recognition.model import Model
from unislu.result import Analysis
from unislu.sequence import SLUE, Vocabulary

from ..factories import windows
from .scripted import ROWS, SCRIPT, TEXT, ScriptedEngine, State, manifest, noise, tokenizer


class LookingEngine(ScriptedEngine):
    """Its tokens look at the audio one after the other, each as long as the others."""

    aligns = True

    def attention(self, state: State, row: int, start: int, stop: int) -> np.ndarray[Any, Any]:
        audio = state.heard[row] // 2
        edges = np.linspace(0, audio, stop - start + 1).astype(int)
        weights = np.full((2, stop - start, audio), 1e-3, np.float32)
        for place in range(stop - start):
            weights[:, place, edges[place] : max(edges[place] + 1, edges[place + 1])] = 1.0
        return weights / weights.sum(axis=2, keepdims=True)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    words = tokenizer()
    return Vocabulary.extend(words, ROWS, words.special_tokens, SLUE)


def make(vocabulary: Vocabulary, script: Any = SCRIPT, **changes: Any) -> Model:
    return Model(LookingEngine(vocabulary, script), vocabulary, manifest(vocabulary, **changes))


def check(result: Analysis) -> list[Any]:
    """All words: those of the text, in order, inside their segment; entities agree with them."""
    words = [word for segment in result.segments for word in segment.words or ()]
    assert result.text is not None and " ".join(word.text for word in words) == result.text
    for word in words:
        assert result.text[word.start_char : word.end_char] == word.text
    for before, after in pairwise(words):
        assert before.start <= before.end <= after.start
    for segment in result.segments:
        for word in segment.words or ():
            assert segment.start <= word.start <= word.end <= segment.end + 1e-3
    for entity in result.entities or ():
        assert entity.start_word is not None and entity.end_word is not None
        inside = words[entity.start_word : entity.end_word]
        assert inside[0].start_char <= entity.start_char and entity.end_char <= inside[-1].end_char
        assert (entity.start, entity.end) == (inside[0].start, inside[-1].end)
    return words


@pytest.mark.parametrize(
    "options",
    [{}, {"beam": 3}, {"constrained": False}, {"entities": ["person", "place"]}, {"style": "normalized"}],
)
def test_words_and_entities_have_times(vocabulary: Vocabulary, options: dict[str, Any]) -> None:
    result = make(vocabulary).analyze(noise(200), sample_rate=16_000, **options)
    words = check(result)
    assert words[0].start < 0.2 and words[-1].end > 1.5
    person = next(entity for entity in result.entities or () if entity.type.lower() == "person")
    assert person.start_word == 0 and person.end_word is not None
    assert words[person.end_word - 1].text.lower().startswith(("merkel", "'s"))


def test_times_of_later_windows_count_from_the_start_of_the_file(vocabulary: Vocabulary) -> None:
    samples = np.concatenate([noise(1_450), np.zeros(16_000, np.float32), noise(1_600)])
    (_, first), (start, last) = windows(samples)
    script = {round(first * 100): SCRIPT[200], round((last - start) * 100): SCRIPT[300]}
    result = make(vocabulary, script).analyze(samples, sample_rate=16_000, vad="energy")
    words = check(result)
    later = result.segments[1].words or ()
    assert [word.text for word in later] == ["Take", "aspirin,", "Ünal!"] and later[0].start >= start
    assert result.entities is not None
    assert result.entities[-1].start_word == len(words) - 2


@pytest.mark.parametrize(("options", "engine"), [({"words": False}, LookingEngine), ({}, ScriptedEngine)])
def test_without_words_entities_have_no_times(
    vocabulary: Vocabulary, options: dict[str, Any], engine: type[ScriptedEngine]
) -> None:
    model = Model(engine(vocabulary, SCRIPT), vocabulary, manifest(vocabulary))
    result = model.analyze(noise(200), sample_rate=16_000, **options)
    assert result.text == TEXT and result.segments[0].words is None
    assert result.entities and result.entities[0].start is None and result.entities[0].start_word is None


def test_no_text_no_words(vocabulary: Vocabulary) -> None:
    result = make(vocabulary).analyze(noise(200), sample_rate=16_000, tasks=("sa",))
    assert result.text is None and result.segments[0].words is None
    silent = make(vocabulary).analyze(noise(150), sample_rate=16_000)
    assert silent.text == "" and not silent.segments[0].words


def test_results_with_words_survive_json(vocabulary: Vocabulary) -> None:
    result = make(vocabulary).analyze(noise(200), sample_rate=16_000)
    assert Analysis.from_dict(result.to_dict()) == result


def test_confidences_go_through_the_bundles_curves(vocabulary: Vocabulary) -> None:
    raw = make(vocabulary).analyze(noise(200), sample_rate=16_000)
    curves = {
        "words": {"slope": 0.5, "offset": -1.0},
        "entities": {"slope": 0.5, "offset": 0.0},
        "sentiment": {"temperature": 3.0},
        "fitted": {"anything": 1},
    }
    result = make(vocabulary, calibration=curves).analyze(noise(200), sample_rate=16_000)

    def sure(items: Sequence[Any]) -> list[float]:
        return [item.confidence for item in items]

    assert result.text == raw.text
    for before, after in zip(sure(check(raw)), sure(check(result)), strict=True):
        odds = np.exp(0.5 * np.log(before / (1 - before)) - 1.0) if before < 0.9999 else np.inf
        assert (after < before and after == pytest.approx(odds / (1 + odds), abs=2e-3)) or before >= 0.9999
    assert all(a < b for a, b in zip(sure(result.entities or ()), sure(raw.entities or ()), strict=True))
    assert raw.sentiment and result.sentiment and result.sentiment.label == raw.sentiment.label
    assert result.sentiment.scores["positive"] < raw.sentiment.scores["positive"]
    assert result.segments[0].sentiment == result.sentiment
