"""The index follows a folder that is written while it is read."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq

from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import overview, search
from unislu.browse.recording import GoneError, read_recording
from unislu.errors import OptionError
from unislu.scale.rows import table
from unislu.writers.parquet import to_parquet

from .conftest import Results, Turn, some_calls


def count(index: Index, **given: str) -> int:
    found: int = search(index, Filter.parse({key: [value] for key, value in given.items()}))["total"]
    return found


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "url", "foreign"])
def test_folders_without_results(tmp_path: Path, kind: str) -> None:
    folder = {"missing": tmp_path / "none", "file": tmp_path / "a.txt"}.get(kind, tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(OptionError, match=r"unislu batch|copy the results"):
        Index("s3://bucket/results" if kind == "url" else str(folder))


def test_a_run_that_has_just_begun(results: Results) -> None:
    index = Index(str(results.path))
    assert count(index) == 0 and not index.stale and not index.refresh()
    results.commit(*some_calls(results))
    assert index.stale and count(index) == 0
    assert index.refresh() and count(index) == 3 and not index.stale and index.version == 1
    index.close()


def test_new_changed_and_removed_partitions(results: Results) -> None:
    rows = some_calls(results)
    paths = [results.commit(row) for row in rows]
    index = Index(str(results.path))
    assert count(index) == 3
    paths[0].unlink()
    paths[1].write_bytes(to_parquet(table(rows[:2])))  # rewritten: has the first one's row now
    assert index.refresh() and count(index) == 3 and count(index, q="late") == 1
    paths[1].unlink()
    assert index.refresh() and count(index) == 1 and count(index, entity="Berlin") == 0
    index.close()


def test_of_two_rows_the_valid_one_counts(results: Results) -> None:
    old, new = (results.call("a.wav", Turn(text)) for text in ("the old text", "the new text"))
    failed = {**results.failure("x", "broken"), "id": old["id"]}
    for row in (old, new, failed):
        results.commit(row)
    index = Index(str(results.path))
    assert (count(index), count(index, failed="1")) == (1, 0)
    assert (count(index, q="new"), count(index, q="old")) == (1, 0)
    assert read_recording(index, old["id"])["text"] == "the new text"
    index.close()


def test_a_damaged_partition_is_named_and_the_others_are_read(calls: Results) -> None:
    whole = (calls.path / "part-000001-00000001.parquet").read_bytes()
    half = calls.path / "part-000002-00000002.parquet"
    half.write_bytes(whole[: len(whole) // 2])
    pq.write_table(pa.table({"a": [1]}), calls.path / "part-000003-00000003.parquet")
    index = Index(str(calls.path))
    assert count(index) == 3
    damaged, foreign = overview(index)["notes"]
    assert damaged.startswith("part-000002") and "cannot be read" in damaged
    assert "has no column id" in foreign
    half.write_bytes(whole)
    assert index.refresh() and count(index) == 3 and len(index.notes) == 1
    index.close()


def test_damage_inside_a_partition(results: Results) -> None:
    """The footer is whole, the pages are not: it is found only when the rows are read."""
    for row in some_calls(results):
        results.commit(row)
    path = sorted(results.path.glob("*.parquet"))[1]
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = os.urandom(len(data) // 2 - 4)
    path.write_bytes(bytes(data))
    index = Index(str(results.path))
    assert count(index) == 2 and len(index.notes) == 1
    index.close()


def test_shards_and_odd_names(results: Results, tmp_path: Path) -> None:
    odd = tmp_path / "results [1] *" / "shard-1-of-2"
    odd.mkdir(parents=True)
    results.path = odd
    results.commit(*some_calls(results))
    index = Index(str(odd.parent))
    assert count(index) == 3 and index.notes == []
    index.close()


def test_columns_of_speakers_are_used_where_they_are(results: Results) -> None:
    """A run with speakers, named and not, beside one that has no such columns, nor channels."""
    rows = [results.call(f"{n}.wav", Turn("Where is my parcel?", "negative"), audio=False) for n in range(2)]
    for row, name in zip(rows, ("Dora", None), strict=True):
        row["speakers"] = [{"id": "A", "seconds": 1.0, "name": name}]
        row["segments"][0]["speaker"] = "A"
    results.commit(*rows)
    old = table([results.call("old.wav", Turn("Where is my parcel?"), audio=False)])
    at = old.schema.get_field_index("segments")
    kind = old.schema.field(at).type.value_type
    fields = [
        kind.field(n) for n in range(kind.num_fields) if kind.field(n).name not in ("speaker", "channel")
    ]
    segments = [{f.name: one[0][f.name] for f in fields} for one in old["segments"].to_pylist()]
    old = old.set_column(at, "segments", pa.array([segments], pa.list_(pa.struct(fields))))
    pq.write_table(old.drop_columns(["speakers"]), results.path / "part-000009-00000009.parquet")
    index = Index(str(results.path))
    assert index.notes == [] and count(index) == 3
    assert {one["name"] for one in overview(index)["speakers"]} == {"Dora", "A"}
    assert count(index, speaker="Dora", q="parcel", sentiment="negative") == 1
    index.close()


def test_without_transcript_entities_or_sentiment(results: Results) -> None:
    bare = results.call("a.wav", Turn("Hello there"))
    bare |= dict.fromkeys(("text", "words", "entities", "sentiment", "language"), None)
    results.commit({**bare, "segments": []})
    index = Index(str(results.path))
    (row,) = search(index, Filter())["rows"]
    assert row["snippets"] == [] and row["sentiment"] is None and row["entities"] == []
    index.close()


def test_a_recording_that_goes_is_said(opened: Index, calls: Results) -> None:
    identity = search(opened, Filter())["rows"][0]["id"]
    next(calls.path.glob("*.parquet")).unlink()
    with pytest.raises(GoneError, match="is not in the results, or no longer"):
        read_recording(opened, identity)
    assert count(opened) == 0


def test_readers_see_whole_states_while_results_are_written(results: Results) -> None:
    """Every partition has two rows: nobody ever counts an odd number, and lists agree with counts."""
    rows = [results.call(f"call-{n}.wav", Turn("Where is my delivery?"), audio=False) for n in range(12)]
    results.commit(*rows[:2])
    index = Index(str(results.path))
    problems: list[Any] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = search(index, Filter.parse({"q": ["delivery"]}))
            if found["total"] % 2 or len(found["rows"]) != found["total"]:
                problems.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for first in range(2, 12, 2):
            path = results.commit(*rows[first : first + 2])
            index.refresh()
            if first == 6:
                path.unlink()
                index.refresh()
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert problems == [] and count(index) == 10
    index.close()
