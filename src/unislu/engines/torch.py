"""The reference engine: a Hugging Face Whisper checkpoint run by torch, on true-length audio.

Hugging Face's own encoder insists on 30 s of frames, so the layers are run here: both convolutions, positions
sliced to the audio's length, and a key mask for windows of unequal length. The checkpoint's own modules do
the arithmetic; only the order of calls is ours. Training evaluates its checkpoints with this engine, and
exported graphs are compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unislu.engines.heads import Head, alignment_heads
from unislu.errors import BundleNotFoundError, EngineError, needs

with needs("the torch engine", "train"):
    import torch
    from torch.nn import functional

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class TorchEncoded:
    """Cross-attention keys and values of a batch of windows."""

    cross: tuple[Pair, ...]
    """For each decoder layer key and value, `[batch, heads, audio, head]`."""
    mask: torch.Tensor
    """True where a position is audio: bool `[batch, 1, 1, audio]`."""


@dataclass
class TorchState:
    """A decoder's caches, one row per hypothesis."""

    encoded: TorchEncoded
    caches: list[Pair]
    """For each layer key and value, `[batch, heads, capacity, head]`."""
    lengths: torch.Tensor
    """Tokens written: int64 `[batch]`."""
    queries: torch.Tensor
    """Cross-attention queries of the alignment heads, `[batch, heads, capacity, head]`."""


class TorchEngine:
    """`Engine` over `transformers.WhisperForConditionalGeneration`."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        """Wrap a loaded model, which keeps its device, dtype and current weights."""
        self.model = model.eval()
        self.vocab_size = int(model.config.vocab_size)
        self.max_tokens = int(model.config.max_target_positions)
        self._heads = int(model.config.decoder_attention_heads)
        self._aligning: tuple[Head, ...] = alignment_heads(model)
        self.aligns = True

    @classmethod
    def load(cls, checkpoint: Path) -> TorchEngine:
        """Load a Hugging Face Whisper folder in float32 on the CPU.

        Raises:
            BundleNotFoundError: there is no such checkpoint.
        """
        if not (checkpoint / "config.json").is_file():
            raise BundleNotFoundError(f"{checkpoint}: no config.json; give a Whisper checkpoint's folder")
        from transformers import WhisperForConditionalGeneration

        return cls(WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32))

    @torch.inference_mode()
    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> TorchEncoded:
        """See `Engine.encode`."""
        limit = 2 * int(self.model.config.max_source_positions)
        if len(frames) == 0 or int(np.min(frames)) < 2 or int(np.max(frames)) > limit:
            raise EngineError(
                f"cannot encode windows of {list(map(int, frames))} frames; give 2 to {limit} frames of 10 ms"
            )
        weight = self.model.model.encoder.conv1.weight
        features = torch.as_tensor(np.asarray(mel)).to(weight)
        lengths = torch.as_tensor(np.asarray(frames)).to(weight.device)
        return self.cross(*encode_hidden(self.model.model.encoder, features, lengths))

    @torch.inference_mode()
    def cross(self, hidden: torch.Tensor, lengths: torch.Tensor) -> TorchEncoded:
        """The encoder state from encoder outputs `[batch, audio, width]` (possibly cached) and true
        lengths.
        """
        cross = []
        for layer in self.model.model.decoder.layers:
            attention = layer.encoder_attn
            cross.append((self._split(attention.k_proj(hidden)), self._split(attention.v_proj(hidden))))
        return TorchEncoded(tuple(cross), key_mask(lengths, hidden.shape[1]))

    @torch.inference_mode()
    def start(self, encoded: TorchEncoded) -> TorchState:
        """See `Engine.start`."""
        first = encoded.cross[0][0]
        batch, heads, _, head = first.shape
        caches = [
            (
                first.new_zeros(batch, heads, self.max_tokens, head),
                first.new_zeros(batch, heads, self.max_tokens, head),
            )
            for _ in encoded.cross
        ]
        lengths = torch.zeros(batch, dtype=torch.int64, device=first.device)
        queries = first.new_zeros(batch, len(self._aligning), self.max_tokens, head)
        return TorchState(encoded, caches, lengths, queries)

    @torch.inference_mode()
    def step(self, tokens: NDArray[np.int64], state: TorchState) -> tuple[NDArray[np.float32], TorchState]:
        """See `Engine.step`."""
        ids = torch.as_tensor(tokens, device=state.lengths.device)
        longest = int(state.lengths.max()) + ids.shape[1]
        if longest > self.max_tokens:
            raise EngineError(
                f"cannot write {ids.shape[1]} tokens after {longest - ids.shape[1]}: the model has "
                f"{self.max_tokens} positions; shorten the prompt or the window"
            )
        decoder = self.model.model.decoder
        positions = state.lengths[:, None] + torch.arange(ids.shape[1], device=ids.device)
        visible = torch.arange(longest, device=ids.device) <= positions[:, None, :, None]
        x = decoder.embed_tokens(ids) + decoder.embed_positions.weight[positions]
        for index, layer in enumerate(decoder.layers):
            cache, cross = state.caches[index], state.encoded.cross[index]
            normed = layer.self_attn_layer_norm(x)
            self._append(layer.self_attn, normed, cache, positions)
            past = (cache[0][:, :, :longest], cache[1][:, :, :longest])
            query = self._split(layer.self_attn.q_proj(normed))
            x = x + self._attend(layer.self_attn, query, past, visible)
            normed = layer.encoder_attn_layer_norm(x)
            query = self._split(layer.encoder_attn.q_proj(normed))
            self._keep_query(query, index, positions, state.queries)
            x = x + self._attend(layer.encoder_attn, query, cross, state.encoded.mask)
            x = x + _feed_forward(layer, layer.final_layer_norm(x))
        newest = decoder.layer_norm(x[:, -1])
        logits = self.model.proj_out(newest).float().cpu().numpy()
        written = state.lengths + ids.shape[1]
        return logits, TorchState(state.encoded, state.caches, written, state.queries)

    @torch.inference_mode()
    def select(
        self, state: TorchState, rows: Sequence[int], lengths: Sequence[int] | None = None
    ) -> TorchState:
        """See `Engine.select`."""
        index = torch.as_tensor(list(rows), device=state.lengths.device)
        kept = state.lengths[index] if lengths is None else index.new_tensor(list(lengths))
        cross = tuple((key[index], value[index]) for key, value in state.encoded.cross)
        caches = [(key[index], value[index]) for key, value in state.caches]
        encoded = TorchEncoded(cross, state.encoded.mask[index])
        return TorchState(encoded, caches, kept, state.queries[index])

    def lengths(self, state: TorchState) -> list[int]:
        """See `Engine.lengths`."""
        return [int(length) for length in state.lengths]

    @torch.inference_mode()
    def attention(self, state: TorchState, row: int, start: int, stop: int) -> NDArray[np.float32]:
        """See `Aligner.attention`."""
        length = int(state.encoded.mask[row].sum())
        keys = torch.stack([state.encoded.cross[layer][0][row, head] for layer, head in self._aligning])
        queries = state.queries[row, :, start:stop]
        scores = queries @ keys[:, :length].transpose(1, 2) * queries.shape[2] ** -0.5
        weights: NDArray[np.float32] = scores.float().softmax(dim=2).cpu().numpy()
        return weights

    def _keep_query(
        self, query: torch.Tensor, index: int, positions: torch.Tensor, queries: torch.Tensor
    ) -> None:
        """Store a layer's new queries `[batch, heads, n, head]` of the alignment heads."""
        rows = torch.arange(len(query), device=query.device)[:, None]
        for place, (layer, head) in enumerate(self._aligning):
            if layer == index:
                queries[rows, place, positions] = query[:, head]

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """`[batch, n, width]` -> `[batch, heads, n, head]`."""
        return x.unflatten(-1, (self._heads, -1)).transpose(1, 2)

    def _append(self, attention: Any, x: torch.Tensor, cache: Pair, positions: torch.Tensor) -> None:
        rows = torch.arange(len(x), device=x.device)[:, None]
        for stored, layer in zip(cache, (attention.k_proj, attention.v_proj), strict=True):
            stored[rows, :, positions] = self._split(layer(x)).transpose(1, 2)

    def _attend(self, attention: Any, query: torch.Tensor, cache: Pair, mask: torch.Tensor) -> torch.Tensor:
        mixed = functional.scaled_dot_product_attention(query, *cache, attn_mask=mask)
        return torch.as_tensor(attention.out_proj(mixed.transpose(1, 2).flatten(2)))


