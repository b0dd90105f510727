"""The page's queries: one snapshot of the index gives the list, the counts and the chart over time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from .filters import SENTIMENTS, SORTS, Filter
from .index import Index

if TYPE_CHECKING:
    import duckdb

_CHUNK = 500  # rows that are in memory at a time
PAGE = 50  # recordings of one answer
TOP = 20  # entities that are counted by name
_MOST_BARS = 62
_AROUND = 70  # characters of a snippet on either side of a match
_MOST_SNIPPETS = 3
_LABELS = "SELECT label FROM recordings WHERE label IS NOT NULL UNION SELECT label FROM voices"
_MOST_ENTITIES = 12  # of a recording in the list

Json = dict[str, Any]


def search(index: Index, asked: Filter) -> Json:
    """The matching recordings: one page of them in full, and counts over all.

    One snapshot answers all of it, so that the numbers agree while results are written.
    """
    begin = time.perf_counter()
    with index.snapshot() as db:
        version = index.version
        find(db, asked)
        total, length = _one(db, "SELECT count(*), coalesce(sum(duration), 0) FROM found")
        if not total:
            _check_sentiments(db, asked)
        rows = [row for some in in_order(db, asked) for row in some]
        mentions = mentions_of(db, [row["rec"] for row in rows], asked)
        answer = {
            "version": version,
            "total": total,
            "hours": length / 3600,
            "rows": [_shown(row, mentions.get(row["rec"], []), asked) for row in rows],
            "sentiments": _counts(db, "SELECT label, count(*) FROM found WHERE label IS NOT NULL"),
            **_entities(db, asked),
            "time": _course(db),
        }
    return {**answer, "seconds": time.perf_counter() - begin}


def _check_sentiments(db: duckdb.DuckDBPyConnection, asked: Filter) -> None:
    """Raises `OptionError` for a sentiment that no recording has, rather than finding nothing."""
    known = [label for (label,) in db.execute(_LABELS).fetchall()]
    for label in asked.sentiments:
        if label not in (*known, *SENTIMENTS):
            there = ", ".join(sorted({*known, *SENTIMENTS}))
            raise OptionError(f"sentiment is {label[:40]!r}: choose from {there}")


def overview(index: Index) -> Json:
    """Everything there is to choose from, independent of the search."""
    with index.snapshot() as db:
        transcribed = "recordings WHERE shown AND error_kind IS NULL"
        first, last = _one(db, f"SELECT min(day), max(day) FROM {transcribed}")
        failed = "SELECT count(*) FROM recordings WHERE shown AND error_kind IS NOT NULL"
        return {
            "version": index.version,
            "folder": index.folder,
            "notes": index.notes,
            "recordings": _one(db, f"SELECT count(*) FROM {transcribed}")[0],
            "failed": _one(db, failed)[0],
            "first": _text(first),
            "last": _text(last),
            "days_from": dict(
                db.execute(f"SELECT day_from, count(*) FROM {transcribed} GROUP BY day_from").fetchall()
            ),
            "types": _counts(db, "SELECT type, count(*) FROM entities JOIN names USING (name)"),
            "speakers": _counts(db, "SELECT speaker, count(*) FROM voices"),
            "sentiments": _counts(db, f"SELECT label, count(*) FROM {transcribed} AND label IS NOT NULL"),
        }


def find(db: duckdb.DuckDBPyConnection, asked: Filter) -> None:
    """Create the temporary table `found`: the matching recordings, with the requested sentiment."""
    said, starts, ends = ("r", "NULL", "NULL") if asked.speaker is None else ("v", "v.starts", "v.ends")
    source, values = asked.recordings()
    db.execute(
        f"""CREATE OR REPLACE TEMP TABLE found AS
        SELECT r.rec, r.id, r.day, r.duration, {said}.label, {said}.score, {starts} AS starts,
            {ends} AS ends {source}""",
        values,
    )


def in_order(db: duckdb.DuckDBPyConnection, asked: Filter, limit: int | None = PAGE) -> Iterator[list[Json]]:
    """The found recordings with their texts in the order asked for, some at a time: a page, or all."""
    page = "" if limit is None else f"LIMIT {limit} OFFSET {asked.offset}"
    recs = db.execute(f"SELECT rec FROM found ORDER BY {SORTS[asked.sort]} {page}").fetchall()
    for first in range(0, len(recs), _CHUNK):
        rows = db.execute(
            """SELECT rec, r.id, r.uri, r.stamp, r.day, r.day_from, r.duration, r.language, f.label, f.score,
                r.text, f.starts, f.ends, r.error_kind, r.error_message
            FROM (SELECT unnest(?::BIGINT[]) AS rec, generate_subscripts(?::BIGINT[], 1) AS place) AS page
            JOIN recordings AS r USING (rec) JOIN found AS f USING (rec) ORDER BY place""",
            [[rec for (rec,) in recs[first : first + _CHUNK]]] * 2,
        )
        yield _dicts(rows)


def parts_of(row: Json) -> list[tuple[int, int]] | None:
    """Where the chosen speaker speaks, in characters of the text; None for everybody."""
    return None if row["starts"] is None else list(zip(row["starts"], row["ends"], strict=True))


def mentions_of(db: duckdb.DuckDBPyConnection, recs: Sequence[int], asked: Filter) -> dict[int, list[Json]]:
    """The matching entities of some recordings, by recording, in the order of the text."""
    condition, values = asked.mentions()
    rows = db.execute(
        f"""SELECT e.rec, n.type, n.text, e.speaker, e.confidence, e.start_char, e.end_char, e."start",
            e."end"
        FROM entities AS e JOIN names AS n USING (name)
        WHERE e.rec IN (SELECT unnest(?::BIGINT[])) AND {condition} ORDER BY e.rec, e.start_char""",
        [list(recs), *values],
    )
    found: dict[int, list[Json]] = {}
    for row in _dicts(rows):
        found.setdefault(row.pop("rec"), []).append(row)
    return found


def _shown(row: Json, mentions: Sequence[Json], asked: Filter) -> Json:
    spans = asked.spans(row["text"], parts_of(row), mentions) or []
    distinct = {(one["type"], one["text"]): None for one in mentions}
    error = (
        None if row["error_kind"] is None else {"kind": row["error_kind"], "message": row["error_message"]}
    )
    return {
        "id": row["id"],
        "name": name_of(row["id"]),
        "day": _text(row["day"]),
        "duration": row["duration"],
        "sentiment": None if row["label"] is None else {"label": row["label"], "score": row["score"]},
        "matches": len(spans),
        "snippets": snippets(row["text"], spans),
        "entities": [{"type": kind, "text": text} for kind, text in list(distinct)[:_MOST_ENTITIES]],
        "more_entities": max(0, len(distinct) - _MOST_ENTITIES),
        "error": error,
    }


def name_of(identity: str) -> str:
    """The end of an id that is a path: the file's name."""
    return identity.rstrip("/").rpartition("/")[2] or identity


