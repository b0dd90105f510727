"""Scores of a set of predictions: the join on ids, every utterance judged, and one table of the sums.

`judge` compares utterance by utterance and keeps the alignments; `summarize` adds up. `score` does both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from unislu.errors import RecordError
from unislu.evaluation.calibration import Reliability, calibration
from unislu.evaluation.diarization import SpeakerScores, Spoken, speaker_scores
from unislu.evaluation.entity_errors import EntityErrors, Pair, count_pairs, pair_entities
from unislu.evaluation.ner import Counts, Entity, EntityScores, entity_scores
from unislu.evaluation.profiles import Profile
from unislu.evaluation.profiles import profile as find_profile
from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.sentiment import THREE_CLASSES, SentimentScores, sentiment_scores
from unislu.evaluation.wer import Edit, WordErrors, align, count, total
from unislu.sequence.labels import normalize_type

_LISTED = 20
"""Ids that an error message shows."""


@dataclass(frozen=True)
class JudgedUtterance:
    """One utterance, judged; a part is `None` (or empty) where nothing is annotated."""

    gold: Gold
    prediction: Prediction
    reference: tuple[str, ...] = ()
    """The gold words under the profile."""
    hypothesis: tuple[str, ...] = ()
    """The predicted words under the profile."""
    edits: tuple[Edit, ...] = ()
    words: WordErrors | None = None
    entities: EntityScores | None = None
    pairs: tuple[Pair, ...] = ()
    confidences: tuple[tuple[float, bool], ...] = ()
    """(confidence, right?) of each found entity that has a confidence."""
    missing: bool = False
    """There is no prediction; it is judged as empty text, no entity and no sentiment."""

    @property
    def id(self) -> str:
        return self.gold.id


@dataclass(frozen=True)
class Judged:
    """Every utterance of a gold set, in its order, compared with its prediction."""

    profile: str
    utterances: tuple[JudgedUtterance, ...]
    classes: tuple[str, ...] = THREE_CLASSES
    ignored: tuple[str, ...] = ()
    """Ids of predictions that are not in the gold."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids without a prediction."""
        return tuple(utterance.id for utterance in self.utterances if utterance.missing)


@dataclass(frozen=True)
class Scores:
    """Scores under one profile; a part is `None` if no gold annotation of it exists."""

    profile: str
    utterances: int
    missing: int
    """Utterances without a prediction; they count as empty text, no entity and a wrong sentiment."""
    words: WordErrors | None = None
    entities: EntityScores | None = None
    sentiment: SentimentScores | None = None
    entity_errors: EntityErrors | None = None
    calibration: Reliability | None = None
    """Of the sentiment's probabilities, where the system gave any."""
    entity_calibration: Reliability | None = None
    """Of the confidences of found entities, where the system gave any."""
    silent: int = 0
    """Utterances without speech in the gold annotation."""
    invented: int = 0
    """Those of them for which the system wrote words."""
    speakers: SpeakerScores | None = None
    """Of who speaks when, where that is annotated."""

    def to_dict(self) -> dict[str, object]:
        """Everything as plain values, ready for JSON."""
        parts = ("words", "entities", "sentiment", "entity_errors", "calibration", "entity_calibration")
        values = {name: getattr(self, name) for name in parts}
        return {
            "profile": self.profile,
            "utterances": self.utterances,
            "missing": self.missing,
            **{name: value and value.to_dict() for name, value in values.items()},
            "silence": {"utterances": self.silent, "with_text": self.invented},
            **({} if self.speakers is None else {"speakers": self.speakers.to_dict()}),
        }

    def __str__(self) -> str:
        lines = [f"profile {self.profile}, {self.utterances} utterances, {self.missing} without a prediction"]
        if self.words is not None:
            lines.append(_words_line(self.words))
        if self.silent:
            lines.append(f"words invented in {self.invented} of {self.silent} utterances without speech")
        if self.entities is not None:
            found = self.entities
            lines += _counts_lines("entity type", {**found.per_type, "all": found.micro})
            lines.append(f"macro-F1 {_rate(found.macro_f1)}   label-F1 {_rate(found.label_f1)}")
        if self.sentiment is not None:
            lines += _counts_lines("sentiment", self.sentiment.per_class)
            lines.append(_sentiment_line(self.sentiment, self.calibration))
        if self.speakers is not None:
            lines.append(str(self.speakers))
        return "\n".join(lines)


