"""Full-text search in the results of `unislu batch`, part by part, also while a run is writing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import OptionError
from ...sequence.labels import normalize_type
from ...writers.parquet import require_pyarrow

PARTS = "part-*.parquet"
MAX_HITS = 100
_COLUMNS = ("id", "uri", "duration", "text", "entities", "sentiment", "segments")
_PLACES = 3  # of a recording that are shown
_ENTITIES = 20
_LONGEST = 400  # characters of a place
Row = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A search. Raises `OptionError` for a value out of range, or if it asks for nothing."""

    words: str = ""
    """All of them occur in the transcript, in any case; a word may be part of a longer one."""
    entity_type: str | None = None
    """An entity of that type occurs."""
    entity: str | None = None
    """An entity with these words occurs."""
    sentiment: str | None = None
    limit: int = 20
    offset: int = 0

    def __post_init__(self) -> None:
        if not (self.words.split() or self.entity_type or self.entity or self.sentiment):
            raise OptionError("nothing to look for: give words, entity_type, entity or sentiment")
        if not 1 <= self.limit <= MAX_HITS or self.offset < 0:
            raise OptionError(
                f"limit {self.limit}, offset {self.offset}: give 1 to {MAX_HITS}, and an offset from 0"
            )

    def entities(self, row: Row) -> list[Row]:
        """The entities of a row that match."""
        return [entity for entity in row["entities"] or () if self._is_meant(entity)]

    def _is_meant(self, entity: Row) -> bool:
        kind = self.entity_type is None or normalize_type(entity["type"]) == normalize_type(self.entity_type)
        return kind and (self.entity or "").casefold() in entity["text"].casefold()

    def holds(self, row: Row) -> bool:
        """Whether a row whose text has the words meets the other conditions."""
        mood = (row["sentiment"] or {}).get("label")
        if self.sentiment is not None and mood != self.sentiment.lower():
            return False
        return (self.entity_type is None and self.entity is None) or bool(self.entities(row))


def search(folder: Path, query: Query) -> dict[str, Any]:
    """The matching recordings: `total`, `hits` from `offset` on, `unreadable` parts.

    A recording that a newer part has again counts once. Raises `MissingDependencyError` without pyarrow.
    """
    require_pyarrow()
    unreadable: list[str] = []
    hits: list[Row] = []
    total = 0
    for row in _rows(folder, query.words.split(), unreadable):
        if query.holds(row):
            if query.offset <= total < query.offset + query.limit:
                hits.append(_hit(row, query))
            total += 1
    return {"total": total, "hits": hits, "unreadable": unreadable}


def _rows(folder: Path, words: Sequence[str], unreadable: list[str]) -> Iterator[Row]:
    """The rows of every part whose text has all the words."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    seen: set[str] = set()
    for path in sorted(folder.glob(PARTS), reverse=True):  # the newest first
        if path.is_symlink():
            continue
        try:
            table = pq.read_table(path, columns=list(_COLUMNS), partitioning=None)
        except FileNotFoundError:
            continue  # a running batch replaced it by a newer part
        except (OSError, pa.ArrowException) as error:
            unreadable.append(f"{path.name}: {' '.join(str(error).split())[:200]}")
            continue
        keep = pc.is_valid(table["text"])
        for word in words:
            found = pc.match_substring(table["text"], word, ignore_case=True)
            keep = pc.and_kleene(keep, found)
        ids = table["id"].to_pylist()
        for row in table.filter(keep).to_pylist(maps_as_pydicts="lossy"):
            if row["id"] not in seen:
                yield row
        seen.update(ids)


def _hit(row: Row, query: Query) -> Row:
    """A hit as the client sees it: an excerpt of the text, and the matching entities."""
    words = [word.casefold() for word in query.words.split()]
    entities = query.entities(row)
    segments = row["segments"] or ()
    if words:
        said = [s for s in segments if any(word in (s["text"] or "").casefold() for word in words)]
    else:
        said = [
            s for s in segments if any(s["start_char"] <= e["start_char"] < s["end_char"] for e in entities)
        ]
    places = [
        {"start": s["start"], "end": s["end"], "text": (s["text"] or "")[:_LONGEST]} for s in said or segments
    ]
    return {
        "id": row["id"],
        "uri": row["uri"],
        "duration": row["duration"],
        "sentiment": (row["sentiment"] or {}).get("label"),
        "places": places[:_PLACES],
        "entities": [{key: e[key] for key in ("type", "text", "start", "end")} for e in entities[:_ENTITIES]],
    }
