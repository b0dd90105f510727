"""Scores of a set of predictions: the join on ids, and one table of everything that is annotated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from unislu.errors import RecordError
from unislu.evaluation.ner import Counts, EntityScores, entity_scores
from unislu.evaluation.profiles import Profile
from unislu.evaluation.profiles import profile as find_profile
from unislu.evaluation.sentiment import THREE_CLASSES, SentimentScores, sentiment_scores
from unislu.evaluation.wer import WordErrors, total, word_errors
from unislu.sequence.labels import normalize_type


@dataclass(frozen=True)
class Gold:
    """What was annotated for one utterance: `None` = not annotated, `()` = annotated, none present."""

    id: str
    text: str | None = None
    entities: tuple[tuple[str, str], ...] | None = None
    """(type, phrase) pairs."""
    sentiment: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What a system answered for one utterance; `None` = no answer."""

    id: str
    text: str | None = None
    entities: tuple[tuple[str, str], ...] | None = None
    """(type, phrase) pairs."""
    sentiment: str | None = None


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

    def to_dict(self) -> dict[str, object]:
        """Everything as plain values, ready for JSON."""
        return {
            "profile": self.profile,
            "utterances": self.utterances,
            "missing": self.missing,
            "words": self.words and self.words.to_dict(),
            "entities": self.entities and self.entities.to_dict(),
            "sentiment": self.sentiment and self.sentiment.to_dict(),
        }

    def __str__(self) -> str:
        lines = [f"profile {self.profile}, {self.utterances} utterances, {self.missing} without a prediction"]
        if self.words is not None:
            lines.append(_words_line(self.words))
        if self.entities is not None:
            lines += _entity_lines(self.entities)
        if self.sentiment is not None:
            lines += _sentiment_lines(self.sentiment)
        return "\n".join(lines)


def score(
    golds: Iterable[Gold],
    predictions: Iterable[Prediction],
    profile: str | Profile = "unislu",
    *,
    classes: tuple[str, ...] = THREE_CLASSES,
) -> Scores:
    """Joins predictions to gold on their ids and scores what is annotated.

    Raises:
        RecordError: an id occurs twice on one side, or a prediction's id is not in the gold.
    """
    chosen = find_profile(profile) if isinstance(profile, str) else profile
    reference, answers = _by_id("gold", golds), _by_id("predictions", predictions)
    unknown = sorted(answers.keys() - reference.keys())
    if unknown:
        raise RecordError(f"predictions: id {unknown[0]!r} ({len(unknown)} in all) is not in the gold file")
    pairs = [(gold, answers.get(key, Prediction(key))) for key, gold in reference.items()]
    with_text = [
        word_errors(chosen.words(gold.text), chosen.words(answer.text or ""))
        for gold, answer in pairs
        if gold.text is not None
    ]
    with_entities = [
        entity_scores(_normalized(gold.entities, chosen), _normalized(answer.entities or (), chosen))
        for gold, answer in pairs
        if gold.entities is not None
    ]
    labels = [(gold.sentiment, answer.sentiment) for gold, answer in pairs if gold.sentiment is not None]
    return Scores(
        profile=chosen.name,
        utterances=len(reference),
        missing=len(reference.keys() - answers.keys()),
        words=total(with_text) if with_text else None,
        entities=sum(with_entities, EntityScores()) if with_entities else None,
        sentiment=sentiment_scores(labels, classes) if labels else None,
    )


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Row = TypeVar("_Row", bound=_HasId)


def _by_id(side: str, rows: Iterable[_Row]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for row in rows:
        if row.id in found:
            raise RecordError(f"{side}: id {row.id!r} occurs twice; ids must be unique")
        found[row.id] = row
    return found


def _normalized(entities: Iterable[tuple[str, str]], profile: Profile) -> list[tuple[str, str]]:
    return [(normalize_type(type_), profile(phrase)) for type_, phrase in entities]


def _words_line(words: WordErrors) -> str:
    return (
        f"WER {_rate(words.wer)}   {words.reference_words} words: {words.substitutions} substituted, "
        f"{words.deletions} deleted, {words.insertions} inserted"
    )


def _entity_lines(scores: EntityScores) -> list[str]:
    width = max([len("entity type"), *map(len, scores.per_type)])
    rows = [*scores.per_type.items(), ("all", scores.micro)]
    head = f"{'entity type':<{width}}      P      R     F1  support"
    tail = f"macro-F1 {_rate(scores.macro_f1)}   label-F1 {_rate(scores.label_f1)}"
    return [head, *(_counts_row(name, counts, width) for name, counts in rows), tail]


def _sentiment_lines(scores: SentimentScores) -> list[str]:
    width = max(len("sentiment"), *map(len, scores.classes))
    head = f"{'sentiment':<{width}}      P      R     F1  support"
    rows = [_counts_row(name, counts, width) for name, counts in scores.per_class.items()]
    return [head, *rows, f"macro-F1 {_rate(scores.macro_f1)}   accuracy {_rate(scores.accuracy)}"]


def _counts_row(name: str, counts: Counts, width: int) -> str:
    rates = "".join(f" {_rate(value):>6}" for value in (counts.precision, counts.recall, counts.f1))
    return f"{name:<{width}}{rates} {counts.support:>8}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
