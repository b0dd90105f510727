"""A speech LLM as an `Engine`, so that the decoder, its grammar, its forks and its search serve it too.

Rows of a state share the columns of one cache; a mask says which columns belong to a row, so a row that is
cut back leaves a gap that nobody attends to, and rotary positions count only what a row has written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unislu.errors import EngineError
from unislu.training.models.speech_llm import SpeechLlm


@dataclass(frozen=True)
class LlmEncoded:
    """The beginning of each row: `[batch, positions, d]` in the model's type, and true lengths `[batch]`."""

    speech: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class LlmState:
    """Caches with one row a hypothesis.

    caches: for each layer key and value `[batch, heads, columns, head]`. inside: bool `[batch, columns]`,
    which columns are a row's. speech: columns of the speech, before the first token.
    """

    caches: tuple[tuple[Tensor, Tensor], ...]
    inside: Tensor
    speech: int


class LlmEngine:
    """`Engine` over a `SpeechLlm`, except that `encode` takes the encoder's own features."""

    def __init__(self, model: SpeechLlm) -> None:
        """Wrap a model with its current weights."""
        self.model = model.eval()
        self.vocab_size = model.vocabulary.size
        self.max_tokens = model.config.max_tokens

    @torch.inference_mode()
    def encode(self, audio: Any, lengths: Any) -> LlmEncoded:
        """The speech of features `[batch, frames, …]` float32 with true lengths `[batch]` int64."""
        device = self.model.new_rows.device
        speech, counts = self.model.embed_speech(
            torch.as_tensor(audio).to(device), torch.as_tensor(lengths).to(device)
        )
        return LlmEncoded(speech, counts)

    @torch.inference_mode()
    def start(self, encoded: LlmEncoded) -> LlmState:
        """See `Engine.start`."""
        columns = encoded.speech.shape[1]
        inside = torch.arange(columns, device=encoded.speech.device) < encoded.lengths[:, None]
        empty = LlmState((), inside[:, :0], 0)
        state = self._feed(encoded.speech, inside, empty)[1]
        return LlmState(state.caches, state.inside, columns)

    @torch.inference_mode()
    def step(self, tokens: NDArray[np.int64], state: LlmState) -> tuple[NDArray[np.float32], LlmState]:
        """See `Engine.step`."""
        ids = torch.as_tensor(tokens, device=state.inside.device)
        longest = max(self.lengths(state)) + ids.shape[1]
        if longest > self.max_tokens:
            raise EngineError(
                f"cannot write {longest} tokens: the recipe's model.max_tokens is {self.max_tokens}"
            )
        hidden, state = self._feed(self.model.embed(ids), torch.ones_like(ids, dtype=torch.bool), state)
        newest = hidden[:, -1]
        logits = torch.cat([newest @ rows.T for rows in self.model.output_rows()], dim=1)
        return logits.float().cpu().numpy(), state

    @torch.inference_mode()
    def select(self, state: LlmState, rows: Sequence[int], lengths: Sequence[int] | None = None) -> LlmState:
        """See `Engine.select`."""
        index = torch.as_tensor(list(rows), device=state.inside.device)
        caches = tuple((key[index], value[index]) for key, value in state.caches)
        inside = state.inside[index].clone()
        if lengths is not None:
            written = inside[:, state.speech :]
            written &= written.cumsum(1) <= inside.new_tensor(list(lengths), dtype=torch.long)[:, None]
        return LlmState(caches, inside, state.speech)

    def lengths(self, state: LlmState) -> list[int]:
        """See `Engine.lengths`."""
        return [int(count) for count in state.inside[:, state.speech :].sum(1)]

    def _feed(self, embedded: Tensor, inside: Tensor, state: LlmState) -> tuple[Tensor, LlmState]:
        """Append columns: their hidden states `[batch, n, d]` and the state after them."""
        from transformers import DynamicCache

        cache = DynamicCache(state.caches) if state.caches else DynamicCache()
        whole = torch.cat([state.inside, inside], dim=1)
        positions = whole.long().cumsum(1)[:, -embedded.shape[1] :] - 1
        output = self.model.lm.get_decoder()(
            inputs_embeds=embedded, attention_mask=whole.long(), position_ids=positions.clamp(min=0),
            past_key_values=cache, use_cache=True,
        )  # fmt: skip
        caches = tuple((layer.keys, layer.values) for layer in output.past_key_values.layers)
        return output.last_hidden_state, LlmState(caches, whole, state.speech)