def score(
    golds: Iterable[Gold],
    predictions: Iterable[Prediction],
    profile: str | Profile = "unislu",
    *,
    classes: tuple[str, ...] = THREE_CLASSES,
    labels: Iterable[str] | None = None,
    allow_missing: bool = False,
) -> Scores:
    """Join predictions to gold on their ids and score what is annotated; see `judge`."""
    judged = judge(golds, predictions, profile, classes=classes, labels=labels, allow_missing=allow_missing)
    return summarize(judged)


def judge(
    golds: Iterable[Gold],
    predictions: Iterable[Prediction],
    profile: str | Profile = "unislu",
    *,
    classes: tuple[str, ...] = THREE_CLASSES,
    labels: Iterable[str] | None = None,
    allow_missing: bool = False,
) -> Judged:
    """Join predictions to gold on their ids and compare each pair.

    Args:
        golds: what was annotated.
        predictions: what a system answered, in any order.
        profile: the normalisation of texts and phrases.
        classes: sentiment labels that are scored; utterances of other labels are dropped.
        labels: the entity types; `None` = any.
        allow_missing: judge gold without a prediction as an empty answer, ignore predictions without gold.

    Raises:
        RecordError: no gold at all; an id occurs twice on one side; ids on one side only, unless
            `allow_missing`; an entity type outside `labels`.
        MissingDependencyError: the extra `eval` is not installed.
    """
    chosen = find_profile(profile) if isinstance(profile, str) else profile
    reference, answers = _by_id("gold", golds), _by_id("predictions", predictions)
    if not reference:
        raise RecordError("gold: has no utterances; nothing to score")
    if not allow_missing:
        _check_ids(reference.keys(), answers.keys())
    if labels is not None:
        known = {normalize_type(name): name for name in labels}
        for side, rows in (("gold", reference.values()), ("predictions", answers.values())):
            _check_types(side, rows, known)
    utterances = tuple(_judged(gold, answers.get(key), chosen) for key, gold in reference.items())
    ignored = tuple(sorted(answers.keys() - reference.keys()))
    return Judged(chosen.name, utterances, classes, ignored)


def summarize(judged: Judged) -> Scores:
    """Add up what `judge` found."""
    utterances = judged.utterances
    words = [u.words for u in utterances if u.words is not None]
    entities = [u.entities for u in utterances if u.entities is not None]
    with_labels = [u for u in utterances if u.gold.sentiment is not None]
    labels = [(str(u.gold.sentiment), u.prediction.sentiment) for u in with_labels]
    confident = [answer for u in with_labels if (answer := _sentiment_answer(u, judged.classes)) is not None]
    entity_answers = [answer for u in utterances for answer in u.confidences]
    silent = [u for u in utterances if u.words is not None and not u.reference]
    talks = [
        (u.gold.turns, u.prediction.spoken or Spoken(())) for u in utterances if u.gold.turns is not None
    ]
    return Scores(
        profile=judged.profile,
        utterances=len(utterances),
        missing=len(judged.missing),
        words=total(words) if words else None,
        entities=sum(entities, EntityScores()) if entities else None,
        sentiment=sentiment_scores(labels, judged.classes) if labels else None,
        entity_errors=count_pairs(p for u in utterances for p in u.pairs) if entities else None,
        calibration=calibration(confident) if confident else None,
        entity_calibration=calibration(entity_answers) if entity_answers else None,
        silent=len(silent),
        invented=sum(bool(u.hypothesis) for u in silent),
        speakers=speaker_scores(talks) if talks else None,
    )


def pool(parts: Mapping[str, Judged]) -> Judged:
    """Several judged sets as one; the set's name goes before each id.

    Raises:
        RecordError: there is none, or they were judged under different profiles or classes.
    """
    kinds = {(judged.profile, judged.classes) for judged in parts.values()}
    if len(kinds) != 1:
        raise RecordError(f"cannot pool {len(parts)} sets judged in {len(kinds)} ways; judge them alike")
    ((profile, classes),) = kinds
    utterances = [
        _renamed(utterance, f"{name}/{utterance.id}")
        for name, judged in parts.items()
        for utterance in judged.utterances
    ]
    ignored = tuple(f"{name}/{key}" for name, judged in parts.items() for key in judged.ignored)
    return Judged(profile, tuple(utterances), classes, ignored)


def _renamed(utterance: JudgedUtterance, key: str) -> JudgedUtterance:
    return replace(
        utterance, gold=replace(utterance.gold, id=key), prediction=replace(utterance.prediction, id=key)
    )


