"""The tables of the index, and how they are filled from partitions.

    recordings  one row for each row of a partition; `shown` for the valid one of those of one id
    voices      what each speaker of a recording says, and how, where speakers are known
    entities    one row for each mention; its type and text are in `names`

`rec` is the number of a row of `recordings`: partition and place in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .search import FOLD

if TYPE_CHECKING:
    import duckdb
    import pyarrow

_TOGETHER = 16  # partitions read in one go: what is in flight stays small
ROWS = 1_000_000_000  # more than a partition has
_MOST_CHANNELS = 32
_NEEDED = (
    "id",
    "uri",
    "stamp",
    "duration",
    "text",
    "entities",
    "sentiment",
    "segments",
    "error",
    "finished_at",
)

_TABLES = """
CREATE TABLE recordings (
    rec BIGINT, shown BOOLEAN, id VARCHAR, uri VARCHAR, stamp VARCHAR, day DATE, day_from VARCHAR,
    duration DOUBLE, language VARCHAR, text VARCHAR, folded VARCHAR, label VARCHAR, score FLOAT,
    error_kind VARCHAR, error_message VARCHAR, finished_at TIMESTAMP);
CREATE TABLE voices (
    rec BIGINT, speaker VARCHAR, folded VARCHAR, label VARCHAR, score FLOAT, starts INTEGER[],
    ends INTEGER[]);
CREATE TABLE names (name INTEGER, type VARCHAR, folded VARCHAR, text VARCHAR);
CREATE TABLE entities (
    rec BIGINT, name INTEGER, speaker VARCHAR, confidence FLOAT, start_char INTEGER, end_char INTEGER,
    "start" FLOAT, "end" FLOAT);
CREATE SEQUENCE name_numbers;
CREATE TABLE partitions (part INTEGER, path VARCHAR);
"""

# A day in a path: 2026-03-14, 2026/03/14, 20260314 and 20260314-0930; of several the last, which is nearest
# to the file's name.
_DAY = (
    r"(?:^|[^0-9])(?:(?:19|20)[0-9]{2}([-_./])(?:0[1-9]|1[0-2])[-_./](?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4,6})?(?:[^0-9]|$))"
)
_FROM_NAME = f"""try_strptime(left(regexp_replace(list_extract(regexp_extract_all(uri, '{_DAY}'), -1),
    '[^0-9]', '', 'g'), 8), '%Y%m%d')::DATE"""
_FROM_FILE = r"""epoch_ms((try_cast(regexp_extract(stamp, ':([0-9]{9,10}(\.[0-9]+)?)(#|$)', 1) AS DOUBLE)
    * 1000)::BIGINT)::DATE"""

_RECORDINGS = f"""
INSERT INTO recordings
WITH dated AS (SELECT *, {_FROM_NAME} AS from_name, {_FROM_FILE} AS from_file FROM stage)
SELECT rec, TRUE, id, uri, stamp, coalesce(from_name, from_file, finished_at::DATE),
    CASE WHEN from_name IS NOT NULL THEN 'name' WHEN from_file IS NOT NULL THEN 'file' ELSE 'run' END,
    duration, language, coalesce(text, ''), fold(coalesce(text, '')), sentiment.label,
    sentiment.scores[sentiment.label], error.kind, error.message, finished_at
FROM dated
"""

_SEGMENTS = """
CREATE OR REPLACE TEMP TABLE spoken AS
SELECT rec, {speaker} AS speaker, s.text, s.sentiment, s.start_char, s.end_char,
    greatest(s."end" - s."start", 0.01) AS seconds
FROM (SELECT rec, speakers, unnest(segments) AS s FROM stage) WHERE {speaker} IS NOT NULL AND s.text <> ''
"""
_VOICES = """
INSERT INTO voices
WITH scores AS (
    SELECT rec, speaker, score.key AS label, sum(score.value * seconds) / sum(seconds) AS mean
    FROM (SELECT rec, speaker, seconds, unnest(map_entries(sentiment.scores)) AS score FROM spoken)
    GROUP BY rec, speaker, label),
