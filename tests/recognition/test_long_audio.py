"""Long recordings: cut into windows, heard side by side or growing, channels apart, joined again."""

from __future__ import annotations

import math
import resource
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.audio import load_audio
from unislu.errors import RecordError
from unislu.recognition.model import Model
from unislu.sequence import Span, Target, Vocabulary

from ..factories import windows
from .scripted import LOOP, SCRIPT, TEXT, Always, ScriptedEngine, make, manifest, noise, wav

SPEECH = Path(__file__).parents[2] / "examples" / "jfk.flac"


def quiet(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 0.001, round(seconds * 16_000)).astype(np.float32)


def test_windows_are_joined_with_their_offsets(vocabulary: Vocabulary) -> None:
    samples = np.concatenate([noise(1_450), np.zeros(16_000, np.float32), noise(1_600)])
    (_, first), (_, last) = spans = windows(samples)
    frames = [round((end - start) * 100) for start, end in spans]
    script = {frames[0]: SCRIPT[200], frames[1]: SCRIPT[300]}
    result = make(vocabulary, script)[0].analyze(samples, sample_rate=16_000, vad="energy")
    assert result.text == f"{TEXT} Take aspirin, Ünal!"
    assert result.entities is not None and result.sentiment is not None
    assert [e.text for e in result.entities] == ["Angela Merkel", "Berlin", "aspirin"]
    assert [(s.start, s.end) for s in result.segments] == [(0.0, first), (first, last)]
    assert result.segments[1].text == "Take aspirin, Ünal!"
    assert result.sentiment.scores["positive"] == pytest.approx(first / last, abs=0.01)
    assert math.fsum(result.sentiment.scores.values()) == pytest.approx(1.0, abs=1e-3)


def test_only_speech_of_long_audio_is_transcribed(vocabulary: Vocabulary) -> None:
    speech = load_audio(SPEECH)
    samples = np.concatenate([quiet(8), speech, quiet(20), speech, quiet(8)])
    model, engine = make(vocabulary, Always(SCRIPT[300]))
    result = model.analyze(samples, sample_rate=16_000, merge=3.0)
    assert result.duration == 58.0 and result.text == "Take aspirin, Ünal! Take aspirin, Ünal!"
    first, second = result.segments
    assert 7.9 < first.start < first.end < 19.2 and 38.9 < second.start < second.end < 50.2
    assert all(s.sentiment is not None and s.sentiment.label == "negative" for s in result.segments)
    assert all(s.failed is None and s.channel is None for s in result.segments)
    assert len(engine.batches) == 1
    # The same from a file, read in blocks.
    assert model.analyze(wav(samples), merge=3.0).segments == result.segments
    assert len(model.analyze(samples, sample_rate=16_000, window=5.0).segments) >= 4
    assert len(model.analyze(speech, sample_rate=16_000).segments) == 1
    assert len(model.analyze(speech, sample_rate=16_000, vad="silero", merge=0.2).segments) > 1


@pytest.mark.parametrize("level", [0.0, 0.002, 0.2])
def test_long_silence_and_noise_are_not_transcribed(vocabulary: Vocabulary, level: float) -> None:
    model, engine = make(vocabulary)
    samples = np.random.default_rng(0).normal(0, level, 16_000 * 60).astype(np.float32)
    result = model.analyze(samples, sample_rate=16_000)
    assert engine.batches == [] and result.no_speech and result.text == "" and result.sentiment is None
    assert [(s.start, s.end, s.no_speech) for s in result.segments] == [(0.0, 60.0, True)]
    assert "no speech was found in 60.0 s" in result.warnings[0]


