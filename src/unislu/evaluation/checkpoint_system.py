"""Checkpoints of `unislu train`, of every kind, as systems: asked as training itself asks them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.bundle import file_digest
from unislu.errors import BundleError, OptionError
from unislu.evaluation.parameters import safetensors_parameters
from unislu.evaluation.predict import AskOptions, Question, check_audio
from unislu.evaluation.score import Prediction
from unislu.sequence.prompt import TASKS, Prompt

UNISLU = "unislu.json"
WEIGHTS = "model.safetensors"
LONGEST = 30.0
"""Seconds that a Whisper hears at once."""
DEVICES = ("cpu", "cuda", "auto")
_CHUNK = 64


def checkpoint_kind(path: str | os.PathLike[str]) -> str | None:
    """What kind of model a checkpoint of `unislu train` is; None if it is no checkpoint.

    Raises:
        BundleError: its `unislu.json` is damaged.
    """
    file = Path(path) / UNISLU
    if not file.is_file():
        return None
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get("kind", "whisper"))
    except (ValueError, AttributeError) as error:
        raise BundleError(f"{file}: not what training wrote ({error}); train or copy it again") from None


def torch_device(device: str) -> str:
    """What torch calls a device; `auto` is the GPU where there is one.

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
    """A checkpoint asked through `unislu.training.models.predict`.

    It decodes as its recipe says where the options say nothing else. Clips that are longer than a Whisper
    hears at once are heard in windows, as a bundle hears them.
    """

    def __init__(self, folder: Path, options: AskOptions, *, device: str = "cpu"):
        """Raises `OptionError` for an option that this kind of model does not have."""
        from unislu.training.models.predict import load_predictor

        self._known: dict[str, Any] = json.loads((folder / UNISLU).read_text(encoding="utf-8"))
        self._folder, self._options, self._device = folder, options, torch_device(device)
        self._kind = str(self._known.get("kind", "whisper"))
        writes = self._kind in ("whisper", "speech-llm")
        if options.bias or options.operating_point or (options != AskOptions() and not writes):
            raise OptionError(f"{folder}: a model of kind {self._kind} has no such decoding option")
        asked = {"beam": options.beam, "constrained": options.constrained}
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if options.beam is not None:
            given["temperature"] = 0.0  # a beam searches; what is drawn has none
        self._windowed: Any = None
        self._decode: dict[str, Any] = {**self._known.get("decode", {}), **given}
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
            "sha256": {WEIGHTS: file_digest(self._folder / WEIGHTS)},
            "parameters": safetensors_parameters(self._folder / WEIGHTS),
            "decode": self._decode,
            "options": self._options.to_dict(),
        }

    @property
    def entity_types(self) -> tuple[str, ...]:
        """The closed set."""
        return tuple(self._known["labels"]["entity_types"])

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        """Answers in order; time is split over the clips heard together by their length."""
        check_audio((question.id, question.audio) for question in questions)
        for first in range(0, len(questions), _CHUNK):
            some = questions[first : first + _CHUNK]
            lengths = {q.id: q.duration or len(load_audio(q.audio)) / SAMPLE_RATE for q in some}
            long = [q for q in some if self._kind == "whisper" and lengths[q.id] > LONGEST]
            found = {answer.id: answer for answer in self._in_windows(long)}
            found |= self._together([q for q in some if q.id not in found], lengths)
            yield from (found[question.id] for question in some)

    def _together(
        self, questions: Sequence[Question], lengths: Mapping[str, float]
    ) -> dict[str, Prediction]:
        from unislu.training.models.protocol import Asked

        asked = [
            Asked(q.id, (q.audio, q.audio.name), Prompt(TASKS & set(q.tasks), q.types)) for q in questions
        ]
        started = time.perf_counter()
        found = self._predict(asked) if asked else []
        spent = (time.perf_counter() - started) / max(sum(lengths[q.id] for q in questions), 1e-9)
        return {
            answer.id: replace(answer, duration=lengths[answer.id], seconds=spent * lengths[answer.id])
            for answer in found
        }

    def _in_windows(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        if not questions:
            return
        from unislu.evaluation.systems import UnisluSystem

        if self._windowed is None:
            own = AskOptions(beam=self._decode.get("beam"), constrained=self._decode.get("constrained"))
            self._windowed = UnisluSystem.open(self._folder, own, device=self._device)
        yield from self._windowed.answers(questions)
