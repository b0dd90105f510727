"""Search filters: from the parameters of a URL to a condition in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ..errors import OptionError
from .search import TextQuery, tokens

LONGEST_QUERY = 1000  # characters
SORTS = {
    "newest": "day DESC NULLS LAST, id",
    "oldest": "day NULLS LAST, id",
    "negative": "label = 'negative' DESC NULLS LAST, score DESC NULLS LAST, id",
    "positive": "label = 'positive' DESC NULLS LAST, score DESC NULLS LAST, id",
    "longest": "duration DESC NULLS LAST, id",
}
SENTIMENTS = ("positive", "negative", "neutral", "mixed")
"""The labels of most models; results may have others."""
_KEYS = frozenset("q entity type speaker sentiment from to confidence certainty failed sort offset".split())
_MANY = ("type", "sentiment")


@dataclass(frozen=True)
class Filter:
    """Which recordings to list, and in which order."""

    text: TextQuery = field(default_factory=TextQuery)
    """What is said in it."""
    entity: tuple[str, ...] = ()
    """Folded words that an entity of it contains."""
    types: tuple[str, ...] = ()
    """Types of which it has an entity."""
    speaker: str | None = None
    """Who says it, whose entities and whose sentiment these are."""
    sentiments: tuple[str, ...] = ()
    """One of these labels."""
    first: date | None = None
    last: date | None = None
    """Days, both included."""
    confidence: float = 0.0
    """Least confidence of an entity."""
    certainty: float = 0.0
    """Least probability of the sentiment's label."""
    failed: bool = False
    """List only the recordings that could not be transcribed."""
    sort: str = "newest"
    offset: int = 0

    @classmethod
    def parse(cls, values: Mapping[str, Sequence[str]]) -> Filter:
        """Read the parameters of a URL, each with all its values; empty ones count as not given.

        Raises:
            OptionError: an unknown parameter or a bad value.
        """
        if unknown := sorted(set(values) - _KEYS):
            raise OptionError(f"unknown parameter {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
        many = {key: tuple(value for value in values.get(key, ()) if value) for key in _MANY}
        one = {key: values[key][-1] for key in values if key not in _MANY and values[key] and values[key][-1]}
        query, entity = one.get("q", ""), one.get("entity", "")
        if len(query) > LONGEST_QUERY or len(entity) > LONGEST_QUERY:
            raise OptionError(f"a query has at most {LONGEST_QUERY} characters; this one is longer")
        words = tuple(token.word for token in tokens(entity))
        if entity.strip() and not words:
            raise OptionError(f"entity is {entity!r}, which has neither letters nor figures to look for")
        sort = one.get("sort", "newest")
        if sort not in SORTS:
            raise OptionError(f"sort is {sort!r}: choose one of {', '.join(SORTS)}")
        return cls(
            text=TextQuery.parse(query),
            entity=words,
            types=many["type"],
            speaker=one.get("speaker"),
            sentiments=many["sentiment"],
            first=_day(one, "from"),
            last=_day(one, "to"),
            confidence=_share(one, "confidence"),
            certainty=_share(one, "certainty"),
            failed=one.get("failed") == "1",
            sort=sort,
            offset=_whole(one, "offset"),
        )

    @property
    def wants_entity(self) -> bool:
        """Whether a recording must have some entity."""
        return bool(self.entity or self.types or self.confidence)

    def spans(
        self, text: str, parts: Sequence[tuple[int, int]] | None, mentions: Sequence[Mapping[str, Any]]
    ) -> list[tuple[int, int]] | None:
        """What fits in a text, in characters: the words searched for, else the entities asked for; None if
        neither is.

        `parts`: the only stretches that count; `mentions`: the entities that fit.
        """
        if self.text.wanted:
            return self.text.spans(text, parts)
        return [(one["start_char"], one["end_char"]) for one in mentions] if self.wants_entity else None

    def recordings(self) -> tuple[str, list[Any]]:
        """`FROM … WHERE …` of the recordings, as `r`, and its parameters; a chosen speaker is `v`."""
        said = "r" if self.speaker is None else "v"
        conditions = ["r.shown", f"r.error_kind IS {'NOT ' if self.failed else ''}NULL"]
        values: list[Any] = []
        source = "recordings AS r"
        if self.speaker is not None:
            source += " JOIN voices AS v USING (rec)"
            conditions.append("v.speaker = ?")
            values.append(self.speaker)
        condition, needles = self.text.sql(f"{said}.folded")
        conditions.append(condition)
        values += needles
        if self.sentiments:
            conditions.append(f"{said}.label IN (SELECT unnest(?::VARCHAR[]))")
            values.append(list(self.sentiments))
        if self.certainty:
            conditions.append(f"{said}.score >= ?")
            values.append(self.certainty)
        for limit, comparison in ((self.first, ">="), (self.last, "<=")):
            if limit is not None:
                conditions.append(f"r.day {comparison} ?")
                values.append(limit)
        if self.wants_entity:
            condition, more = self.mentions()
            conditions.append(
                f"r.rec IN (SELECT e.rec FROM entities AS e JOIN names AS n USING (name) WHERE {condition})"
            )
            values += more
        return f"FROM {source} WHERE {' AND '.join(conditions)}", values

    def mentions(self, *, words: bool = True) -> tuple[str, list[Any]]:
        """A condition on entities `e` with their `names` as `n`, and its parameters.

        `words`: the words of the entity count too.
        """
        conditions, values = ["TRUE"], list[Any]()
        if self.types:
            conditions.append("n.type IN (SELECT unnest(?::VARCHAR[]))")
            values.append(list(self.types))
        if words and self.entity:
            conditions.append("contains(n.folded, ?)")
            values.append(f" {' '.join(self.entity)} ")
        if self.speaker is not None:
            conditions.append("e.speaker = ?")
            values.append(self.speaker)
        if self.confidence:
            conditions.append("e.confidence >= ?")
            values.append(self.confidence)
        return " AND ".join(conditions), values


def _day(values: Mapping[str, str], name: str) -> date | None:
    if name not in values:
        return None
    try:
        return date.fromisoformat(values[name])
    except ValueError:
        raise OptionError(f"{name} is {values[name]!r}: give a day such as 2026-03-31") from None


def _share(values: Mapping[str, str], name: str) -> float:
    try:
        share = float(values.get(name, "0"))
        if not 0 <= share <= 1:
            raise ValueError
    except ValueError:
        raise OptionError(f"{name} is {values[name]!r}: give a number from 0 to 1") from None
    return share


def _whole(values: Mapping[str, str], name: str) -> int:
    text = values.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise OptionError(f"{name} is {text!r}: give a whole number from 0")
    return int(text)
