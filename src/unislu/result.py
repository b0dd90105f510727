"""The results of unislu: frozen values with a documented, versioned JSON form (docs/reference/result.md).

`None` (JSON `null`) means "not requested or not known", an empty tuple (`[]`) means "requested, none found".
Every entity carries offsets into the transcript, and construction checks that they hold.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .errors import RecordError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Word:
    """A word of the transcript."""

    text: str
    """As written, with its punctuation."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    start_char: int
    """Offset into the transcript."""
    end_char: int
    """Offset into the transcript, exclusive."""
    confidence: float | None = None
    """From 0 to 1."""
    speaker: str | None = None
    """The `id` of who says it, if speakers were requested."""

    def __post_init__(self) -> None:
        _check_times(self.start, self.end, "word", self.text)
        _check_chars(self.start_char, self.end_char, "word", self.text)
        _check_share(self.confidence, "confidence", self.text)


@dataclass(frozen=True)
class Entity:
    """A named entity."""

    type: str
    """Name of the entity type."""
    text: str
    """Its words, as in the transcript."""
    start_char: int
    """Offset into `Analysis.text`."""
    end_char: int
    """Offset into `Analysis.text`, exclusive."""
    confidence: float | None = None
    """From 0 to 1."""
    start: float | None = None
    """Seconds; None if words have no times."""
    end: float | None = None
    """Seconds; None if words have no times."""
    start_word: int | None = None
    """Index of its first word, counted over all segments; None if words have no times."""
    end_word: int | None = None
    """Index after its last word; None if words have no times."""
    speaker: str | None = None
    """The `id` of who says it, if speakers were requested."""
    value: Mapping[str, Any] | None = None
    """What its words mean, in a standard form (`unislu.values`); None if not requested, or if it has none."""

    def __post_init__(self) -> None:
        if not self.type:
            raise RecordError(f"entity {self.text!r} has an empty type")
        _check_chars(self.start_char, self.end_char, "entity", self.text)
        _check_share(self.confidence, "confidence", self.text)
        if self.start is not None and self.end is not None:
            _check_times(self.start, self.end, "entity", self.text)
        if self.value is not None and not isinstance(self.value, Mapping):
            raise RecordError(f"value of {self.text!r} is {self.value!r}, not an object")


@dataclass(frozen=True)
class Sentiment:
    """The sentiment of a segment or of a whole file."""

    label: str
    """The most likely label, in lower case."""
    scores: Mapping[str, float]
    """The probability of every label; they add up to 1."""

    def __post_init__(self) -> None:
        if self.label not in self.scores or self.label != self.label.lower():
            raise RecordError(f"sentiment {self.label!r} is not a lower-case label of {sorted(self.scores)}")
        for name, score in self.scores.items():
            _check_share(score, "score", name)
        total = math.fsum(self.scores.values())
        if abs(total - 1.0) > 0.01:
            raise RecordError(f"sentiment scores add up to {total:.4f} and not to 1: {dict(self.scores)}")


class SentimentMean:
    """The mean of sentiments, weighted by seconds, in constant memory."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._sums: dict[str, float] = {}

    def add(self, scores: Mapping[str, float], seconds: float) -> None:
        """Add the probability of every label, over a stretch of so many seconds."""
        self._seconds += seconds
        for label, score in scores.items():
            self._sums[label.lower()] = self._sums.get(label.lower(), 0.0) + seconds * score

    def sentiment(self) -> Sentiment | None:
        """The mean so far, to four digits, with the first label in a tie; None if no seconds were added."""
        if not self._seconds:
            return None
        scores = {label: round(total / self._seconds, 4) for label, total in self._sums.items()}
        return Sentiment(max(scores, key=lambda label: self._sums[label]), scores)


@dataclass(frozen=True)
class Segment:
    """A stretch of audio that was transcribed in one pass."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    text: str
    """`Analysis.text[start_char:end_char]`."""
    start_char: int
    """Offset into `Analysis.text`."""
    end_char: int
    """Offset into `Analysis.text`, exclusive."""
    no_speech: bool = False
    """Nobody speaks in it."""
    avg_logprob: float | None = None
    """Mean natural logarithm of the probability of its tokens."""
    words: tuple[Word, ...] | None = None
    """None if not requested or if the model gives no word times."""
    sentiment: Sentiment | None = None
    """The sentiment of this segment alone."""
    failed: str | None = None
    """Why it was not transcribed, or why its text is unreliable."""
    channel: int | None = None
    """Counted from 0; set if the channels were transcribed separately."""
    speaker: str | None = None
    """The `id` of who speaks in it, or speaks longest, if speakers were requested."""

    def __post_init__(self) -> None:
        _check_times(self.start, self.end, "segment", self.text)
        if not 0 <= self.start_char <= self.end_char:
            raise RecordError(f"segment {self.text!r} has the characters {self.start_char}…{self.end_char}")


