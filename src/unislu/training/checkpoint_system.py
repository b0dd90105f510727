"""Checkpoints of `unislu train`, of every kind, as systems, evaluated as in training."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.bundle import REQUIRED_FILES, Manifest
from unislu.errors import BundleNotFoundError, OptionError
from unislu.evaluation.predict import AskOptions, check_audio
from unislu.evaluation.question import Prediction, Question
from unislu.evaluation.systems import UnisluSystem
from unislu.recognition.model import Model
from unislu.sequence import Alphabet, WhisperTokenizer, get_format
from unislu.sequence.prompt import TASKS, Prompt
from unislu.training.checkpoint import (
    CONFIG,
    INDEX,
    UNISLU,
    WEIGHTS,
    Checkpoint,
    count_weights,
    is_checkpoint,
    one_digest,
    tokenizer_of,
    weight_digests,
)
from unislu.training.export import read_checkpoint
from unislu.training.served import audio_settings, decoder_settings

LONGEST = 30.0
"""Longest window of a Whisper in seconds."""
DEVICES = ("cpu", "cuda", "auto")
PRECISIONS = {"fp32": None, "bf16": "bfloat16", "fp16": "float16"}
"""What is computed in, and torch's name of it; weights stay in float32."""
_CHUNK = 64


def torch_device(device: str) -> str:
    """Torch's name of a device; `auto` is the GPU if there is one.

    Raises:
        OptionError: it is not there, or torch runs no checkpoint on it.
    """
    import torch

    if device not in DEVICES:
        raise OptionError(f"--device {device}: a checkpoint runs on {', '.join(DEVICES)}; export it first")
    if device == "cuda" and not torch.cuda.is_available():
        raise OptionError("--device cuda: torch finds no GPU here; give --device cpu or auto")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


class CheckpointSystem:
    """A checkpoint evaluated through `unislu.training.models.predict`.

    It decodes as its recipe says unless the options say otherwise. Clips longer than a Whisper's window are
    transcribed in windows, as by a bundle.
    """

    def __init__(self, folder: Path, options: AskOptions, *, device: str = "cpu", precision: str = "fp32"):
        """`precision`: one of `PRECISIONS`.

        Raises `OptionError` for an option that this kind of model, or the device, does not have.
        """
        from unislu.training.models.predict import load_predictor

        self._known = Checkpoint.read(folder)
        self._folder, self._options, self._device = folder, options, torch_device(device)
        self._precision = precision
        if precision == "fp16" and self._device == "cpu":
            raise OptionError("--precision fp16: a processor computes in fp32 or bf16; give one of them")
        self._kind = self._known.kind
        writes = self._kind in ("whisper", "speech-llm")
        if options.bias or options.operating_point or (options != AskOptions() and not writes):
            raise OptionError(f"{folder}: a model of kind {self._kind} has no such decoding option")
        asked = {"beam": options.beam, "constrained": options.constrained}
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if options.beam is not None:
            given["temperature"] = 0.0  # a beam searches; what is drawn has none
        self._windowed: Any = None
        self._decode: dict[str, Any] = {**self._known.decode, **given}
        self._predict = load_predictor(folder, decode=given, device=self._device)

    @property
    def name(self) -> str:
        """The run and the checkpoint: `slue-ner-w2v2-base/best`."""
        return "/".join(self._folder.resolve().parts[-2:])

    @property
    def facts(self) -> Mapping[str, Any]:
        """Weights, kind and decoding."""
        return {
            "model": self.name,
            "kind": self._kind,
            "engine": "torch",
            "device": self._device,
            "sha256": weight_digests(self._folder),
            "parameters": count_weights(self._folder),
            "decode": self._decode,
            "options": self._options.to_dict(),
            **({} if self._precision == "fp32" else {"precision": self._precision}),
        }

    @property
    def entity_types(self) -> tuple[str, ...]:
        """The closed set."""
        return self._known.labels.entity_types if self._known.labels else ()

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        """Answers in order; the time of a batch is split over its clips by their length."""
        check_audio((question.id, question.audio) for question in questions)
        for first in range(0, len(questions), _CHUNK):
            some = questions[first : first + _CHUNK]
            lengths = {q.id: q.duration or len(load_audio(q.audio)) / SAMPLE_RATE for q in some}
            long = [q for q in some if self._kind == "whisper" and lengths[q.id] > LONGEST]
            found = {answer.id: answer for answer in self._in_windows(long)}
            found |= self._together([q for q in some if q.id not in found], lengths)
            yield from (found[question.id] for question in some)

    def _together(self, questions: Sequence[Question], lengths: Mapping[str, float]) -> dict[str, Prediction]:
        from unislu.training.protocol import Asked

        asked = [
            Asked(q.id, (q.audio, q.audio.name), Prompt(TASKS & set(q.tasks), q.types)) for q in questions
        ]
        started = time.perf_counter()
        with self._computing():
            found = self._predict(asked) if asked else []
        spent = (time.perf_counter() - started) / max(sum(lengths[q.id] for q in questions), 1e-9)
        return {
            answer.id: replace(answer, duration=lengths[answer.id], seconds=spent * lengths[answer.id])
            for answer in found
        }

    def _in_windows(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        if not questions:
            return
        if self._windowed is None:
            own = AskOptions(beam=self._decode.get("beam"), constrained=self._decode.get("constrained"))
            self._windowed = whisper_system(self._folder, own, device=self._device)
        with self._computing():
            found = list(self._windowed.answers(questions))
        yield from found

    def _computing(self) -> AbstractContextManager[Any]:
        import torch

        name = PRECISIONS[self._precision]
        return nullcontext() if name is None else torch.autocast(self._device, getattr(torch, name))


def whisper_system(folder: Path, options: AskOptions | None = None, *, device: str = "cpu") -> UnisluSystem:
    """A Whisper checkpoint, evaluated like a bundle. Arguments and errors as `load_checkpoint_model`."""
    model = load_checkpoint_model(folder, device)
    weights = WEIGHTS if (folder / WEIGHTS).is_file() else INDEX
    facts = {
        "engine": "torch",
        "sha256": {weights: model.manifest.files[REQUIRED_FILES[0]]},
        "parameters": count_weights(folder),
    }
    return UnisluSystem(model, options, facts)


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

    if not is_checkpoint(folder):
        raise BundleNotFoundError(f"{folder}: no {CONFIG}, so no checkpoint")
    known = read_checkpoint(folder, None if (folder / UNISLU).is_file() else "plain")
    digest = one_digest(weight_digests(folder))
    engine = TorchEngine.load(folder)
    engine.model.to(torch_device(device))
    tokenizer = WhisperTokenizer.from_file(tokenizer_of(folder))
    vocabulary = known.decoded_with(tokenizer)
    written = get_format(known.format, vocabulary, Alphabet(known.alphabet), known.leading_blank)
    formats = {known.format: None} | ({written.open_name: None} if known.types_seen else {})
    step = known.provenance.get("step", "checkpoint")
    manifest = Manifest(
        name=folder.resolve().name,
        version=str(step),
        formats=tuple(formats),
        vocabulary=vocabulary.to_manifest(),
        alphabet=known.alphabet,
        # A checkpoint has no graphs: the hash of its weights stands for them.
        files=dict.fromkeys(REQUIRED_FILES, digest),
        types_seen=known.types_seen,
        audio=audio_settings(known, engine.model.config),
        decoder=decoder_settings(known, engine.model, vocabulary, formats),
        provenance=known.provenance,
    )
    return Model(engine, vocabulary, manifest)
