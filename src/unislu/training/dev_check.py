"""The cost of quantisation: an exported bundle against its checkpoint on a sample of dev data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unislu.bundle import Manifest
from unislu.data.records import Record, read_records
from unislu.engines.torch import TorchEngine
from unislu.errors import BundleError
from unislu.evaluation.question import Prediction, gold_of
from unislu.evaluation.score import score
from unislu.recognition.model import Model, load

MAX_WER_LOSS = 1.0
MAX_F1_LOSS = 3.0
"""Points that a bundle may be worse than its checkpoint, in WER and in entity F1."""


@dataclass(frozen=True)
class Figures:
    """Percent on the sample; None where nothing is annotated."""

    wer: float | None
    f1: float | None


@dataclass(frozen=True)
class DevCheck:
    """Scores of both on the same clips."""

    clips: int
    checkpoint: Figures
    bundle: Figures


def dev_check(checkpoint: Path, bundle: Path, manifest: Path, limit: int = 100) -> DevCheck:
    """Decode the first `limit` clips of a manifest with the torch checkpoint and with the bundle.

    Raises:
        BundleError: the bundle is worse than the checkpoint by more than `MAX_WER_LOSS` or `MAX_F1_LOSS`,
            or the manifest holds no audio.
    """
    records = [record for record in read_records(manifest) if record.audio][:limit]
    if not records:
        raise BundleError(f"{manifest}: no record with audio to check the bundle on; synthesise it first")
    exported = load(bundle)
    trained = Model(TorchEngine.load(checkpoint), exported.vocabulary, exported.manifest)
    before, after = (_figures(model, manifest, records) for model in (trained, exported))
    check = DevCheck(len(records), before, after)
    _refuse_losses(check, bundle, manifest, exported.manifest)
    return check


def _figures(model: Model, manifest: Path, records: Sequence[Record]) -> Figures:
    annotated = any(record.entities is not None for record in records)
    tasks = ("asr", "ner") if annotated else ("asr",)
    sources = [str(record.audio_path(manifest.parent)) for record in records]
    predictions = []
    for record, found in zip(records, model.analyze_many(sources, tasks=tasks), strict=True):
        phrases = None if found.entities is None else tuple((e.type, e.text) for e in found.entities)
        predictions.append(Prediction(record.id, found.text, phrases))
    scores = score([gold_of(record) for record in records], predictions)
    return Figures(
        None if scores.words is None else scores.words.wer,
        None if scores.entities is None else scores.entities.micro.f1,
    )


def _refuse_losses(check: DevCheck, bundle: Path, manifest: Path, facts: Manifest) -> None:
    pairs = (
        ("WER", check.checkpoint.wer, check.bundle.wer, 1, MAX_WER_LOSS),
        ("entity F1", check.checkpoint.f1, check.bundle.f1, -1, MAX_F1_LOSS),
    )
    for name, before, after, sign, most in pairs:
        if before is not None and after is not None and sign * (after - before) > most:
            raise BundleError(
                f"{bundle}: {facts.quantization} weights change the {name} on {check.clips} clips of "
                f"{manifest} from {before:.1f} to {after:.1f} (limit {most:g} points): "
                "export it without --quantize"
            )
