"""Shared by the parts of a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from unislu.errors import needs
from unislu.evaluation.provenance import installed
from unislu.evaluation.question import Question

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PartSetting:
    """How parts run: threads (None = all cores), the recogniser's beam, the taggers' threshold."""

    threads: int | None = None
    beam: int = 1
    threshold: float = 0.5


class BaselinePart(Protocol):
    """A part of a baseline."""

    @property
    def parameters(self) -> int | None:
        """Weights of the model; None where they are not known."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Everything its answers depend on."""
        ...


class RecognizerPart(BaselinePart, Protocol):
    """From audio to text."""

    def transcribe(self, question: Question) -> Transcription:
        """The transcript of one clip."""
        ...


class TaggerPart(BaselinePart, Protocol):
    """From text to entities."""

    def tag(self, text: str, types: tuple[str, ...] | None) -> Pairs:
        """(type, phrase) pairs; `types` None = SLUE's closed set."""
        ...


class ClassifierPart(BaselinePart, Protocol):
    """From text to a sentiment."""

    def label(self, text: str) -> tuple[str, Mapping[str, float] | None]:
        """The label in lower case, and the probability of each if the model has such."""
        ...


class TorchPart:
    """A part that runs a torch model."""

    packages: tuple[str, ...] = ("transformers", "torch")
    _name: str
    _model: Any
    _options: Mapping[str, Any] = MappingProxyType({})

    @property
    def parameters(self) -> int | None:
        """All weights, shared ones once."""
        return sum(int(parameter.numel()) for parameter in self._model.parameters())

    @property
    def facts(self) -> Mapping[str, Any]:
        """Model, options and versions."""
        return {"model": shown(self._name), **self._options, **installed(*self.packages)}


@dataclass(frozen=True)
class Transcription:
    """A transcript, the length of its audio, and the seconds that it took if it comes from another run."""

    text: str
    duration: float | None
    seconds: float | None = None


def needed(module: str, package: str) -> Any:
    """Import a part's package. Raises `MissingDependencyError` with the command that installs it."""
    with needs("the baseline", install=f"pip install {package}"):
        return import_module(module)


def shown(model: str) -> str:
    """A model's name without its local path."""
    return Path(model).name if Path(model).exists() else model


def is_local(model: str) -> bool:
    """Whether a model is a local folder; otherwise it is looked up on the hub."""
    return Path(model).is_dir()


def limit_threads(threads: int | None) -> None:
    """Set torch's threads for the process."""
    if threads is not None:
        needed("torch", "torch").set_num_threads(threads)
