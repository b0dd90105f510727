"""The result table: one row per file. Its columns are described in docs/how-to/batch.md."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import needs
from ..result import Analysis
from ..writers.parquet import with_json
from .inputs import Input

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = 1
Row = dict[str, Any]
KINDS = {
    "audio": "not readable as audio",
    "missing": "not found",
    "fetch": "could not be fetched",
    "crash": "crashed the worker",
    "timeout": "took too long",
    "memory": "ran out of memory",
    "failed": "the model failed on it",
}
"""Causes of failure, as `error.kind` names them."""


@dataclass(frozen=True)
class Origin:
    """The origin of a row, the same for all rows of a worker."""

    model: str
    bundle_hash: str
    version: str
    worker: str


def ok_row(entry: Input, content_key: str, analysis: Analysis, origin: Origin) -> Row:
    """The row of a file that was transcribed."""
    plain = analysis.to_dict()
    segments = plain["segments"]
    spoken = [segment["words"] for segment in segments if segment.get("words") is not None]
    return {
        **_common(entry, content_key, origin),
        "duration": analysis.duration,
        "language": analysis.language,
        "text": analysis.text,
        "words": [word for words in spoken for word in words] if spoken else None,
        "entities": with_json(plain["entities"]),
        "sentiment": plain["sentiment"],
        "segments": segments,
        "speakers": plain.get("speakers"),
        "timings": dict(analysis.timings),
        "warnings": list(analysis.warnings),
    }


def error_row(
    entry: Input,
    kind: str,
    message: str,
    origin: Origin,
    *,
    content_key: str | None = None,
    attempts: int = 1,
) -> Row:
    """The row of a file that failed."""
    error = {"kind": kind, "message": message, "attempts": attempts}
    return {**_common(entry, content_key, origin), "error": error}


def _common(entry: Input, content_key: str | None, origin: Origin) -> Row:
    return {
        "id": entry.id,
        "uri": entry.place,
        "stamp": entry.stamp,
        "content_key": content_key,
        "model": origin.model,
        "bundle_hash": origin.bundle_hash,
        "unislu_version": origin.version,
        "worker": origin.worker,
        "finished_at": datetime.now(UTC),
    }


def schema() -> pyarrow.Schema:
    """The columns. `None` means "not requested or not known"; `error` is null for a file that was
    transcribed. The value of an entity is JSON.
    """
    pa = require_pyarrow()
    text, number, whole = pa.string(), pa.float64(), pa.int64()
    scores = pa.map_(text, number)
    sentiment = pa.struct([("label", text), ("scores", scores)])
    chars = [("start_char", whole), ("end_char", whole), ("confidence", number)]
    who = ("speaker", text)
    word = pa.struct([("text", text), ("start", number), ("end", number), *chars, who])
    places = [("start", number), ("end", number), ("start_word", whole), ("end_word", whole), who]
    value = ("value", text)
    entity = pa.struct([("type", text), ("text", text), *chars, *places, value])
    segment = pa.struct(
        [
            ("start", number), ("end", number), ("text", text), ("start_char", whole), ("end_char", whole),
            ("no_speech", pa.bool_()), ("avg_logprob", number), ("sentiment", sentiment), ("failed", text),
            ("channel", whole), who,
        ]
    )  # fmt: skip
    speaker = pa.struct([("id", text), ("seconds", number), ("name", text), ("sentiment", sentiment)])
    error = pa.struct([("kind", text), ("message", text), ("attempts", whole)])
    columns = [
        ("id", text), ("uri", text), ("stamp", text), ("content_key", text), ("duration", number),
        ("language", text), ("text", text), ("words", pa.list_(word)), ("entities", pa.list_(entity)),
        ("sentiment", sentiment), ("segments", pa.list_(segment)), ("speakers", pa.list_(speaker)),
        ("timings", scores),
        ("warnings", pa.list_(text)), ("error", error), ("model", text), ("bundle_hash", text),
        ("unislu_version", text), ("worker", text), ("finished_at", pa.timestamp("us", "UTC")),
    ]  # fmt: skip
    return pa.schema(columns, metadata={"unislu_schema": str(SCHEMA_VERSION)})


def table(rows: Sequence[Mapping[str, Any]]) -> pyarrow.Table:
    """Rows as a table of `schema`; missing keys are null."""
    return require_pyarrow().Table.from_pylist([dict(row) for row in rows], schema=schema())


def to_parquet(data: pyarrow.Table) -> bytes:
    """A Parquet file."""
    require_pyarrow()
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(data, sink, compression="zstd")
    return sink.getvalue()


def require_pyarrow() -> Any:
    """The module pyarrow. Raises `MissingDependencyError` if it is not installed."""
    with needs("a batch run", "scale"):
        import pyarrow
    return pyarrow