def test_channels_of_a_call_are_transcribed_apart(vocabulary: Vocabulary) -> None:
    speech = load_audio(SPEECH)
    left = np.concatenate([speech, quiet(14), speech, quiet(14)])
    right = np.concatenate([quiet(12), speech, quiet(14), speech, quiet(2)])
    stereo = np.stack([left, right], axis=1)
    model, _ = make(vocabulary, Always(SCRIPT[200]))
    result = model.analyze(stereo, sample_rate=16_000, channels="split", merge=3.0)
    assert [s.channel for s in result.segments] == [0, 1, 0, 1]
    assert all(a.start < b.start for a, b in pairwise(result.segments))
    assert result.text == " ".join([TEXT] * 4) and result.entities is not None and len(result.entities) == 8
    short = model.analyze(stereo[: 16_000 * 20], sample_rate=16_000, channels="split")
    assert [(s.channel, s.start) for s in short.segments] == [(0, 0.0), (1, 0.0)]
    mono = model.analyze(noise(200), sample_rate=16_000, channels="split")
    assert [s.channel for s in mono.segments] == [0] and "has only one channel" in mono.warnings[0]


def test_a_window_with_a_loop_is_transcribed_again_in_halves(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, Always(SCRIPT[300], {800: LOOP}))
    result = model.analyze(noise(800), sample_rate=16_000)
    assert [s.text for s in result.segments] == ["Take aspirin, Ünal!"] * 2 and result.warnings == ()
    assert (result.segments[0].start, result.segments[1].end) == (0.0, 8.0)
    assert result.segments[0].end == result.segments[1].start
    assert engine.batches[0] == [800]
    assert sum(engine.batches[1]) in (850, 851), "the first half breaks off and gets an end"


def test_a_window_that_still_grows_is_transcribed_once(vocabulary: Vocabulary) -> None:
    model, engine = make(vocabulary, Always(SCRIPT[300], {800: LOOP}))
    result = model.partial(noise(800), Target("", ()))
    assert len(engine.batches) == 1 and result.segments[0].failed == "the model began to repeat itself"
    whole = model.analyze(noise(300), sample_rate=16_000, tasks=("ner",))
    assert whole.text == "Take aspirin, Ünal!"
    begin = Target(
        "Take aspirin,", tuple(Span(e.start_char, e.end_char, e.type) for e in whole.entities or ())
    )
    again = model.partial(noise(300), begin, tasks=("ner",))
    assert again.text == whole.text and [e.text for e in again.entities or ()] == ["aspirin"]
    with pytest.raises(RecordError, match="entity type 'dragon'"):
        model.partial(noise(300), Target("Take aspirin,", (Span(5, 12, "dragon"),)))


class DividedEngine(ScriptedEngine):
    """An engine that offers to work side by side."""

    def divided(self) -> list[ScriptedEngine]:
        self.others = [ScriptedEngine(self.vocabulary, self.script) for _ in range(3)]
        return self.others


def test_side_by_side_gives_the_same(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.recognition.batches.BATCH", 3)
    samples = np.concatenate([noise(100 * n) for n in range(4, 14)])
    script = Always(SCRIPT[200], {frames: SCRIPT[300] for frames in range(0, 3_000, 3)})
    engine = DividedEngine(vocabulary, script)
    divided = Model(engine, vocabulary, manifest(vocabulary))
    wanted = make(vocabulary, script)[0].analyze(samples, sample_rate=16_000, vad="energy", window=4.0)
    found = divided.analyze(samples, sample_rate=16_000, vad="energy", window=4.0)
    assert (found.text, found.entities, found.segments) == (wanted.text, wanted.entities, wanted.segments)
    assert engine.batches == [] and sum(len(other.batches) for other in engine.others) > 5
    assert divided.analyze(noise(200), sample_rate=16_000).text == TEXT and engine.batches == [[200]]


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 3_000])
def test_three_hours_without_speech(vocabulary: Vocabulary, tmp_path: Path, level: int) -> None:
    path = tmp_path / "hours.wav"
    block = np.random.default_rng(0).normal(0, level, 160_000).clip(-32768, 32767).astype("<i2").tobytes()
    head = wav(np.zeros(0, np.float32))
    size = len(block) * 1_080
    with path.open("wb") as file:
        file.write(head[:4] + struct.pack("<I", 36 + size) + head[8:40] + struct.pack("<I", size))
        for _ in range(1_080):
            file.write(block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = make(vocabulary)[0].analyze(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert result.no_speech and result.duration == 10_800.0 and len(result.segments) == 1
    assert grown < 200_000  # KiB; the samples alone would take 690 MB
