"""The optimiser of a run, and how its learning rates change from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from unislu.training.config import OptimizerConfig
from unislu.training.protocol import Trainable


class AnchoredAdamW(torch.optim.AdamW):
    """AdamW with a second decay, towards where weights began: at each step by the share `towards_start` of
    their group times its learning rate.
    """

    def __init__(self, groups: Any, **settings: Any) -> None:
        """`groups`: parameter groups whose weights are those that the run begins with."""
        super().__init__(groups, **settings)
        self._pulls = [float(group.get("towards_start", 0.0)) for group in self.param_groups]
        self._start = [
            [p.detach().clone() for p in group["params"]] if pull else []
            for group, pull in zip(self.param_groups, self._pulls, strict=True)
        ]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; see `torch.optim.Optimizer.step`."""
        loss = super().step(closure)
        for group, pull, starts in zip(self.param_groups, self._pulls, self._start, strict=True):
            for weights, start in zip(group["params"] if pull else (), starts, strict=True):
                weights.lerp_(start.to(weights.device), float(group["lr"]) * pull)
        return loss


def make_optimizer(model: Trainable, config: OptimizerConfig) -> AnchoredAdamW:
    """AdamW over the parameters that learn."""
    return AnchoredAdamW(model.parameter_groups(config), betas=(0.9, 0.98), eps=1e-6, fused=True)


def count_learning(model: nn.Module) -> tuple[int, int]:
    """How many of a model's weights learn, and how many there are."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, learns in sizes if learns), sum(size for size, _ in sizes)


def rate_factor(config: OptimizerConfig, total: int) -> Callable[[int], float]:
    """The factor on every learning rate, by step: up, held, down over `total` steps."""
    warmup = max(1, round(config.warmup_ratio * total))
    held = round(config.hold_ratio * total)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = max(0.0, (step - warmup - held) / max(1, total - warmup - held))
        if config.decay == "exponential":
            return float(config.final_scale ** min(1.0, done))
        if config.decay == "linear":
            return max(0.0, 1 - done)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if config.decay == "cosine" else 1.0

    return factor
