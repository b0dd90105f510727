"""What a listener reports while speech comes in. Times are seconds of audio since it began."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from ..result import Entity, Sentiment, Word, plain


@dataclass(frozen=True)
class Event:
    """The base of all events; `type` names the kind."""

    type: ClassVar[str] = "event"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        return {"type": self.type, **{f.name: plain(getattr(self, f.name)) for f in fields(self)}}


@dataclass(frozen=True)
class PartialEvent(Event):
    """What is heard of an utterance that goes on.

    `text`: all of it so far. `stable`: its beginning that will not change any more.
    """

    type: ClassVar[str] = "partial"
    start: float
    end: float
    text: str
    stable: str


@dataclass(frozen=True)
class FinalEvent(Event):
    """An utterance that is complete.

    `start_char`, `end_char`: where `text` is when the texts of all final events are joined by single
    blanks; the offsets of `entities` and `words` count there too. `words`: None when they have no times.
    `failed`: why some of the utterance could not be heard, as in `Segment`; None when all of it was.
    """

    type: ClassVar[str] = "final"
    start: float
    end: float
    text: str
    start_char: int
    end_char: int
    entities: tuple[Entity, ...] | None = None
    sentiment: Sentiment | None = None
    words: tuple[Word, ...] | None = None
    failed: str | None = None


@dataclass(frozen=True)
class EntityEvent(Event):
    """An entity whose words are stable; told once, at the latest with the final event it is in."""

    type: ClassVar[str] = "entity"
    entity: Entity


@dataclass(frozen=True)
class SentimentEvent(Event):
    """The sentiment of everything heard so far, until `end`."""

    type: ClassVar[str] = "sentiment"
    end: float
    sentiment: Sentiment


@dataclass(frozen=True)
class EndEvent(Event):
    """The last event.

    `duration`: of the audio. `skipped`: partial results that were left out because computing was
    behind; no audio ever is.
    """

    type: ClassVar[str] = "end"
    duration: float
    skipped: int
