"""What fails is marked or an error, and everything else is kept: loops, broken engines, broken samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.errors import AudioError, EngineError
from unislu.recognition.hypothesis import Hypothesis
from unislu.recognition.model import Model
from unislu.recognition.recognizer import Recognizer
from unislu.recognition.recover import repeats
from unislu.result import Analysis
from unislu.sequence import Target, Vocabulary

from ..factories import windows
from .scripted import LOOP, SCRIPT, Always, ScriptedEngine, make, manifest, noise, wav


class BreakingEngine(ScriptedEngine):
    """Cannot hear windows of one length."""

    def __init__(self, vocabulary: Vocabulary, script: Mapping[int, Target], frames: int) -> None:
        super().__init__(vocabulary, script)
        self.frames = frames

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> list[int]:
        if self.frames in frames:
            raise RuntimeError("out of memory")
        return super().encode(mel, frames)


def breaking(vocabulary: Vocabulary, script: Mapping[int, Target], frames: int) -> Model:
    return Model(BreakingEngine(vocabulary, script, frames), vocabulary, manifest(vocabulary))


def test_what_fails_in_the_end_is_marked_and_the_rest_is_kept(vocabulary: Vocabulary) -> None:
    model, _ = make(vocabulary, Always(SCRIPT[300], {400: LOOP}))
    samples = np.concatenate([noise(400), np.zeros(3_200, np.float32), noise(300)])
    failed, fine = model.analyze_many([wav(noise(400)), wav(samples)])
    assert isinstance(failed, Analysis) and isinstance(fine, Analysis)
    assert failed.segments[0].failed == "the model began to repeat itself"
    assert failed.text is not None and 0 < len(failed.text) < 30 and not failed.segments[0].no_speech
    assert fine.segments[0].failed is None and fine.text == "Take aspirin, Ünal!"


def test_an_engine_that_breaks_down_over_one_window_loses_no_other(vocabulary: Vocabulary) -> None:
    samples = np.concatenate([noise(1_450), np.zeros(16_000, np.float32), noise(1_600)])
    frames = [round((end - start) * 100) for start, end in windows(samples)]
    model = breaking(vocabulary, Always(SCRIPT[300]), frames[0])
    result = model.analyze(samples, sample_rate=16_000, vad="energy")
    assert result.text == "Take aspirin, Ünal!" and not result.no_speech
    lost, kept = result.segments
    assert lost.failed == "the engine failed (RuntimeError: out of memory)" and lost.text == ""
    assert kept.failed is None and "this part was not transcribed" in result.warnings[0]


def test_a_file_of_which_nothing_can_be_transcribed_is_an_error(vocabulary: Vocabulary) -> None:
    model = breaking(vocabulary, SCRIPT, 200)
    with pytest.raises(EngineError, match=r"array: the engine failed .RuntimeError: out of memory"):
        model.analyze(noise(200), sample_rate=16_000)
    one, other = model.analyze_many([wav(noise(200)), wav(noise(300))], on_error="yield")
    assert isinstance(one, EngineError) and isinstance(other, Analysis) and other.text


def test_an_error_in_the_middle_of_a_file_is_that_files_alone(vocabulary: Vocabulary) -> None:
    broken = bytearray(wav(noise(6_000)))
    samples = noise(6_000)
    samples[16_000 * 50] = np.nan
    model, _ = make(vocabulary, Always(SCRIPT[300]))
    with pytest.raises(AudioError, match=r"not numbers: nan at 50.000 s"):
        model.analyze(samples, sample_rate=16_000, vad="energy")
    cut = bytes(broken[: len(broken) // 2 + 1])  # in the middle of a sample
    result = model.analyze(cut, vad="energy")
    assert abs(result.duration - 30.0) < 0.01 and "is cut off: 30.0 s of 60.0 s" in result.warnings[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Please hold. Please hold. Please hold. Please hold.", True),
        ("So: no no no no no no no no", True),
        ("no, no, no, no", False),
        ("Please hold. Please hold. Please hold.", False),
        ("five five five five five one two", False),
        ("", False),
    ],
)
def test_words_over_and_over(text: str, found: bool) -> None:
    assert repeats(text) == found


@pytest.mark.parametrize(
    ("said", "seconds", "marked"),
    [
        ("Please hold. Please hold. Please hold.", 11.5, True),  # said nine times
        ("Please hold. Please hold.", 11.5, True),
        ("Please hold. Please hold. Please hold.", 3.0, False),
        ("We will rock you, we will rock you.", 4.0, False),
        ("It was very very very good", 11.5, False),
        ("one two three four five six seven eight nine ten", 11.5, False),
        ("five five five oh one three four", 11.5, False),
        ("Thank you. Goodbye.", 11.5, False),
    ],
)
def test_a_retry_that_repeats_itself_in_too_few_words_is_marked(
    said: str, seconds: float, marked: bool, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop in the whole window; its halves end well, but have fewer words than were said."""
    whole = 2 * seconds

    def loops_when_whole(self: Recognizer, encoded: Any, *arguments: Any, **options: Any) -> list[Hypothesis]:
        failure = "the model began to repeat itself" if encoded.seconds == (whole,) else None
        return [Hypothesis(0.0, seconds, text=said, failure=failure) for seconds in encoded.seconds]

    monkeypatch.setattr(Recognizer, "transcribe", loops_when_whole)
    model, _ = make(vocabulary)
    result = model.analyze(noise(round(100 * whole)), sample_rate=16_000)
    assert [segment.text for segment in result.segments] == [said] * 2
    assert {segment.failed is not None for segment in result.segments} == {marked}


def test_a_second_search_that_repeats_itself_is_marked(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it wrote a repetition as often as it was said, nobody knows."""
    said = Target("hold on hold on hold on hold on", ())

    def once(self: Recognizer, *arguments: Any, **options: Any) -> list[Hypothesis]:
        beam = arguments[1][0].options.beam
        failure = "the model began to repeat itself" if beam == 1 else None
        return [Hypothesis(0.0, 4.0, text=said.text, failure=failure)]

    monkeypatch.setattr(Recognizer, "transcribe", once)
    model, _ = make(vocabulary)
    result = model.analyze(noise(400), sample_rate=16_000)
    assert result.text == said.text and result.segments[0].failed == "the model began to repeat itself"


def test_halves_that_repeat_themselves_are_marked(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ended well, but may have left out some of what was said over and over."""
    said = "hold on hold on hold on hold on"

    def loops_when_whole(self: Recognizer, encoded: Any, *arguments: Any, **options: Any) -> list[Hypothesis]:
        failure = "the model began to repeat itself" if encoded.seconds == (8.0,) else None
        return [Hypothesis(0.0, seconds, text=said, failure=failure) for seconds in encoded.seconds]

    monkeypatch.setattr(Recognizer, "transcribe", loops_when_whole)
    model, _ = make(vocabulary)
    result = model.analyze(noise(800), sample_rate=16_000)
    assert [segment.text for segment in result.segments] == [said] * 2
    assert [segment.failed for segment in result.segments] == ["the model began to repeat itself"] * 2
