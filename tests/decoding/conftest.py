"""An engine without a network: its logits are a fixed random function of what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer

from ..factories import CONTROL

Logits = Callable[[int, tuple[int, ...]], np.ndarray[Any, Any]]
"""(window, everything written in it) -> float32 `[vocab]`."""

UNLISTED = 12


@dataclass(frozen=True)
class TableState:
    """What each row has written, and the window it hears."""

    windows: tuple[int, ...]
    written: tuple[tuple[int, ...], ...]


class TableEngine:
    """`Engine` whose logits are looked up; it counts its steps and the rows in them."""

    def __init__(self, vocab_size: int, logits: Logits, max_tokens: int = 200) -> None:
        self.vocab_size = vocab_size
        self.max_tokens = max_tokens
        self._logits = logits
        self.steps: list[tuple[int, int]] = []

    def encode(self, mel: Any, frames: Any) -> tuple[int, ...]:
        return tuple(range(len(frames)))

    def start(self, encoded: tuple[int, ...]) -> TableState:
        return TableState(tuple(encoded), ((),) * len(encoded))

    def step(self, tokens: Any, state: TableState) -> tuple[Any, TableState]:
        assert tokens.shape[0] == len(state.windows)
        self.steps.append(tokens.shape)
        written = tuple((*old, *map(int, new)) for old, new in zip(state.written, tokens, strict=True))
        assert max(map(len, written)) <= self.max_tokens
        pairs = zip(state.windows, written, strict=True)
        return np.stack([self._logits(*pair) for pair in pairs]), replace(state, written=written)

    def select(
        self, state: TableState, rows: Sequence[int], lengths: Sequence[int] | None = None
    ) -> TableState:
        kept = [len(state.written[row]) for row in rows] if lengths is None else lengths
        pairs = list(zip(rows, kept, strict=True))
        assert all(length <= len(state.written[row]) for row, length in pairs)
        written = tuple(state.written[row][:length] for row, length in pairs)
        return TableState(tuple(state.windows[row] for row in rows), written)

    def lengths(self, state: TableState) -> list[int]:
        return [len(row) for row in state.written]


def random_logits(vocab_size: int, seed: int, scale: float = 3.0) -> Logits:
    """Logits drawn anew for every window and history, the same at every call."""

    def logits(window: int, written: tuple[int, ...]) -> np.ndarray[Any, Any]:
        digest = hashlib.blake2b(repr((seed, window, written)).encode(), digest_size=8).digest()
        generator = np.random.default_rng(int.from_bytes(digest, "little"))
        return (scale * generator.standard_normal(vocab_size)).astype(np.float32)

    return logits


def scripted_logits(vocab_size: int, scripts: Sequence[Sequence[int]], start: int) -> Logits:
    """Logits that follow one script per window from position `start` on, and then repeat its last token."""

    def logits(window: int, written: tuple[int, ...]) -> np.ndarray[Any, Any]:
        script = scripts[window]
        place = len(written) - start
        scores = np.zeros(vocab_size, np.float32)
        if place >= 0:
            scores[script[min(place, len(script) - 1)]] = 12.0
        return scores

    return logits


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """A small vocabulary of English words."""
    return trained(" Anna met Bob in Paris. person place Positive Negative Neutral Mixed")


def trained(words: str) -> Vocabulary:
    """A small byte-level BPE with Whisper's control tokens, rows without a name, and our tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    bpe.train_from_iterator([words] * 3, trainer)
    raw = json.loads(bpe.to_str())
    first = len(raw["model"]["vocab"])
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    raw["added_tokens"] = [
        {"id": first + number, "content": name, **flags} for number, name in enumerate(CONTROL)
    ]
    tokenizer = WhisperTokenizer(json.dumps(raw))
    rows = first + len(CONTROL) + UNLISTED
    return Vocabulary.extend(tokenizer, rows, tokenizer.special_tokens, SLUE)
