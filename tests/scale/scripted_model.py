"""A model for worker processes: the real pipeline and decoder over an engine that writes a fixed transcript.

A file called `crash…` kills the process that reads it, one called `hang…` never ends. Loaded by name, as
`--loader scripted_model:load`, so it runs in worker processes and in the actors of a cluster.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.bundle import REQUIRED_FILES, Manifest
from unislu.recognition.model import Model
from unislu.sequence import SLUE, Prompt, Span, Target, Vocabulary, WhisperTokenizer, get_format
from unislu.sequence.vocabulary import NO_TIMESTAMPS

SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|startofprev|>",
           "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
ROWS = 300
TEXT = "Acme kept Anna waiting."
TARGET = Target(TEXT, (Span(0, 4, "ORG"), Span(10, 14, "PERSON")), "Negative")


def vocabulary() -> Vocabulary:
    """Byte-level BPE without merges: one token a byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [chr(b) for b in printable] + [chr(0x100 + n) for n in range(len(others))]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    words = WhisperTokenizer(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [
                    {"id": 256 + n, "content": name, "special": True} for n, name in enumerate(SPECIAL)
                ],
                "pre_tokenizer": level,
                "decoder": level,
                "model": {"type": "BPE", "vocab": {c: n for n, c in enumerate(characters)}, "merges": []},
            }
        )
    )
    return Vocabulary.extend(words, ROWS, words.special_tokens, SLUE)


def manifest(version: str = "1") -> Manifest:
    return Manifest(
        name="scripted", version=version, formats=("inline",), vocabulary=vocabulary().to_manifest(),
        files=dict.fromkeys(REQUIRED_FILES, "0" * 64),
    )  # fmt: skip


@dataclass
class State:
    """What each row has written."""

    rows: list[list[int]] = field(default_factory=list)


class Engine:
    """Writes `TARGET`, whatever it hears."""

    max_tokens = 448

    def __init__(self, words: Vocabulary) -> None:
        self.vocab_size = words.size
        self._words = words
        self._written = get_format("inline", words).render(TARGET, Prompt(frozenset({"ner", "sa"}))).ids

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> int:
        return len(frames)

    def start(self, encoded: int) -> State:
        return State([[] for _ in range(encoded)])

    def step(self, tokens: NDArray[np.int64], state: State) -> tuple[NDArray[np.float32], State]:
        logits = np.zeros((len(tokens), self.vocab_size), np.float32)
        for row, new in enumerate(tokens):
            state.rows[row] += map(int, new)
            logits[row, self._next(state.rows[row])] = 12.0
        return logits, state

    def select(self, state: State, rows: Sequence[int], lengths: Sequence[int] | None = None) -> State:
        cut = [None] * len(rows) if lengths is None else lengths
        return State([state.rows[row][:length] for row, length in zip(rows, cut, strict=True)])

    def lengths(self, state: State) -> list[int]:
        return [len(row) for row in state.rows]

    def _next(self, row: list[int]) -> int:
        prefix = row.index(self._words[NO_TIMESTAMPS]) + 2  # and [NER], which asks for entities
        written = row[prefix:]
        same = list(self._written[: len(written)]) == written and len(written) < len(self._written)
        return self._written[len(written)] if same else self._words["<|endoftext|>"]


class Poisonable(Model):
    """The pipeline as it is; reading a poisoned file does what a fault in a decoder library would do."""

    def analyze_many(self, sources: Iterable[Any], **options: Any) -> Iterator[Any]:
        return super().analyze_many(map(_read, sources), **options)


def _read(path: str) -> str:
    name = os.path.basename(path)
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("hang"):
        time.sleep(3600)
    time.sleep(float(os.environ.get("SCRIPTED_DELAY", "0")))
    return path


def load(bundle: Any, threads: int | None = None) -> Model:
    words = vocabulary()
    return Poisonable(Engine(words), words, manifest())


def no_memory(bundle: Any, threads: int | None = None) -> Model:
    """A model that dies while it is loaded, as one that does not fit the memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
