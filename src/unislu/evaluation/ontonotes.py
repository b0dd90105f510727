"""Maps OntoNotes' 18 entity types to SLUE's seven, in annotations and predictions alike."""

from __future__ import annotations

from dataclasses import replace

from unislu.errors import RecordError
from unislu.evaluation.predict import Dataset
from unislu.evaluation.question import Prediction
from unislu.sequence.labels import ONTONOTES_TO_SLUE, SLUE, normalize_type

_MAP = {normalize_type(name): target for name, target in ONTONOTES_TO_SLUE.items()}
_MAP |= {normalize_type(name): name for name in SLUE.entity_types}


def slue_type(name: str, where: str) -> str | None:
    """SLUE's type, or None for what SLUE drops. SLUE's own names stay.

    Raises:
        RecordError: neither a type of OntoNotes nor of SLUE; the message says `where`.
    """
    try:
        return _MAP[normalize_type(name)]
    except KeyError:
        raise RecordError(
            f"{where}: entity type {name!r} is neither one of OntoNotes nor of SLUE: "
            f"{', '.join(ONTONOTES_TO_SLUE)}"
        ) from None


def mapped_dataset(dataset: Dataset) -> Dataset:
    """The same records with SLUE's types. Raises `RecordError`, see `slue_type`."""
    records = []
    for record in dataset.records:
        if record.entities is not None:
            named = [(slue_type(e.type, f"gold, {record.id!r}"), e) for e in record.entities]
            kept = tuple(replace(entity, type=name) for name, entity in named if name is not None)
            record = replace(record, entities=kept)
        records.append(record)
    return replace(dataset, records=tuple(records))


def mapped_prediction(prediction: Prediction) -> Prediction:
    """The same answer with SLUE's types. Raises `RecordError`, see `slue_type`."""
    if prediction.entities is None:
        return prediction
    sure = prediction.confidences or (None,) * len(prediction.entities)
    kept = [
        ((slue, phrase), confidence)
        for (name, phrase), confidence in zip(prediction.entities, sure, strict=True)
        if (slue := slue_type(name, f"predictions, {prediction.id!r}")) is not None
    ]
    confidences = tuple(c for _, c in kept) if prediction.confidences is not None else None
    return replace(prediction, entities=tuple(e for e, _ in kept), confidences=confidences)
