"""Decoding the same audio at many entity biases, without doing the same work twice.

Every clip is encoded once. And the output of a greedy search is fixed by inequalities, each of which holds
on one side of some bias (at every step the written token beats every other one), so the biases that give
one and the same output form an interval: where two biases agree, everything between them is known. So a
clip is decoded at the ends of the grid, and in between only where its output changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.features import frame_count, log_mel
from unislu.bundle import Manifest, open_bundle
from unislu.data.lines import drop_half_line
from unislu.data.progress import Progress
from unislu.data.records import Record, read_records
from unislu.decoding import DecodeOptions, Decoder
from unislu.engines.protocol import Engine
from unislu.errors import OptionError, RecordError
from unislu.evaluation.predict import check_audio
from unislu.evaluation.score import Prediction
from unislu.recognition.request import MAX_BIAS, AnalyzeOptions, EntityPlan, plan_entities
from unislu.sequence import Alphabet, Format, Prompt, Vocabulary, WhisperTokenizer, get_format

_CLOSED, _OPEN = ("inline", "suffix", "bio"), ("inline-open", "bio")


@dataclass(frozen=True)
class Clip:
    """A record and where its audio is. `id` is unique over all manifests that were read together."""

    id: str
    path: Path
    record: Record


def read_clips(manifests: Sequence[Path], limit: int | None = None) -> list[Clip]:
    """The records of some manifests; `limit` takes the first so many of each.

    Raises:
        RecordError: a malformed record, one without audio or whose audio is missing, or nothing at all.
    """
    clips: list[Clip] = []
    for number, manifest in enumerate(manifests):
        # The folder's name keeps ids apart where the same sentences were spoken by several voices.
        prefix = f"{number}:{manifest.parent.name}/" if len(manifests) > 1 else ""
        for record in list(read_records(manifest))[:limit]:
            clips.append(Clip(prefix + record.id, record.audio_path(manifest.parent), record))
    if not clips:
        raise RecordError(f"{', '.join(map(str, manifests))}: no records; give a manifest with audio")
    check_audio((clip.id, clip.path) for clip in clips)
    return clips


def read_texts(manifests: Sequence[Path], limit: int | None = None) -> list[Record]:
    """The records of some manifests, with audio or without. Raises `RecordError`."""
    return [record for manifest in manifests for record in list(read_records(manifest))[:limit]]


def biases(low: float, high: float, step: float) -> tuple[float, ...]:
    """A rising grid from `low` to `high`. Raises `OptionError` for bounds that give none."""
    if not (-MAX_BIAS <= low < high <= MAX_BIAS) or not 0 < step <= high - low:
        raise OptionError(
            f"biases from {low:g} to {high:g} in steps of {step:g}: give --from below --to and a smaller step"
        )
    count = int((high - low) / step + 1e-6)
    return tuple(round(low + number * step, 6) for number in range(count + 1))


class Hearer:
    """A bundle opened for measuring: clips are encoded once and decoded as often as asked.

    Unlike `unislu.recognition.model.Model` it hears every clip as one window and lets the language be chosen.
    """

    def __init__(self, engine: Engine, vocabulary: Vocabulary, manifest: Manifest) -> None:
        self.manifest, self.vocabulary = manifest, vocabulary
        self._engine = engine
        self._decoder = Decoder(engine, vocabulary)

    @classmethod
    def open(cls, bundle: str | os.PathLike[str] | None, threads: int | None = None) -> Hearer:
        """Raises `BundleError` for a bundle that is missing or damaged."""
        from unislu.engines.onnx import OnnxEngine

        found = open_bundle(bundle)
        found.verify()
        tokenizer = WhisperTokenizer.from_file(found.tokenizer)
        vocabulary = Vocabulary.from_manifest(tokenizer, found.manifest.vocabulary)
        return cls(OnnxEngine(found.encoder, found.decoder, threads), vocabulary, found.manifest)

    def plan(self, entities: Sequence[str] | None = None) -> EntityPlan:
        """Formats, passes and default biases for the types of a question, as an analysis chooses them."""
        encode = self.vocabulary.tokenizer.encode
        budget = min(self.manifest.decoder.max_positions, self._engine.max_tokens) // 2
        return plan_entities(
            AnalyzeOptions(tasks=("asr", "ner"), entities=entities),
            self.vocabulary.labels,
            self.manifest.formats,
            self.manifest.decoder.bias,
            lambda name: len(encode(f" {name},")),
            budget,
        )

    def format(self, plan: EntityPlan) -> Format:
        """The format of a plan."""
        names = _CLOSED if plan.closed else _OPEN
        name = next(name for name in self.manifest.formats if name in names)
        return get_format(name, self.vocabulary, Alphabet(self.manifest.alphabet))

    def encode(self, clip: Clip) -> Heard:
        """Encode a clip.

        Raises:
            AudioError: it cannot be read.
            RecordError: it is longer than the model's window, or empty.
        """
        samples = self._samples(clip)
        frames = np.array([frame_count(len(samples))], np.int64)
        mel = log_mel(samples, self.manifest.audio.mels)[None, :, : frames[0]]
        return Heard(self._engine.encode(mel, frames), len(samples) / SAMPLE_RATE)

    def decode(self, heard: Heard, fmt: Format, prompt: Prompt, options: DecodeOptions) -> tuple[int, ...]:
        """The ids that an encoded clip gives.

        Alone, never in a batch: int8 kernels round otherwise for several rows than for one, and what a bias
        does must not depend on which other clips are decoded beside it.
        """
        return tuple(self._decoder.decode(heard.encoded, fmt, prompt, [heard.seconds], options)[0].ids)

    def _samples(self, clip: Clip) -> NDArray[np.float32]:
        samples = load_audio(clip.path)
        seconds, longest = len(samples) / SAMPLE_RATE, self.manifest.audio.max_seconds
        if not 0.1 <= seconds <= longest:
            raise RecordError(
                f"record {clip.record.id!r}: {clip.path} lasts {seconds:.1f} s; measuring takes clips of "
                f"0.1 to {longest:.0f} s: cut it into utterances"
            )
        return samples


@dataclass(frozen=True)
class Heard:
    """An encoded clip and its length in seconds."""

    encoded: Any
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What was read from one output: the transcript and (type, phrase) pairs."""

    text: str
    entities: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Swept:
    """The answers of every clip at every bias of `grid` (added to the bundle's defaults)."""

    grid: tuple[float, ...]
    answers: Mapping[str, tuple[Answer, ...]]
    decoded: int = 0
    """Decodings that were needed; without the intervals it would be clips times biases."""

    def predictions(self, place: int) -> list[Prediction]:
        """All answers at one bias."""
        return [Prediction(key, runs[place].text, runs[place].entities) for key, runs in self.answers.items()]


