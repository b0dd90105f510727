"""unislu's own models as systems: a bundle on ONNX Runtime, a checkpoint of a training run on torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unislu.bundle import (
    MANIFEST,
    MODEL_CARD,
    REQUIRED_FILES,
    AudioSettings,
    DecoderSettings,
    Manifest,
    file_digest,
    open_bundle,
)
from unislu.errors import BundleError, BundleNotFoundError
from unislu.evaluation.parameters import onnx_parameters, safetensors_parameters
from unislu.evaluation.predict import AskOptions, Question, check_audio
from unislu.evaluation.score import Prediction
from unislu.recognition.model import Model, load
from unislu.result import Analysis

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class UnisluSystem:
    """A unislu model with the options it is asked with."""

    def __init__(
        self, model: Model, options: AskOptions | None = None, facts: Mapping[str, Any] | None = None
    ):
        """`facts`: what identifies the model, beyond its manifest."""
        self.model = model
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
        """Open a bundle (None = the embedded default) or the folder of a checkpoint.

        Raises:
            BundleError: neither of both, or damaged.
            MissingDependencyError: a checkpoint without torch.
        """
        if path is not None and is_checkpoint(path):
            model = load_checkpoint_model(Path(path), device)
            facts = {
                "engine": "torch",
                "sha256": {WEIGHTS: model.manifest.files[REQUIRED_FILES[0]]},
                "parameters": safetensors_parameters(Path(path) / WEIGHTS),
            }
            return cls(model, options, facts)
        bundle = open_bundle(path)
        weights = onnx_parameters(bundle.encoder) + onnx_parameters(bundle.decoder)
        # The card may be rewritten, with these very scores for instance, and changes no answer.
        hashes = {name: digest for name, digest in bundle.manifest.files.items() if name != MODEL_CARD}
        facts = {"engine": "onnx", "sha256": hashes, "parameters": weights}
        return cls(load(path, threads=threads, device=device), options, facts)

    @property
    def name(self) -> str:
        return self.model.name

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
        """Answers; clips that are asked the same are heard together. Raises `RecordError`."""
        check_audio((question.id, question.audio) for question in questions)
        groups: dict[tuple[tuple[str, ...], tuple[str, ...] | None], list[Question]] = {}
        for question in questions:
            groups.setdefault((question.tasks, question.types), []).append(question)
        for (tasks, types), group in groups.items():
            options = {k: v for k, v in self.options.about(group[0]).to_dict().items() if v is not None}
            options["words"] = False  # their times are not scored
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
    )


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a Hugging Face checkpoint and no bundle."""
    return (Path(path) / CONFIG).is_file() and not (Path(path) / MANIFEST).is_file()


def load_checkpoint_model(folder: Path, device: str = "cpu") -> Model:
    """A checkpoint as a model, on the torch engine in float32.

    One that `unislu train` wrote answers in the format it was trained on, and for open types too if it has
    seen some. One published without `unislu.json`, such as `aiola/whisper-ner-v1`, writes open types in the
    plain alphabet.

    Raises:
        BundleError: not such a checkpoint.
        MissingDependencyError: torch is not installed.
    """
    from unislu.engines.torch import TorchEngine
    from unislu.evaluation.checkpoint_system import torch_device
    from unislu.sequence import Alphabet, Vocabulary, WhisperTokenizer, get_format
    from unislu.training.export import UNISLU, read_checkpoint
    from unislu.training.published import tokenizer_of

    if not is_checkpoint(folder):
        raise BundleNotFoundError(f"{folder}: no {CONFIG}, so no checkpoint")
    known = read_checkpoint(folder, None if (folder / UNISLU).is_file() else "plain")
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise BundleError(f"{folder}: no {WEIGHTS}; save the checkpoint in one file")
    engine = TorchEngine.load(folder)
    engine.model.to(torch_device(device))
    tokenizer = WhisperTokenizer.from_file(tokenizer_of(folder))
    vocabulary = Vocabulary.from_manifest(tokenizer, known["vocabulary"])
    written, alphabet = str(known.get("format", "inline")), str(known.get("alphabet", "atomic"))
    formats = [written]
    if known.get("types_seen") and not get_format(written, vocabulary, Alphabet(alphabet)).open:
        formats.append("inline-open")
    config = engine.model.config
    step = known.get("provenance", {}).get("step", "checkpoint")
    manifest = Manifest(
        name=folder.resolve().name,
        version=str(step),
        formats=tuple(formats),
        vocabulary=vocabulary.to_manifest(),
        alphabet=alphabet,
        # A checkpoint has no graphs: the hash of its weights stands for them.
        files=dict.fromkeys(REQUIRED_FILES, file_digest(weights)),
        types_seen=tuple(known.get("types_seen", ())),
        audio=AudioSettings(
            mels=int(config.num_mel_bins), max_seconds=min(30.0, int(config.max_source_positions) / 50)
        ),
        decoder=DecoderSettings(max_positions=int(config.max_target_positions)),
        provenance=known.get("provenance", {}),
    )
    return Model(engine, vocabulary, manifest)
