"""The weighted mean of the weights of checkpoints of one lineage (`unislu tools average`).

A run that goes on from another gains on what it trains most and loses a little elsewhere; the mean of both
ends keeps most of either (model soups, Wortsman et al., 2022). Everything but the weights is taken from the
last checkpoint named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unislu.errors import RecipeError


def average(checkpoints: Sequence[tuple[Path, float]], out: Path) -> None:
    """Write the mean of `checkpoints` (folder, weight) to `out`.

    Raises:
        RecipeError: no checkpoint, weights that do not add up to 1, other vocabularies or shapes.
    """
    import shutil

    from transformers import WhisperForConditionalGeneration

    if not math.isclose(math.fsum(weight for _, weight in checkpoints), 1.0, abs_tol=1e-6):
        raise RecipeError(f"the weights {[weight for _, weight in checkpoints]} do not add up to 1")
    last = checkpoints[-1][0]
    manifests = [_manifest(folder) for folder, _ in checkpoints]
    vocabularies = [manifest["vocabulary"] for manifest in manifests]
    if any(vocabulary != vocabularies[-1] for vocabulary in vocabularies):
        raise RecipeError("the checkpoints have different vocabularies: their rows do not mean the same")
    models = [WhisperForConditionalGeneration.from_pretrained(folder) for folder, _ in checkpoints]
    states = [model.state_dict() for model in models]
    mean = {}
    for name, tensor in states[-1].items():
        if any(state[name].shape != tensor.shape for state in states):
            raise RecipeError(f"{name} has different shapes: these checkpoints are not of one backbone")
        parts = [weight * state[name] for state, (_, weight) in zip(states, checkpoints, strict=True)]
        mean[name] = sum(parts[1:], parts[0])
    models[-1].load_state_dict(mean)  # all at once: tied weights are one tensor under two names
    models[-1].save_pretrained(out)
    shutil.copyfile(last / "tokenizer.json", out / "tokenizer.json")
    known = manifests[-1]
    known["provenance"]["average"] = [[folder.parent.name, weight] for folder, weight in checkpoints]
    (out / "unislu.json").write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")


def _manifest(checkpoint: Path) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads((checkpoint / "unislu.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{checkpoint}: not a checkpoint of `unislu train` ({error})") from None
    return known