def sweep(
    hearer: Hearer,
    clips: Sequence[Clip],
    grid: Sequence[float],
    entities: Sequence[str] | None = None,
    *,
    only: str | None = None,
    journal: Path | None = None,
    progress: bool = False,
) -> Swept:
    """Decode all clips greedily at every bias of a rising grid.

    Args:
        hearer: the opened bundle.
        clips: what to hear, each at most one window long.
        grid: biases in rising order, added to the bundle's default of each type.
        entities: open types, or None for the closed set.
        only: the one (normalised) type whose bias moves; None moves all together.
        journal: file that keeps what is done; the same call goes on from there.
        progress: say on stderr how far it is.

    Raises:
        OptionError: the types need several prompts, or the journal belongs to another sweep.
    """
    if list(grid) != sorted(set(grid)) or not grid:
        raise OptionError(f"biases {list(grid)}: give different ones in rising order")
    plan = hearer.plan(entities)
    if len(plan.passes) != 1:
        raise OptionError(f"{len(plan.names)} entity types need several prompts: sweep fewer at a time")
    run = _Sweep(hearer, plan, tuple(grid), only)
    key = _key(hearer.manifest, grid, plan, only)
    answers = dict(_resume(journal, key)) if journal is not None else {}
    waiting = [clip for clip in clips if clip.id not in answers]
    with (
        _appending(journal, key) as out,
        Progress(len(clips), len(clips) - len(waiting), enabled=progress) as shown,
    ):
        for clip in waiting:
            answers[clip.id], seconds = run.hear(clip)
            if out is not None:
                line = {"id": clip.id, "answers": _packed(answers[clip.id])}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                out.flush()
            shown.advance(seconds)
    return Swept(tuple(grid), {clip.id: answers[clip.id] for clip in clips}, run.decoded)


