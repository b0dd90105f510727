"""Whisper as the training loop sees it, and the predictor that recognises as a bundle of it will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from unislu.bundle import REQUIRED_FILES, Manifest
from unislu.decoding.options import DecodeOptions
from unislu.engines.torch import TorchEngine
from unislu.evaluation.question import Prediction
from unislu.evaluation.systems import from_analysis
from unislu.recognition.assemble import assemble
from unislu.recognition.hypothesis import Hypothesis
from unislu.recognition.plan import Plan
from unislu.recognition.recognizer import Recognizer
from unislu.recognition.recover import recognize
from unislu.recognition.request import Request
from unislu.sequence import Prompt, Vocabulary, WhisperTokenizer
from unislu.sequence.reader import Parsed
from unislu.training.checkpoint import Checkpoint, tokenizer_of
from unislu.training.collate import AudioSource, collate
from unislu.training.config import DecodeConfig, drawn_by
from unislu.training.examples import ExampleMaker, Formats
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper import load_unified
from unislu.training.protocol import EVERYTHING, Asked, Predictor, TrainingSetting, TrainingSystem, unlabelled
from unislu.training.served import audio_settings, decoder_settings

BATCH = 16


def build_system(setting: TrainingSetting, config: ModelConfig) -> TrainingSystem:
    """Whisper from its recipe. Raises `RecipeError`, see `load_unified`."""
    recipe = setting.recipe
    model = load_unified(config, setting.labels)
    formats = Formats.of(config.format, model.vocabulary, config.alphabet, config.leading_blank)
    maker = ExampleMaker(recipe, model.vocabulary, setting.corpora, formats)
    pad, mels = model.vocabulary["<|endoftext|>"], int(model.backbone.config.num_mel_bins)
    full = recipe.audio.padding == "full"
    frames = 2 * int(model.backbone.config.max_source_positions) if full else None
    seed = str(recipe.seed)
    batches = partial(collate, source=setting.source, pad=pad, seed=seed, mels=mels, frames=frames)
    learned = [corpus.config.entities for corpus in setting.corpora]

    known = Checkpoint(
        Path(config.backbone),
        format=config.format,
        alphabet=config.alphabet,
        leading_blank=config.leading_blank,
        padding=recipe.audio.padding,
    )

    def predictor() -> Predictor:
        engine = TorchEngine(model.merged())
        recognizer = recognizer_of(engine, model.vocabulary, known, learned)
        return WhisperPredictor(recognizer, setting.source, drawn_by(recipe))

    return TrainingSystem(model, maker, batches, predictor)


def recognizer_of(
    engine: TorchEngine, vocabulary: Vocabulary, known: Checkpoint, learned: Iterable[str]
) -> Recognizer:
    """The recogniser of a model that is still being trained, or has been.

    Args:
        engine: the model.
        vocabulary: of the model.
        known: its format and alphabet, and the padding of what it is given.
        learned: how each corpus was learned from: "closed", "open" or "ignore". A model that learned open
            types alone is asked for those of the closed set as open ones.
    """
    formats = Formats.of(known.format, vocabulary, known.alphabet, known.leading_blank)
    kinds = set(learned)
    names = [formats.open.name] if "open" in kinds and "closed" not in kinds else []
    names = names or [formats.closed.name, formats.open.name]
    manifest = Manifest(
        name="checkpoint",
        version="0",
        formats=tuple(dict.fromkeys(names)),
        vocabulary=vocabulary.to_manifest(),
        files=dict.fromkeys(REQUIRED_FILES, "0" * 64),  # it has none yet
        alphabet=known.alphabet,
        audio=audio_settings(known, engine.model.config),
        decoder=decoder_settings(known, engine.model, vocabulary, names),
    )
    return Recognizer(engine, vocabulary, manifest)


def load_predictor(known: Checkpoint, source: AudioSource, decode: DecodeConfig) -> Predictor:
    """The predictor of a checkpoint."""
    corpora = known.provenance.get("recipe", {}).get("corpora", ())
    recognizer = recognizer_of(
        TorchEngine.load(known.folder),
        known.decoded_with(WhisperTokenizer.from_file(tokenizer_of(known.folder))),
        known,
        [corpus.get("entities", "closed") for corpus in corpora],
    )
    return WhisperPredictor(recognizer, source, decode)


class WhisperPredictor:
    """Answers with a Whisper in a torch engine, through the recogniser that serves bundles.

    Clips with the same question are recognised together.
    """

    answers = EVERYTHING

    def __init__(self, recognizer: Recognizer, source: AudioSource, decode: DecodeConfig):
        """`source`: of the clips' samples; encoder outputs that it may have cached are not used."""
        self._recognizer, self._source, self._decode = recognizer, source, decode

    def __call__(self, asked: Sequence[Asked]) -> list[Prediction]:
        return by_prompt(asked, self._answer, BATCH)

    def to(self, device: str) -> None:
        """See `Predictor.to`."""
        model: Any = self._recognizer.engine
        model.model.to(device)

    def _answer(self, asked: Sequence[Asked], prompt: Prompt) -> list[Prediction]:
        plan = self._plan(prompt)
        batch = [self._source.samples(clip) for clip in unlabelled(asked)]
        found = recognize(self._recognizer, batch, plan)
        return [self._prediction(item.id, some, plan) for item, some in zip(asked, found, strict=True)]

    def _plan(self, prompt: Prompt) -> Plan:
        """The bundle's plan for the request, with the recipe's search."""
        request = Request(tasks=("asr", *prompt.tasks), entities=prompt.types, words=False)
        plan = self._recognizer.resolve(request)
        chosen = decode_options(self._decode)
        passes = [
            replace(step, options=replace(chosen, bias=step.options.bias, label_bias=step.options.label_bias))
            for step in plan.passes
        ]
        return replace(plan, passes=tuple(passes))

    def _prediction(self, id_: str, found: Sequence[Hypothesis], plan: Plan) -> Prediction:
        if broken := next((one.error for one in found if one.error is not None), None):
            raise broken
        analysis = assemble(found, plan, duration=found[-1].end, model=self._recognizer.manifest.name)
        answer = from_analysis(id_, analysis)
        answer = replace(answer, duration=None, seconds=None, confidences=None)
        if self._decode.phrases == "listed" and len(plan.passes) == 1:
            step = plan.passes[0]
            listed = [step.format.parse(one.ids, step.prompt).listed for one in found]
            if any(some is not None for some in listed):
                answer = replace(answer, entities=tuple(pair for some in listed for pair in some or ()))
        return answer


def decode_options(config: DecodeConfig) -> DecodeOptions:
    """The decoder's options of a recipe's."""
    return DecodeOptions(
        beam=config.beam, temperature=config.temperature, top_p=config.top_p,
        repetition_penalty=config.repetition_penalty, constrained=config.constrained, seed=config.seed or 0,
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
    """A parse as the prediction of a clip.

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