moods AS (SELECT rec, speaker, arg_max(label, mean) AS label, max(mean) AS score FROM scores GROUP BY ALL),
said AS (
    SELECT rec, speaker, string_agg(fold(text), '|') AS folded, list(start_char ORDER BY start_char)
        AS starts, list(end_char ORDER BY start_char) AS ends
    FROM spoken GROUP BY rec, speaker)
SELECT rec, speaker, folded, label, score, starts, ends FROM said LEFT JOIN moods USING (rec, speaker)
"""
_MENTIONS = """
CREATE OR REPLACE TEMP TABLE mentions AS
SELECT rec, e.type, e.text, fold(e.text) AS folded, {speaker} AS speaker, e.confidence, e.start_char,
    e.end_char, e."start", e."end"
FROM (SELECT rec, speakers, unnest(entities) AS e FROM stage)
"""
_SPEAKERS_OF_MENTIONS = """
UPDATE mentions SET speaker = spoken.speaker FROM spoken
WHERE mentions.rec = spoken.rec AND mentions.speaker IS NULL
    AND mentions.start_char >= spoken.start_char AND mentions.start_char < spoken.end_char
"""
_NAMES = """
INSERT INTO names
SELECT nextval('name_numbers'), type, folded, text FROM (
    SELECT type, folded, mode(text) AS text FROM mentions GROUP BY type, folded
) AS new WHERE NOT EXISTS (FROM names WHERE names.type = new.type AND names.folded = new.folded)
"""
_ENTITIES = """
INSERT INTO entities
SELECT rec, name, speaker, confidence, start_char, end_char, "start", "end"
FROM mentions JOIN names USING (type, folded)
"""

# A run that was killed between writing a row and removing the one it replaces leaves both: as `unislu batch`
# does, success counts before failure, then the newer.
_CHOOSE = """
UPDATE recordings SET shown = best.shown FROM (
    SELECT rec, row_number() OVER (
        PARTITION BY id ORDER BY error_kind IS NULL DESC, finished_at DESC, rec DESC) = 1 AS shown
    FROM recordings WHERE id IN (SELECT id FROM recordings GROUP BY id HAVING count(*) > 1)
) AS best WHERE recordings.rec = best.rec
"""


def channel_name(channel: int) -> str:
    """The speaker's name of a channel (counted from 0), as in transcripts."""
    return f"Channel {channel + 1}"


def create(db: duckdb.DuckDBPyConnection) -> None:
    """The empty tables, and the macro `fold`."""
    db.execute(FOLD)
    db.execute(_TABLES)