@dataclass(frozen=True)
class Speaker:
    """A person who speaks in a file."""

    id: str
    """S1, S2, … in the order in which they begin to speak."""
    seconds: float
    """Length of their words."""
    name: str | None = None
    """As it was given, or that of a known voice; None if neither is known."""
    sentiment: Sentiment | None = None
    """The mean over what they say; None if not requested."""

    def __post_init__(self) -> None:
        if not self.id:
            raise RecordError(f"a speaker (name {self.name!r}) has an empty id")
        if not 0 <= self.seconds < math.inf:
            raise RecordError(f"speaker {self.id!r} speaks for {self.seconds} s; give 0 or more")


@dataclass(frozen=True)
class Analysis:
    """The result for one file.

    Raises `RecordError` if offsets are wrong: the text of every entity, segment and word must be the
    transcript between its offsets.
    """

    text: str | None
    """The transcript; None if only the sentiment was requested."""
    duration: float
    """Length of the audio in seconds."""
    model: str
    """Name and version of the model."""
    file: str | None = None
    """Path or name of the source; None for unnamed arrays and bytes."""
    language: str | None = None
    """ISO 639-1 code of the model's language."""
    entities: tuple[Entity, ...] | None = None
    """In the order of the transcript."""
    sentiment: Sentiment | None = None
    """Of the whole file."""
    segments: tuple[Segment, ...] = ()
    """In order of time."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds of computation by stage."""
    warnings: tuple[str, ...] = ()
    """What a reader of the result must know, e.g. that the file was cut off."""
    untrained_types: tuple[str, ...] = ()
    """Requested entity types that the model was not trained on."""
    speakers: tuple[Speaker, ...] | None = None
    """Who speaks; None if not requested."""
    schema_version: int = SCHEMA_VERSION
    """Version of the JSON form."""

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise RecordError(f"schema_version {self.schema_version!r} is not {SCHEMA_VERSION}")
        if self.text is None:
            if self.entities or any(segment.text for segment in self.segments):
                raise RecordError(
                    "entities or segments without a text: their offsets have nothing to refer to"
                )
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
        """Whether nobody speaks in the whole file."""
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

    def to_spacy(self, nlp: Language | None = None) -> Doc:
        """A spaCy document with the entities and the sentiment; see `unislu.writers.docbin.to_doc`.

        `nlp`: whose tokenizer and vocabulary it gets; None = an empty pipeline of the result's language.

        Raises `MissingDependencyError` without spaCy.
        """
        doc: Doc = _view("docbin").to_doc(self, nlp)
        return doc

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        return str(_view("jupyter").render(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Analysis:
        """Read what `to_dict` wrote; values of entities may be JSON text, as in tables.

        Raises `RecordError` for unknown, missing or ill-typed keys.
        """
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecordError(f"schema_version is {version!r}; this unislu reads {SCHEMA_VERSION}")
        values = dict(data)
        if values.get("entities") is not None:
            values["entities"] = tuple(_entity(item) for item in _list(values["entities"], "entities"))
        values["segments"] = tuple(_segment(item) for item in _list(values.get("segments", []), "segments"))
        for key in ("warnings", "untrained_types"):
            values[key] = tuple(_list(values.get(key, []), key))
        values["speakers"] = _tuple_of(Speaker, values.get("speakers"), "speakers")
        return _build(cls, values, "result")


def _view(name: str) -> Any:
    """A writer, imported when it is asked for: writers know results, and results nothing of writers."""
    return import_module(f"unislu.writers.{name}")


class Placed(Protocol):
    """A piece of a text: an entity, a word, a segment."""

    @property
    def start_char(self) -> int: ...

    @property
    def end_char(self) -> int: ...


def spoken_words(segment: Segment) -> tuple[Word, ...]:
    """The words of a segment; where they have no times of their own, each could be said at any time of it."""
    return untimed_words(segment) if segment.words is None else segment.words


def untimed_words(segment: Segment) -> tuple[Word, ...]:
    """The words of a segment's text, each with the times of the whole segment."""
    start, end, first = segment.start, segment.end, segment.start_char
    return tuple(
        Word(match[0], start, end, first + match.start(), first + match.end(), speaker=segment.speaker)
        for match in re.finditer(r"\S+", segment.text)
    )


def covered(pieces: Sequence[Placed], start: int, end: int) -> range:
    """The indices of the pieces that overlap the characters `start` to `end`; empty if none does.

    `pieces` must be in order and must not overlap.
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
    if data.get("sentiment") is not None:
        data = {**data, "sentiment": _build(Sentiment, data["sentiment"], "sentiment")}
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
    return _build(Segment, data, "segments")


def _entity(data: Any) -> Entity:
    if isinstance(data, Mapping) and isinstance(data.get("value"), str):
        with suppress(ValueError, RecursionError):  # what is no JSON the entity refuses
            data = {**data, "value": json.loads(data["value"])}
    return _build(Entity, data, "entities")


_ABSENT = ("speaker", "speakers", "value")
"""Keys of features that have to be asked for: they are left out where they have no value."""


def plain(value: Any) -> Any:
    """A value of a result, or a container of them, as data that `json.dumps` takes."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Word | Entity | Sentiment | Segment | Speaker | Analysis):
        named = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: plain(item) for name, item in named if item is not None or name not in _ABSENT}
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
