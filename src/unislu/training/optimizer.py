"""The optimiser of a run, and how its learning rates change from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from unislu.training.config import OptimizerConfig
from unislu.training.protocol import Trainable


def make_optimizer(model: Trainable, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that learn."""
    return torch.optim.AdamW(model.parameter_groups(config), betas=(0.9, 0.98), eps=1e-6, fused=True)


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
