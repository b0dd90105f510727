"""From a trained checkpoint to a model bundle: graphs, tokenizer, manifest, and the proof that they agree."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from unislu.errors import BundleError, MissingDependencyError
from unislu.training.onnx_decoder import write_decoder
from unislu.training.onnx_encoder import Shape, write_encoder
from unislu.training.onnx_graph import EncoderInt8, FloatLinear, GraphWriter

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

Quantize = Literal["int8"] | None


def export_encoder(checkpoint: Path, out: Path, quantize: Quantize = None, hidden: bool = False) -> Path:
    """Write the encoder graph of a Hugging Face Whisper folder to the file `out` and return it.

    With `hidden=True` the graph's one output is `hidden` (for caching a frozen encoder's output),
    otherwise the cross-attention keys and values of every decoder layer.
    """
    model = load_checkpoint(checkpoint)
    linear = EncoderInt8() if quantize == "int8" else FloatLinear()
    shape = Shape.of(model.config)
    graph = write_encoder(
        checkpoint_weights(model), shape, linear, hidden=hidden, int8_cache=quantize == "int8"
    )
    return _save(graph, shape, out)


def export_decoder(checkpoint: Path, out: Path, quantize: Quantize = None) -> Path:
    """Write the decoder graph of a Hugging Face Whisper folder to the file `out` and return it."""
    model = load_checkpoint(checkpoint)
    shape = Shape.of(model.config)
    graph = write_decoder(checkpoint_weights(model), shape, quantized=quantize == "int8")
    return _save(graph, shape, out)


def _save(graph: GraphWriter, shape: Shape, out: Path) -> Path:
    metadata = {key: str(value) for key, value in asdict(shape).items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(graph.model(metadata).SerializeToString())
    return out


def load_checkpoint(checkpoint: Path) -> WhisperForConditionalGeneration:
    """Load a Hugging Face Whisper folder in float32, in evaluation mode.

    Raises:
        BundleError: the folder has no `config.json`.
        MissingDependencyError: torch or transformers are not installed.
    """
    if not (checkpoint / "config.json").is_file():
        raise BundleError(
            f"{checkpoint}: no config.json; give the folder of a Hugging Face Whisper checkpoint"
        )
    try:
        import torch
        from transformers import WhisperForConditionalGeneration
    except ImportError as error:
        raise MissingDependencyError('export needs torch: pip install "unislu[train]"') from error
    return WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()


def checkpoint_weights(model: WhisperForConditionalGeneration) -> dict[str, NDArray[Any]]:
    """All weights as float32 arrays, under their names without the leading `model.`."""
    state = model.state_dict()
    return {
        name.removeprefix("model."): value.detach().cpu().float().numpy().astype(np.float32)
        for name, value in state.items()
    }