def forget(db: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Remove the rows of partitions."""
    numbers = "SELECT part FROM partitions WHERE path IN (SELECT unnest(?::VARCHAR[]))"
    for table in ("recordings", "voices", "entities", "partitions"):
        part = "part" if table == "partitions" else f"rec // {ROWS}"
        db.execute(f"DELETE FROM {table} WHERE {part} IN ({numbers})", [list(paths)])


def choose_rows(db: duckdb.DuckDBPyConnection) -> None:
    """Mark the valid row of every id."""
    db.execute("UPDATE recordings SET shown = TRUE WHERE NOT shown")
    db.execute(_CHOOSE)


def add(db: duckdb.DuckDBPyConnection, numbers: Mapping[str, int]) -> dict[str, str]:
    """Read partitions, given as path → number; returns those that could not be read, and why."""
    failed: dict[str, str] = {}
    alike: dict[tuple[str, ...], list[str]] = {}
    for path in numbers:
        try:
            alike.setdefault(_columns(path), []).append(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are these
            failed[path] = _reason(error)
    for columns, paths in alike.items():
        for first in range(0, len(paths), _TOGETHER):
            some = {path: numbers[path] for path in paths[first : first + _TOGETHER]}
            failed |= _add_all(db, columns, some)
    return failed


def _add_all(
    db: duckdb.DuckDBPyConnection, columns: Sequence[str], numbers: Mapping[str, int]
) -> dict[str, str]:
    """Read several partitions at once; if one of them cannot be read, each separately."""
    import duckdb

    try:
        _stage(db, columns, numbers)
    except duckdb.Error as error:
        if len(numbers) == 1:
            return dict.fromkeys(numbers, _reason(error))
        failed: dict[str, str] = {}
        for path, number in numbers.items():
            failed |= _add_all(db, columns, {path: number})
        return failed
    known = columns[-1] != "NULL"
    db.execute(_RECORDINGS)
    db.execute(_MENTIONS.format(speaker=columns[-2]))
    if known:
        db.execute(_SEGMENTS.format(speaker=columns[-1]))
        db.execute(_VOICES)
        db.execute(_SPEAKERS_OF_MENTIONS)
    db.execute(_NAMES)
    db.execute(_ENTITIES)
    db.executemany("INSERT INTO partitions VALUES (?, ?)", [[n, path] for path, n in numbers.items()])
    return {}


def _stage(db: duckdb.DuckDBPyConnection, columns: Sequence[str], numbers: Mapping[str, int]) -> None:
    """All that is needed of the partitions, in one pass: whatever happens to the files afterwards, it fits
    together.
    """
    paths = list(numbers)
    # DuckDB reads a `[` or `*` in a name as a pattern.
    escaped = [path.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for path in paths]
    db.execute(
        f"""CREATE OR REPLACE TEMP TABLE stage AS
        SELECT list_extract(?::BIGINT[], list_position(?::VARCHAR[], filename)) * {ROWS} + file_row_number
            AS rec, {columns[0]}
        FROM read_parquet(?::VARCHAR[], filename = true, file_row_number = true,
            hive_partitioning = false)""",
        [list(numbers.values()), paths, escaped],
    )


def _columns(path: str) -> tuple[str, str, str]:
    """The columns to read of a partition, and the expressions for an entity's and a segment's speaker.

    Raises `OSError` and `ValueError` if it is no partition of a batch run.
    """
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    if missing := [name for name in _NEEDED if name not in schema.names]:
        raise ValueError(f"has no column {missing[0]}, so it is not of `unislu batch`")
    language = "language" if "language" in schema.names else "NULL AS language"
    named = "speakers" in schema.names
    entity, segment = _fields(schema, "entities"), _fields(schema, "segments")
    columns = ", ".join((*(name for name in _NEEDED if name != "finished_at"), language))
    columns += (
        f", {'speakers' if named else 'NULL'} AS speakers, finished_at AT TIME ZONE 'UTC' AS finished_at"
    )
    # With `--channels split` a channel is a speaker.
    cases = " ".join(f"WHEN {number} THEN '{channel_name(number)}'" for number in range(_MOST_CHANNELS))
    channel = f"CASE s.channel {cases} END" if "channel" in segment else ""
    known = [name for name in (_name("s", named) if "speaker" in segment else "", channel) if name]
    return (
        columns,
        _name("e", named) if "speaker" in entity else "NULL::VARCHAR",
        f"coalesce({', '.join(known)})" if known else "NULL",
    )


def _name(piece: str, named: bool) -> str:
    """The speaker of an entity or segment: the name of the one with that id, else the id."""
    known = f"[one.name FOR one IN speakers IF one.id = {piece}.speaker][1], " if named else ""
    return f"coalesce({known}{piece}.speaker)"


def _fields(schema: pyarrow.Schema, name: str) -> set[str]:
    kind: Any = schema.field(name).type.value_type
    return {kind.field(number).name for number in range(kind.num_fields)}


def _reason(error: Exception) -> str:
    return f"cannot be read ({' '.join(str(error).split())[:200]})"
