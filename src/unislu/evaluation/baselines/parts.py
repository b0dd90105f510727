"""Shared by the parts of a baseline.

A part has `parameters`, the weights of its model (None where they are not known), and `facts`, everything
its answers depend on. A recogniser has `transcribe(question)`, a tagger `tag(text, types)` (types None =
SLUE's closed set), a classifier `label(text)`: the label in lower case, and the probability of each if the
model has such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unislu.errors import needs
from unislu.evaluation.provenance import installed

Pairs = tuple[tuple[str, str], ...]
"""(type, phrase) of each entity."""


@dataclass(frozen=True)
class PartSetting:
    """How parts run: threads (None = all cores), the recogniser's beam, the taggers' threshold."""

    threads: int | None = None
    beam: int = 1
    threshold: float = 0.5


class TorchPart:
    """A part that runs a torch model."""

    packages: tuple[str, ...] = ("transformers", "torch")
    _name: str
    _model: Any
    _tokenizer: Any
    _options: Mapping[str, Any] = MappingProxyType({})

    def _load(self, kind: str, model: str, setting: PartSetting) -> Any:
        """Load a model of `transformers`, a folder or a name on the hub, by the name of its class; returns
        the package.
        """
        transformers = needed("transformers", "transformers")
        limit_threads(setting.threads)
        load = {"local_files_only": is_local(model)}
        self._name = model
        self._model = getattr(transformers, kind).from_pretrained(model, **load).eval()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, **load)
        return transformers

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
