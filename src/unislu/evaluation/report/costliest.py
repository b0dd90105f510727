"""The costliest utterances, and their words with marks for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unislu.evaluation.entity_errors import Kind, Pair
from unislu.evaluation.evaluate import Evaluation
from unislu.evaluation.score import JudgedUtterance

SHOWN = 50
ENTITY_COST = 2
"""A wrong entity weighs as much as two wrong words; a wrong sentiment too."""

Side = Literal["gold", "found"]
State = Literal["same", "substituted", "deleted", "inserted"]


@dataclass(frozen=True)
class Case:
    """An utterance with errors."""

    dataset: str
    utterance: JudgedUtterance
    cost: int
    audio: Path | None = None
    duration: float | None = None

    @property
    def word_errors(self) -> int:
        return 0 if self.utterance.words is None else self.utterance.words.errors

    @property
    def entity_errors(self) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.utterance.pairs if pair.kind != "correct")

    @property
    def sentiment_wrong(self) -> bool:
        return _sentiment_wrong(self.utterance)


@dataclass(frozen=True)
class Piece:
    """Words that share their marks."""

    words: tuple[tuple[str, State], ...]
    type: str | None = None
    """The entity's."""
    kind: Kind | None = None
    """Of the entity's pair."""


def costliest(evaluation: Evaluation, count: int = SHOWN) -> list[Case]:
    """The costliest utterances of all manifests, without error-free ones."""
    cases = []
    for dataset in evaluation.datasets:
        records = {record.id: record for record in dataset.records}
        for utterance in evaluation.parts[dataset.name].judged.utterances:
            if cost := _cost(utterance, evaluation.settings.labels):
                record = records[utterance.id]
                path = None if record.audio is None else dataset.audio(record)
                cases.append(Case(dataset.name, utterance, cost, path, record.duration))
    cases.sort(key=lambda case: (-case.cost, case.dataset, case.utterance.id))
    return cases[:count]


def _cost(utterance: JudgedUtterance, classes: Sequence[str]) -> int:
    wrong = sum(pair.kind != "correct" for pair in utterance.pairs)
    wrong += _sentiment_wrong(utterance) and str(utterance.gold.sentiment).lower() in classes
    return (0 if utterance.words is None else utterance.words.errors) + ENTITY_COST * wrong


def _sentiment_wrong(utterance: JudgedUtterance) -> bool:
    gold, found = utterance.gold.sentiment, utterance.prediction.sentiment
    return gold is not None and gold.lower() != (found or "").lower()


def marked(utterance: JudgedUtterance, side: Side) -> list[Piece]:
    """The words of one side in order, cut where an entity begins or ends."""
    words = utterance.reference if side == "gold" else utterance.hypothesis
    states = _states(utterance, side, len(words))
    spans: list[tuple[int, int, str, Kind]] = []
    for pair in utterance.pairs:
        placed = pair.gold if side == "gold" else pair.found
        if placed is not None and placed.words is not None:
            spans.append((*placed.words, placed.type, pair.kind))
    pieces = []
    position = 0
    for start, end, type_, kind in sorted(spans):
        if start > position:
            pieces.append(Piece(tuple(zip(words[position:start], states[position:start], strict=True))))
        pieces.append(Piece(tuple(zip(words[start:end], states[start:end], strict=True)), type_, kind))
        position = end
    if position < len(words):
        pieces.append(Piece(tuple(zip(words[position:], states[position:], strict=True))))
    return pieces


def _states(utterance: JudgedUtterance, side: Side, count: int) -> list[State]:
    states: list[State] = ["same"] * count
    if utterance.words is None:  # no gold text: nothing is right or wrong
        return states
    for edit in utterance.edits:
        place = edit.reference if side == "gold" else edit.hypothesis
        if place is None or edit.operation == "hit":
            continue
        if edit.operation == "substitution":
            states[place] = "substituted"
        else:
            states[place] = "deleted" if side == "gold" else "inserted"
    return states
