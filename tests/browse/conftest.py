"""Results of a batch run over calls that were never spoken: rows as `unislu batch` writes them, and audio in
which every word is a tone of its own pitch, so that a cut can be recognised.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import search
from unislu.result import Analysis, Entity, Segment, Sentiment, Word
from unislu.scale.inputs import FileStretch, Input
from unislu.scale.rows import Origin, Row, error_row, ok_row, table
from unislu.writers.parquet import to_parquet

RATE = 8_000
STEP = 0.4  # seconds from word to word
SPOKEN = 0.3
MOODS = {
    "negative": {"negative": 0.8, "neutral": 0.15, "positive": 0.05},
    "neutral": {"negative": 0.1, "neutral": 0.7, "positive": 0.2},
    "positive": {"negative": 0.05, "neutral": 0.05, "positive": 0.9},
}
ORIGIN = Origin("test 1", "0" * 64, "0.3.0", "host:1")


@dataclass(frozen=True)
class Turn:
    """What is said on one channel, and how."""

    text: str
    mood: str = "neutral"
    channel: int | None = None
    entities: Sequence[tuple[str, str, float]] = ()
    """(type, text, confidence)"""


def analysis(turns: Sequence[Turn], mood: str, *, timed: bool = True) -> Analysis:
    """The result for a call in which a word begins every `STEP` seconds."""
    text, segments, entities, number = "", [], [], 0
    for turn in turns:
        begin = len(text) + bool(text)
        text = f"{text} {turn.text}" if text else turn.text
        words, place = [], begin
        for word in turn.text.split():
            place = text.index(word, place)
            start = number * STEP
            words.append(Word(word, start, start + SPOKEN, place, place + len(word), 0.9))
            place, number = place + len(word), number + 1
        first, last = words[0].start, words[-1].end
        for kind, name, confidence in turn.entities:
            at = text.index(name, begin)
            inside = [word for word in words if word.start_char < at + len(name) and word.end_char > at]
            entities.append(
                Entity(kind, name, at, at + len(name), confidence, inside[0].start, inside[-1].end)
            )
        segments.append(
            Segment(
                first, last, turn.text, begin, len(text), words=tuple(words) if timed else None,
                sentiment=Sentiment(turn.mood, MOODS[turn.mood]), channel=turn.channel,
            )
        )  # fmt: skip
    return Analysis(
        text, number * STEP, "test 1", language="en", entities=tuple(entities), segments=tuple(segments),
        sentiment=Sentiment(mood, MOODS[mood]),
    )  # fmt: skip


def pitch(number: int) -> float:
    """Of the tone of a call's word, in Hz."""
    return 300.0 + 50.0 * number


def write_tones(path: Path, words: int, channels: int = 2) -> None:
    """A tone for each word."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(SPOKEN * RATE)) / RATE
    pause = np.zeros(round((STEP - SPOKEN) * RATE))
    tones = [part for n in range(words) for part in (0.5 * np.sin(2 * np.pi * pitch(n) * time), pause)]
    samples = (np.concatenate(tones) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(samples[:, None], channels, axis=1).tobytes())


class Results:
    """A results folder that a batch run is writing, and the folder of its recordings."""

    def __init__(self, folder: Path) -> None:
        self.path, self.calls = folder / "results", folder / "calls"
        self.path.mkdir(parents=True)
        (self.path / "run.json").write_text(json.dumps({"settings": {}}))
        self._next = 1

    def call(self, name: str, *turns: Turn, mood: str = "neutral", audio: bool = True, **more: Any) -> Row:
        """The row of a call, whose audio is made."""
        path = self.calls / name
        words = sum(len(turn.text.split()) for turn in turns)
        if audio:
            write_tones(path, words)
        return self.row(path, analysis(turns, mood, **more))

    def row(self, path: Path, found: Analysis, part: FileStretch | None = None) -> Row:
        """The row of a file, or of a part of it, which need not exist."""
        size = path.stat().st_size if path.exists() else 1000
        fragment = "" if part is None else str(part)
        entry = Input(f"{path}{fragment}", str(path), f"{size}:1780000000.5{fragment}", found.duration, part)
        return ok_row(entry, "sha256:0", found, ORIGIN)

    def failure(self, name: str, message: str) -> Row:
        return error_row(Input(name, name, None, 1.0), "audio", message, ORIGIN)

    def commit(self, *rows: Row) -> Path:
        """Write a partition as a run does."""
        path = self.path / f"part-{self._next:06d}-{self._next:08x}.parquet"
        self._next += 1
        partial = path.with_name("_partial")
        partial.write_bytes(to_parquet(table(rows)))
        partial.replace(path)
        return path


def some_calls(results: Results) -> list[Row]:
    """Three calls of a shop, two of them about delivery."""
    return [
        results.call(
            "2026-03-14-anna.wav",
            Turn("Thank you for calling Acme, how can I help?", "positive", 0, [("ORG", "Acme", 0.95)]),
            Turn("My delivery is late again, I paid 20 euros.", "negative", 1, [("MONEY", "20 euros", 0.6)]),
            Turn("I am sorry, the late delivery left Berlin.", "neutral", 0, [("GPE", "Berlin", 0.9)]),
            mood="negative",
        ),
        results.call(
            "2026-03-20-ben.wav",
            Turn("Acme here, is this about your delivery?", "neutral", 0, [("ORG", "Acme", 0.9)]),
            Turn("Thanks, everything came to Berlin in time.", "positive", 1, [("GPE", "Berlin", 0.4)]),
            mood="positive",
        ),
        results.call(
            "2026-04-02-café.wav",
            Turn("Hello, this is Acme.", "neutral", 0, [("ORG", "ACME".title(), 0.8)]),
            Turn("Die Überweisung für das Café kam an.", "negative", 1),
            mood="negative",
        ),
    ]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """An empty folder of results."""
    return Results(tmp_path)


@pytest.fixture
def calls(results: Results) -> Results:
    """One partition with the calls of `some_calls`."""
    results.commit(*some_calls(results))
    return results


@pytest.fixture
def opened(calls: Results) -> Iterator[Index]:
    """The index over `calls`."""
    index = Index(str(calls.path))
    yield index
    index.close()


@pytest.fixture
def names(opened: Index) -> Callable[..., list[str]]:
    """`names(q="…", sentiment=[…])`: the names that a search finds, in their order."""

    def ask(**given: str | list[str]) -> list[str]:
        values = {key.rstrip("_"): [v] if isinstance(v, str) else v for key, v in given.items()}
        return [row["name"] for row in search(opened, Filter.parse(values))["rows"]]

    return ask
