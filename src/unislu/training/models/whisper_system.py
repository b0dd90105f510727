"""Whisper as the training loop sees it, and the predictor over its torch engine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from unislu.audio.features import FRAMES_PER_SECOND
from unislu.decoding.decoder import Decoder
from unislu.decoding.options import DecodeOptions
from unislu.engines.torch import TorchEngine
from unislu.evaluation.score import Prediction
from unislu.sequence import Prompt, Vocabulary
from unislu.sequence.reader import Parsed
from unislu.training.collate import AudioSource, collate
from unislu.training.config import DecodeConfig, ModelConfig
from unislu.training.examples import Example, ExampleMaker, Formats
from unislu.training.models.protocol import EVERYTHING, Asked, Predictor, Setting, System, unlabelled
from unislu.training.models.whisper import load_unified

BATCH = 16
_POSITIONS_PER_SECOND = FRAMES_PER_SECOND // 2


def build_system(setting: Setting, config: ModelConfig) -> System:
    """Whisper from its recipe. Raises `RecipeError`, see `load_unified`."""
    recipe = setting.recipe
    model = load_unified(config, setting.labels)
    formats = Formats.of(config.format, model.vocabulary, config.alphabet)
    maker = ExampleMaker(recipe, model.vocabulary, setting.corpora, formats)
    pad, mels = model.vocabulary["<|endoftext|>"], int(model.backbone.config.num_mel_bins)
    batches = partial(collate, source=setting.source, pad=pad, seed=str(recipe.seed), mels=mels)

    def predictor() -> Predictor:
        return WhisperPredictor(
            TorchEngine(model.merged()), model.vocabulary, formats, setting.source, recipe.decode
        )

    return System(model, maker, batches, predictor)


class WhisperPredictor:
    """Answers with a Whisper in a torch engine. Clips with the same question are decoded together."""

    answers = EVERYTHING

    def __init__(
        self, engine: TorchEngine, vocabulary: Vocabulary, formats: Formats, source: AudioSource,
        decode: DecodeConfig,
    ):  # fmt: skip
        self._engine, self._formats, self._source = engine, formats, source
        self._decoder = Decoder(engine, vocabulary)
        self._options = decode_options(decode)
        self._phrases = decode.phrases
        self._mels = int(engine.model.config.num_mel_bins)

    def __call__(self, asked: Sequence[Asked]) -> list[Prediction]:
        return by_prompt(asked, self._answer, BATCH)

    def to(self, device: str) -> None:
        """See `Predictor.to`."""
        model: Any = self._engine.model
        model.to(device)

    def _answer(self, asked: Sequence[Asked], prompt: Prompt) -> list[Prediction]:
        encoded, seconds = self._encode(unlabelled(asked))
        fmt = self._formats.closed if prompt.types is None else self._formats.open
        outputs = self._decoder.decode(encoded, fmt, prompt, seconds, self._options)
        return [
            prediction(item.id, fmt.parse(decoded.ids, prompt), prompt, decoded.sentiment, self._phrases)
            for item, decoded in zip(asked, outputs, strict=True)
        ]

    def _encode(self, examples: Sequence[Example]) -> tuple[Any, list[float]]:
        if self._source.cached:
            memory, lengths = self._source.memory(examples)
            device = self._engine.model.device
            encoded = self._engine.cross(memory.to(device), lengths.to(device))
            return encoded, (lengths / _POSITIONS_PER_SECOND).tolist()
        mel, frames = self._source.mel(examples, random.Random(0), self._mels)
        encoded = self._engine.encode(mel.numpy(), frames.numpy().astype(np.int64))
        return encoded, (frames / FRAMES_PER_SECOND).tolist()


def decode_options(config: DecodeConfig) -> DecodeOptions:
    """The decoder's options of a recipe's."""
    return DecodeOptions(
        beam=config.beam, temperature=config.temperature, top_p=config.top_p,
        repetition_penalty=config.repetition_penalty, constrained=config.constrained,
    )  # fmt: skip


def by_prompt(asked: Sequence[Asked], answer: Any, batch: int) -> list[Prediction]:
    """Call `answer(clips, prompt)` for at most `batch` clips with one prompt at a time; keep the order."""
    groups: dict[Prompt, list[int]] = {}
    for place, item in enumerate(asked):
        groups.setdefault(item.prompt, []).append(place)
    found: dict[int, Prediction] = {}
    for prompt, places in groups.items():
        for first in range(0, len(places), batch):
            some = places[first : first + batch]
            found.update(zip(some, answer([asked[place] for place in some], prompt), strict=True))
    return [found[place] for place in range(len(asked))]


def prediction(
    id_: str,
    parsed: Parsed,
    prompt: Prompt,
    sentiment: dict[str, float] | None = None,
    which: str = "located",
) -> Prediction:
    """What a parse says about a clip.

    `sentiment`: the labels' probabilities, where they were read. `which`: see `DecodeConfig.phrases`.
    """
    target = parsed.target
    phrases = None
    if prompt.ner:
        phrases = tuple((span.type, target.text[span.start : span.end]) for span in target.entities or ())
        if which == "listed" and parsed.listed is not None:
            phrases = parsed.listed
    label = max(sentiment, key=lambda name: sentiment[name]) if sentiment else target.sentiment
    felt = label.lower() if label and prompt.sa else None
    scores = {name.lower(): value for name, value in (sentiment or {}).items()} if felt else None
    return Prediction(id_, target.text, phrases, felt, scores or None)
