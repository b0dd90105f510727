"""What decoding needs from an engine.

An engine turns log-mel features into an encoder state and then writes tokens one step at a time into a
decoder state. Every row of a decoder state has its own length, so that rows of one batch may have prompts of
different sizes, be cut back, or be forked, without padding tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

# `Any` on purpose: states are opaque to everything but the engine that made them.
EncoderState = Any
DecoderState = Any


class Engine(Protocol):
    """A loaded model."""

    vocab_size: int
    """Rows of the embedding, the width of the logits."""
    max_tokens: int
    """Positions of the decoder: prefix and output together cannot be longer."""

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> EncoderState:
        """Encode log-mel features, float32 `[batch, mels, frames]`.

        `frames` int64 `[batch]` are the true lengths. An odd last frame is dropped; what lies beyond a
        row's true length is ignored.

        Raises:
            EngineError: a length of fewer than two frames, or longer than the model's window.
        """
        ...

    def start(self, encoded: EncoderState) -> DecoderState:
        """A decoder state in which nothing has been written yet, one row for each encoded row."""
        ...

    def step(
        self, tokens: NDArray[np.int64], state: DecoderState
    ) -> tuple[NDArray[np.float32], DecoderState]:
        """Append `tokens`, int64 `[batch, n]`; returns the last one's logits, float32 `[batch, vocab]`.

        `state` is used up: continue from the returned one, and `select` from it to keep several
        continuations. The logits may be overwritten by the next step.

        Raises:
            EngineError: the row would be longer than `max_tokens`.
        """
        ...

    def select(
        self, state: DecoderState, rows: Sequence[int], lengths: Sequence[int] | None = None
    ) -> DecoderState:
        """A new, independent state made of `rows` of `state` (repeated to fork, left out to drop).

        `lengths` cuts every chosen row back to that many tokens; `None` keeps them whole.
        """
        ...

    def lengths(self, state: DecoderState) -> list[int]:
        """The number of tokens written in each row."""
        ...


@runtime_checkable
class Aligner(Protocol):
    """An optional ability of an engine: the attention of its alignment heads while it wrote.

    Without it, or with `aligns` False (a graph exported without these outputs), words have no times.
    """

    aligns: bool
    """Whether `attention` is available."""

    def attention(self, state: DecoderState, row: int, start: int, stop: int) -> NDArray[np.float32]:
        """Cross-attention of the tokens at positions `start` to `stop` of a row: `[heads, tokens, audio]`.

        Softmax over the row's true audio positions, 20 ms each. A position's query is the one that
        chooses the next token.
        """
        ...


@runtime_checkable
class Tagger(Protocol):
    """An optional ability of an engine: a second decoder that tags what the first one transcribed.

    It attends to the same encoder state and writes into states that `Engine.start` makes. Without it, or with
    `tags` False, one decoder writes everything.
    """

    tags: bool
    """Whether `score` is available."""
    vocab_size: int
    """As for `Engine`."""
    max_tokens: int
    """As for `Engine`."""

    def score(
        self, tokens: NDArray[np.int64], state: DecoderState, wanted: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Append `tokens` int64 `[n]` to a state of one row, in place.

        Returns the logits of the tokens `wanted` int64 `[c]` after each of them: float32 `[n, c]`.

        Raises:
            EngineError: the row would be longer than `max_tokens`.
        """
        ...

    def cut(self, state: DecoderState, length: int) -> None:
        """Cut a state of one row back to its first `length` tokens."""
        ...

    def lengths(self, state: DecoderState) -> list[int]:
        """The number of tokens written in each row."""
        ...
