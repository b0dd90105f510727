"""Low-rank updates (LoRA) of a model's linear layers: added before training, merged for whoever uses it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from unislu.errors import RecipeError, needs
from unislu.training.model_config import LoraConfig

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "out_proj")
"""Attention's linear layers, as Whisper and causal language models name them."""
MARK = "lora_"
"""Occurs in the names of low-rank weights, and of no others."""


def linear_layers(model: nn.Module) -> list[str]:
    """The names of all linear layers, those in 4 bits among them."""
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]


def add_low_rank(model: nn.Module, config: LoraConfig, layers: Sequence[str]) -> None:
    """Give those of `layers` that the recipe names low-rank updates, which alone learn from now on.

    Raises:
        RecipeError: a name that none of the layers has.
        MissingDependencyError: peft is not installed.
    """
    with needs("model.lora", "llm"):
        import peft
    kinds = {name.rpartition(".")[2] for name in layers}
    targets = config.targets or tuple(kinds & set(ATTENTION))
    chosen = {target: [name for name in layers if f".{name}".endswith(f".{target}")] for target in targets}
    unknown = [target for target, found in chosen.items() if not found]
    if unknown or not chosen:
        raise RecipeError(
            f"recipe key 'model.lora.targets': of the linear layers that may learn none is called "
            f"{', '.join(unknown or ATTENTION)}; there are {', '.join(sorted(kinds)) or 'none'}"
        )
    settings = peft.LoraConfig(
        r=config.r,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=sorted({name for found in chosen.values() for name in found}),
    )
    peft.inject_adapter_in_model(settings, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(MARK in name)
        if MARK in name:  # small updates of bfloat16 weights would be rounded away
            parameter.data = parameter.data.float()


def merge_low_rank(model: nn.Module) -> None:
    """Add the updates to the layers' own weights, and leave plain layers behind."""
    from peft.tuners.lora import LoraLayer

    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            assert isinstance(layer, nn.Module)
            layer.merge()
            model.set_submodule(name, layer.get_base_layer())
