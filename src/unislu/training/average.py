"""Weighted means of checkpoints of one lineage (`unislu tools average`).

A run that continues another one improves on what it trains most and loses a little elsewhere; the mean of
both keeps most of either (model soups, Wortsman et al., 2022). Everything but the weights is taken from the
last checkpoint named. Plain Whisper folders, such as the released one, can be averaged too; weights that
are equal everywhere stay as they are, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unislu.errors import RecipeError
from unislu.training.checkpoint import UNISLU, Checkpoint


def average(checkpoints: Sequence[tuple[Path, float]], out: Path) -> None:
    """Write the mean of `checkpoints` (folder, weight) to `out`.

    Raises:
        BundleError: a folder is no checkpoint.
        RecipeError: weights that do not add up to 1, other vocabularies or shapes.
    """
    import shutil

    import torch
    from transformers import WhisperForConditionalGeneration

    if not math.isclose(math.fsum(weight for _, weight in checkpoints), 1.0, abs_tol=1e-6):
        raise RecipeError(f"the weights {[weight for _, weight in checkpoints]} do not add up to 1")
    last = checkpoints[-1][0]
    plain = not any((folder / UNISLU).exists() for folder, _ in checkpoints)
    read = [] if plain else [Checkpoint.read(folder) for folder, _ in checkpoints]
    vocabularies = [checkpoint.vocabulary for checkpoint in read]
    if any(vocabulary != vocabularies[-1] for vocabulary in vocabularies):
        raise RecipeError("the checkpoints have different vocabularies: their rows do not mean the same")
    models = [WhisperForConditionalGeneration.from_pretrained(folder) for folder, _ in checkpoints]
    states = [model.state_dict() for model in models]
    mean = {}
    for name, tensor in states[-1].items():
        if any(state[name].shape != tensor.shape for state in states):
            raise RecipeError(f"{name} has different shapes: these checkpoints are not of one backbone")
        if all(torch.equal(state[name], tensor) for state in states):
            mean[name] = tensor
            continue
        parts = [weight * state[name] for state, (_, weight) in zip(states, checkpoints, strict=True)]
        mean[name] = sum(parts[1:], parts[0])
    models[-1].load_state_dict(mean)  # all at once: tied weights are one tensor under two names
    models[-1].save_pretrained(out)
    shutil.copyfile(last / "tokenizer.json", out / "tokenizer.json")
    if plain:
        return
    parents = [[folder.parent.name, weight] for folder, weight in checkpoints]
    replace(read[-1], provenance={**read[-1].provenance, "average": parents}).write(out)
