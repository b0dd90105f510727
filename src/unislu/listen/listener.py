"""Live transcription: utterances found by voice activity, words confirmed by two consecutive drafts.

An utterance is transcribed repeatedly while it grows. Words that two consecutive drafts agree on are stable
and never change (local agreement); the next draft continues from them. At a pause, or when the utterance
reaches the maximum length, it is transcribed once more as a whole, with its sentiment, and closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from ..audio import MIN_SECONDS, SAMPLE_RATE
from ..errors import OptionError
from ..recognition.request import Request, RequestOptions
from ..result import Entity, Word, covered
from ..sequence import Target
from ..speakers import LiveSpeakers
from ..vad import Silero
from .cutter import SpeechDetector, UtteranceCutter
from .draft import Draft, Tagged
from .events import EndEvent, EntityEvent, Event, FinalEvent, PartialEvent, SentimentEvent
from .transcript import Running, Utterance

if TYPE_CHECKING:
    from ..recognition.model import Model

INTERVAL = 0.4
"""Seconds of audio between two drafts of an utterance."""


class Listener:
    """One stream of speech. Not for several threads at once."""

    def __init__(
        self,
        model: Model,
        request: Request | None = None,
        *,
        interval: float = INTERVAL,
        detector: SpeechDetector | None = None,
        **options: Unpack[RequestOptions],
    ) -> None:
        """Begin to listen.

        Args:
            model: a loaded model.
            interval: seconds of audio between two drafts; a longer interval needs less computation.
            detector: finds speech; None = Silero's.
            request: what to recognise, as for `Model.analyze`.
            options: the fields of a `Request`, in place of one: tasks, entities, bias, …

        Raises:
            OptionError: an invalid option, or a request without a transcript.
        """
        if not 0.1 <= interval <= 10:
            raise OptionError(f"interval is {interval}: give seconds from 0.1 to 10")
        request = Request.of(request, options, Listener)
        if not request.wants_text:
            raise OptionError("listening writes a transcript: add asr or ner to the tasks")
        model.check(request)
        self._speakers = _speakers(request)
        self._model, self._values = model, request if request.values else None
        # Values are read once, of the entities of events; and speakers are not told apart utterance by
        # utterance, but against the whole stream before it.
        self._request = replace(
            request, values=False, date=None, region=None, speakers=None, speaker_names=(), voices=()
        )
        # Drafts do not need a sentiment.
        self._partial = replace(self._request, tasks=[task for task in request.tasks if task != "sa"])
        self._goes_on = request.style == "cased"  # other styles differ from the model's output
        self._interval = round(interval * SAMPLE_RATE)
        self._cutter = UtteranceCutter(
            Silero() if detector is None else detector, model.manifest.audio.max_seconds
        )
        self._utterance = Utterance()
        self._running = Running()
        self._drafted_until = 0  # sample up to which the last draft goes
        self._skipped = 0
        self._finished = False

    def feed(self, samples: NDArray[np.float32]) -> list[Event]:
        """Add the audio since the last call; returns the new events.

        A call gives at most one partial result, of the newest state: a caller that has fallen behind passes
        all its audio at once and catches up.

        Args:
            samples: [n] float32, mono, 16 kHz, -1…1.

        Raises:
            OptionError: other samples, or after `finish`.
        """
        self._check(samples)
        events: list[Event] = []
        for closed in self._cutter.feed(samples):
            events += self._close(closed.start, closed.samples)
        growing = self._cutter.growing
        if growing is not None:
            due = (growing.end - max(self._drafted_until, growing.start)) // self._interval
            if due:
                self._skipped += due - 1
                self._drafted_until = growing.end
                events += self._draft(growing.start, growing.samples, growing.ending)
        return events

    def finish(self) -> list[Event]:
        """End of the stream: closes the open utterance; returns the last events. Call it once."""
        self._check(np.zeros(0, np.float32))
        self._finished = True
        events: list[Event] = []
        for closed in self._cutter.finish():
            events += self._close(closed.start, closed.samples)
        return [*events, EndEvent(round(self._cutter.position / SAMPLE_RATE, 3), self._skipped)]

    def _check(self, samples: NDArray[np.float32]) -> None:
        if self._finished:
            raise OptionError("this listener is finished: create another one for another stream")
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
            shape = getattr(samples, "shape", type(samples).__name__)
            kind = getattr(samples, "dtype", "")
            raise OptionError(f"samples are {shape} {kind}: give a numpy array [n] of float32 at 16 kHz")
        if not np.isfinite(samples).all():
            raise OptionError("samples contain nan or inf: give numbers from -1 to 1")

    def _draft(self, start: int, samples: NDArray[np.float32], ending: bool) -> list[Event]:
        """A partial result; `ending`: words are no longer confirmed, the utterance will be cut soon."""
        utterance, at = self._utterance, start / SAMPLE_RATE
        begin = utterance.beginning if self._goes_on else Target("", ())
        analysis = self._model.partial(_long_enough(samples), begin, request=self._partial)
        changed, closed = utterance.update(Draft.of(analysis, at), confirm=not ending)
        events: list[Event] = []
        if changed:
            end = round((start + len(samples)) / SAMPLE_RATE, 3)
            events.append(PartialEvent(round(at, 3), end, utterance.text, utterance.stable))
        events += [EntityEvent(entity) for entity in self._entities(utterance, closed)]
        return events

    def _entities(self, utterance: Utterance, tagged: Sequence[Tagged]) -> tuple[Entity, ...]:
        """The entities of events, with their values if these were requested."""
        found = [self._running.entity(utterance, one) for one in tagged]
        if self._values is None or not found:
            return tuple(found)
        from ..values import with_value

        reading = self._values.reading()
        return tuple(with_value(entity, reading) for entity in found)

    def _close(self, start: int, samples: NDArray[np.float32]) -> list[Event]:
        utterance, self._utterance = self._utterance, Utterance()
        self._drafted_until = 0
        analysis = self._model.analyze(_long_enough(samples), request=self._request, sample_rate=SAMPLE_RATE)
        begin, end = start / SAMPLE_RATE, (start + len(samples)) / SAMPLE_RATE
        closed = utterance.close(Draft.of(analysis, begin))
        failed = next((s.failed for s in analysis.segments if s.failed is not None), None)
        if not utterance.text and failed is None:
            return []
        entities = self._entities(utterance, utterance.entities)
        events: list[Event] = [EntityEvent(entity) for entity in self._entities(utterance, closed)]
        words = self._running.words(utterance)
        if self._speakers is not None:
            units = [(word.start, word.end) for word in words or ()] or [(begin, end)]
            said_by = self._speakers.identify(samples, begin, units)
            words = words and tuple(replace(w, speaker=who) for w, who in zip(words, said_by, strict=True))
            entities = tuple(_said(entity, words, said_by[0]) for entity in entities)
        first, last = self._running.place(utterance.text)
        events.append(
            FinalEvent(
                round(begin, 3),
                round(end, 3),
                utterance.text,
                first,
                last,
                None if analysis.entities is None else entities,
                analysis.sentiment,
                words,
                failed,
                None if self._speakers is None else self._speakers.speakers,
            )
        )
        sentiment = self._running.add(utterance.text, analysis.sentiment, end - begin)
        if sentiment is not None:
            events.append(SentimentEvent(round(end, 3), sentiment))
        return events


def _long_enough(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pad audio that is too short for the model with silence."""
    return np.pad(samples, (0, max(0, round(MIN_SECONDS * SAMPLE_RATE) - len(samples))))


def _speakers(request: Request) -> LiveSpeakers | None:
    if request.speakers is None:
        return None
    count = request.speakers if isinstance(request.speakers, int) else None
    known = {name: np.asarray(values, np.float32) for name, values in dict(request.voices).items()}
    return LiveSpeakers(count, request.speaker_names, known)


def _said(entity: Entity, words: Sequence[Word] | None, other: str) -> Entity:
    """The entity with the speaker of its first word; `other` where words have no times."""
    inside = covered(words or (), entity.start_char, entity.end_char)
    return replace(entity, speaker=words[inside[0]].speaker if words and inside else other)
