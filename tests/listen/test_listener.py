"""Listening over a model that hears scripted words where the audio is loud: one word each half second."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.errors import OptionError
from unislu.listen import (
    EndEvent,
    EntityEvent,
    Event,
    FinalEvent,
    Listener,
    PartialEvent,
    SentimentEvent,
    listen,
    pcm_samples,
)
from unislu.listen.cutter import LONGEST, UtteranceCutter
from unislu.listen.draft import Draft, Tagged, Timing, agreed, rest
from unislu.listen.transcript import Utterance
from unislu.recognition.request import Request
from unislu.result import Analysis, Entity, Segment, Sentiment, Word
from unislu.sequence import Span, Target

WORD = SAMPLE_RATE // 2
"""Samples of a word."""
SPARSE = 16
"""The model looks at every 16th sample."""


class Detector:
    """Speech is what is not silence."""

    def __init__(self) -> None:
        self.most = 0

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        self.most = max(self.most, len(samples))
        return (np.abs(samples.reshape(-1, 512)).max(axis=1) > 0.01).astype(np.float32)


class Model:
    """Word number n is a block of the constant level (n + 1) / 1000 … read back from the samples.

    The words come from `words`; a cut-off last word is written wrong, as models do.
    """

    def __init__(self, words: list[str], change: Callable[[list[str]], list[str]] | None = None) -> None:
        self.words, self.change = words, change or (lambda heard: heard)
        self.manifest = SimpleNamespace(audio=SimpleNamespace(max_seconds=30.0))
        self.lengths: list[int] = []
        self.tasks: list[tuple[str, ...]] = []
        self.begins: list[Target] = []

    def check(self, options: Request) -> None:
        if options.entities and "dragon" in options.entities:
            raise OptionError("entity type 'dragon'")

    def partial(self, samples: NDArray[np.float32], begin: Target, *, request: Request) -> Analysis:
        self.begins.append(begin)
        return self.analyze(samples, sample_rate=SAMPLE_RATE, begin=begin.text.split(), request=request)

    def analyze(
        self, samples: NDArray[np.float32], *, sample_rate: int, begin: Sequence[str] = (), request: Request
    ) -> Analysis:
        assert sample_rate == SAMPLE_RATE
        self.lengths.append(len(samples))
        self.tasks.append(tuple(request.tasks))
        levels = np.rint(np.abs(samples[::SPARSE]) * 1000).astype(int)
        numbers, counts = np.unique(levels, return_counts=True)
        found = [(self.words[n - 20], c, n) for n, c in zip(numbers, counts, strict=True) if n >= 20]
        heard = self.change([w if count * SPARSE >= WORD * 0.9 else w[:2] for w, count, _ in found])
        heard[: len(begin)] = begin
        text = " ".join(heard)
        entities = tuple(
            Entity("PERSON", m[0], m.start(), m.end(), 0.9) for m in re.finditer(r"Ann\w*", text)
        )
        places = [np.flatnonzero(levels == n) * SPARSE / SAMPLE_RATE for _, _, n in found]
        words = tuple(
            Word(m[0], float(p[0]), float(p[-1]), m.start(), m.end(), 0.5)
            for m, p in zip(re.finditer(r"\S+", text), places, strict=False)
        )
        duration = len(samples) / SAMPLE_RATE
        sentiment = Sentiment("positive", {"positive": 0.75, "negative": 0.25}) if text else None
        return Analysis(
            text=text,
            duration=duration,
            model="m",
            entities=entities if "ner" in request.tasks else None,
            sentiment=sentiment if "sa" in request.tasks else None,
            segments=(Segment(0.0, duration, text, 0, len(text), words=words),),
        )


def speech(*parts: int | float) -> NDArray[np.float32]:
    """Whole numbers: that many further words; decimals: seconds of silence."""
    blocks, number = [], 20
    for part in parts:
        if isinstance(part, float):
            blocks.append(np.zeros(round(part * SAMPLE_RATE), np.float32))
            continue
        for _ in range(part):
            blocks.append(np.full(WORD, number / 1000, np.float32))
            number += 1
    return np.concatenate(blocks)


def run(listener: Listener, samples: NDArray[np.float32], step: int) -> Iterator[Event]:
    for first in range(0, len(samples), step):
        yield from listener.feed(samples[first : first + step])
    yield from listener.finish()


WORDS = ["Hello", "there", "Ann", "Lee", "said", "Joe", "today.", *(f"word{n}" for n in range(200))]


def test_an_utterance_from_first_partial_to_end() -> None:
    model = Model(WORDS)
    events = list(run(Listener(model, detector=Detector()), speech(0.5, 7, 1.0), 1600))
    assert [e.type for e in events if e.type != "partial"] == ["entity", "final", "sentiment", "end"]
    partials = [e for e in events if isinstance(e, PartialEvent)]
    assert len(partials) >= 6 and partials[0].text == "He"
    final = next(e for e in events if isinstance(e, FinalEvent))
    assert final.text == " ".join(WORDS[:7]) and (final.start_char, final.end_char) == (0, len(final.text))
    assert [e.text for e in final.entities or ()] == ["Ann"] and final.sentiment is not None
    assert final.words is not None
    assert all(abs(word.start - (0.5 + n / 2)) < 0.002 for n, word in enumerate(final.words))
    told = next(number for number, event in enumerate(events) if isinstance(event, EntityEvent))
    assert told < events.index(final), "an entity is told before its utterance ends"
    assert isinstance(events[-1], EndEvent) and events[-1].duration == pytest.approx(5.0, abs=0.001)
    assert model.tasks[-1] == ("asr", "ner", "sa") and ("asr", "ner") in model.tasks


def test_words_come_within_a_second() -> None:
    listener = Listener(Model(WORDS), detector=Detector())
    samples = speech(0.5, 12, 1.0)
    seen: dict[str, float] = {}
    for first in range(0, len(samples), 1600):
        for event in listener.feed(samples[first : first + 1600]):
            if isinstance(event, PartialEvent):
                for word in event.text.split():
                    seen.setdefault(word, (first + 1600) / SAMPLE_RATE)
    assert all(seen[word] - (1.0 + n / 2) <= 0.5 for n, word in enumerate(WORDS[:12]))


def test_a_transcription_goes_on_from_the_stable_words() -> None:
    model = Model(WORDS)
    stable = [""]
    for event in run(Listener(model, detector=Detector()), speech(0.5, 7, 1.0), 1600):
        stable += [event.stable] if isinstance(event, PartialEvent) else []
    assert all(begin.text in stable for begin in model.begins)
    lengths = [len(begin.text) for begin in model.begins]
    assert lengths[0] == 0 and lengths == sorted(lengths) and lengths[-1] >= len("Hello there Ann Lee")
    assert model.begins[-1].entities == (Span(12, 15, "PERSON"),)


def test_an_entity_that_was_not_told_is_transcribed_again() -> None:
    utterance = Utterance()
    ann = Tagged("PERSON", 1, 0, 1, 3, 0.9)
    utterance.update(Draft(("Hello", "Ann", "Lee", "sa"), (), (None,) * 4), confirm=True)
    utterance.update(Draft(("Hello", "Ann", "Lee", "said", "it"), (ann,), (None,) * 5), confirm=True)
    assert utterance.stable == "Hello Ann" and utterance.beginning == Target("Hello", ())
    utterance.update(Draft(("Hello", "Ann", "Lee", "said", "it."), (ann,), (None,) * 5), confirm=True)
    assert utterance.beginning == Target("Hello Ann Lee", (Span(6, 9, "PERSON"),))


def test_stable_words_keep_their_confidence() -> None:
    def timing(sure: float) -> Timing:
        return Timing(0.0, 0.1, sure)

    utterance = Utterance()
    utterance.update(Draft(("a", "b", "c", "d"), (), (timing(0.5),) * 4), confirm=True)
    utterance.update(Draft(("a", "b", "c", "d", "e"), (), (timing(0.6),) * 5), confirm=True)
    utterance.update(Draft(("a", "b", "c", "d", "e", "f"), (), (timing(1.0),) * 6), confirm=True)
    assert [t.confidence for t in utterance.timings if t] == [0.6, 0.6, 1.0, 1.0, 1.0, 1.0]


def fickle(heard: list[str]) -> list[str]:
    """Adds a word in the middle of every hearing with an odd number of words."""
    return [*heard[:2], "um", *heard[2:]] if len(heard) % 2 and len(heard) > 4 else heard


@pytest.mark.parametrize(
    "change", [None, fickle, lambda heard: [w + "." for w in heard], lambda heard: heard[-3:]]
)
@pytest.mark.parametrize("step", [500, 4800, 48000])
def test_stable_words_never_change(change: Any, step: int) -> None:
    listener = Listener(Model(WORDS, change), detector=Detector())
    stable: list[str] = []
    for event in run(listener, speech(0.3, 9, 0.8, 44, 0.7, 3, 1.2, 3), step):
        if isinstance(event, PartialEvent):
            now = event.stable.split()
            assert now[: len(stable)] == stable and event.text.startswith(event.stable)
            stable = now
        elif isinstance(event, FinalEvent):
            assert event.text.split()[: len(stable)] == stable
            stable = []


@pytest.mark.parametrize("step", [1600, 16000, 10**9])
def test_nothing_is_lost_however_the_audio_comes(step: int) -> None:
    model = Model(WORDS)
    events = list(run(Listener(model, detector=Detector()), speech(5.0, 7, 1.2, 4, 2.0, 80, 3.0), step))
    finals = [e for e in events if isinstance(e, FinalEvent)]
    transcript = " ".join(e.text for e in finals)
    assert all(transcript[e.start_char : e.end_char] == e.text for e in finals)
    entities = [entity for e in finals for entity in e.entities or ()]
    assert all(transcript[e.start_char : e.end_char] == e.text for e in entities)
    assert [e.entity for e in events if isinstance(e, EntityEvent)] == entities
    # A word that a cut falls into is heard in two halves; all others are there, in order.
    heard = [word for word in transcript.split() if word in WORDS]
    assert heard == sorted(heard, key=WORDS.index) and len(set(heard)) >= 91 - 3
    assert max(model.lengths) <= LONGEST * SAMPLE_RATE + 512


def test_falling_behind_costs_partials_only() -> None:
    listener = Listener(Model(WORDS), detector=Detector())
    events = list(run(listener, speech(0.5, 7, 1.2), 10**9))
    assert [e.type for e in events] == ["entity", "final", "sentiment", "end"]
    behind = Listener(Model(WORDS), detector=Detector())
    events = behind.feed(speech(0.5, 7))
    assert [e.type for e in events] == ["partial"]
    end = behind.finish()[-1]
    assert isinstance(end, EndEvent) and end.skipped >= 7


def test_silence_is_not_transcribed_and_not_kept() -> None:
    model = Model(WORDS)
    detector = Detector()
    window = UtteranceCutter(detector, 30.0)
    assert not list(window.feed(np.zeros(600 * 16000, np.float32))) and window.growing is None
    assert len(window._chunks) * 512 <= SAMPLE_RATE and detector.most <= LONGEST * SAMPLE_RATE
    events = list(run(Listener(model, detector=Detector()), speech(60.0), 16000))
    assert [e.to_dict() for e in events] == [{"type": "end", "duration": 60.0, "skipped": 0}]
    assert model.lengths == []


def test_the_running_sentiment_weighs_by_duration() -> None:
    events = list(run(Listener(Model(WORDS), detector=Detector()), speech(0.5, 3, 1.2, 2), 1600))
    sentiments = [e for e in events if isinstance(e, SentimentEvent)]
    assert len(sentiments) == 2 and sentiments[-1].sentiment.scores == {"positive": 0.75, "negative": 0.25}


@pytest.mark.parametrize("words", [WORDS[:7], [""] * 7])
def test_what_could_not_be_transcribed_is_said(words: list[str]) -> None:
    class Failing(Model):
        def analyze(self, samples: Any, **options: Any) -> Analysis:
            result = super().analyze(samples, **options)
            return replace(result, segments=(replace(result.segments[0], failed="it broke"),))

    events = list(run(Listener(Failing(words), detector=Detector()), speech(0.5, 7, 1.0), 1600))
    final = next(e for e in events if isinstance(e, FinalEvent))
    assert final.failed == "it broke" and final.text == " ".join(words).strip()


def test_events_are_plain_data() -> None:
    events = [
        e.to_dict() for e in run(Listener(Model(WORDS), detector=Detector()), speech(0.5, 7, 1.0), 1600)
    ]
    assert {e["type"] for e in events} == {"partial", "entity", "final", "sentiment", "end"}
    entity = next(e for e in events if e["type"] == "entity")["entity"]
    assert (entity["type"], entity["text"]) == ("PERSON", "Ann")


def test_without_entities_or_sentiment() -> None:
    events = list(run(Listener(Model(WORDS), detector=Detector(), tasks=("asr",)), speech(7, 1.0), 1600))
    assert {e.type for e in events} == {"partial", "final", "end"}
    final = next(e for e in events if isinstance(e, FinalEvent))
    assert final.entities is None and final.sentiment is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ("sa",)}, "add asr or ner"),
        ({"entities": ["dragon"]}, "dragon"),
        ({"interval": 0.0}, "interval is 0.0"),
        ({"beam": 0}, "beam is 0"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Listener(Model(WORDS), detector=Detector(), **options)


@pytest.mark.parametrize(
    "samples", [np.zeros(5), np.zeros((5, 2), np.float32), [0.0], np.array([np.nan], np.float32)]
)
def test_bad_samples(samples: Any) -> None:
    with pytest.raises(OptionError, match="samples"):
        Listener(Model(WORDS), detector=Detector()).feed(samples)


def test_a_finished_listener_is_finished() -> None:
    listener = Listener(Model(WORDS), detector=Detector())
    listener.finish()
    with pytest.raises(OptionError, match="finished"):
        listener.feed(speech(1))
    with pytest.raises(OptionError, match="finished"):
        listener.finish()


def test_pcm() -> None:
    assert pcm_samples(b"\x00\x80\xff\x7f").tolist() == [-1.0, 32767 / 32768]
    with pytest.raises(OptionError, match="3 bytes"):
        pcm_samples(b"abc")


WORD_LISTS = st.lists(st.sampled_from(["a", "b", "c.", "C"]), max_size=8)


@given(WORD_LISTS, WORD_LISTS)
def test_agreement(one: list[str], other: list[str]) -> None:
    count = agreed(one, other)
    assert [w.strip(".").lower() for w in one[:count]] == [w.strip(".").lower() for w in other[:count]]
    assert count < max(1, min(len(one), len(other)))
    assert rest(one, one + other) == len(one)
    assert 0 <= rest(one, other) <= len(other)


def test_where_a_transcription_goes_on() -> None:
    assert rest(["he", "said", "hello"], ["He", "said,", "um,", "hello", "to"]) == 4
    assert rest(["he", "said"], []) == 0


async def _events(model: Any, source: AsyncIterator[Any], **options: Any) -> list[Event]:
    return [event async for event in listen(model, source, detector=Detector(), **options)]


async def _chunks(samples: NDArray[np.float32], step: int, as_bytes: bool = False) -> AsyncIterator[Any]:
    for first in range(0, len(samples), step):
        chunk = samples[first : first + step]
        yield (chunk * 32768).astype("<i2").tobytes() if as_bytes else chunk
        await asyncio.sleep(0)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_asynchronous_stream(as_bytes: bool) -> None:
    events = asyncio.run(_events(Model(WORDS), _chunks(speech(0.5, 7, 1.2, 3), 1600, as_bytes)))
    assert [e.text for e in events if isinstance(e, FinalEvent)] == [
        " ".join(WORDS[:7]),
        " ".join(WORDS[7:10]),
    ]
    assert isinstance(events[-1], EndEvent)


def test_a_slow_model_slows_the_source() -> None:
    pulled = 0

    async def source() -> AsyncIterator[Any]:
        nonlocal pulled
        async for chunk in _chunks(speech(1.0, 100), 1600):
            pulled += len(chunk)
            yield chunk

    async def first_event() -> int:
        events = listen(Model(WORDS), source(), detector=Detector(), max_pending=2.0)
        async for _ in events:
            await asyncio.sleep(0.05)  # the reader has time to take more than it may
            break
        await events.aclose()
        return pulled

    # Two seconds wait at most; what was heard before the first event comes on top, a hundred do not.
    assert asyncio.run(first_event()) <= 10 * SAMPLE_RATE


def test_errors_of_the_source_arrive() -> None:
    async def source() -> AsyncIterator[Any]:
        yield speech(1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        asyncio.run(_events(Model(WORDS), source()))
    with pytest.raises(OptionError, match="1 bytes"):
        asyncio.run(_events(Model(WORDS), _odd()))


async def _odd() -> AsyncIterator[bytes]:
    yield b"x"


class Dated(Model):
    """Tags "tomorrow" as a date."""

    def analyze(self, *arguments: Any, request: Request, **options: Any) -> Analysis:
        assert not request.values  # the listener reads them, of the entities that it reports
        found = super().analyze(*arguments, request=request, **options)
        text = found.text or ""
        dates = [Entity("date", m[0], m.start(), m.end(), 0.9) for m in re.finditer("tomorrow", text)]
        return replace(found, entities=tuple(dates))


def test_entities_have_values_if_asked() -> None:
    pytest.importorskip("dateparser")
    pytest.importorskip("phonenumbers")
    words = ["Call", "me", "tomorrow", "or", "so.", *WORDS]
    asked = Request(entities=["date"], values=True, date="2026-03-18")
    day = {"kind": "date", "iso": "2026-03-19"}
    for request, value in ((asked, day), (Request(entities=["date"]), None)):
        listener = Listener(Dated(words), request, detector=Detector())
        events = list(run(listener, speech(0.5, 5, 1.0), 1600))
        told = [event.entity for event in events if isinstance(event, EntityEvent)]
        final = next(event for event in events if isinstance(event, FinalEvent))
        assert [entity.value for entity in (*told, *(final.entities or ()))] == [value, value]


def test_who_speaks_is_said_with_the_final_event() -> None:
    options: dict[str, Any] = {"speakers": "auto", "speaker_names": ("Zoe",), "detector": Detector()}
    listener = Listener(Model(WORDS), **options)  # type: ignore[arg-type]
    events = list(run(listener, speech(0.5, 5, 2.0, 3, 2.0), SAMPLE_RATE // 4))
    finals = [event for event in events if isinstance(event, FinalEvent)]
    assert len(finals) == 2
    for event in finals:
        known = {speaker.id for speaker in event.speakers or ()}
        assert event.words and {word.speaker for word in event.words} <= known
        assert {entity.speaker for entity in event.entities or ()} <= known
        assert event.to_dict()["speakers"][0]["name"] == "Zoe"
    plain = [e.to_dict() for e in run(Listener(Model(WORDS), detector=Detector()), speech(3, 2.0), 8000)]  # type: ignore[arg-type]
    assert "speaker" not in str(plain)
