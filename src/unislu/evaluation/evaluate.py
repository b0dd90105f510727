"""An evaluation: a system run over manifests, judged, pooled, and stored with its provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unislu.errors import OptionError, RecordError
from unislu.evaluation.bootstrap import SAMPLES, Interval, intervals
from unislu.evaluation.predict import Dataset, Protocols, TypesAsked, predict, questions, rtfx
from unislu.evaluation.profiles import profile as find_profile
from unislu.evaluation.question import Prediction, System, gold_of
from unislu.evaluation.score import Judged, Scores, judge, pool, slue_score, summarize
from unislu.evaluation.sentiment import FOUR_CLASSES, THREE_CLASSES
from unislu.sequence.labels import normalize_type

GROUPS = ("closed", "open", "sentiment", "all")
"""What is pooled: entities of the closed set, of open types, sentiment, and every word."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate, and how."""

    profile: str = "unislu"
    entities: Literal["auto", "closed", "open"] = "auto"
    """"closed", "open", or "auto": closed for manifests whose types are the system's own."""
    asked: TypesAsked = "balanced"
    """Which open types are requested; see `predict.questions`."""
    classes: int = 3
    """3 or 4 sentiment classes."""
    samples: int = SAMPLES
    """Bootstrap samples of the intervals."""
    seed: int = 0
    """Of the negative types and of the bootstrap."""
    allow_missing: bool = False

    def __post_init__(self) -> None:
        if self.classes not in (3, 4):
            raise OptionError(f"{self.classes} sentiment classes: give 3 or 4")
        if self.samples < 1:
            raise OptionError(f"{self.samples} bootstrap samples: give at least 1")

    @property
    def labels(self) -> tuple[str, ...]:
        """The sentiment classes."""
        return THREE_CLASSES if self.classes == 3 else FOUR_CLASSES


@dataclass(frozen=True)
class ScoredPart:
    """The scores of one manifest, or of several together (`members`)."""

    name: str
    judged: Judged
    scores: Scores
    intervals: Mapping[str, Interval]
    protocol: Protocols | None = None
    """How entities were requested; None without entities, or if mixed."""
    rtfx: float | None = None
    seconds: float = 0.0
    """Length of the audio."""
    members: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "members": list(self.members),
            "entities_asked": self.protocol,
            "seconds": self.seconds,
            "rtfx": self.rtfx,
            "scores": self.scores.to_dict(),
            "intervals": {name: interval.to_dict() for name, interval in self.intervals.items()},
            "missing_ids": list(self.judged.missing),
            "ignored_ids": list(self.judged.ignored),
        }


@dataclass(frozen=True)
class Evaluation:
    """Everything a report shows."""

    system: str
    settings: EvaluationSettings
    datasets: tuple[Dataset, ...]
    parts: Mapping[str, ScoredPart]
    """By the dataset's name."""
    pools: Mapping[str, ScoredPart]
    """By group, where a group has more than one manifest."""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def group(self, name: str) -> ScoredPart | None:
        """The pooled part of a group, or its only manifest."""
        if name in self.pools:
            return self.pools[name]
        return next((part for part in self.parts.values() if _belongs(part, name)), None)

    @property
    def slue_score(self) -> float | None:
        """From WER and entities of the closed set on one side, WER and sentiment on the other.

        `None` unless there are manifests of both kinds.
        """
        ner, sa = self.group("closed"), self.group("sentiment")
        if ner is None or sa is None or ner.scores.words is None or sa.scores.words is None:
            return None
        f1 = ner.scores.entities.micro.f1 if ner.scores.entities else None
        macro = sa.scores.sentiment.macro_f1 if sa.scores.sentiment else None
        return slue_score(ner.scores.words.wer, sa.scores.words.wer, f1, macro)

    def to_dict(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "profile": self.settings.profile,
            "slue_score": self.slue_score,
            "manifests": [part.to_dict() for part in self.parts.values()],
            "pooled": {name: part.to_dict() for name, part in self.pools.items()},
            "provenance": dict(self.provenance),
        }


