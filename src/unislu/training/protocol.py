"""The interface of all kinds of models to the one training loop.

A kind of model is a module with a `build_system` function; `unislu.training.models.build` finds it by
`model.kind` of the recipe. Predictions come through one contract too, so that every kind is evaluated by the
same code on the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from unislu.evaluation.question import Prediction
from unislu.sequence import LabelSet, Prompt
from unislu.training.collate import AudioSource
from unislu.training.config import OptimizerConfig, Recipe
from unislu.training.examples import Example, TrainingCorpus
from unislu.training.loss import Tensors
from unislu.training.shards import Maker


class Trainable(Protocol):
    """A model that learns. Implementations are `torch.nn.Module`s."""

    def __call__(self, batch: Any, reduction: str = "tokens") -> Tensor:
        """Loss of a batch: a scalar."""
        ...

    def at_step(self, step: int) -> None:
        """Called before each step with the number of steps so far, for parts that learn only from some step
        on.
        """
        ...

    def parameter_groups(self, config: OptimizerConfig) -> list[dict[str, Any]]:
        """The parameters that learn, with learning rates and weight decay, for AdamW."""
        ...

    def describe(self) -> dict[str, Any]:
        """The content of `unislu.json` that loading the checkpoint needs: kind, vocabulary, format."""
        ...

    def save(self, folder: Path, unislu: dict[str, Any]) -> None:
        """Write the weights, and `unislu` as `unislu.json`."""
        ...


@dataclass(frozen=True)
class Asked:
    """One clip and what to find in it."""

    id: str
    clip: tuple[Path, str]
    """(manifest, path relative to its folder)."""
    prompt: Prompt


def unlabelled(asked: Sequence[Asked]) -> list[Example]:
    """Questions as examples from which nothing is learned, for their clips."""
    return [Example(question.id, (), (), 0, question.clip) for question in asked]


class Predictor(Protocol):
    """Answers questions about clips, in order; it batches as it likes."""

    answers: frozenset[str]
    """What this kind of model can give, of `text`, `entities`, `sentiment`."""

    def __call__(self, asked: Sequence[Asked]) -> list[Prediction]: ...

    def to(self, device: str) -> None:
        """Move the computation to a device."""
        ...


EVERYTHING = frozenset({"text", "entities", "sentiment"})


@dataclass(frozen=True)
class TrainingSystem:
    """A kind of model as the training loop sees it."""

    model: Any
    make: Maker
    collate: Callable[[Sequence[Example]], Tensors]
    """Pads examples to a batch; only the model that it is for looks inside."""
    predictor: Callable[[], Predictor]
    """Answers with the model's current weights."""


@dataclass(frozen=True)
class TrainingSetting:
    """The inputs from which a system is built."""

    recipe: Recipe
    labels: LabelSet
    corpora: Sequence[TrainingCorpus]
    source: AudioSource


def decay_groups(
    parameters: Sequence[nn.Parameter], config: OptimizerConfig, lr: float | None = None
) -> list[dict[str, Any]]:
    """Two groups at one learning rate: matrices decay, norms and biases do not. Frozen ones are left out.

    With a learning rate of their own (`lr`) they are new, and do not decay towards their start.
    """
    rate = config.lr if lr is None else lr
    learning = [p for p in parameters if p.requires_grad]
    groups = [
        {
            "params": [p for p in learning if p.ndim > 1],
            "lr": rate,
            "weight_decay": config.weight_decay,
            "towards_start": config.towards_start if lr is None else 0.0,
        },
        {"params": [p for p in learning if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
