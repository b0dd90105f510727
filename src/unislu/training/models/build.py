"""Finds the module of a recipe's kind of model."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from unislu.training.models import classifier, ctc, speech_llm_system, whisper_system
from unislu.training.protocol import TrainingSetting, TrainingSystem

MODULES = {"whisper": whisper_system, "ctc": ctc, "classifier": classifier, "speech-llm": speech_llm_system}
"""Each has `build_system(setting, config)` and `load_predictor(checkpoint, source, decode)`."""


def build_system(setting: TrainingSetting) -> TrainingSystem:
    """The model of a recipe with what feeds and asks it.

    Raises:
        RecipeError: the backbone cannot be loaded, or a corpus does not suit this kind of model.
        MissingDependencyError: the kind needs a package that is not installed.
    """
    config = setting.recipe.model
    system: TrainingSystem = MODULES[config.kind].build_system(setting, config)
    if setting.recipe.gradient_checkpointing:
        assert isinstance(system.model, nn.Module)
        _compute_layers_again(system.model)
    return system


def _compute_layers_again(model: nn.Module) -> None:
    """Gradient checkpointing of every layer; our models call layers themselves, not their models' loops."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.gradient_checkpointing = True
            function = partial(checkpoint, use_reentrant=False)
            layer._gradient_checkpointing_func = function  # type: ignore[assignment]
