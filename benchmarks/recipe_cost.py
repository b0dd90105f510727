"""How long the papers' recipes would train: operations counted from their keys, hours at a stated rate.

    python benchmarks/recipe_cost.py > benchmarks/results/2026-11-28-recipe-cost/table.md

Nothing is run. A product of matrices is two operations a weight and position; what learns costs three forward
passes, a frozen part one, and two where gradients pass through it. Attention over the audio is counted, that
over the few tokens is not, nor is evaluation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from unislu.training.config import Recipe, load_recipe
from unislu.training.model_config import ClassifierConfig, CtcConfig, ModelConfig, SpeechLlmConfig

RECIPES = Path(__file__).parents[1] / "recipes"
RATE = 40e12
"""Operations a second of one A100. UniSLU reports 18 and 24 hours of A100 for the two stages of its 7B model,
which by this count is 51 and 31."""


@dataclass(frozen=True)
class Corpus:
    """Records of a training set and seconds of each."""

    records: int
    seconds: float


CORPORA = {
    "slue-voxpopuli": Corpus(5_000, 14.5 * 3600 / 5_000),
    "slue-voxpopuli-raw": Corpus(5_000, 14.5 * 3600 / 5_000),
    "slue-voxceleb": Corpus(5_777, 12.8 * 3600 / 5_777),
    "librispeech": Corpus(281_241, 961 * 3600 / 281_241),
    "nuner": Corpus(348_250, 780 * 3600 / 350_000),
    "mit-movie": Corpus(8_800, 4.0),
    "mit-restaurant": Corpus(6_900, 4.0),
}
"""The seconds of MIT's short sentences, and NuNER's 780 hours, are of synthetic speech and a guess."""


@dataclass(frozen=True)
class Stack:
    """A transformer: weights of its matrices, width and layers."""

    weights: float
    width: int
    layers: int


ENCODERS = {
    "whisper-small": Stack(88e6, 768, 12),
    "whisper-medium": Stack(307e6, 1024, 24),
    "whisper-large-v2": Stack(637e6, 1280, 32),
    "whisper-ner-v1": Stack(637e6, 1280, 32),
    "wav2vec2-base": Stack(90e6, 768, 12),
    "wav2vec2-large-lv60": Stack(311e6, 1024, 24),
    "w2v-bert-2.0": Stack(580e6, 1024, 24),
}
DECODERS = {
    "whisper-small": Stack(153e6, 768, 12),
    "whisper-medium": Stack(456e6, 1024, 24),
    "whisper-large-v2": Stack(907e6, 1280, 32),
    "whisper-ner-v1": Stack(907e6, 1280, 32),
}
LANGUAGE_MODELS = {"Qwen2.5-3B-Instruct": 3.1e9, "Qwen2.5-7B-Instruct": 7.6e9}
TOKENS = 60
"""Of prompt and output."""
WINDOW = 1500
"""Encoder positions of 30 s."""
FEATURES = 4.9e9
"""Operations of wav2vec 2.0's convolutions for a second of audio."""


def examples(recipe: Recipe) -> float:
    """Examples that a run hears."""
    if recipe.max_steps:
        return recipe.max_steps * recipe.batch_size * recipe.accumulate
    return recipe.epochs * sum(CORPORA[_name(c.manifest)].records * c.weight for c in recipe.corpora)


def operations(recipe: Recipe) -> float:
    """Of one example."""
    model = recipe.model
    heard = [CORPORA[_name(corpus.manifest)] for corpus in recipe.corpora]
    seconds = sum(c.seconds * c.records for c in heard) / sum(c.records for c in heard)
    positions = WINDOW if recipe.audio.padding == "full" else 50 * seconds
    if isinstance(model, SpeechLlmConfig):
        length = 50 * seconds / model.stride + TOKENS
        through = 2 * 2 * LANGUAGE_MODELS[Path(model.lm).name] * length  # gradients reach the adapter
        return _encoder(Path(model.encoder).name, positions) + through
    name = Path(model.backbone).name.replace("best", "whisper-large-v2")  # a run of WhisperNER to go on from
    listening = _encoder(name, positions) * (1 if model.freeze_encoder else 3)
    if isinstance(model, CtcConfig | ClassifierConfig):
        return listening + (FEATURES * seconds if name.startswith("wav2vec2") else 0)
    assert isinstance(model, ModelConfig)
    decoder = DECODERS[name]
    keys = 4 * decoder.width**2 * decoder.layers * positions
    return listening + 3 * (2 * decoder.weights * TOKENS + keys)


def _encoder(name: str, positions: float) -> float:
    stack = ENCODERS[name]
    return 2 * stack.weights * positions + 4 * positions**2 * stack.width * stack.layers


def _name(manifest: str) -> str:
    return Path(manifest).parts[-3]


def main() -> None:
    """Print the table."""
    os.environ.setdefault("DATA", "/data")
    print("| recipe | examples heard | 10^18 operations | hours of one A100 |\n|---|---:|---:|---:|")
    for folder in ("unislu", "genslu", "slue", "speech-llm", "whisperner"):
        for path in sorted((RECIPES / folder).glob("*.yaml")):
            recipe = load_recipe(path)
            total = examples(recipe) * operations(recipe)
            hours = total / RATE / 3600
            shown = f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"
            name = f"{folder}/{path.stem}"
            print(f"| `{name}` | {examples(recipe):,.0f} | {total / 1e18:.2f} | {shown} |")


if __name__ == "__main__":
    main()
