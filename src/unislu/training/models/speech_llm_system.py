"""The speech LLM as the training loop sees it, and the predictor over its engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from unislu.audio import SAMPLE_RATE
from unislu.decoding.decoder import Decoder
from unislu.errors import BundleError, RecipeError
from unislu.evaluation.question import Prediction
from unislu.sequence import Prompt, SuffixFormat, Vocabulary
from unislu.sequence.vocabulary import END
from unislu.training.checkpoint import UNISLU, Checkpoint
from unislu.training.collate import AudioSource, pad_rows, padded_tokens
from unislu.training.config import DecodeConfig, drawn_by
from unislu.training.examples import Example, ExampleMaker, Formats
from unislu.training.model_config import LoraConfig, SpeechLlmConfig
from unislu.training.models.encoders import SpeechEncoder, pad_clips
from unislu.training.models.llm_engine import LlmEngine
from unislu.training.models.speech_llm import LlmBatch, SpeechLlm, load_speech_llm
from unislu.training.models.whisper_system import by_prompt, decode_options, prediction
from unislu.training.protocol import EVERYTHING, Asked, Predictor, TrainingSetting, TrainingSystem, unlabelled
from unislu.training.schema import build

_BATCH = 8


class AfterSpeech(SuffixFormat):
    """`suffix` whose prefix is what stands between the speech and the output, in place of Whisper's."""

    def __init__(self, vocabulary: Vocabulary, after: Sequence[int]) -> None:
        """`after`: the end of the template; the tasks are chosen after the transcript."""
        super().__init__(vocabulary)
        self._after = list(after)

    def prefix(self, prompt: Prompt) -> list[int]:
        """The same for every prompt."""
        return [*self._after]


def build_system(setting: TrainingSetting, config: SpeechLlmConfig) -> TrainingSystem:
    """A speech LLM from its recipe. Raises as `load_speech_llm` does."""
    for corpus in setting.corpora:
        settings = corpus.config
        if settings.entities == "open" or settings.text_only:
            raise RecipeError(f"corpus {settings.manifest!r}: a speech LLM learns closed types from audio")
        rated = settings.sentiment and any(record.sentiment for record in corpus.records)
        if config.lora is None and (settings.entities == "closed" or rated):
            raise RecipeError(
                f"corpus {settings.manifest!r}: without model.lora a speech LLM learns transcripts alone: "
                "give it `entities: ignore` and `sentiment: false`"
            )
    model = load_speech_llm(config, setting.labels)
    model.encoder.use_padding(setting.recipe.audio.padding)
    fmt = AfterSpeech(model.vocabulary, model.after)
    formats = Formats(fmt, fmt, fmt)
    maker = ExampleMaker(setting.recipe, model.vocabulary, setting.corpora, formats, config.max_tokens)
    pad = model.vocabulary[END]
    return TrainingSystem(
        model,
        maker,
        partial(collate, model.encoder, setting.source, pad),
        lambda: LlmPredictor(model, fmt, setting.source, drawn_by(setting.recipe)),
    )


def collate(encoder: SpeechEncoder, source: AudioSource, pad: int, examples: Sequence[Example]) -> LlmBatch:
    """Pad tokens and audio."""
    audio, lengths = pad_clips(encoder, source, examples)
    return LlmBatch(*padded_tokens(examples, pad), audio, lengths)


class LlmPredictor:
    """Answers through the decoder that every model with a sequence shares."""

    answers = EVERYTHING

    def __init__(self, model: SpeechLlm, fmt: AfterSpeech, source: AudioSource, decode: DecodeConfig):
        self._engine, self._format, self._source = LlmEngine(model), fmt, source
        self._encoder = model.encoder
        self._decoder = Decoder(self._engine, model.vocabulary, stops=model.ends)
        self._options = decode_options(decode)
        self._phrases = decode.phrases

    def __call__(self, asked: Sequence[Asked]) -> list[Prediction]:
        return by_prompt(asked, self._answer, _BATCH)

    def to(self, device: str) -> None:
        """See `Predictor.to`."""
        self._engine.model.to(device)

    def _answer(self, asked: Sequence[Asked], prompt: Prompt) -> list[Prediction]:
        samples = [self._source.samples(clip) for clip in unlabelled(asked)]
        encoded = self._engine.encode(*pad_rows([self._encoder.features(s) for s in samples]))
        seconds = [len(s) / SAMPLE_RATE for s in samples]
        options = replace(self._options, clips=tuple(item.id for item in asked))
        outputs = self._decoder.decode(encoded, self._format, prompt, seconds, options)
        return [
            prediction(
                item.id, self._format.parse(decoded.ids, prompt), prompt, decoded.sentiment, self._phrases
            )
            for item, decoded in zip(asked, outputs, strict=True)
        ]


def load_predictor(known: Checkpoint, source: AudioSource, decode: DecodeConfig) -> Predictor:
    """The predictor of a checkpoint; its pretrained parts are found where they were in training."""
    if known.labels is None:
        raise BundleError(f"{known.folder / UNISLU}: no key 'labels'; train or copy it again")
    values: dict[str, Any] = {**known.detail("model")}
    lora = values.pop("lora")
    config = build(SpeechLlmConfig, {k: v for k, v in values.items() if v is not None})
    if lora is not None:
        config = replace(config, lora=LoraConfig(**{**lora, "targets": tuple(lora["targets"])}))
    model = load_speech_llm(replace(config, backbone=str(known.folder)), known.labels)
    model.encoder.use_padding(known.padding)
    fmt = AfterSpeech(model.vocabulary, model.after)
    return LlmPredictor(model, fmt, source, decode)
