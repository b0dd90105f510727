"""Evaluation while training: greedy decoding of a part of the dev data, scored as it will be in the end."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from unislu.data.records import Record, read_records
from unislu.engines.torch import TorchEngine
from unislu.evaluation.run import gold_of
from unislu.evaluation.score import Prediction, Scores, score
from unislu.sequence import Parsed, Prompt, Target, Vocabulary, get_format, normalize_type
from unislu.training.collate import AudioSource
from unislu.training.config import Recipe
from unislu.training.examples import Example
from unislu.training.models.whisper import UnifiedWhisper

_BATCH = 16
_MOST_TOKENS = 160


class Validator:
    """Decodes `evaluation.limit` records of each dev manifest without constraints, as the papers do."""

    def __init__(self, recipe: Recipe, vocabulary: Vocabulary, source: AudioSource):
        self._config, self._format_name = recipe.evaluation, recipe.model.format
        self._vocabulary, self._source = vocabulary, source
        self._records = [
            (Path(m), _sample(list(read_records(m)), self._config.limit, recipe.seed))
            for m in self._config.manifests
        ]

    def scores(self, model: UnifiedWhisper) -> dict[str, float]:
        """`wer`, `ner.f1`, `ner.label_f1`, `sa.f1` in percent over all manifests, where annotated."""
        engine = TorchEngine(model.merged())
        golds, predictions = [], []
        for manifest, records in self._records:
            for first in range(0, len(records), _BATCH):
                batch = records[first : first + _BATCH]
                golds += [gold_of(self._mapped(r)) for r in batch]
                predictions += self._predict(engine, model, manifest, batch)
        return flatten(score(golds, predictions, self._config.profile))

    def _mapped(self, record: Record) -> Record:
        from dataclasses import replace

        return replace(record, entities=None) if self._config.entities == "ignore" else record

    def _predict(
        self, engine: TorchEngine, model: UnifiedWhisper, manifest: Path, records: list[Record]
    ) -> list[Prediction]:
        encoded = self._encode(engine, model, manifest, records)
        answers = []
        prompts = [self._prompt(record) for record in records]
        formats = [
            get_format("inline-open" if prompt.types else self._format_name, self._vocabulary)
            for prompt in prompts
        ]
        prefixes = [fmt.prefix(prompt) for fmt, prompt in zip(formats, prompts, strict=True)]
        outputs = _greedy(engine, encoded, prefixes, self._vocabulary["<|endoftext|>"])
        for record, ids, fmt, prompt in zip(records, outputs, formats, prompts, strict=True):
            answers.append(_prediction(record, fmt.parse(ids, prompt)))
        return answers

    def _encode(
        self, engine: TorchEngine, model: UnifiedWhisper, manifest: Path, records: list[Record]
    ) -> object:
        examples = [Example(r.id, (), (), 0, (manifest, str(r.audio)), False) for r in records]
        if self._source.cached:
            return engine.cross(*self._source.memory(examples))
        mel, frames = self._source.mel(examples, random.Random(0))
        return engine.encode(mel.numpy(), frames.numpy().astype(np.int64))

    def _prompt(self, record: Record) -> Prompt:
        tasks = {"sa"} if record.sentiment else set()
        if record.entities is None or self._config.entities == "ignore":
            return Prompt(frozenset(tasks))
        types = None
        if self._config.entities == "open":
            types = tuple(sorted({normalize_type(e.type) for e in record.entities})) or None
        return Prompt(frozenset(tasks | {"ner"}), types)


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


@torch.inference_mode()
def _greedy(engine: TorchEngine, encoded: object, prefixes: list[list[int]], end: int) -> list[list[int]]:
    """Greedy ids of each row after its prefix. Prefixes of unequal length are fed token by token."""
    state = engine.start(encoded)  # type: ignore[arg-type]
    outputs: list[list[int]] = [[] for _ in prefixes]
    rows = [list(prefix) for prefix in prefixes]
    longest = max(map(len, prefixes)) + _MOST_TOKENS
    for position in range(longest):
        column = np.array([[row[position] if position < len(row) else end] for row in rows], np.int64)
        logits, state = engine.step(column, state)
        for row, prefix, output, values in zip(rows, prefixes, outputs, logits, strict=True):
            if position + 1 >= len(prefix) and (not output or output[-1] != end) and position + 1 == len(row):
                output.append(int(values.argmax()))
                row.append(output[-1])
        if all(output and output[-1] == end for output in outputs):
            break
    return outputs


def _prediction(record: Record, parsed: Parsed) -> Prediction:
    target: Target = parsed.target
    phrases = None
    if target.entities is not None:
        phrases = tuple((span.type, target.text[span.start : span.end]) for span in target.entities)
    return Prediction(record.id, target.text, phrases, target.sentiment.lower() if target.sentiment else None)


def _sample(records: list[Record], limit: int, seed: int) -> list[Record]:
    return random.Random(seed).sample(records, min(limit, len(records)))
