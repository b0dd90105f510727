"""An engine that writes what the test tells it to, its model, and sounds of chosen lengths."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.bundle import REQUIRED_FILES, Manifest
from unislu.recognition.model import Model
from unislu.sequence import Prompt, Span, Target, Vocabulary, WhisperTokenizer, get_format
from unislu.sequence.prompt import MASK
from unislu.sequence.vocabulary import END, NER, NO_TIMESTAMPS, PREVIOUS, START, TRANSCRIPT_END

from ..factories import bytes_tokenizer

ROWS = 300


def tokenizer() -> WhisperTokenizer:
    """One token a byte."""
    return WhisperTokenizer(bytes_tokenizer())


@dataclass
class State:
    """What every row hears and has written."""

    heard: list[int]
    rows: list[list[int]] = field(default_factory=list)


class ScriptedEngine:
    """Writes the target scripted for a window's number of frames, in whatever format the prompt asks for."""

    max_tokens = 448

    def __init__(self, vocabulary: Vocabulary, script: Mapping[int, Target]) -> None:
        self.vocab_size = vocabulary.size
        self.vocabulary = vocabulary
        self.script = script
        self.batches: list[list[int]] = []
        self.prompts: list[str] = []

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> list[int]:
        assert mel.dtype == np.float32 and mel.shape[:2] == (len(frames), 80) and mel.shape[2] == frames.max()
        self.batches.append(list(map(int, frames)))
        return list(map(int, frames))

    def start(self, encoded: list[int]) -> State:
        return State(list(encoded), [[] for _ in encoded])

    def step(self, tokens: NDArray[np.int64], state: State) -> tuple[NDArray[np.float32], State]:
        logits = np.zeros((len(tokens), self.vocab_size), np.float32)
        for row, new in enumerate(tokens):
            state.rows[row] += map(int, new)
            token = self._next(state.rows[row], state.heard[row])
            logits[row, token] = 12.0
            if token == self.vocabulary[TRANSCRIPT_END]:  # allowed only when the sentiment is asked for
                logits[row, self.vocabulary[END]] = 11.0
        return logits, state

    def select(self, state: State, rows: Sequence[int], lengths: Sequence[int] | None = None) -> State:
        cut = [None] * len(rows) if lengths is None else lengths
        kept = [state.rows[row][:length] for row, length in zip(rows, cut, strict=True)]
        return State([state.heard[row] for row in rows], kept)

    def lengths(self, state: State) -> list[int]:
        return [len(row) for row in state.rows]

    def _next(self, row: list[int], heard: int) -> int:
        vocabulary = self.vocabulary
        name, types, mask = "inline", None, False
        if row[0] == vocabulary[PREVIOUS]:
            text = vocabulary.tokenizer.decode(row[1 : row.index(vocabulary[START])])
            mask = MASK in text
            name, types = "inline-open", tuple(text.strip().removeprefix(MASK).split(", "))
            self.prompts.append(text)
        prefix = row.index(vocabulary[NO_TIMESTAMPS]) + 1
        ner = len(row) > prefix and row[prefix] == vocabulary[NER]
        prompt = Prompt(frozenset({"ner", "sa"} if ner else {"sa"}), types, mask=mask)
        rendered = get_format(name, vocabulary).render(self.script[heard], prompt).ids
        written = row[prefix + ner :]
        same = list(rendered[: len(written)]) == written and len(written) < len(rendered)
        return rendered[len(written)] if same else vocabulary["<|endoftext|>"]


class Always(dict[int, Target]):
    """A script with one target for every length that it does not list."""

    def __init__(self, target: Target, listed: Mapping[int, Target] | None = None) -> None:
        super().__init__(listed or {})
        self.target = target

    def __missing__(self, key: int) -> Target:
        return self.target


def entity(text: str, phrase: str, type_: str) -> Span:
    return Span(text.index(phrase), text.index(phrase) + len(phrase), type_)


TEXT = "Angela Merkel's visit to Berlin, on Monday."

SCRIPT = {
    200: Target(TEXT, (entity(TEXT, "Angela Merkel", "PERSON"), entity(TEXT, "Berlin", "PLACE")), "Positive"),
    300: Target("Take aspirin, Ünal!", (Span(5, 12, "ORG"),), "Negative"),
    150: Target("", (), None),
}

LOOP = Target("na " * 60, (), "Neutral")


def manifest(vocabulary: Vocabulary, **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "scripted", "version": "1", "formats": ("inline", "inline-open"),
        "vocabulary": vocabulary.to_manifest(), "files": dict.fromkeys(REQUIRED_FILES, "0" * 64),
    }  # fmt: skip
    return Manifest(**values | changes)


def make(
    vocabulary: Vocabulary, script: Mapping[int, Target] = SCRIPT, **changes: Any
) -> tuple[Model, ScriptedEngine]:
    engine = ScriptedEngine(vocabulary, script)
    return Model(engine, vocabulary, manifest(vocabulary, **changes)), engine


def noise(frames: int) -> NDArray[np.float32]:
    """Sound that ends by itself: it is given to the engine as it is."""
    samples = np.random.default_rng(frames).normal(0, 0.1, frames * 160).astype(np.float32)
    samples[-12 * 160 :] *= 0.001
    return samples


def wav(samples: NDArray[np.float32]) -> bytes:
    data = (samples * 32767).clip(-32768, 32767).astype("<i2").tobytes()
    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt \x10\0\0\0"
        + fmt
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )
