"""One engine at work: a batch of windows → what was heard in each, with further tries where it got lost.

A window whose output ran into a loop, or would not end, is heard again in two halves, and what still fails
once more with a beam. What fails even then is kept as far as it goes and marked. When the engine itself
breaks down over a batch, its windows are tried one by one, so that one of them cannot take the others along.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.audio.features import frame_count, log_mel, loudness, with_end
from unislu.bundle import AudioSettings
from unislu.decoding import Decoded, DecodeOptions, Decoder
from unislu.engines.protocol import EncoderState, Engine
from unislu.errors import OptionError
from unislu.sequence import Format, Prompt, Target, Vocabulary
from unislu.sequence.vocabulary import END, TRANSCRIPT_END
from unislu.vad.energy import quiet_point

from .assemble import Heard, from_parsed, merge_passes, normalized
from .request import AnalyzeOptions
from .words import words_of

Samples = NDArray[np.float32]

STOPS = {"repetition": "the model began to repeat itself", "length": "the model wrote too much"}
SPLIT_SECONDS = 5.0
"""Shorter windows are not halved: half a sentence is harder to hear than a whole one."""
SECOND_BEAM = 4


@dataclass(frozen=True)
class Pass:
    """One decoding of every window."""

    format: Format
    prompt: Prompt
    options: DecodeOptions


@dataclass(frozen=True)
class Plan:
    """What is done with every window, and how results name the entity types."""

    options: AnalyzeOptions
    passes: tuple[Pass, ...]
    names: Mapping[str, str]
    note: str | None
    begin: Target | None = None
    """What the windows, which still grow, are known to begin with. The model goes on from there, and a
    hearing that goes wrong is left at that: there will be another."""


@dataclass(frozen=True)
class Part:
    """What was heard in samples `first` to `end` of a window; `failed`: why it cannot be relied on."""

    first: int
    end: int
    heard: Heard | None
    failed: str | None = None


@dataclass
class Outcome:
    """All of a window: its parts in order, seconds spent by stage, and what broke down, if something did."""

    parts: list[Part]
    seconds: dict[str, float] = field(default_factory=dict)
    error: Exception | None = None


class Hearer:
    """Hears batches of windows with one engine. One thread at a time."""

    def __init__(self, engine: Engine, vocabulary: Vocabulary, audio: AudioSettings) -> None:
        self._engine = engine
        self._vocabulary = vocabulary
        self._decoder = Decoder(engine, vocabulary)
        self._mels, self._most_frames = audio.mels, frame_count(round(audio.max_seconds * SAMPLE_RATE))
        self._ends = {vocabulary.ids.get(TRANSCRIPT_END), vocabulary[END]}

    def hear(self, batch: Sequence[Samples], plan: Plan) -> list[Outcome]:
        """Hear windows, each [n] float32 at 16 kHz.

        Raises:
            OptionError: what was asked for leaves the model no room; no window could be heard.
        """
        clock = _Clock()
        try:
            first = self._once(batch, plan.passes, clock, plan.begin)
        except OptionError:
            raise
        except Exception as error:  # whatever an engine raises must not lose the other windows
            if len(batch) == 1:
                message = f"the engine failed ({type(error).__name__}: {error})"
                return [Outcome([Part(0, len(batch[0]), None, message)], dict(clock.seconds), error)]
            return [outcome for samples in batch for outcome in self.hear([samples], plan)]
        total = sum(map(len, batch))
        outcomes = []
        for samples, (heard, stop) in zip(batch, first, strict=True):
            shares = {stage: spent * len(samples) / total for stage, spent in clock.seconds.items()}
            outcome = Outcome([Part(0, len(samples), heard, STOPS.get(stop))], shares)
            final = plan.begin is None
            outcomes.append(self._again(samples, outcome, plan) if final and stop in STOPS else outcome)
        if plan.options.style == "normalized":
            for outcome in outcomes:
                outcome.parts = [_in_style(part) for part in outcome.parts]
        return outcomes

    def _again(self, samples: Samples, outcome: Outcome, plan: Plan) -> Outcome:
        """Further tries at a window that went wrong."""
        clock = _Clock(outcome.seconds)
        cut = len(samples)
        if cut >= SPLIT_SECONDS * SAMPLE_RATE:
            cut = quiet_point(samples, 0.6 * cut / SAMPLE_RATE)
        pieces = [(0, cut)] if cut == len(samples) else [(0, cut), (cut, len(samples))]
        parts = outcome.parts
        try:
            if len(pieces) > 1:
                halves = self._once([samples[first:end] for first, end in pieces], plan.passes, clock)
                parts = [
                    Part(first, end, heard, STOPS.get(stop))
                    for (first, end), (heard, stop) in zip(pieces, halves, strict=True)
                ]
            parts = [
                self._searched(samples, part, plan, clock) if part.failed is not None else part
                for part in parts
            ]
        except Exception:  # as above; the first try stands, marked as failed
            parts = outcome.parts
        return Outcome(parts, clock.seconds)

    def _searched(self, samples: Samples, part: Part, plan: Plan, clock: _Clock) -> Part:
        """The same part with another search, if that ends well."""
        beam = SECOND_BEAM if plan.options.beam == 1 else 1
        passes = [replace(step, options=replace(step.options, beam=beam)) for step in plan.passes]
        ((heard, stop),) = self._once([samples[part.first : part.end]], passes, clock)
        return part if stop in STOPS else replace(part, heard=heard, failed=None)

    def _once(
        self, batch: Sequence[Samples], passes: Sequence[Pass], clock: _Clock, begin: Target | None = None
    ) -> list[tuple[Heard, str]]:
        """What was heard in each window, and why the first output that ended badly did, or "eot"."""
        clock.start()
        mels = [with_end(log_mel(samples, self._mels), self._most_frames) for samples in batch]
        frames = np.array([mel.shape[1] for mel in mels], np.int64)
        joined = np.zeros((len(batch), self._mels, int(frames.max())), np.float32)
        for row, mel in enumerate(mels):
            joined[row, :, : frames[row]] = mel
        clock.lap("features")
        encoded = self._engine.encode(joined, frames)
        clock.lap("encode")
        durations = [len(samples) / SAMPLE_RATE for samples in batch]
        levels = [loudness(mel) for mel in mels]
        found = [self._decode(encoded, step, durations, levels, begin) for step in passes]
        clock.lap("decode")
        results = []
        for row in range(len(batch)):
            stops = [stop for stop in (heard[row][1] for heard in found) if stop != "eot"]
            results.append((merge_passes([heard[row][0] for heard in found]), stops[0] if stops else "eot"))
        return results

    def _decode(
        self,
        encoded: EncoderState,
        step: Pass,
        durations: Sequence[float],
        levels: Sequence[Samples],
        begin: Target | None,
    ) -> list[tuple[Heard, str]]:
        known = () if begin is None else self._transcript(step.format.render(begin, step.prompt).ids)
        outputs = self._decoder.decode(encoded, step.format, step.prompt, durations, step.options, known)
        return [
            (self._parsed(decoded, step, duration, level), decoded.stop)
            for decoded, duration, level in zip(outputs, durations, levels, strict=True)
        ]

    def _parsed(self, decoded: Decoded, step: Pass, duration: float, level: Samples) -> Heard:
        parsed = step.format.parse(decoded.ids, step.prompt)
        length = min(len(self._transcript(decoded.ids)) + 1, len(decoded.ids))
        words = words_of(parsed, decoded.logprobs, decoded.alignment, duration, level)
        return from_parsed(parsed, decoded.logprobs, decoded.sentiment, length, words)

    def _transcript(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids before the first that ends a transcript."""
        ends = (place for place, token in enumerate(ids) if token in self._ends)
        return ids[: next(ends, len(ids))]


def _in_style(part: Part) -> Part:
    return part if part.heard is None else replace(part, heard=normalized(part.heard))


class _Clock:
    """Adds up the seconds of stages."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = dict(seconds or {})
        self._last = 0.0

    def start(self) -> None:
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
