"""Decoding the same audio at many entity biases, without doing the same work twice.

Every clip is encoded once, and decoded as it will be served. The output of a greedy search is fixed by
inequalities, each of which holds on one side of some bias (at every step the written token beats every other
one), so the biases that give one and the same output form an interval: where two biases agree, everything
between them is known. So a clip is decoded at the ends of the grid, and in between only where its output
changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.bundle import Manifest
from unislu.data.records import Record, read_records
from unislu.errors import OptionError, RecordError
from unislu.evaluation.predict import check_audio
from unislu.evaluation.question import Prediction
from unislu.files import Journal, read_journal
from unislu.progress import Progress
from unislu.recognition.hypothesis import Hypothesis
from unislu.recognition.plan import Plan
from unislu.recognition.recognizer import Encoded, Recognizer
from unislu.recognition.recover import recovered
from unislu.recognition.request import MAX_BIAS, Request

FRONT_END = 2
"""Version for journals: answers of different front ends are not mixed."""


@dataclass(frozen=True)
class RecordClip:
    """A record and where its audio is. `id` is unique over all manifests that were read together."""

    id: str
    path: Path
    record: Record


def read_clips(manifests: Sequence[Path], limit: int | None = None) -> list[RecordClip]:
    """The records of some manifests; `limit` takes the first so many of each.

    Raises:
        RecordError: a malformed record, one without audio or whose audio is missing, or nothing at all.
    """
    clips: list[RecordClip] = []
    for number, manifest in enumerate(manifests):
        # The folder's name keeps ids apart where the same sentences were spoken by several voices.
        prefix = f"{number}:{manifest.parent.name}/" if len(manifests) > 1 else ""
        for record in list(read_records(manifest))[:limit]:
            clips.append(RecordClip(prefix + record.id, record.audio_path(manifest.parent), record))
    if not clips:
        raise RecordError(f"{', '.join(map(str, manifests))}: no records; give a manifest with audio")
    check_audio((clip.id, clip.path) for clip in clips)
    return clips


def biases(low: float, high: float, step: float) -> tuple[float, ...]:
    """A rising grid from `low` to `high`. Raises `OptionError` for bounds that give none."""
    if not (-MAX_BIAS <= low < high <= MAX_BIAS) or not 0 < step <= high - low:
        raise OptionError(
            f"biases from {low:g} to {high:g} in steps of {step:g}: give --from below --to and a smaller step"
        )
    count = int((high - low) / step + 1e-6)
    return tuple(round(low + number * step, 6) for number in range(count + 1))


def encode(recognizer: Recognizer, clip: RecordClip) -> EncodedClip:
    """Encode a clip, which is then decoded any number of times.

    Each clip is one window in a batch of its own: int8 kernels round differently for several rows, and the
    effect of a bias must not depend on other clips in the batch.

    Raises:
        AudioError: it cannot be read.
        RecordError: it is longer than the model's window, or empty.
    """
    samples = load_audio(clip.path)
    seconds, longest = len(samples) / SAMPLE_RATE, recognizer.manifest.audio.max_seconds
    if not 0.1 <= seconds <= longest:
        raise RecordError(
            f"record {clip.record.id!r}: {clip.path} lasts {seconds:.1f} s; measuring takes clips of "
            f"0.1 to {longest:.0f} s: cut it into utterances"
        )
    return EncodedClip(samples, recognizer.encode([samples]))


def decode(recognizer: Recognizer, ready: EncodedClip, plan: Plan) -> tuple[Hypothesis, ...]:
    """The hypotheses of a plan for an encoded clip, retries included."""
    (first,) = recognizer.transcribe(ready.encoded, plan.passes)
    return tuple(recovered(recognizer, ready.samples, first, plan))


@dataclass(frozen=True)
class EncodedClip:
    """A clip, [n] float32 at 16 kHz, and its encoder state."""

    samples: NDArray[np.float32]
    encoded: Encoded

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / SAMPLE_RATE


def answer_of(clip: RecordClip, hypotheses: Sequence[Hypothesis]) -> Prediction:
    """The hypotheses of one clip as one answer."""
    pairs = ((entity.type, entity.text) for one in hypotheses for entity in one.entities or ())
    return Prediction(clip.id, " ".join(one.text for one in hypotheses if one.text), tuple(pairs))


@dataclass(frozen=True)
class Swept:
    """The answers of every clip at every bias of `grid` (added to the bundle's defaults)."""

    grid: tuple[float, ...]
    answers: Mapping[str, tuple[Prediction, ...]]
    decoded: int = 0
    """Decodings that were needed; without the intervals it would be clips times biases."""

    def predictions(self, place: int) -> list[Prediction]:
        """All answers at one bias."""
        return [runs[place] for runs in self.answers.values()]


def sweep(
    recognizer: Recognizer,
    clips: Sequence[RecordClip],
    grid: Sequence[float],
    entities: Sequence[str] | None = None,
    *,
    only: str | None = None,
    journal: Path | None = None,
    progress: bool = False,
) -> Swept:
    """Decode all clips greedily at every bias of a rising grid.

    Args:
        recognizer: of the bundle.
        clips: each at most one window long.
        grid: biases in rising order, added to the bundle's default of each type.
        entities: open types, or None for the closed set.
        only: the one (normalised) type whose bias moves; None moves all together.
        journal: file that stores finished clips; the same call resumes from it.
        progress: show the progress on stderr.

    Raises:
        OptionError: the types need several prompts, or the journal belongs to another sweep.
    """
    if list(grid) != sorted(set(grid)) or not grid:
        raise OptionError(f"biases {list(grid)}: give different ones in rising order")
    plan = recognizer.resolve(entity_request(entities))
    if len(plan.passes) != 1:
        raise OptionError(f"{len(plan.names)} entity types need several prompts: sweep fewer at a time")
    run = _Sweep(recognizer, plan, tuple(grid), only)
    key = _key(recognizer.manifest, grid, plan, only)
    answers = dict(_resume(journal, key)) if journal is not None else {}
    waiting = [clip for clip in clips if clip.id not in answers]
    with (
        _appending(journal, key) as out,
        Progress(len(clips), len(clips) - len(waiting), enabled=progress) as shown,
    ):
        for clip in waiting:
            answers[clip.id], seconds = run.answers(clip)
            if out is not None:
                out.add({"id": clip.id, "answers": _packed(answers[clip.id])})
            shown.advance(seconds)
    return Swept(tuple(grid), {clip.id: answers[clip.id] for clip in clips}, run.decoded)


def entity_request(entities: Sequence[str] | None = None, bias: Mapping[str, float] | None = None) -> Request:
    """The request with which biases are measured; `bias`: added to the bundle's defaults."""
    return Request(tasks=("asr", "ner"), entities=entities, bias=bias or 0.0, words=False)


def default_biases(plan: Plan) -> Mapping[str, float]:
    """The bias of each type in a plan with one pass."""
    bias = plan.passes[0].options.bias
    assert isinstance(bias, Mapping)
    return bias


@dataclass
class _Sweep:
    """One sweep: the question, and the count of decoded clips."""

    recognizer: Recognizer
    plan: Plan
    grid: tuple[float, ...]
    only: str | None = None
    decoded: int = 0

    def answers(self, clip: RecordClip) -> tuple[tuple[Prediction, ...], float]:
        """The answers of a clip at every bias, and its seconds."""
        ready = encode(self.recognizer, clip)
        last = len(self.grid) - 1
        outputs = {place: self._decode(ready, place) for place in {0, last}}
        intervals = [(0, last)]
        while intervals:
            low, high = intervals.pop()
            if high - low > 1 and _ids(outputs[low]) != _ids(outputs[high]):
                middle = (low + high) // 2
                outputs[middle] = self._decode(ready, middle)
                intervals += [(low, middle), (middle, high)]
        # What is not decoded equals its neighbours, which equal each other.
        found: list[Prediction] = []
        for place in range(len(self.grid)):
            found.append(answer_of(clip, outputs[place]) if place in outputs else found[-1])
        return tuple(found), ready.seconds

    def _decode(self, ready: EncodedClip, place: int) -> tuple[Hypothesis, ...]:
        bias = dict(default_biases(self.plan))
        for name in bias if self.only is None else [self.only]:
            bias[name] += self.grid[place]
        self.decoded += 1
        (step,) = self.plan.passes
        moved = replace(step, options=replace(step.options, bias=bias))
        return decode(self.recognizer, ready, replace(self.plan, passes=(moved,)))


def _ids(hypotheses: Sequence[Hypothesis]) -> list[tuple[int, ...]]:
    return [one.ids for one in hypotheses]


def _key(manifest: Manifest, grid: Sequence[float], plan: Plan, only: str | None) -> str:
    """The settings that two sweeps must share for their answers to be the same."""
    (step,) = plan.passes
    asked = [FRONT_END, dict(manifest.files), list(grid), step.format.name, list(step.prompt.types or ())]
    default = sorted(default_biases(plan).items())
    text = json.dumps([asked, default, step.prompt.language, only], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _packed(answers: Sequence[Prediction]) -> list[list[Any]]:
    """Runs of the same answer: [how many, text, entities]."""
    return [
        [len(list(same)), answer.text, [list(pair) for pair in answer.entities or ()]]
        for answer, same in groupby(answers)
    ]


def _unpacked(key: str, runs: Sequence[Sequence[Any]]) -> tuple[Prediction, ...]:
    answers: list[Prediction] = []
    for count, text, entities in runs:
        answers += [Prediction(key, text, tuple((name, phrase) for name, phrase in entities))] * count
    return tuple(answers)


def _resume(journal: Path, key: str) -> Mapping[str, tuple[Prediction, ...]]:
    """The content of a journal. Raises `OptionError` if it belongs to another sweep."""
    found: dict[str, tuple[Prediction, ...]] = {}
    for number, values in enumerate(read_journal(journal)):
        if number == 0 and values.get("key") != key:
            raise OptionError(
                f"{journal}: is the journal of another bundle, grid or question; name another file"
            )
        if "answers" in values:
            found[values["id"]] = _unpacked(values["id"], values["answers"])
    return found


def _appending(path: Path | None, key: str) -> AbstractContextManager[Journal | None]:
    if path is None:
        return nullcontext()
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal(path)
    if not path.stat().st_size:
        journal.add({"key": key})
    return journal
