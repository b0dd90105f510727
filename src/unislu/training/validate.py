"""Evaluation while training: a part of the dev data, decoded and scored as it will be in the end."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unislu.data.records import Record, manifest_names, read_records
from unislu.errors import OptionError, RecipeError
from unislu.evaluation.question import Gold, Prediction, balanced_types, gold_of
from unislu.evaluation.score import Scores, score
from unislu.sequence import LabelSet, Prompt, normalize_type
from unislu.training.config import EvaluationConfig, Recipe
from unislu.training.examples import closed_type
from unislu.training.protocol import Asked, Predictor
from unislu.training.scores import SLUE_SCORE, with_slue_score


class Validator:
    """Asks a model about some records of each dev manifest, and in the end about all of the test ones."""

    def __init__(self, recipe: Recipe, labels: LabelSet):
        self._config, self._labels = recipe.evaluation, labels
        self._records = [
            (Path(m), _sample(list(read_records(m)), self._config.limit, recipe.seed))
            for m in self._config.manifests
        ]
        self._tests = self._opened(self._config.test)

    def scores(self, predictor: Predictor) -> dict[str, float]:
        """`wer`, `ner.f1`, `ner.label_f1`, `sa.f1` in percent over all manifests, where annotated.

        With one manifest of entities and one of sentiments, `slue` is the SLUE score.
        """
        records = [(manifest, self._mapped(r)) for manifest, some in self._records for r in some]
        golds, answers = self._answered(records, predictor)
        found = flatten(self._scored(golds, answers))
        apart = {}
        for manifest, _ in self._records:
            own = [place for place, (m, _) in enumerate(records) if m == manifest]
            apart[str(manifest)] = flatten(self._scored([golds[n] for n in own], [answers[n] for n in own]))
        slue = with_slue_score(apart).get(SLUE_SCORE)
        return found if slue is None else {**found, SLUE_SCORE: slue}

    def test(self, predictor: Predictor) -> dict[str, dict[str, float]]:
        """The same of every test manifest, whole, by the folders that distinguish it."""
        return {
            name: flatten(self._scored(*self._answered([(path, self._mapped(r)) for r in some], predictor)))
            for name, (path, some) in self._tests.items()
        }

    def _opened(self, manifests: Sequence[str]) -> dict[str, tuple[Path, list[Record]]]:
        """The test records by name, read before hours of training and not after them."""
        try:
            names = manifest_names(manifests, depth=2)
        except OptionError as error:
            raise RecipeError(f"recipe key 'evaluation.test': {error}") from None
        found = {}
        for name, manifest in zip(names, manifests, strict=True):
            found[name] = (Path(manifest), [record for record in read_records(manifest) if record.audio])
            if not found[name][1]:
                raise RecipeError(f"recipe key 'evaluation.test': {manifest!r} holds no record with audio")
        return found

    def _answered(
        self, records: Sequence[tuple[Path, Record]], predictor: Predictor
    ) -> tuple[list[Gold], list[Prediction]]:
        """Gold and answers about records, which have keys of their own."""
        every = {m: types_of(r for n, r in records if n == m) for m in {m for m, _ in records}}
        asked = [asked_of(m, record, self._config, every[m]) for m, record in records]
        # Two manifests may use the same ids.
        keys = [f"{number}" for number in range(len(asked))]
        predictions = predictor(asked)
        golds = [replace(gold_of(r), id=key) for key, (_, r) in zip(keys, records, strict=True)]
        for part in ("text", "entities", "sentiment"):
            if part not in predictor.answers:  # a classifier is not scored on transcripts
                nothing: dict[str, Any] = {part: None}
                golds = [replace(gold, **nothing) for gold in golds]
        return golds, [replace(p, id=k) for k, p in zip(keys, predictions, strict=True)]

    def _scored(self, golds: Sequence[Gold], answers: Sequence[Prediction]) -> Scores:
        return score(golds, answers, self._config.profile)

    def _mapped(self, record: Record) -> Record:
        """The record as the model can know it: without entities, or with those of the closed set."""
        if not self._config.sentiment:
            record = replace(record, sentiment=None)
        if self._config.entities == "ignore" or record.entities is None:
            return replace(record, entities=None)
        return closed_record(record, self._labels) if self._config.entities == "closed" else record


def closed_record(record: Record, labels: LabelSet) -> Record:
    """The record with the label set's types: OntoNotes' as SLUE maps them; what has no tag is dropped."""
    tagged = ((entity, closed_type(entity.type, labels)) for entity in record.entities or ())
    return replace(record, entities=tuple(replace(e, type=tag) for e, tag in tagged if tag is not None))


def types_of(records: Iterable[Record]) -> tuple[str, ...]:
    """Every annotated entity type, normalised and sorted."""
    return tuple(sorted({normalize_type(e.type) for record in records for e in record.entities or ()}))


def asked_of(manifest: Path, record: Record, config: EvaluationConfig, every: Sequence[str]) -> Asked:
    """The question about a record: what it is annotated with.

    With open entities it names types: all of `every`, or the record's own and as many absent ones.
    """
    tasks = {"sa"} if record.sentiment and config.sentiment else set()
    types = None
    if record.entities is not None and config.entities != "ignore":
        tasks.add("ner")
        if config.entities == "open":
            balanced = config.asked == "balanced"
            types = balanced_types(record.id, types_of([record]), every) if balanced else tuple(every)
            if not types:
                raise RecipeError(f"{manifest}: no entity is annotated, so there is no open type to ask for")
    return Asked(record.id, (manifest, str(record.audio)), Prompt(frozenset(tasks), types))


def value_of(scores: Mapping[str, float], metric: str) -> float | None:
    """What the best checkpoint has most of: the metric, or for error rates its negative."""
    found = scores.get(metric)
    return -found if found is not None and metric == "wer" else found


def flatten(scores: Scores) -> dict[str, float]:
    """The headline figures that exist, in percent."""
    found: dict[str, float | None] = {}
    if scores.words is not None:
        found["wer"] = scores.words.wer
    if scores.entities is not None:
        found |= {"ner.f1": scores.entities.micro.f1, "ner.label_f1": scores.entities.label_f1}
    if scores.sentiment is not None:
        found["sa.f1"] = scores.sentiment.macro_f1
    return {key: value for key, value in found.items() if value is not None}


def _sample(records: list[Record], limit: int, seed: int) -> list[Record]:
    return random.Random(seed).sample(records, min(limit, len(records)))
