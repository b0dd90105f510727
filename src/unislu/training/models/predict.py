"""Predictions of any checkpoint that `unislu train` wrote, whatever its kind: records in, answers out.

for answer in predict(Path("runs/slue-ner-w2v2-base/best"), Path("test/manifest.jsonl")):
    print(answer.id, answer.text, answer.entities, answer.sentiment)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from unislu.data.records import Record, read_records
from unislu.evaluation.question import Prediction
from unislu.training.checkpoint import Checkpoint
from unislu.training.collate import AudioSource
from unislu.training.config import DecodeConfig, EvaluationConfig, SpecAugmentConfig
from unislu.training.models.build import MODULES
from unislu.training.protocol import Predictor
from unislu.training.schema import build
from unislu.training.validate import asked_of, types_of

_CHUNK = 64


def predict(
    checkpoint: Path,
    manifest: Path,
    records: Sequence[Record] | None = None,
    *,
    entities: Literal["closed", "open", "ignore"] = "closed",
    asked: Literal["balanced", "all"] = "balanced",
    decode: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Iterator[Prediction]:
    """Predict the records of a manifest with a checkpoint's model, in order.

    Args:
        checkpoint: a folder that training wrote (`best`, `last`).
        manifest: JSON lines; audio paths are relative to its folder.
        records: which of its records; all of them by default. Records without audio are left out.
        entities: request the closed set, open types, or none.
        asked: which open types: a record's own and as many absent ones, or all of the manifest.
        decode: values of the recipe's section `decode` that replace the checkpoint's own.
        device: where to compute.

    Yields:
        One prediction a record: text, (type, phrase) pairs and sentiment, None where the model gives none.

    Raises:
        BundleError: no checkpoint of `unislu train`.
    """
    predictor = load_predictor(checkpoint, decode=decode, device=device)
    spoken = [r for r in (read_records(manifest) if records is None else records) if r.audio]
    config, every = EvaluationConfig(entities=entities, asked=asked), types_of(spoken)
    questions = [asked_of(manifest, record, config, every) for record in spoken]
    for first in range(0, len(questions), _CHUNK):
        yield from predictor(questions[first : first + _CHUNK])


def load_predictor(
    checkpoint: Path, *, decode: Mapping[str, Any] | None = None, device: str = "cpu"
) -> Predictor:
    """A checkpoint's model, ready to answer. Arguments and errors as `predict`."""
    known = Checkpoint.read(checkpoint)
    options = build(DecodeConfig, {**known.decode, **(decode or {})})
    module = MODULES.get(known.kind, MODULES["whisper"])
    predictor: Predictor = module.load_predictor(known, AudioSource(None, SpecAugmentConfig(), ()), options)
    predictor.to(device)
    return predictor
