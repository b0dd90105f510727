"""Sentiment from text: VADER's lexicon, or a transformer that was fine-tuned for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unislu.errors import OptionError
from unislu.evaluation.baselines.parts import PartSetting, TorchPart, needed
from unislu.evaluation.provenance import installed

SENTIMENTS = ("positive", "neutral", "negative", "mixed")
VADER_THRESHOLD = 0.05
"""VADER's authors call a text positive from here on, and negative below the same with a minus."""


class Vader:
    """VADER, a lexicon with rules; it has no probabilities and no weights."""

    parameters = 0

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model` must be empty: there is only one."""
        if model:
            raise OptionError(f"vader:{model}: VADER takes no model; write +vader")
        package = needed("vaderSentiment.vaderSentiment", "vaderSentiment")
        self._analyzer = package.SentimentIntensityAnalyzer()

    def label(self, text: str) -> tuple[str, None]:
        """By the compound score."""
        score = self._analyzer.polarity_scores(text)["compound"]
        if abs(score) < VADER_THRESHOLD:
            return "neutral", None
        return ("positive" if score > 0 else "negative"), None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Threshold and version."""
        return {"threshold": VADER_THRESHOLD, **installed("vaderSentiment")}


class TransformersSentiment(TorchPart):
    """A sequence classifier whose labels are named positive, neutral, negative (or mixed)."""

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model`: a folder, or a name on the hub. Raises `OptionError` for other labels."""
        self._load("AutoModelForSequenceClassification", model, setting)
        self._labels = [str(name).lower() for _, name in sorted(self._model.config.id2label.items())]
        unknown = [name for name in self._labels if name not in SENTIMENTS]
        if unknown:
            raise OptionError(
                f"sentiment:{model}: its label {unknown[0]!r} is none of {', '.join(SENTIMENTS)}; "
                "set id2label in its config.json"
            )

    def label(self, text: str) -> tuple[str, Mapping[str, float]]:
        """The likeliest label and all probabilities."""
        torch = needed("torch", "torch")
        inputs = self._tokenizer(text, return_tensors="pt", truncation=True)
        with torch.inference_mode():
            shares = self._model(**inputs).logits[0].softmax(-1).tolist()
        scores = dict(zip(self._labels, shares, strict=True))
        return max(scores, key=lambda name: scores[name]), scores