def evaluate(
    system: System,
    datasets: Sequence[Dataset],
    settings: EvaluationSettings,
    out: Path,
    *,
    labels: Sequence[str] | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Run a system over all manifests and score it; its predictions are kept in `out/predictions`.

    Args:
        system: answers.
        datasets: see `read_datasets`.
        settings: how.
        out: the report's folder; an interrupted evaluation is resumed there.
        labels: the system's closed set of entity types; None = it has none, everything is open.
        quiet: no progress on stderr.

    Raises:
        RecordError: bad data, see `judge`; a type outside the closed set.
        OptionError: `out` holds predictions of another run.
    """

    def ask(dataset: Dataset, protocol: Protocols | None) -> Sequence[Prediction]:
        wanted = questions(dataset, protocol or "closed", asked=settings.asked, seed=settings.seed)
        return predict(system, wanted, out / "predictions" / f"{dataset.name}.jsonl", quiet=quiet)

    return score_run(system.name, datasets, ask, settings, labels)


def score_run(
    name: str,
    datasets: Sequence[Dataset],
    answers: Callable[[Dataset, Protocols | None], Sequence[Prediction]],
    settings: EvaluationSettings,
    labels: Sequence[str] | None,
) -> Evaluation:
    """Score a system's answers to every dataset; `labels` as for `evaluate`, which see for what is raised."""
    find_profile(settings.profile)  # before the work, not after it
    asked = {d.name: protocol_of(d, settings.entities, labels) for d in datasets}
    parts: dict[str, ScoredPart] = {}
    for dataset in datasets:
        protocol = asked[dataset.name]
        known = labels if protocol == "closed" else None
        parts[dataset.name] = score_dataset(dataset, answers(dataset, protocol), settings, protocol, known)
    return assemble(name, settings, datasets, parts)


def protocol_of(
    dataset: Dataset, wanted: Literal["auto", "closed", "open"], labels: Sequence[str] | None
) -> Protocols | None:
    """How the entities of a manifest are requested; None if it has no entity annotation.

    Raises:
        RecordError: a type outside the closed set, unless all are.
    """
    if not dataset.has_entities:
        return None
    if wanted == "open" or labels is None:
        return "open"
    known = {normalize_type(name) for name in labels}
    outside = [name for name in dataset.types if name not in known]
    if not outside or (wanted == "auto" and len(outside) == len(dataset.types)):
        return "open" if outside else "closed"
    raise RecordError(
        f"{dataset.path}: entity type {outside[0]!r} is outside the label set {', '.join(labels)}; "
        "rename it, or use open types (--entities open)"
    )


def score_dataset(
    dataset: Dataset,
    answers: Sequence[Prediction],
    settings: EvaluationSettings,
    protocol: Protocols | None,
    labels: Sequence[str] | None,
) -> ScoredPart:
    """Judge the answers to one manifest. Raises `RecordError`; see `judge`."""
    try:
        judged = judge(
            [gold_of(record) for record in dataset.records],
            answers,
            settings.profile,
            classes=settings.labels,
            labels=labels,
            allow_missing=settings.allow_missing,
        )
    except RecordError as error:
        raise RecordError(f"{dataset.path}: {error}") from None
    seconds = sum(a.duration or 0.0 for a in answers) or dataset.seconds
    return _part(dataset.name, judged, settings, protocol, rtfx(answers), seconds)


def assemble(
    system: str, settings: EvaluationSettings, datasets: Sequence[Dataset], parts: Mapping[str, ScoredPart]
) -> Evaluation:
    """Pool the parts that belong together."""
    pools = {}
    for group in GROUPS:
        members = {name: part for name, part in parts.items() if _belongs(part, group)}
        if len(members) > 1:
            pools[group] = _pooled(group, members, settings)
    return Evaluation(system, settings, tuple(datasets), dict(parts), pools)


def _belongs(part: ScoredPart, group: str) -> bool:
    if group == "sentiment":
        return part.scores.sentiment is not None
    return group == "all" or part.protocol == group


def _pooled(group: str, members: Mapping[str, ScoredPart], settings: EvaluationSettings) -> ScoredPart:
    judged = pool({name: part.judged for name, part in members.items()})
    answers = [utterance.prediction for utterance in judged.utterances]
    protocols = {part.protocol for part in members.values() if part.protocol is not None}
    if len(protocols) > 1:  # the types of a closed set and of open ones make no common score
        plain = (replace(u, entities=None, pairs=(), confidences=()) for u in judged.utterances)
        judged = replace(judged, utterances=tuple(plain))
    protocol = protocols.pop() if len(protocols) == 1 else None
    seconds = sum(part.seconds for part in members.values())
    return _part(group, judged, settings, protocol, rtfx(answers), seconds, tuple(members))


def _part(
    name: str,
    judged: Judged,
    settings: EvaluationSettings,
    protocol: Protocols | None,
    speed: float | None,
    seconds: float,
    members: tuple[str, ...] = (),
) -> ScoredPart:
    found = intervals(judged, samples=settings.samples, seed=settings.seed)
    return ScoredPart(name, judged, summarize(judged), found, protocol, speed, seconds, members)
