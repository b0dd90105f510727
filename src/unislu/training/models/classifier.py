"""SLUE's sentiment baseline: speech encoder, self-attention pooling, two linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unislu.data.records import Record
from unislu.errors import RecipeError
from unislu.evaluation.question import Prediction
from unislu.sequence import LabelSet
from unislu.training.checkpoint import Checkpoint
from unislu.training.collate import AudioSource
from unislu.training.config import DecodeConfig
from unislu.training.examples import Example, TrainingCorpus
from unislu.training.model_config import ClassifierConfig
from unislu.training.models.encoders import (
    AudioBatch,
    EncoderWithHead,
    HeadPredictor,
    SpeechEncoder,
    load_encoder,
    load_weights,
    pad_clips,
)
from unislu.training.protocol import Asked, Predictor, TrainingSetting, TrainingSystem

KIND = "classifier"


class SelfAttentionPooling(nn.Module):
    """The mean over positions, weighted by a softmax of one learned score a position."""

    def __init__(self, width: int):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """`[batch, positions, width]` float and true lengths `[batch]` to `[batch, width]`."""
        inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
        scores = self.score(hidden).squeeze(-1).masked_fill(~inside, float("-inf"))
        return (scores.softmax(-1)[..., None] * hidden).sum(1)


class SpeechClassifier(EncoderWithHead):
    """Encoder, pooling and head."""

    def __init__(self, encoder: SpeechEncoder, classes: tuple[str, ...], config: ClassifierConfig):
        super().__init__(encoder, config)
        self.classes = classes
        self.pooling = SelfAttentionPooling(encoder.width)
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(encoder.width, encoder.width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(encoder.width, len(classes)),
        )

    def logits(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """Logits of each class, `[batch, classes]`."""
        scores: Tensor = self.head(self.pooling(*self.hidden(audio, lengths)))
        return scores

    def forward(self, batch: AudioBatch, reduction: str = "tokens") -> Tensor:
        """Cross-entropy, the mean over the batch; an answer is one label, so both reductions are the same."""
        return F.cross_entropy(self.logits(batch.audio, batch.lengths).float(), batch.labels)

    def describe(self) -> dict[str, Any]:
        """See `Trainable.describe`."""
        return {"kind": KIND, "classes": list(self.classes)}


def load_classifier(config: ClassifierConfig, classes: tuple[str, ...] = ()) -> SpeechClassifier:
    """A model from a pretrained encoder, or from a checkpoint of this kind, which brings its own classes.

    Raises:
        RecipeError: it cannot be loaded.
    """
    known = Checkpoint.backbone(config.backbone, KIND)
    encoder = load_encoder(config.backbone, "model.backbone", config.mask, config.layerdrop)
    if known is not None:
        model = SpeechClassifier(encoder, tuple(known.detail("classes")), config)
        load_weights(model, config.backbone)
        return model
    if not classes:
        raise RecipeError(f"{config.backbone!r} is no checkpoint of `unislu train`")
    return SpeechClassifier(encoder, classes, config)


def build_system(setting: TrainingSetting, config: ClassifierConfig) -> TrainingSystem:
    """A classifier of the sentiments that the corpora have. Raises `RecipeError`, see `load_classifier`."""
    for corpus in setting.corpora:
        if corpus.config.text_only or not corpus.config.sentiment:
            raise RecipeError(
                f"corpus {corpus.config.manifest!r}: a model of kind classifier learns sentiments from audio"
            )
    seen = {_label(setting.labels, r) for corpus in setting.corpora for r in corpus.records if r.sentiment}
    classes = tuple(name for name in setting.labels.sentiments if name in seen)
    if len(classes) < 2:
        raise RecipeError(f"recipe key 'corpora': a classifier needs two sentiments, found {list(classes)}")
    model = load_classifier(config, classes)
    model.encoder.use_padding(setting.recipe.audio.padding)
    return TrainingSystem(
        model,
        partial(make_example, model.classes, setting.labels),
        partial(collate, model.encoder, setting.source),
        lambda: predictor(model, setting.source),
    )


def make_example(
    classes: tuple[str, ...], labels: LabelSet, corpus: TrainingCorpus, record: Record, epoch: int
) -> Example | None:
    """The class of a record; None without audio or sentiment."""
    if record.audio is None or record.sentiment is None:
        return None
    label = _label(labels, record)
    if label not in classes:
        raise RecipeError(f"sentiment {record.sentiment!r} is none of the model's: {', '.join(classes)}")
    clip = (corpus.manifest, record.audio)
    number = classes.index(label)
    return Example(record.id, (number,), (1,), 0, clip, seconds=record.duration or 0.0)


def _label(labels: LabelSet, record: Record) -> str:
    label = labels.sentiment(record.sentiment or "")
    if label is None:
        raise RecipeError(f"sentiment {record.sentiment!r} is none of {', '.join(labels.sentiments)}")
    return label


def collate(encoder: SpeechEncoder, source: AudioSource, examples: Sequence[Example]) -> AudioBatch:
    """Pad audio."""
    audio, lengths = pad_clips(encoder, source, examples)
    return AudioBatch(audio, lengths, torch.tensor([e.tokens[0] for e in examples]))


def predictor(model: SpeechClassifier, source: AudioSource) -> Predictor:
    """The likeliest class; neither transcript nor entities."""

    def answer(asked: Sequence[Asked], audio: Tensor, lengths: Tensor) -> list[Prediction]:
        labels = [model.classes[best].lower() for best in model.logits(audio, lengths).argmax(-1).tolist()]
        return [Prediction(a.id, None, None, label) for a, label in zip(asked, labels, strict=True)]

    return HeadPredictor(model, source, frozenset({"sentiment"}), answer)


def load_predictor(known: Checkpoint, source: AudioSource, _: DecodeConfig) -> Predictor:
    """The predictor of a checkpoint; it takes the likeliest class, so there is nothing to choose."""
    model = load_classifier(ClassifierConfig(str(known.folder)))
    model.encoder.use_padding(known.padding)
    return predictor(model, source)
