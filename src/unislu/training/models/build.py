"""Finds the module of a recipe's kind of model."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from unislu.training.model_config import ClassifierConfig, CtcConfig, ModelConfig
from unislu.training.protocol import TrainingSetting, TrainingSystem


def build_system(setting: TrainingSetting) -> TrainingSystem:
    """The model of a recipe with what feeds and asks it.

    Raises:
        RecipeError: the backbone cannot be loaded, or a corpus does not suit this kind of model.
        MissingDependencyError: the kind needs a package that is not installed.
    """
    system = _system(setting)
    if setting.recipe.gradient_checkpointing:
        assert isinstance(system.model, nn.Module)
        _compute_layers_again(system.model)
    return system


def _system(setting: TrainingSetting) -> TrainingSystem:
    config = setting.recipe.model
    if isinstance(config, ModelConfig):
        from unislu.training.models.whisper_system import build_system as whisper

        return whisper(setting, config)
    if isinstance(config, CtcConfig):
        from unislu.training.models.ctc import build_system as ctc

        return ctc(setting, config)
    if isinstance(config, ClassifierConfig):
        from unislu.training.models.classifier import build_system as classifier

        return classifier(setting, config)
    from unislu.training.models.speech_llm_system import build_system as speech_llm

    return speech_llm(setting, config)


def _compute_layers_again(model: nn.Module) -> None:
    """Gradient checkpointing of every layer; our models call layers themselves, not their models' loops."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.gradient_checkpointing = True
            function = partial(checkpoint, use_reentrant=False)
            layer._gradient_checkpointing_func = function  # type: ignore[assignment]