def snippets(text: str, spans: Sequence[tuple[int, int]]) -> list[Json]:
    """An excerpt around the first matches, or the beginning of the text, in pieces of which some are matches.

    `at`: the character of the first match, to open the transcript there.
    """
    if not spans:
        end = _cut(text, 2 * _AROUND, 1)
        beginning = text[:end] + ("…" if end < len(text) else "")
        return [{"at": None, "pieces": [{"text": beginning}]}] if text else []
    found: list[Json] = []
    position = 0
    for first, last in spans:
        if first < position:
            continue  # shown in the snippet before
        if len(found) == _MOST_SNIPPETS:
            break
        begin, end = _cut(text, first - _AROUND, -1), _cut(text, last + _AROUND, 1)
        begin = max(begin, position)
        pieces: list[Json] = [{"text": ("…" if begin else "") + text[begin:first]}]
        inside = [span for span in spans if first <= span[0] and span[1] <= end]
        for number, (a, b) in enumerate(inside):
            until = inside[number + 1][0] if number + 1 < len(inside) else end
            pieces += [{"text": text[a:b], "match": True}, {"text": text[b:until]}]
        pieces[-1]["text"] += "…" if end < len(text) else ""
        found.append({"at": first, "pieces": pieces})
        position = end
    return found


def _cut(text: str, place: int, step: int) -> int:
    """A place between two words, from `place` on in the direction of `step`, at most 20 characters on."""
    place = max(0, min(len(text), place))
    for _ in range(20):
        if place in (0, len(text)) or text[place - (step < 0)].isspace():
            break
        place += step
    return place


