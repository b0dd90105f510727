"""What is measured is what is served: every front end gives the same tokens for the same clip and request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from unislu.bundle import REQUIRED_FILES, DecoderSettings, Manifest
from unislu.data.records import read_records
from unislu.evaluation.question import Prediction, Question
from unislu.evaluation.sweep import read_clips, sweep
from unislu.evaluation.systems import UnisluSystem
from unislu.recognition.model import Model
from unislu.recognition.recognizer import Recognizer
from unislu.recognition.request import Request
from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer
from unislu.training.collate import AudioSource
from unislu.training.config import CorpusConfig, DecodeConfig, EvaluationConfig, Recipe, SpecAugmentConfig
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper_system import WhisperPredictor
from unislu.training.validate import Validator, asked_of, types_of

from ..evaluation.tuning.conftest import RandomEngine, State
from ..factories import bytes_tokenizer, write_tone

LOOPS_FROM = 550
"""Frames of windows over which the engines run into a loop, so that there are further tries."""
CLIPS = {"breaks off": 16_000, "loops": 16_000 * 6}
TYPES: dict[str, tuple[str, ...] | None] = {
    "closed": None,
    "tags of the closed set": ("person", "place"),
    "open": ("drug", "person"),
    "several passes": tuple(f"kind-{chr(97 + n)}" for n in range(25)),
}


class OneDecoder(RandomEngine):
    """Remembers what it was given: the frames of windows, and every token."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        self.given: list[Any] = []
        self._again = vocabulary.tokenizer.encode("a")[0]

    def encode(self, mel: Any, frames: Any) -> tuple[int, ...]:
        self.given.append(("encode", frames.tolist()))
        return super().encode(mel, frames)

    def step(self, tokens: Any, state: State) -> tuple[Any, State]:
        self.given.append(("step", tokens.tolist()))
        return super().step(tokens, state)

    def _logits(self, heard: int, written: tuple[int, ...]) -> Any:
        logits = super()._logits(heard, written)
        if heard >= LOOPS_FROM:
            logits[self._again] += 50
        return logits


class TwoDecoders(OneDecoder):
    """The same with a tagger, which reads other logits."""

    tags = True

    def score(self, tokens: Any, state: State, wanted: Any) -> Any:
        self.given.append(("score", tokens.tolist()))
        ((heard,), (written,)) = state.heard, state.written
        rows = []
        for token in tokens:
            written = (*written, int(token))
            begun = self._last in written  # what follows the prompt is not asked for before
            rows.append(self._logits(-heard, written)[wanted] if begun else np.zeros(len(wanted)))
        object.__setattr__(state, "written", (written,))
        return np.stack(rows)

    def cut(self, state: State, length: int) -> None:
        object.__setattr__(state, "written", (state.written[0][:length],))


def manifest_of(folder: Path, clip: str, types: Sequence[str]) -> Path:
    write_tone(folder / "clip.wav", CLIPS[clip], 300)
    entities = [{"start": 0, "end": 2, "type": type_} for type_ in types[:1]]
    entities += [{"start": n, "end": n + 1, "type": type_} for n, type_ in enumerate(types[1:], start=3)]
    record = {"id": "r", "text": "we met nobody there at all, not one", "audio": "clip.wav"}
    path = folder / "manifest.jsonl"
    path.write_text(json.dumps({**record, "entities": entities}) + "\n")
    return path


@pytest.mark.parametrize("asked", TYPES)
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("kind", [OneDecoder, TwoDecoders])
def test_measured_is_served(kind: type[OneDecoder], clip: str, asked: str, tmp_path: Path) -> None:
    types = TYPES[asked]
    manifest = manifest_of(tmp_path, clip, types or ())
    tokenizer = WhisperTokenizer(bytes_tokenizer())
    vocabulary = Vocabulary.extend(tokenizer, 300, tokenizer.special_tokens, SLUE)
    bundle = Manifest(
        "random", "1", ("inline", "inline-open"), vocabulary.to_manifest(),
        dict.fromkeys(REQUIRED_FILES, "0" * 64), decoder=DecoderSettings(bias={"*": 0.5, "ORG": 1.25}),
    )  # fmt: skip
    engine = kind(vocabulary)
    model, recognizer = Model(engine, vocabulary, bundle), Recognizer(engine, vocabulary, bundle)
    evaluation = EvaluationConfig(
        manifests=(str(manifest),), entities="closed" if types is None else "open", asked="all"
    )
    recipe = Recipe("r", ModelConfig("none"), (CorpusConfig(str(manifest)),), evaluation=evaluation)
    predictor = WhisperPredictor(
        recognizer, AudioSource(None, SpecAugmentConfig(), ()), DecodeConfig(constrained=True)
    )

    def served() -> Any:
        request = Request(tasks=("asr", "ner"), entities=types, words=False)
        found = model.analyze(tmp_path / "clip.wav", request)
        return found.text, tuple((e.type, e.text) for e in found.entities or ())

    def evaluated() -> Any:
        question = Question("r", tmp_path / "clip.wav", ("asr", "ner"), types)
        return said(next(UnisluSystem(model).answers([question])))

    def swept() -> Any:
        (answers,) = sweep(recognizer, read_clips([manifest]), (0.0,), types).answers.values()
        return answers[0].text, tuple((spelled(name), text) for name, text in answers[0].entities)

    def validated() -> Any:
        Validator(recipe, SLUE).scores(predictor)
        return None

    def predicted() -> Any:
        (record,) = read_records(manifest)
        (answer,) = predictor([asked_of(manifest, record, evaluation, types_of([record]))])
        return said(answer)

    def said(answer: Prediction) -> Any:
        return answer.text, answer.entities

    def spelled(name: str) -> str:
        return name if types is None else name.lower()

    def traced(ask: Callable[[], Any]) -> tuple[Any, list[Any]]:
        engine.given.clear()
        return ask(), list(engine.given)

    answer, given = traced(served)
    assert answer[0]
    encoded = [frames for what, frames in given if what == "encode"]
    assert encoded[0][0] > CLIPS[clip] // 160, "silence is put after a clip that breaks off"
    assert len(encoded) > 1 or clip != "loops", "what goes wrong is tried again"
    assert any(what == "score" for what, _ in given) == (kind is TwoDecoders)
    ways = [evaluated, predicted] if asked == "several passes" else [evaluated, predicted, swept]
    for ask in ways:
        assert traced(ask) == (answer, given), ask.__name__
    assert traced(validated) == (None, given)
