"""The result table: one row per file. Its columns are described in docs/how-to/batch.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..result import Analysis
from ..writers.parquet import column_types, require_pyarrow, with_json
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
_RESULT = (
    "duration", "language", "text", "words", "entities", "sentiment", "segments", "speakers", "timings",
    "warnings",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """The origin of a row, the same for all rows of a worker."""

    model: str
    bundle_hash: str
    unislu_version: str
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
        **asdict(origin),
        "finished_at": datetime.now(UTC),
    }


def schema() -> pyarrow.Schema:
    """The columns. `None` means "not requested or not known"; `error` is null for a file that was
    transcribed. The words of segments are a column of their own, the value of an entity is JSON.
    """
    pa, result = require_pyarrow(), column_types()
    text, segment = pa.string(), result["segments"].value_type
    error = pa.struct([("kind", text), ("message", text), ("attempts", pa.int64())])
    result["words"] = segment.field("words").type
    result["segments"] = pa.list_(pa.struct([field for field in segment if field.name != "words"]))
    columns = [
        *((name, text) for name in ("id", "uri", "stamp", "content_key")),
        *((name, result[name]) for name in _RESULT),
        ("error", error),
        *((name, text) for name in ("model", "bundle_hash", "unislu_version", "worker")),
        ("finished_at", pa.timestamp("us", "UTC")),
    ]
    return pa.schema(columns, metadata={"unislu_schema": str(SCHEMA_VERSION)})


def table(rows: Sequence[Mapping[str, Any]]) -> pyarrow.Table:
    """Rows as a table of `schema`; missing keys are null."""
    return require_pyarrow().Table.from_pylist([dict(row) for row in rows], schema=schema())