@dataclass
class _Sweep:
    """One sweep: the question, and the count of decoded windows."""

    hearer: Hearer
    plan: EntityPlan
    grid: tuple[float, ...]
    only: str | None = None
    decoded: int = 0
    format: Format = field(init=False)
    prompt: Prompt = field(init=False)

    def __post_init__(self) -> None:
        self.format = self.hearer.format(self.plan)
        language = self.hearer.manifest.languages[0]
        self.prompt = Prompt(frozenset({"ner"}), self.plan.passes[0], language)

    def hear(self, clip: Clip) -> tuple[tuple[Answer, ...], float]:
        """The answers of a clip at every bias, and its seconds."""
        heard = self.hearer.encode(clip)
        last = len(self.grid) - 1
        outputs = {place: self._decode(heard, place) for place in {0, last}}
        intervals = [(0, last)]
        while intervals:
            low, high = intervals.pop()
            if high - low > 1 and outputs[low] != outputs[high]:
                middle = (low + high) // 2
                outputs[middle] = self._decode(heard, middle)
                intervals += [(low, middle), (middle, high)]
        return self._answers(outputs), heard.seconds

    def _decode(self, heard: Heard, place: int) -> tuple[int, ...]:
        bias = dict(self.plan.bias)
        for name in bias if self.only is None else [self.only]:
            bias[name] += self.grid[place]
        self.decoded += 1
        return self.hearer.decode(heard, self.format, self.prompt, DecodeOptions(bias=bias))

    def _answers(self, outputs: Mapping[int, tuple[int, ...]]) -> tuple[Answer, ...]:
        """What is not decoded equals its neighbours, which equal each other."""
        known: dict[tuple[int, ...], Answer] = {}
        found: list[Answer] = []
        ids = outputs[0]
        for place in range(len(self.grid)):
            ids = outputs.get(place, ids)
            if ids not in known:
                known[ids] = self._read(ids)
            found.append(known[ids])
        return tuple(found)

    def _read(self, ids: tuple[int, ...]) -> Answer:
        target = self.format.parse(ids, self.prompt).target
        pairs = tuple((span.type, target.text[span.start : span.end]) for span in target.entities or ())
        return Answer(target.text, pairs)


def _key(manifest: Manifest, grid: Sequence[float], plan: EntityPlan, only: str | None) -> str:
    """What two sweeps must share for their answers to be the same."""
    asked = [dict(manifest.files), list(grid), plan.closed, [list(p or ()) for p in plan.passes]]
    text = json.dumps([asked, sorted(plan.bias.items()), manifest.languages[0], only], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _packed(answers: Sequence[Answer]) -> list[list[Any]]:
    """Runs of the same answer: [how many, text, entities]."""
    runs: list[list[Any]] = []
    for number, answer in enumerate(answers):
        if number and answer == answers[number - 1]:
            runs[-1][0] += 1
        else:
            runs.append([1, answer.text, [list(pair) for pair in answer.entities]])
    return runs


def _unpacked(runs: Sequence[Sequence[Any]]) -> tuple[Answer, ...]:
    answers: list[Answer] = []
    for count, text, entities in runs:
        answers += [Answer(text, tuple((name, phrase) for name, phrase in entities))] * count
    return tuple(answers)


def _resume(journal: Path, key: str) -> Mapping[str, tuple[Answer, ...]]:
    """What a journal holds. Raises `OptionError` if it belongs to another sweep."""
    drop_half_line(journal)
    if not journal.exists():
        return {}
    found: dict[str, tuple[Answer, ...]] = {}
    with journal.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            try:
                values = json.loads(line)
            except ValueError:
                continue  # damaged: that clip is decoded again
            if number == 0 and values.get("key") != key:
                raise OptionError(
                    f"{journal}: is the journal of another bundle, grid or question; name another file"
                )
            if "answers" in values:
                found[values["id"]] = _unpacked(values["answers"])
    return found


def _appending(journal: Path | None, key: str) -> Any:
    if journal is None:
        return nullcontext()
    journal.parent.mkdir(parents=True, exist_ok=True)
    out: IO[str] = journal.open("a", encoding="utf-8")
    if not out.tell():
        out.write(json.dumps({"key": key}) + "\n")
    return out