def encode_hidden(encoder: Any, mel: torch.Tensor, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a `WhisperEncoder` on audio of true length; differentiable.

    Args:
        encoder: the Hugging Face module.
        mel: float `[batch, mels, frames]`.
        frames: int64 `[batch]`, true lengths; what lies beyond them is ignored, an odd last frame dropped.

    Returns:
        Hidden states `[batch, max(frames) // 2, width]`, zero beyond a row's length; lengths `frames // 2`.
    """
    lengths = frames // 2
    longest = int(lengths.max())
    inside = torch.arange(2 * longest, device=mel.device) < 2 * lengths[:, None]
    x = mel[:, :, : 2 * longest] * inside[:, None]
    x = functional.gelu(encoder.conv1(x)) * inside[:, None]
    x = functional.gelu(encoder.conv2(x)).transpose(1, 2)
    x = x + encoder.embed_positions.weight[:longest]
    mask = key_mask(lengths, longest)
    heads = encoder.layers[0].self_attn.num_heads
    for layer in encoder.layers:
        x = x + _self_attention(layer.self_attn, layer.self_attn_layer_norm(x), mask, heads)
        x = x + _feed_forward(layer, layer.final_layer_norm(x))
    return encoder.layer_norm(x) * mask[:, 0, 0, :, None], lengths


def key_mask(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """True at the positions before each row's length: bool `[batch, 1, 1, longest]`."""
    return (torch.arange(longest, device=lengths.device) < lengths[:, None])[:, None, None, :]


def _self_attention(attention: Any, x: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    query, key, value = (
        layer(x).unflatten(-1, (heads, -1)).transpose(1, 2)
        for layer in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return torch.as_tensor(attention.out_proj(mixed.transpose(1, 2).flatten(2)))


def _feed_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(layer.fc2(functional.gelu(layer.fc1(x))))
