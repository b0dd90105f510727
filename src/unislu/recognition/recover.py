"""Windows in, hypotheses out, with retries where the model failed.

A window whose output ran into a loop, or did not end, is retried in two halves, and what still fails once
more with a beam. Text that a retry still repeats over and over stays marked, since it may really have been
said that often, and so does a repetition that is too short for its audio. Whatever fails even then is kept as
far as it goes and marked. If the engine itself fails on a batch, its windows are retried one by one, so that
one of them cannot take the others down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from unislu.audio import SAMPLE_RATE
from unislu.errors import OptionError
from unislu.vad.energy import quiet_point

from .hypothesis import Hypothesis, normalized
from .plan import Plan
from .recognizer import Encoded, Recognizer, Samples, StageTimer

SPLIT_SECONDS = 5.0
"""Shorter windows are not split: half a sentence is harder to recognise than a whole one."""
SECOND_BEAM = 4
REPEATS, REPEATED_WORDS = 4, 8
FEW_REPEATS, FEW_WORDS = 2, 4
SPARSE = 1.5
"""Words a second: who speaks says more, so a retry that wrote less left something out."""


def recognize(recognizer: Recognizer, batch: Sequence[Samples], plan: Plan) -> list[list[Hypothesis]]:
    """The hypotheses of each window, in order; more than one if it was split.

    Args:
        recognizer: does the work.
        batch: windows, each [n] float32 at 16 kHz.
        plan: the passes. With a `begin` there are no retries: the window will come again.

    Raises:
        OptionError: the prompt leaves no room for output.
    """
    clock = StageTimer()
    try:
        first = recognizer.transcribe(recognizer.encode(batch, clock), plan.passes, plan.begin, clock)
    except OptionError:
        raise
    except Exception as error:  # an engine's error must not lose the other windows
        if len(batch) > 1:
            return [found for samples in batch for found in recognize(recognizer, [samples], plan)]
        failure = f"the engine failed ({type(error).__name__}: {error})"
        seconds = len(batch[0]) / SAMPLE_RATE
        return [[Hypothesis(0.0, seconds, failure=failure, error=error, timings=clock.seconds)]]
    total = sum(map(len, batch))
    found = []
    for samples, hypothesis in zip(batch, first, strict=True):
        share = len(samples) / total
        timings = {stage: spent * share for stage, spent in clock.seconds.items()}
        found.append(recovered(recognizer, samples, replace(hypothesis, timings=timings), plan))
    if plan.request.style == "normalized":
        found = [[normalized(hypothesis) for hypothesis in window] for window in found]
    return found


def recovered(
    recognizer: Recognizer, samples: Samples, hypothesis: Hypothesis, plan: Plan
) -> list[Hypothesis]:
    """A window's hypothesis, or those of its retries if it failed."""
    if hypothesis.failure is None or plan.begin is not None:
        return [hypothesis]
    clock = StageTimer(dict(hypothesis.timings))
    try:
        parts = _halves(recognizer, samples, hypothesis, plan, clock)
        parts = [_searched(recognizer, samples, part, plan, clock) for part in parts]
    except Exception:  # as above; the first hypothesis is kept, marked as failed
        parts = [hypothesis]
    return [replace(parts[0], timings=clock.seconds), *(replace(part, timings={}) for part in parts[1:])]


def _halves(
    recognizer: Recognizer, samples: Samples, hypothesis: Hypothesis, plan: Plan, clock: StageTimer
) -> list[Hypothesis]:
    """The hypotheses of two halves, cut where it is quiet; the window's own if it is too short."""
    cut = len(samples)
    if cut >= SPLIT_SECONDS * SAMPLE_RATE:
        cut = quiet_point(samples, 0.6 * cut / SAMPLE_RATE)
    if cut == len(samples):
        return [hypothesis]
    encoded: Encoded = recognizer.encode([samples[:cut], samples[cut:]], clock)
    first, second = (
        _doubted(half, hypothesis.failure)
        for half in recognizer.transcribe(encoded, plan.passes, clock=clock)
    )
    return [first, replace(second, start=cut / SAMPLE_RATE, end=len(samples) / SAMPLE_RATE)]


def _searched(
    recognizer: Recognizer, samples: Samples, part: Hypothesis, plan: Plan, clock: StageTimer
) -> Hypothesis:
    """A failed part decoded with another search, if that succeeds."""
    if part.failure is None:
        return part
    beam = SECOND_BEAM if plan.request.beam == 1 else 1
    passes = [replace(step, options=replace(step.options, beam=beam)) for step in plan.passes]
    first, end = round(part.start * SAMPLE_RATE), round(part.end * SAMPLE_RATE)
    encoded = recognizer.encode([samples[first:end]], clock)
    (again,) = recognizer.transcribe(encoded, passes, clock=clock)
    if again.failure is not None:
        return part
    return replace(_doubted(again, part.failure), start=part.start, end=part.end)


def _doubted(again: Hypothesis, failure: str | None) -> Hypothesis:
    """A retry after `failure`, marked with it if it still repeats words over and over.

    The number of repetitions does not show whether the speaker or the model repeats: a search that ends well
    may have left out half of them. Two or three are doubted only if they do not fill the audio.
    """
    text = again.text or ""
    sparse = len(_words(text)) < SPARSE * (again.end - again.start)
    doubted = repeats(text) or (sparse and repeats(text, FEW_REPEATS, FEW_WORDS))
    return replace(again, failure=again.failure or (failure if doubted else None))


def repeats(text: str, least: int = REPEATS, least_words: int = REPEATED_WORDS) -> bool:
    """Whether a text ends in the same words repeated: at least `least` times in a row, and
    `least_words` words in all.
    """
    words = _words(text)
    return any(
        len(words) >= (count := max(least, -(-least_words // period))) * period
        and words[-count * period :] == words[-period:] * count
        for period in range(1, len(words) // least + 1)
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
