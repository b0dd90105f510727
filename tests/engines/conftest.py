"""A tiny random Whisper as a checkpoint, and the engines over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

AUDIO_POSITIONS = 80


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of 64, a vocabulary of 301 rows, weights large enough that tokens differ clearly."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(7)
    config = transformers.WhisperConfig(
        vocab_size=301, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, init_std=0.15,
        max_source_positions=AUDIO_POSITIONS, max_target_positions=48, dropout=0.0, bos_token_id=0,
        eos_token_id=0, pad_token_id=0, decoder_start_token_id=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("whisper")
    model = transformers.WhisperForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reference(checkpoint: Path) -> Any:
    """Hugging Face's own model."""
    from transformers import WhisperForConditionalGeneration

    return WhisperForConditionalGeneration.from_pretrained(checkpoint).eval()


@pytest.fixture(scope="session")
def engines(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The engine of a name, made once: torch, float32, float16, int8, device (float16, own memory)."""
    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = _make(name, checkpoint, tmp_path_factory)
        return made[name]

    return get


def _make(name: str, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if name == "torch":
        from unislu.engines.torch import TorchEngine

        return TorchEngine.load(checkpoint)
    from unislu.engines.devices import CPU
    from unislu.engines.heads import alignment_heads
    from unislu.engines.onnx import OnnxEngine
    from unislu.training.export import load_checkpoint, write_graphs

    folder = tmp_path_factory.mktemp(name)
    quantize = {"int8": "int8", "float16": "float16", "device": "float16"}.get(name)
    model = load_checkpoint(checkpoint)
    write_graphs(model, folder, quantize, alignment_heads(model))
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    if name != "device":
        return OnnxEngine(encoder, decoder, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        # The CPU taken for a device: ONNX Runtime owns the caches, and what changes is bound at every step.
        patch.setattr("unislu.engines.onnx.MEMORY", {CPU: "cpu"})
        patch.setattr("unislu.engines.onnx.CPU", "none")
        return OnnxEngine(encoder, decoder, threads=1, providers=[CPU])


@pytest.fixture
def mel() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Three windows of random features, float32 `[3, 80, 160]`."""
    return np.random.default_rng(3).standard_normal((3, 80, 2 * AUDIO_POSITIONS)).astype(np.float32)
