"""The events of a listener. Times are seconds of audio from the beginning of the stream."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from ..result import Entity, Sentiment, Speaker, Word, plain


@dataclass(frozen=True)
class Event:
    """The base of all events; `type` is the kind of event."""

    type: ClassVar[str] = "event"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if values.get("speakers", ()) is None:  # not requested: events are as they were
            del values["speakers"]
        return {"type": self.type, **{name: plain(value) for name, value in values.items()}}


@dataclass(frozen=True)
class PartialEvent(Event):
    """The transcript so far of an utterance that is still going on."""

    type: ClassVar[str] = "partial"
    """"partial"."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    text: str
    """The whole transcript so far."""
    stable: str
    """Its beginning that will not change any more."""


@dataclass(frozen=True)
class FinalEvent(Event):
    """A complete utterance."""

    type: ClassVar[str] = "final"
    """"final"."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    text: str
    """Its transcript."""
    start_char: int
    """Offset of `text` in the texts of all final events joined by single blanks; the offsets of `entities`
    and `words` count there too.
    """
    end_char: int
    """End of `text` there, exclusive."""
    entities: tuple[Entity, ...] | None = None
    """None if not requested."""
    sentiment: Sentiment | None = None
    """None if not requested, or without speech."""
    words: tuple[Word, ...] | None = None
    """None if they have no times."""
    failed: str | None = None
    """Why part of the utterance could not be transcribed, as in `Segment`; None if all of it was."""
    speakers: tuple[Speaker, ...] | None = None
    """Who spoke until now, if speakers were requested: what `speaker` of words and entities refers to."""


@dataclass(frozen=True)
class EntityEvent(Event):
    """An entity whose words are stable; reported once, at the latest with the final event that it is in."""

    type: ClassVar[str] = "entity"
    entity: Entity


@dataclass(frozen=True)
class SentimentEvent(Event):
    """The sentiment of everything transcribed so far, until `end`."""

    type: ClassVar[str] = "sentiment"
    end: float
    sentiment: Sentiment


@dataclass(frozen=True)
class EndEvent(Event):
    """The last event."""

    type: ClassVar[str] = "end"
    """"end"."""
    duration: float
    """Seconds of audio."""
    skipped: int
    """Partial results that were skipped because computation was behind; audio is never skipped."""
