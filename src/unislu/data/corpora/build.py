"""Shared by all corpus builders: where a record's audio is, what was left out, and why.

A builder is a function `(source, options, tally) -> iterator of (Record, Clip or None)`, one file for each
layout. It never guesses: what does not fit (a phrase that is not in its text, a type it does not know) is
counted under its reason and the first cases are kept for the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unislu.data.records import AnnotatedEntity, Record
from unislu.errors import RecordError
from unislu.sequence.locate import is_boundary

_SHOWN = 20


@dataclass(frozen=True)
class CorpusAudio:
    """The audio of one record: a file, or a file's content, and the part of it in seconds."""

    audio: Path | bytes
    name: str
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class BuildOptions:
    """What to build from a corpus."""

    split: str = "train"
    """The corpus's name of the split (`fine-tune`, `test-clean`, …)."""
    text: Literal["normalized", "raw"] = "normalized"
    """SLUE's normalised or raw text."""
    types: Literal["combined", "raw"] = "combined"
    """SLUE's combined entity types, or the 18 of OntoNotes."""
    mixed: Literal["drop", "keep"] = "drop"
    """Whether utterances labelled Mixed are kept (Disagreement never is: it is not a label)."""


@dataclass
class Tally:
    """Counts of what was left out, by reason, with the first cases, and all that is broken in the source."""

    reasons: Counter[str] = field(default_factory=Counter)
    cases: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def count(self, reason: str, case: str) -> None:
        """Count a case that was left out."""
        self.reasons[reason] += 1
        if len(self.cases) < _SHOWN:
            self.cases.append(f"{reason}: {case}")

    def refuse(self, case: str) -> None:
        """Note something that could not be read; the rest is still read."""
        self.broken.append(case)


Built = Iterator[tuple[Record, CorpusAudio | None]]
Builder = Callable[[Path, BuildOptions, Tally], Built]


def find_spans(
    text: str, phrases: Sequence[tuple[str, str]], tally: Tally, case: str
) -> tuple[AnnotatedEntity, ...]:
    """Find offsets for (phrase, type) pairs: longest phrase first, no character used twice.

    A phrase that is listed twice gets two places, from left to right, between word boundaries. One that has
    no free place is counted and dropped.
    """
    taken: list[AnnotatedEntity] = []
    for phrase, kind in sorted(phrases, key=lambda pair: -len(pair[0])):
        start = _free(text, phrase, taken)
        if start is None:
            tally.count("phrase not in the text", f"{case}: {phrase!r}")
        elif not kind:
            tally.count("entity without a type", f"{case}: {phrase!r}")
        else:
            taken.append(AnnotatedEntity(start, start + len(phrase), kind))
    return tuple(sorted(taken, key=lambda entity: entity.start))


def _free(text: str, phrase: str, taken: Sequence[AnnotatedEntity]) -> int | None:
    start = text.find(phrase) if phrase.strip() else -1
    while start >= 0:
        end = start + len(phrase)
        if (
            is_boundary(text, start)
            and is_boundary(text, end)
            and all(end <= entity.start or start >= entity.end for entity in taken)
        ):
            return start
        start = text.find(phrase, start + 1)
    return None


def without_overlaps(
    text: str, spans: Iterable[AnnotatedEntity], tally: Tally, case: str
) -> tuple[AnnotatedEntity, ...]:
    """Check given offsets: inside the text and not empty; of two that overlap the longer is kept."""
    kept: list[AnnotatedEntity] = []
    for span in sorted(spans, key=lambda entity: entity.start - entity.end):
        if not 0 <= span.start < span.end <= len(text):
            tally.count("offsets outside the text", f"{case}: {span.start}…{span.end} {span.type}")
        elif any(span.start < other.end and other.start < span.end for other in kept):
            tally.count("overlaps a longer entity", f"{case}: {text[span.start : span.end]!r}")
        else:
            kept.append(span)
    return tuple(sorted(kept, key=lambda entity: entity.start))


def wanted_columns(row: Mapping[str, Any], names: Sequence[str], place: str) -> None:
    """Raises `RecordError` when a row lacks a column, naming those it has."""
    missing = [name for name in names if name not in row]
    if missing:
        raise RecordError(f"{place}: no column {missing[0]!r}; found {', '.join(map(str, row))}")


def listed(path: Path, pattern: str, what: str) -> list[Path]:
    """The files of a pattern, sorted. Raises `RecordError` when there is none."""
    found = sorted(path.glob(pattern))
    if not found:
        raise RecordError(f"{path}: no {what} ({pattern}) here; give the folder the corpus was unpacked into")
    return found
