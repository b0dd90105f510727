"""One recipe on one process or many: `accelerate launch` starts them, this module divides the work.

`batch_size` of a recipe is the batch of all processes together. Each takes its part of every batch, and its
loss counts as much as that part holds of what is learned: the mean of the gradients is the gradient of the
whole batch, and the loss curve does not depend on the number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    DistributedType,
    InitProcessGroupKwargs,
    ProjectConfiguration,
    is_tensorboard_available,
)
from torch import Tensor

from unislu.errors import RecipeError
from unislu.training.config import Recipe
from unislu.training.examples import Example

#: The main process evaluates while the others wait.
_PATIENCE = timedelta(hours=6)
_SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)


def make_accelerator(recipe: Recipe, out: Path) -> Accelerator:
    """The accelerator of this process; sharding is as `accelerate launch` was told, and so is the precision
    of a recipe that leaves it at float32.

    Raises:
        RecipeError: fewer examples in a batch than processes.
    """
    # Parts of a model that a step leaves out get no gradient, which DDP has to be told.
    partial = (
        getattr(recipe.model, "layerdrop", 0) > 0 or getattr(recipe.model, "freeze_encoder_steps", 0) > 0
    )
    AcceleratorState._reset_state()  # the precision of an earlier run in this process would stay
    accelerator = Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else None,
        log_with="tensorboard" if is_tensorboard_available() else None,
        project_config=ProjectConfiguration(str(out)),
        gradient_accumulation_steps=recipe.accumulate,
        step_scheduler_with_optimizer=False,  # the schedule counts steps, not steps times processes
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=partial),
            InitProcessGroupKwargs(timeout=_PATIENCE),
        ],
    )
    if recipe.optimizer.towards_start and is_sharded(accelerator):
        raise RecipeError(
            f"recipe key 'optimizer.towards_start': {recipe.optimizer.towards_start!r}: not with FSDP or "
            "DeepSpeed, where no process holds all weights"
        )
    if recipe.batch_size < accelerator.num_processes:
        raise RecipeError(
            f"recipe key 'batch_size': {recipe.batch_size} is for all {accelerator.num_processes} processes "
            "together and must be at least their number"
        )
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if plugin is not None:  # it cannot ask a data loader, since there is none
        part = recipe.batch_size // accelerator.num_processes
        plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = part
    return accelerator


def weight_of(examples: Sequence[Example], reduction: str) -> float:
    """How much a batch counts among others: its learned tokens, or its examples."""
    if reduction == "examples":
        return float(len(examples))
    return float(sum(example.learned for example in examples))


def own_part(
    examples: Sequence[Example], rank: int, processes: int, reduction: str
) -> tuple[list[Example], float]:
    """This process's part of a batch that all processes know, and its weight.

    Every so-manieth example, so that lengths are alike. A process that would have none gets one that counts
    nothing: all must take part in each step.
    """
    part = list(examples[rank::processes])
    return (part, weight_of(part, reduction)) if part else ([examples[0]], 0.0)


class Balance:
    """Scales the losses of a step's batches on all processes: their mean is the loss of one big batch."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._alone = accelerator.num_processes == 1

    def share(self, weight: float, step_weight: float) -> float:
        """The factor on a batch's loss; all processes call it together.

        Args:
            weight: of this process's batch. step_weight: of all its batches of the step.
        """
        accelerator = self._accelerator
        parts = accelerator.num_processes * accelerator.gradient_accumulation_steps
        if not self._alone:
            step_weight = float(accelerator.reduce(self._tensor(step_weight), "sum"))
        return weight * parts / max(step_weight, 1.0)

    def mean(self, loss: float) -> float:
        """The mean of the processes' scaled losses: the loss that one process alone would have."""
        return loss if self._alone else float(self._accelerator.reduce(self._tensor(loss), "mean"))

    def _tensor(self, value: float) -> Tensor:
        # MPS and most accelerators have no float64; token counts of a batch are exact in float32.
        return torch.tensor(value, dtype=torch.float32, device=self._accelerator.device)


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether no process holds all weights (FSDP, DeepSpeed)."""
    return accelerator.distributed_type in _SHARDED
