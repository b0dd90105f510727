"""Alignment heads: the cross-attention heads whose weights show when each token is spoken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Head = tuple[int, int]
"""(decoder layer, head of its cross-attention), both from 0."""

_WHISPER: dict[tuple[int, int], tuple[Head, ...]] = {
    (384, 4): ((2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)),
    (512, 6): ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6)),
    (768, 12): ((5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5)),
    (1024, 24): ((13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)),
}
"""Those of OpenAI's multilingual tiny, base, small and medium, by (width, decoder layers). Fine-tuning keeps
them, but the saved checkpoint may not name them.
"""


def alignment_heads(model: Any) -> tuple[Head, ...]:
    """The heads that align, sorted.

    Those of the checkpoint's generation settings; else those of the published Whisper of the same
    shape; else all heads of the last half of the layers, as OpenAI's code does.

    Args:
        model: a `transformers.WhisperForConditionalGeneration`.
    """
    config = model.config
    layers, heads = int(config.decoder_layers), int(config.decoder_attention_heads)
    named: Sequence[Sequence[int]] | None = getattr(model.generation_config, "alignment_heads", None)
    if named:
        return tuple(sorted((int(layer), int(head)) for layer, head in named))
    if known := _WHISPER.get((int(config.d_model), layers)):
        return known
    return tuple((layer, head) for layer in range(layers // 2, layers) for head in range(heads))


def write_heads(heads: Sequence[Head]) -> str:
    """The heads as graphs store them: `3.1 4.2`."""
    return " ".join(f"{layer}.{head}" for layer, head in heads)


def read_heads(text: str) -> tuple[Head, ...]:
    """The reverse of `write_heads`."""
    pairs = (item.split(".") for item in text.split())
    return tuple((int(layer), int(head)) for layer, head in pairs)
