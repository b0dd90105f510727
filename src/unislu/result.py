"""What unislu answers: frozen values with a documented, versioned JSON form (docs/reference/result.md).

`None` (JSON `null`) is "not asked for or not known", an empty tuple (`[]`) is "asked for, none
found". Every entity carries offsets into the transcript, and construction checks that they hold.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar

from .errors import RecordError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Word:
    """A word: `start`, `end` in seconds, `start_char`, `end_char` into the transcript (end exclusive)."""

    text: str
    start: float
    end: float
    start_char: int
    end_char: int
    confidence: float | None = None

    def __post_init__(self) -> None:
        _check_times(self.start, self.end, "word", self.text)
        _check_chars(self.start_char, self.end_char, "word", self.text)
        _check_share(self.confidence, "confidence", self.text)


@dataclass(frozen=True)
class Entity:
    """A named entity. Characters count in `Analysis.text`, end exclusive; times are seconds.

    `start`, `end` and `start_word`, `end_word` (indices of words, end exclusive) are None until
    words have times.
    """

    type: str
    text: str
    start_char: int
    end_char: int
    confidence: float | None = None
    start: float | None = None
    end: float | None = None
    start_word: int | None = None
    end_word: int | None = None

    def __post_init__(self) -> None:
        if not self.type:
            raise RecordError(f"entity {self.text!r} has an empty type")
        _check_chars(self.start_char, self.end_char, "entity", self.text)
        _check_share(self.confidence, "confidence", self.text)
        if self.start is not None and self.end is not None:
            _check_times(self.start, self.end, "entity", self.text)


@dataclass(frozen=True)
class Sentiment:
    """The likeliest label, in lower case, and the probability of every label; they add up to 1."""

    label: str
    scores: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.label not in self.scores or self.label != self.label.lower():
            raise RecordError(f"sentiment {self.label!r} is not a lower-case label of {sorted(self.scores)}")
        for name, score in self.scores.items():
            _check_share(score, "score", name)
        total = math.fsum(self.scores.values())
        if abs(total - 1.0) > 0.01:
            raise RecordError(f"sentiment scores add up to {total:.4f} and not to 1: {dict(self.scores)}")


@dataclass(frozen=True)
class Segment:
    """A stretch of the audio that was heard in one pass; `start`, `end` in seconds.

    `text` is `Analysis.text[start_char:end_char]`. `no_speech`: nothing was said here.
    `avg_logprob`: mean natural logarithm of the probability of its tokens. `sentiment`: of this stretch.
    `failed`: why it was not heard, or why what was heard cannot be relied on. `channel`: from 0, where the
    channels were analysed apart.
    """

    start: float
    end: float
    text: str
    start_char: int
    end_char: int
    no_speech: bool = False
    avg_logprob: float | None = None
    words: tuple[Word, ...] | None = None
    sentiment: Sentiment | None = None
    failed: str | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        _check_times(self.start, self.end, "segment", self.text)
        if not 0 <= self.start_char <= self.end_char:
            raise RecordError(f"segment {self.text!r} has the characters {self.start_char}…{self.end_char}")


@dataclass(frozen=True)
class Analysis:
    """The result for one file.

    `file`: its path, or None for arrays and bytes. `text`: the transcript; None when only the
    sentiment was asked for. `duration`: seconds. `timings`: seconds of computing by stage.
    `warnings`: what the reader of the result must know, e.g. that the file was cut off.
    `untrained_types`: entity types asked for that the model was not trained on.

    Raises `RecordError` when offsets do not hold: every entity's, segment's and word's text is the
    transcript between its offsets.
    """

    text: str | None
    duration: float
    model: str
    file: str | None = None
    language: str | None = None
    entities: tuple[Entity, ...] | None = None
    sentiment: Sentiment | None = None
    segments: tuple[Segment, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    untrained_types: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise RecordError(f"schema_version {self.schema_version!r} is not {SCHEMA_VERSION}")
        if self.text is None:
            if self.entities or any(segment.text for segment in self.segments):
                raise RecordError("entities or segments without a text: their offsets point nowhere")
            return
        pieces: list[Entity | Segment | Word] = [*(self.entities or ()), *self.segments]
        pieces += [word for segment in self.segments for word in segment.words or ()]
        for piece in pieces:
            found = self.text[piece.start_char : piece.end_char]
            if found != piece.text or piece.end_char > len(self.text):
                raise RecordError(
                    f"{type(piece).__name__.lower()} {piece.text!r} is not at {piece.start_char}…"
                    f"{piece.end_char} of the text, {found!r} is"
                )

    @property
    def no_speech(self) -> bool:
        """Whether nothing at all was said."""
        return all(segment.no_speech for segment in self.segments)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; `from_dict` gives the same value back."""
        keys = ("schema_version", "file", "duration", "language", "text", "entities", "sentiment")
        rest = plain(self)
        first: dict[str, Any] = {key: rest.pop(key) for key in keys}
        return {**first, **rest}

    def to_json(self, indent: int | None = None) -> str:
        """The JSON text of `to_dict`."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Analysis:
        """Read what `to_dict` wrote. Raises `RecordError` for unknown, missing or ill-typed keys."""
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecordError(f"schema_version is {version!r}; this unislu reads {SCHEMA_VERSION}")
        values = dict(data)
        values["entities"] = _tuple_of(Entity, values.get("entities"), "entities")
        values["segments"] = tuple(_segment(item) for item in _list(values.get("segments", []), "segments"))
        if values.get("sentiment") is not None:
            values["sentiment"] = _build(Sentiment, values["sentiment"], "sentiment")
        for key in ("warnings", "untrained_types"):
            values[key] = tuple(_list(values.get(key, []), key))
        return _build(cls, values, "result")


class Placed(Protocol):
    """A piece of a text: an entity, a word, a segment."""

    @property
    def start_char(self) -> int: ...

    @property
    def end_char(self) -> int: ...


def covered(pieces: Sequence[Placed], start: int, end: int) -> range:
    """The indices of the pieces that have some of the characters `start` to `end`; empty when none has.

    `pieces`: in order and without overlaps.
    """
    first = bisect_right(pieces, start, key=lambda piece: piece.end_char)
    last = bisect_left(pieces, end, key=lambda piece: piece.start_char)
    return range(first, max(first, last))


T = TypeVar("T")


def _build(cls: type[T], data: Any, where: str) -> T:
    if not isinstance(data, Mapping):
        raise RecordError(f"{where} is {type(data).__name__}, not an object")
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - known):
        raise RecordError(f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return cls(**data)
    except TypeError as error:
        raise RecordError(f"{where}: {error}") from None


def _list(data: Any, where: str) -> list[Any]:
    if not isinstance(data, list | tuple):
        raise RecordError(f"{where} is {type(data).__name__}, not a list")
    return list(data)


def _tuple_of(cls: type[T], data: Any, where: str) -> tuple[T, ...] | None:
    return None if data is None else tuple(_build(cls, item, where) for item in _list(data, where))


def _segment(data: Any) -> Segment:
    if isinstance(data, Mapping):
        data = {**data, "words": _tuple_of(Word, data.get("words"), "words")}
        if data.get("sentiment") is not None:
            data["sentiment"] = _build(Sentiment, data["sentiment"], "sentiment")
    return _build(Segment, data, "segments")


def plain(value: Any) -> Any:
    """A value of a result, or a container of them, as data that `json.dumps` takes."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Word | Entity | Sentiment | Segment | Analysis):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return value


def _check_times(start: float, end: float, what: str, text: str) -> None:
    if not 0 <= start <= end < math.inf:
        raise RecordError(f"{what} {text!r} has the times {start}…{end} s; they must be 0 ≤ start ≤ end")


def _check_chars(start: int, end: int, what: str, text: str) -> None:
    if not 0 <= start < end:
        raise RecordError(f"{what} {text!r} has the characters {start}…{end}; they must be 0 ≤ start < end")


def _check_share(value: float | None, what: str, text: str) -> None:
    if value is not None and not 0.0 <= value <= 1.0:
        raise RecordError(f"{what} of {text!r} is {value}, not between 0 and 1")
