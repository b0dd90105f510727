"""`unislu calibrate`: curves from a bundle's confidences to how often its answers are right.

An answer is a word, an entity or a sentiment with its confidence. A word is right if the word error rate's
alignment counts it as a hit; an entity if it is in the gold multiset; a sentiment if it is the gold label.
Words and entities get Platt's logistic curve, sentiments a temperature. The error is reported before and
after, the latter over two folds of clips, each judged by what was fitted on the other.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.bundle import Bundle
from unislu.bundle.calibration import Curve, logit, tempered
from unislu.errors import RecordError
from unislu.evaluation.calibration import calibration as reliability
from unislu.evaluation.profiles import Profile
from unislu.evaluation.profiles import profile as find_profile
from unislu.evaluation.question import gold_of
from unislu.evaluation.score import judge
from unislu.evaluation.sweep import RecordClip, read_clips
from unislu.evaluation.systems import from_analysis
from unislu.evaluation.tune import describe_data, store_manifest
from unislu.evaluation.wer import align
from unislu.recognition.model import Model
from unislu.recognition.recognizer import Recognizer
from unislu.result import Analysis, Word
from unislu.sequence.labels import normalize_type

Answer = tuple[float, bool]
"""(confidence, right?)"""
Label = tuple[Mapping[str, float], str]
"""(probabilities of the sentiments, the gold one), lower case."""

FOLDS = 2
LEAST = 50
"""Minimum number of answers for a fit."""
_PRIOR = 1.0
_STEPS = 50
_SMALLEST = 1e-9
_TEMPERATURES = np.geomspace(0.2, 10.0, 400)


@dataclass(frozen=True)
class Answers:
    """The answers of one clip."""

    words: tuple[Answer, ...] = ()
    entities: tuple[Answer, ...] = ()
    label: Label | None = None


@dataclass(frozen=True)
class CalibratedPart:
    """How one kind of confidence was calibrated. Errors in percent."""

    value: Mapping[str, float]
    """What the manifest stores."""
    count: int
    """Number of answers."""
    accuracy: float
    """Share of right answers."""
    before: float
    """Expected calibration error before."""
    after: float
    """Expected calibration error after, over two folds."""

    def to_dict(self) -> dict[str, float]:
        return {
            "count": self.count,
            "accuracy": round(self.accuracy, 2),
            "ece_before": round(self.before, 2),
            "ece_after": round(self.after, 2),
        }


@dataclass(frozen=True)
class Fitted:
    """The fitted curves by part ("words", "entities", "sentiment"), without parts with too few answers."""

    parts: Mapping[str, CalibratedPart]
    clips: int
    profile: str
    data: Sequence[Mapping[str, Any]] = field(default_factory=list)

    def to_manifest(self) -> dict[str, Any]:
        """The manifest's `calibration`."""
        fitted = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "profile": self.profile,
            "clips": self.clips,
            "data": list(self.data),
            **{name: part.to_dict() for name, part in self.parts.items()},
        }
        return {**{name: dict(part.value) for name, part in self.parts.items()}, "fitted": fitted}


