"""Parquet: one row with the keys of the JSON as columns; the tables of many files read as one."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from ..errors import needs
from ..result import Analysis

if TYPE_CHECKING:
    import pyarrow


def render(analysis: Analysis) -> bytes:
    """The bytes of a Parquet file. Raises `MissingDependencyError` without pyarrow."""
    pa = require_pyarrow()
    row = analysis.to_dict()
    row["entities"] = with_json(row["entities"])
    return to_parquet(pa.Table.from_pylist([row], schema=schema()))


def to_parquet(data: pyarrow.Table) -> bytes:
    """A table as a Parquet file."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(data, sink, compression="zstd")
    return sink.getvalue()


def with_json(entities: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Entities with their values as JSON texts, since the keys of values differ by kind."""
    if entities is None:
        return None
    return [
        {**entity, "value": json.dumps(entity["value"], ensure_ascii=False)} if "value" in entity else entity
        for entity in entities
    ]


def schema() -> pyarrow.Schema:
    """The columns, nullable as in the JSON."""
    return require_pyarrow().schema(column_types())


def column_types() -> dict[str, Any]:
    """The type of each column, by the keys of the JSON; scores and timings are maps, a value is JSON."""
    pa = require_pyarrow()
    text, number, whole = pa.string(), pa.float64(), pa.int64()
    scores = pa.map_(text, number)
    sentiment = pa.struct([("label", text), ("scores", scores)])
    chars = [("start_char", whole), ("end_char", whole)]
    times = [("start", number), ("end", number)]
    who = ("speaker", text)
    word = pa.struct([("text", text), *times, *chars, ("confidence", number), who])
    places = [("start_word", whole), ("end_word", whole), who]
    value = ("value", text)
    entity = pa.struct(
        [("type", text), ("text", text), *chars, ("confidence", number), *times, *places, value]
    )
    segment = pa.struct(
        [
            *times, ("text", text), *chars, ("no_speech", pa.bool_()), ("avg_logprob", number),
            ("words", pa.list_(word)), ("sentiment", sentiment), ("failed", text), ("channel", whole),
            who,
        ]
    )  # fmt: skip
    speaker = pa.struct([("id", text), ("seconds", number), ("name", text), ("sentiment", sentiment)])
    return {
        "schema_version": whole, "file": text, "duration": number, "language": text, "text": text,
        "entities": pa.list_(entity), "sentiment": sentiment, "model": text, "segments": pa.list_(segment),
        "timings": scores, "warnings": pa.list_(text), "untrained_types": pa.list_(text),
        "speakers": pa.list_(speaker),
    }  # fmt: skip


def require_pyarrow(what: str = "parquet") -> Any:
    """The module pyarrow. Raises `MissingDependencyError` if it is not installed."""
    with needs(what, "scale"):
        import pyarrow
    return pyarrow
