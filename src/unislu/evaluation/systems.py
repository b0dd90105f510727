"""unislu's own models as systems."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unislu.bundle import MODEL_CARD, open_bundle
from unislu.evaluation.diarization import Spoken
from unislu.evaluation.predict import AskOptions, check_audio
from unislu.evaluation.question import Prediction, Question
from unislu.recognition.model import Model, load
from unislu.result import Analysis
from unislu.writers.rttm import Turn, speaker_turns
from unislu.writers.spans import speaker_names


class UnisluSystem:
    """A unislu model with its decoding options."""

    def __init__(
        self, model: Model, options: AskOptions | None = None, facts: Mapping[str, Any] | None = None
    ):
        """`facts`: what identifies the model, beyond its manifest."""
        self.model, self.name = model, model.name
        self.options = options or AskOptions()
        self._facts = dict(facts or {})

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None,
        options: AskOptions | None = None,
        *,
        threads: int | None = None,
        device: str = "cpu",
    ) -> UnisluSystem:
        """Open a bundle (None = the embedded default). Raises `BundleError` if it is none, or damaged."""
        bundle = open_bundle(path)
        # The model card may be rewritten, for instance with these scores, and does not change answers.
        hashes = {name: digest for name, digest in bundle.manifest.files.items() if name != MODEL_CARD}
        facts = {"engine": "onnx", "sha256": hashes, "parameters": bundle.manifest.parameters}
        return cls(load(path, threads=threads, device=device), options, facts)

    @property
    def facts(self) -> Mapping[str, Any]:
        manifest = self.model.manifest
        return {
            "model": self.model.name,
            "formats": list(manifest.formats),
            "quantization": manifest.quantization,
            "default_bias": dict(manifest.decoder.bias),
            **self._facts,
            "options": self.options.to_dict(),
        }

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        """Answers; clips with the same question are transcribed together. Raises `RecordError`."""
        check_audio((question.id, question.audio) for question in questions)
        groups: dict[tuple[tuple[str, ...], tuple[str, ...] | None, bool], list[Question]] = {}
        for question in questions:
            groups.setdefault((question.tasks, question.types, question.speakers), []).append(question)
        for (tasks, types, speakers), group in groups.items():
            options = {k: v for k, v in self.options.about(group[0]).to_dict().items() if v is not None}
            options["words"] = speakers  # nothing else is scored by their times
            if speakers:
                options["speakers"] = "auto"
            sources = [str(question.audio) for question in group]
            results = self.model.analyze_many(sources, tasks=tasks, entities=types, **options)
            for question, analysis in zip(group, results, strict=True):
                yield from_analysis(question.id, analysis)


def from_analysis(key: str, analysis: Analysis) -> Prediction:
    """A result as a prediction."""
    found = analysis.entities
    sentiment = analysis.sentiment
    return Prediction(
        key,
        analysis.text,
        None if found is None else tuple((entity.type, entity.text) for entity in found),
        None if sentiment is None else sentiment.label,
        None if sentiment is None else dict(sentiment.scores),
        None if found is None else tuple(entity.confidence for entity in found),
        analysis.duration,
        analysis.timings.get("total"),
        None if analysis.speakers is None else Spoken(tuple(speaker_turns(analysis)), _words(analysis)),
    )


def _words(analysis: Analysis) -> tuple[Turn, ...]:
    names = speaker_names(analysis)
    words = (word for segment in analysis.segments for word in segment.words or ())
    return tuple((w.start, w.end, names[w.speaker]) for w in words if w.speaker is not None)