def _judged(gold: Gold, answer: Prediction | None, profile: Profile) -> JudgedUtterance:
    prediction = answer or Prediction(gold.id)
    reference = tuple(profile.words(gold.text or ""))
    hypothesis = tuple(profile.words(prediction.text or ""))
    edits = align(reference, hypothesis)
    judged = JudgedUtterance(gold, prediction, reference, hypothesis, edits, missing=answer is None)
    if gold.text is not None:
        judged = replace(judged, words=count(edits))
    if gold.entities is None:
        return judged
    wanted = _normalized(gold.entities, profile)
    found = _normalized(prediction.entities or (), profile)
    return replace(
        judged,
        entities=entity_scores(wanted, found),
        pairs=pair_entities(wanted, found, reference, hypothesis, edits),
        confidences=_entity_answers(wanted, found, prediction.confidences),
    )


def _sentiment_answer(utterance: JudgedUtterance, classes: Sequence[str]) -> tuple[float, bool] | None:
    gold, prediction = str(utterance.gold.sentiment).lower(), utterance.prediction
    if gold not in classes or prediction.sentiment is None or prediction.sentiment_scores is None:
        return None
    label = prediction.sentiment.lower()
    scores = {name.lower(): value for name, value in prediction.sentiment_scores.items()}
    return None if label not in scores else (scores[label], label == gold)


def _entity_answers(
    wanted: Sequence[Entity], found: Sequence[Entity], confidences: Sequence[float | None] | None
) -> tuple[tuple[float, bool], ...]:
    """(confidence, right?) of every found entity that has a confidence."""
    left = Counter(wanted)
    answers = []
    for entity, confidence in zip(found, confidences or (), strict=False):
        left[entity] -= 1
        if confidence is not None:
            answers.append((confidence, left[entity] >= 0))
    return tuple(answers)


_Row = TypeVar("_Row", Gold, Prediction)


def _by_id(side: str, rows: Iterable[_Row]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for row in rows:
        if row.id in found:
            raise RecordError(f"{side}: id {row.id!r} occurs twice; ids must be unique")
        found[row.id] = row
    return found


def _check_ids(gold: Collection[str], answers: Collection[str]) -> None:
    problems = []
    for ids, what in (
        (sorted(set(gold) - set(answers)), "in the gold have no prediction"),
        (sorted(set(answers) - set(gold)), "in the predictions are not in the gold"),
    ):
        if ids:
            shown = ", ".join(ids[:_LISTED]) + (", …" if len(ids) > _LISTED else "")
            problems.append(f"{len(ids)} ids {what}: {shown}")
    if problems:
        raise RecordError(
            "; ".join(problems) + "; complete the files, or allow it (--allow-missing): gold without a "
            "prediction then counts as wrong, a prediction without gold is ignored"
        )


def _check_types(side: str, rows: Iterable[Gold | Prediction], known: Mapping[str, str]) -> None:
    for row in rows:
        for name, phrase in row.entities or ():
            if normalize_type(name) not in known:
                raise RecordError(
                    f"{side}: entity type {name!r} ({phrase!r} in {row.id!r}) is outside the label set: "
                    f"{', '.join(known.values())}"
                )


def _normalized(entities: Iterable[tuple[str, str]], profile: Profile) -> list[Entity]:
    return [(normalize_type(type_), profile(phrase)) for type_, phrase in entities]


def _words_line(words: WordErrors) -> str:
    return (
        f"WER {_rate(words.wer)}   {words.reference_words} words: {words.substitutions} substituted, "
        f"{words.deletions} deleted, {words.insertions} inserted"
    )


def _counts_lines(title: str, rows: Mapping[str, Counts]) -> list[str]:
    width = max(len(title), *map(len, rows))
    lines = [f"{title:<{width}}      P      R     F1  support"]
    for name, counts in rows.items():
        rates = "".join(f" {_rate(value):>6}" for value in (counts.precision, counts.recall, counts.f1))
        lines.append(f"{name:<{width}}{rates} {counts.support:>8}")
    return lines


def _sentiment_line(scores: SentimentScores, calibrated: Reliability | None) -> str:
    line = f"macro-F1 {_rate(scores.macro_f1)}   accuracy {_rate(scores.accuracy)}"
    if calibrated is not None:
        line += f"   ECE {_rate(calibrated.ece)}"
    if scores.dropped:
        line += f"   ({scores.dropped} of other labels not scored)"
    return line


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def slue_score(
    wer_voxpopuli: float | None, wer_voxceleb: float | None, ner_f1: float | None, sentiment_f1: float | None
) -> float | None:
    """`((100 - mean of the two WERs) + NER micro-F1 + sentiment macro-F1) / 3`, everything in percent.

    `None` if any part is undefined.
    """
    if wer_voxpopuli is None or wer_voxceleb is None or ner_f1 is None or sentiment_f1 is None:
        return None
    return (100 - (wer_voxpopuli + wer_voxceleb) / 2 + ner_f1 + sentiment_f1) / 3
