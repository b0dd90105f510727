"""An engine without a network, which writes entities at random, for sweeps and operating points."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.bundle import REQUIRED_FILES, DecoderSettings, Manifest
from unislu.evaluation.sweep import RecordClip, read_clips
from unislu.recognition.model import Model
from unislu.recognition.recognizer import Recognizer
from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer

from ...factories import bytes_tokenizer


@dataclass(frozen=True)
class State:
    heard: tuple[int, ...]
    written: tuple[tuple[int, ...], ...]


class RandomEngine:
    """Logits are a fixed random function of the clip and what was written; ends after some tokens."""

    max_tokens = 160

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocab_size = vocabulary.size
        self.decoded: list[int] = []
        self._end = vocabulary["<|endoftext|>"]
        self._last = vocabulary["<|notimestamps|>"]
        # Among 300 rows tags would hardly ever win; closers are likelier still, so that spans end.
        self._tags = [id_ for name, id_ in vocabulary.ids.items() if name[0] == "["]
        self._closers = [id_ for name, id_ in vocabulary.ids.items() if name[:2] == "[/" or name == "[>>]"]

    def encode(self, mel: Any, frames: Any) -> tuple[int, ...]:
        return tuple(int(n) for n in frames)

    def start(self, encoded: tuple[int, ...]) -> State:
        return State(encoded, ((),) * len(encoded))

    def step(self, tokens: Any, state: State) -> tuple[Any, State]:
        written = tuple((*old, *map(int, new)) for old, new in zip(state.written, tokens, strict=True))
        rows = [self._logits(*pair) for pair in zip(state.heard, written, strict=True)]
        return np.stack(rows), replace(state, written=written)

    def select(self, state: State, rows: Sequence[int], lengths: Sequence[int] | None = None) -> State:
        kept = [len(state.written[row]) for row in rows] if lengths is None else lengths
        written = tuple(state.written[row][:n] for row, n in zip(rows, kept, strict=True))
        return State(tuple(state.heard[row] for row in rows), written)

    def lengths(self, state: State) -> list[int]:
        return [len(row) for row in state.written]

    def _logits(self, heard: int, written: tuple[int, ...]) -> Any:
        digest = hashlib.blake2b(repr((heard, written)).encode(), digest_size=8).digest()
        logits = 2 * np.random.default_rng(int.from_bytes(digest, "little")).standard_normal(self.vocab_size)
        logits[self._tags] += 2
        logits[self._closers] += 3
        logits[self._end] += 0.4 * (len(written) - 1 - written.index(self._last))
        return logits.astype(np.float32)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    words = WhisperTokenizer(bytes_tokenizer())
    return Vocabulary.extend(words, 300, words.special_tokens, SLUE)


@pytest.fixture
def random_manifest(vocabulary: Vocabulary) -> Manifest:
    """Of a bundle that exists in memory only."""
    return Manifest(
        "random", "1", ("inline", "inline-open"), vocabulary.to_manifest(),
        dict.fromkeys(REQUIRED_FILES, "0" * 64), decoder=DecoderSettings(bias={"*": -0.5, "ORG": 0.25}),
    )  # fmt: skip


@pytest.fixture
def recognizer(vocabulary: Vocabulary, random_manifest: Manifest) -> Recognizer:
    return Recognizer(RandomEngine(vocabulary), vocabulary, random_manifest)


@pytest.fixture
def model(vocabulary: Vocabulary, random_manifest: Manifest) -> Model:
    return Model(RandomEngine(vocabulary), vocabulary, random_manifest)


@pytest.fixture
def clips(manifest: Path) -> list[RecordClip]:
    return read_clips([manifest])