def _entities(db: duckdb.DuckDBPyConnection, asked: Filter) -> Json:
    """Mentions and recordings by type, and by name for the most frequent ones."""
    condition, values = asked.mentions(words=False)
    db.execute(
        f"""CREATE OR REPLACE TEMP TABLE mentioned AS
        SELECT e.name, e.rec, count(*) AS mentions FROM entities AS e JOIN names AS n USING (name)
        WHERE e.rec IN (SELECT rec FROM found) AND {condition} GROUP BY e.name, e.rec""",
        values,
    )
    by_name = db.execute(
        f"""SELECT n.type, n.text, count(*) AS recordings, sum(m.mentions)::BIGINT AS mentions,
            count(*) FILTER (f.label = 'negative') AS negative
        FROM (SELECT name FROM mentioned GROUP BY name ORDER BY count(*) DESC, name LIMIT {TOP}) AS top
        JOIN mentioned AS m USING (name) JOIN names AS n USING (name) JOIN found AS f USING (rec)
        GROUP BY name, n.type, n.text ORDER BY recordings DESC, mentions DESC, n.text"""
    )
    return {
        "entities": _dicts(by_name),
        "types": _counts(db, "SELECT type, sum(mentions)::BIGINT FROM mentioned JOIN names USING (name)"),
    }


def _course(db: duckdb.DuckDBPyConnection) -> Json:
    """Recordings by day, week, month or year, whatever gives a chart that can be read, and by sentiment."""
    first, last = _one(db, "SELECT min(day), max(day) FROM found")
    if first is None:
        return {"unit": "day", "bars": []}
    days = (last - first).days + 1
    sizes = {"day": 1, "week": 7, "month": 30.4, "year": 366}
    unit = next((name for name, size in sizes.items() if days / size <= _MOST_BARS), "year")
    counted = db.execute(
        f"""SELECT date_trunc('{unit}', day)::DATE AS begin, coalesce(label, '') AS label, count(*) FROM found
        WHERE day IS NOT NULL GROUP BY begin, label ORDER BY begin"""
    ).fetchall()
    steps = db.execute(
        f"""SELECT step::DATE, (step + INTERVAL 1 {unit} - INTERVAL 1 day)::DATE
        FROM generate_series(date_trunc('{unit}', ?::DATE)::TIMESTAMP, ?::DATE::TIMESTAMP,
            INTERVAL 1 {unit}) AS _(step)""",
        [first, last],
    ).fetchall()
    bars: dict[date, Json] = {
        begin: {"from": _text(begin), "to": _text(end), "counts": {}} for begin, end in steps
    }
    for begin, label, count in counted:
        bars[begin]["counts"][label] = count
    return {"unit": unit, "bars": list(bars.values())}


def _counts(db: duckdb.DuckDBPyConnection, query: str) -> list[Json]:
    """A query of a name and an aggregate, the most frequent first."""
    rows = db.execute(f"{query} GROUP BY 1 HAVING count(*) > 0 ORDER BY 2 DESC, 1").fetchall()
    return [{"name": name, "count": count} for name, count in rows]


def _dicts(result: duckdb.DuckDBPyConnection) -> list[Json]:
    """Rows by the names of their columns."""
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _one(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = db.execute(query).fetchone()
    assert row is not None
    return row


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