def calibrate(
    bundle: str | os.PathLike[str] | None,
    manifests: Sequence[Path],
    *,
    limit: int | None = None,
    profile: str = "unislu",
    threads: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Fit the curves; nothing is stored yet.

    Args:
        bundle: a folder, a name on the hub, or None for the embedded one.
        manifests: dev data with audio. If a manifest's entity types are all in the closed set, the closed set
            is requested; otherwise its own types.
        limit: the first so many records of each.
        profile: the text normalisation.
        threads: of the model.
        say: called with messages about the progress.

    Raises:
        BundleError: the bundle is missing or damaged.
        RecordError: data that cannot be read, or that has too few answers of every kind.
    """
    treatment = find_profile(profile)
    raw = Recognizer.open(bundle, threads=threads)
    model = Model(raw.engine, raw.vocabulary, replace(raw.manifest, calibration={}))
    answers: list[Answers] = []
    for manifest in manifests:
        clips = read_clips([manifest], limit)
        say(f"transcribing {len(clips)} clips of {manifest.resolve().parent.name}")
        answers += collect(model, clips, treatment)
    parts = fit(answers)
    if not parts:
        raise RecordError(
            f"{len(answers)} clips have fewer than {LEAST} words, entities and sentiments to calibrate on; "
            "give more dev data"
        )
    data = [describe_data(manifest, limit) for manifest in manifests]
    return Fitted(parts, len(answers), treatment.name, data)


def store(bundle: Bundle, fitted: Fitted, output: Path | None) -> Path:
    """Put what was fitted into the bundle's manifest, or into a copy; missing parts stay as they were."""
    kept = dict(bundle.manifest.calibration)
    found = fitted.to_manifest()
    merged = {**kept, **found, "fitted": {**kept.get("fitted", {}), **found["fitted"]}}
    return store_manifest(bundle, replace(bundle.manifest, calibration=merged), output)


def collect(model: Model, clips: Sequence[RecordClip], profile: Profile) -> list[Answers]:
    """The model's answers on the clips of one manifest, judged."""
    records = [clip.record for clip in clips]
    types = sorted({normalize_type(e.type) for r in records for e in r.entities or ()})
    closed = set(types) <= {normalize_type(name) for name in model.entity_types}
    tasks = ["asr"]
    if any(record.entities is not None for record in records):
        tasks.append("ner")
    if any(record.sentiment is not None for record in records) and model.vocabulary.labels.sentiments:
        tasks.append("sa")
    asked = types if "ner" in tasks and types and not closed else None
    results = model.analyze_many([str(clip.path) for clip in clips], tasks=tuple(tasks), entities=asked)
    return [_judged(clip, analysis, profile) for clip, analysis in zip(clips, results, strict=True)]


def _judged(clip: RecordClip, analysis: Analysis, profile: Profile) -> Answers:
    gold = replace(gold_of(clip.record), id=clip.id)
    (utterance,) = judge([gold], [from_analysis(clip.id, analysis)], profile).utterances
    words = [word for segment in analysis.segments for word in segment.words or ()]
    label = None
    wanted = (gold.sentiment or "").lower()
    if analysis.sentiment is not None and wanted in analysis.sentiment.scores:
        label = (analysis.sentiment.scores, wanted)
    return Answers(tuple(judge_words(words, gold.text or "", profile)), utterance.confidences, label)


def judge_words(words: Sequence[Word], reference: str, profile: Profile) -> list[Answer]:
    """(confidence, right?) of every word that the profile does not remove entirely.

    A word that the profile spells as several (`$25` against `25 dollars`) is right if all of them are.
    """
    spelled = [profile.words(word.text) for word in words]
    owners = [number for number, pieces in enumerate(spelled) for _ in pieces]
    edits = align(profile.words(reference), [piece for pieces in spelled for piece in pieces])
    right = dict.fromkeys(owners, True)
    for edit in edits:
        if edit.hypothesis is not None and edit.operation != "hit":
            right[owners[edit.hypothesis]] = False
    return [
        (word.confidence, right[n])
        for n, word in enumerate(words)
        if n in right and word.confidence is not None
    ]


def fit(answers: Sequence[Answers]) -> dict[str, CalibratedPart]:
    """Fit every kind that has enough answers, some right and some wrong."""
    parts = {}
    for name in ("words", "entities"):
        clips: list[Sequence[Answer]] = [getattr(clip, name) for clip in answers]
        if _enough([answer for clip in clips for answer in clip]):
            parts[name] = _part(clips, fit_curve, _curved)
    labels: list[Sequence[Label]] = [[clip.label] if clip.label is not None else [] for clip in answers]
    if _enough([_top(label) for clip in labels for label in clip]):
        parts["sentiment"] = _part(labels, fit_temperature, _tempered)
    return parts


def _part(
    clips: Sequence[Sequence[Any]],
    fit_all: Callable[[Sequence[Any]], dict[str, float]],
    apply: Callable[[Sequence[Any], Mapping[str, float]], list[Answer]],
) -> CalibratedPart:
    """Fit on all; judge each fold by what was fitted on the others."""
    everything = [answer for clip in clips for answer in clip]
    after: list[Answer] = []
    for fold in range(FOLDS):
        others = [answer for n, clip in enumerate(clips) if n % FOLDS != fold for answer in clip]
        here = [answer for n, clip in enumerate(clips) if n % FOLDS == fold for answer in clip]
        after += apply(here, fit_all(others))
    raw = apply(everything, {})
    right = sum(correct for _, correct in raw)
    return CalibratedPart(fit_all(everything), len(raw), 100 * right / len(raw), _ece(raw), _ece(after))


def fit_curve(answers: Sequence[Answer]) -> dict[str, float]:
    """Platt's slope and offset by Newton's method with halved steps, regularised towards (1, 0)."""
    inputs = np.array([[logit(confidence), 1.0] for confidence, _ in answers]).reshape(-1, 2)
    right = np.array([correct for _, correct in answers], np.float64)
    start = np.array([1.0, 0.0])

    def loss(weights: NDArray[np.float64]) -> float:
        odds = inputs @ weights
        missed = np.logaddexp(0.0, odds) - right * odds
        return float(missed.sum() + 0.5 * _PRIOR * np.square(weights - start).sum())

    weights, reached = start, loss(start)
    for _ in range(_STEPS):
        shares = np.exp(-np.logaddexp(0.0, -(inputs @ weights)))
        slope = inputs.T @ (shares - right) + _PRIOR * (weights - start)
        bend = (inputs * (shares * (1.0 - shares))[:, None]).T @ inputs + _PRIOR * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while loss(weights - step) > reached and np.abs(step).max() > _SMALLEST:
            step = step / 2
        if np.abs(step).max() <= _SMALLEST:
            break
        weights = weights - step
        reached = loss(weights)
    return {"slope": round(max(float(weights[0]), 0.01), 5), "offset": round(float(weights[1]), 5)}


def fit_temperature(labels: Sequence[Label]) -> dict[str, float]:
    """The temperature under which the gold labels are likeliest, regularised towards 1."""
    losses: list[float] = []
    for temperature in _TEMPERATURES:
        missed = -math.fsum(math.log(tempered(scores, temperature)[gold]) for scores, gold in labels)
        losses.append(missed + _PRIOR * math.log(temperature) ** 2)
    return {"temperature": round(float(_TEMPERATURES[int(np.argmin(losses))]), 5)}


def _curved(answers: Sequence[Answer], value: Mapping[str, float]) -> list[Answer]:
    curve = Curve(**value) if value else None
    return [(curve(confidence) if curve else confidence, right) for confidence, right in answers]


def _tempered(labels: Sequence[Label], value: Mapping[str, float]) -> list[Answer]:
    return [
        _top((tempered(scores, value["temperature"]) if value else scores, gold)) for scores, gold in labels
    ]


def _top(label: Label) -> Answer:
    """The likeliest label's probability, and whether it is the gold one."""
    scores, gold = label
    name = max(scores, key=lambda key: scores[key])
    return scores[name], name == gold


def _enough(answers: Sequence[Answer]) -> bool:
    return len(answers) >= LEAST and len({right for _, right in answers}) == 2


def _ece(answers: Sequence[Answer]) -> float:
    return reliability(answers).ece or 0.0
