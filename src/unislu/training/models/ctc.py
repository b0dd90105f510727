"""SLUE's entity baseline: a speech encoder with a linear layer that writes text and entity symbols by CTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from unislu.data.records import Record
from unislu.errors import RecipeError
from unislu.evaluation.question import Prediction
from unislu.sequence import ONTONOTES_TO_SLUE, SLUE, LabelSet, Target
from unislu.training.checkpoint import Checkpoint
from unislu.training.collate import AudioSource
from unislu.training.config import DecodeConfig
from unislu.training.examples import Example, TrainingCorpus, closed_target
from unislu.training.loss import IGNORE
from unislu.training.model_config import CtcConfig
from unislu.training.models.ctc_text import BLANK, CtcText
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

KIND = "ctc"
RAW = LabelSet(tuple(ONTONOTES_TO_SLUE), ())
"""OntoNotes' types, with which SLUE's baselines are trained."""
_FRAMES_PER_SECOND = 49.5
"""wav2vec 2.0 gives 50 a second, and one less a clip."""


class CtcTagger(EncoderWithHead):
    """Encoder and head."""

    def __init__(self, encoder: SpeechEncoder, text: CtcText, config: CtcConfig):
        super().__init__(encoder, config)
        self.text = text
        self.head = nn.Linear(encoder.width, text.size)

    def log_probabilities(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, positions, units]` float32 and the true numbers of positions `[batch]`."""
        hidden, positions = self.hidden(audio, lengths)
        return F.log_softmax(self.head(hidden).float(), dim=-1), positions

    def forward(self, batch: AudioBatch, reduction: str = "tokens") -> Tensor:
        """CTC loss: `tokens` divides by the units of the batch, `examples` by each example's own."""
        scores, positions = self.log_probabilities(batch.audio, batch.lengths)
        wanted = (batch.labels != IGNORE).sum(1)
        losses = F.ctc_loss(
            scores.transpose(0, 1), batch.labels[batch.labels != IGNORE], positions, wanted,
            blank=BLANK, reduction="none", zero_infinity=True,
        )  # fmt: skip
        if reduction == "examples":
            return (losses / wanted.clamp(min=1)).mean()
        return losses.sum() / wanted.sum().clamp(min=1)

    def describe(self) -> dict[str, Any]:
        """See `Trainable.describe`."""
        return {"kind": KIND, "text": self.text.to_manifest()}


def load_ctc(config: CtcConfig, text: CtcText | None = None) -> CtcTagger:
    """A model from a pretrained encoder, or from a checkpoint of this kind, which brings its own units.

    Raises:
        RecipeError: it cannot be loaded.
    """
    known = Checkpoint.backbone(config.backbone, KIND)
    encoder = load_encoder(config.backbone, "model.backbone", config.mask, config.layerdrop)
    if known is not None:
        model = CtcTagger(encoder, CtcText.from_manifest(known.detail("text")), config)
        load_weights(model, config.backbone)
        return model
    if text is None:
        raise RecipeError(f"{config.backbone!r} is no checkpoint of `unislu train`")
    model = CtcTagger(encoder, text, config)
    _start_head(model, config.backbone)
    return model


def _start_head(model: CtcTagger, backbone: str) -> None:
    """Take over the rows of a recogniser's head for the characters it has."""
    from transformers import AutoTokenizer, Wav2Vec2ForCTC

    if model.encoder.family != "wav2vec2":
        return
    loaded: Any = Wav2Vec2ForCTC.from_pretrained(backbone, output_loading_info=True, dtype=torch.float32)
    found, report = loaded
    if any(name.startswith("lm_head") for name in report["missing_keys"]):
        return  # pretrained without text
    names = AutoTokenizer.from_pretrained(backbone).get_vocab()
    rows = {BLANK: names.get("<pad>")}
    for character in model.text.characters:
        unit = model.text.unit(character)
        spelled = "|" if character == " " else character
        if unit is not None:
            rows[unit] = names.get(spelled, names.get(spelled.upper()))
    with torch.no_grad():
        for unit, row in rows.items():
            if row is not None:
                model.head.weight[unit] = found.lm_head.weight[row]
                model.head.bias[unit] = found.lm_head.bias[row]


def build_system(setting: TrainingSetting, config: CtcConfig) -> TrainingSystem:
    """A CTC model from its recipe. Raises `RecipeError`, see `load_ctc`."""
    for corpus in setting.corpora:
        if corpus.config.entities == "open" or corpus.config.text_only:
            raise RecipeError(
                f"corpus {corpus.config.manifest!r}: a model of kind ctc learns closed entities from audio"
            )
    texts = (record.text for corpus in setting.corpora for record in corpus.records)
    learned = RAW if config.types == "raw" else setting.labels
    model = load_ctc(config, CtcText.of(texts, learned.entity_types))
    model.encoder.use_padding(setting.recipe.audio.padding)
    return TrainingSystem(
        model,
        partial(make_example, model.text, learned),
        partial(collate, model.encoder, setting.source),
        lambda: predictor(model, setting.source, setting.labels),
    )


def make_example(
    text: CtcText, labels: LabelSet, corpus: TrainingCorpus, record: Record, epoch: int
) -> Example | None:
    """The units of a record; None without audio or the annotation asked for, or when they do not fit."""
    tagged = corpus.config.entities == "closed"
    target = (_with_raw_types(record, corpus) if tagged and labels is RAW else record).target()
    if record.audio is None or (tagged and target.entities is None):
        return None
    target = closed_target(target, labels) if tagged else Target(target.text)
    units = text.encode(target)
    repeats = sum(a == b for a, b in pairwise(units))
    seconds = record.duration or 0.0
    if not units or (seconds and len(units) + repeats > _FRAMES_PER_SECOND * seconds):
        return None
    clip = (corpus.manifest, record.audio)
    return Example(record.id, units, (0,) * len(units), 0, clip, seconds=seconds)


def _with_raw_types(record: Record, corpus: TrainingCorpus) -> Record:
    """The record with OntoNotes' types, which `prepare` keeps beside SLUE's as `type18`."""
    if record.entities is None:
        return record
    entities = tuple(replace(e, type=str(e.extra.get("type18", e.type))) for e in record.entities)
    for entity in entities:
        if RAW.entity_type(entity.type) is None:
            raise RecipeError(
                f"corpus {corpus.config.manifest!r}, record {record.id!r}: {entity.type!r} is none of "
                "OntoNotes' types: prepare it again, with `--types raw`, or set model.types to combined"
            )
    return replace(record, entities=entities)


def collate(encoder: SpeechEncoder, source: AudioSource, examples: Sequence[Example]) -> AudioBatch:
    """Pad audio and units."""
    audio, lengths = pad_clips(encoder, source, examples)
    units = [torch.tensor(example.tokens) for example in examples]
    return AudioBatch(audio, lengths, pad_sequence(units, batch_first=True, padding_value=IGNORE))


def predictor(model: CtcTagger, source: AudioSource, labels: LabelSet) -> Predictor:
    """Greedy: the likeliest unit of each position, repeats and blanks removed.

    `labels`: whose entity types are answered; others are mapped to them, as SLUE does, or left out.
    """

    def answer(asked: Sequence[Asked], audio: Tensor, lengths: Tensor) -> list[Prediction]:
        scores, positions = model.log_probabilities(audio, lengths)
        answers = []
        for item, row, count in zip(asked, scores.argmax(-1).cpu(), positions.tolist(), strict=True):
            target = model.text.parse(collapse(row[:count].tolist())).target
            target = closed_target(target, labels)
            phrases = tuple((s.type, target.text[s.start : s.end]) for s in target.entities or ())
            answers.append(Prediction(item.id, target.text, phrases if item.prompt.ner else None))
        return answers

    return HeadPredictor(model, source, frozenset({"text", "entities"}), answer)


def collapse(units: Sequence[int]) -> list[int]:
    """Units of the positions as CTC means them: without repeats, then without blanks."""
    kept = [unit for place, unit in enumerate(units) if place == 0 or unit != units[place - 1]]
    return [unit for unit in kept if unit != BLANK]


def load_predictor(known: Checkpoint, source: AudioSource, _: DecodeConfig) -> Predictor:
    """The predictor of a checkpoint; it takes the likeliest units, so there is nothing to choose."""
    model = load_ctc(CtcConfig(str(known.folder)))
    model.encoder.use_padding(known.padding)
    return predictor(model, source, known.labels or SLUE)
