"""The output folder: what has been committed, and how to commit more.

    part-000017-4f2a91c0.parquet   a partition: rows of files, each file in one row of one partition
    _commits/part-….json           when it was committed, its rows, failures, hash
    run.json                       the run manifest: settings, inputs, totals, sessions
    _lock                          held by the run that writes here

A partition appears in one atomic step, so every existing one is complete; a restart relies on nothing else. A
new row is written before the one that it replaces is deleted; after a kill in between, the next run deletes
the older one. A commit note that is missing after a kill is written by the next run.

Nothing is deleted that another program could have written: a folder that does not belong to a batch run is
refused before anything in it is touched, and a damaged partition is renamed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import BatchError, OptionError
from ..writers.parquet import require_pyarrow, to_parquet
from .rows import Row, table
from .store import Store

RUN = "run.json"
PARTS = "part-*.parquet"
COMMITS = "_commits"
DAMAGED = "_damaged-"
_OURS = re.compile(r"part-(\d+)-[0-9a-f]{8}\.parquet")
_LEFTOVER = re.compile(r"(?:.*/)?_partial-[0-9a-f]{32}")
_READERS = 8


@dataclass(frozen=True)
class Known:
    """A known input: the partition of its row, and the stamp of its file."""

    partition: str
    stamp: str | None
    content_key: str | None
    error: str | None
    duration: float


class Ledger:
    """Reads and writes an output folder. Use inside `with ledger.open():`, which locks it."""

    def __init__(self, url: str) -> None:
        """Raises as `Store`, and `MissingDependencyError` without pyarrow."""
        require_pyarrow("a batch run")
        self._store = Store(url)
        self.url = url
        self.notes: list[str] = []
        self._next = 1

    @contextmanager
    def open(self) -> Iterator[dict[str, Known]]:
        """Lock the folder, read what is committed, by input id, and clean up after a kill.

        Raises:
            OptionError: the folder contains files that no batch run wrote.
            BatchError: another run writes here.
        """
        self._refuse_foreign()
        with self._store.lock():
            if self.manifest() is not None:
                partial = (*self._store.names("_partial-*"), *self._store.names(f"{COMMITS}/_partial-*"))
                for leftover in filter(_LEFTOVER.fullmatch, partial):
                    self._store.remove(leftover)
            yield self._committed()

    def _refuse_foreign(self) -> None:
        """A folder belongs to a batch run if it has a run manifest; then all partitions must have names of
        that run.
        """
        names = self._store.names(PARTS)
        if self.manifest() is None and names:
            raise OptionError(
                f"{self.url}: contains {names[0]} but no {RUN}, so no batch run wrote it; choose another "
                "folder"
            )
        if foreign := [name for name in names if not _OURS.fullmatch(name)]:
            raise OptionError(
                f"{self.url}: {foreign[0]} is not a partition of this run; move it elsewhere, or choose "
                "another folder"
            )

    def _committed(self) -> dict[str, Known]:
        names = self._store.names(PARTS)
        self._next = 1 + max((int(match[1]) for name in names if (match := _OURS.fullmatch(name))), default=0)
        known: dict[str, Known] = {}
        superseded: dict[str, set[str]] = {}
        with ThreadPoolExecutor(_READERS) as pool:
            for found in pool.map(self._read, names):
                for identity, entry in found.items():
                    best, other = _better(known.get(identity), entry)
                    known[identity] = best
                    if other is not None:
                        superseded.setdefault(other.partition, set()).add(identity)
        for name, ids in superseded.items():
            self._rewrite(name, ids)
            self.notes.append(f"{name}: {len(ids)} rows were duplicated; the older ones were removed")
        noted = {
            name.rpartition("/")[2].removesuffix(".json") for name in self._store.names(f"{COMMITS}/*.json")
        }
        for name in self._store.names(PARTS):
            if name not in noted:
                self._note(name, self._store.read(name))
        for name in sorted(noted - set(self._store.names(PARTS))):
            self.notes.append(f"{name}: was committed but is missing; its files are transcribed again")
            self._store.remove(_commit_name(name))
        return known

    def _read(self, name: str) -> dict[str, Known]:
        """The rows of a partition; an unreadable one is set aside, so that its files are transcribed
        again.
        """
        import pyarrow
        import pyarrow.parquet as pq

        columns = ["id", "stamp", "content_key", "error.kind", "duration"]
        try:
            with self._store.open(name) as file:
                read = pq.ParquetFile(file).read(columns=columns)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, KeyError) as error:
            self._set_aside(name, error)
            return {}
        except OSError as error:
            if self._store.exists(name) and "Parquet" not in str(error) and "magic" not in str(error):
                raise BatchError(f"{self.url}/{name}: cannot be read ({error}); try again") from None
            self._set_aside(name, error)
            return {}
        return {
            row["id"]: Known(
                name,
                row["stamp"],
                row["content_key"],
                (row["error"] or {}).get("kind"),
                row["duration"] or 0.0,
            )
            for row in read.to_pylist()
        }

    def _set_aside(self, name: str, error: Exception) -> None:
        self._store.rename(name, DAMAGED + name)
        self._store.remove(_commit_name(name))
        self.notes.append(
            f"{name}: is damaged ({error}); it is kept as {DAMAGED}{name}, and its files are transcribed "
            "again"
        )

    def commit(self, rows: Sequence[Row]) -> str:
        """Write rows as a new partition; returns its name."""
        name = f"part-{self._next:06d}-{uuid.uuid4().hex[:8]}.parquet"
        data = to_parquet(table(rows))
        self._store.write(name, data)
        self._next += 1
        self._note(name, data)
        return name

    def drop(self, partitions: dict[str, Collection[str]]) -> None:
        """Remove the rows of some ids from their partitions, each in one atomic step."""
        for name, ids in partitions.items():
            self._rewrite(name, ids)

    def _rewrite(self, name: str, without: Collection[str]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        with self._store.open(name) as file:
            rows = pq.ParquetFile(file).read()
        kept = rows.filter(pc.invert(pc.is_in(rows["id"], pa.array(sorted(without), pa.string()))))
        if kept.num_rows:
            data = to_parquet(kept)
            self._store.write(name, data)
            self._note(name, data)
        else:
            self._store.remove(name)
            self._store.remove(_commit_name(name))

    def _note(self, name: str, data: bytes) -> None:
        """Write the commit note of a partition."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        read = pq.ParquetFile(io.BytesIO(data)).read(columns=["error.kind", "duration"])
        note = {
            "partition": name,
            "rows": read.num_rows,
            "errors": read.num_rows - read["error"].null_count,
            "audio_seconds": pc.sum(read["duration"]).as_py() or 0.0,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "committed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._write_json(_commit_name(name), note)

    def commits(self) -> list[dict[str, Any]]:
        """The notes of all partitions, in their order."""
        return [json.loads(self._store.read(name)) for name in self._store.names(f"{COMMITS}/*.json")]

    def manifest(self) -> dict[str, Any] | None:
        """The run manifest, or None for a new folder. Raises `OptionError` if it is not a run manifest."""
        if not self._store.exists(RUN):
            return None
        try:
            found = json.loads(self._store.read(RUN))
        except ValueError as error:
            raise OptionError(
                f"{self.url}/{RUN}: is damaged or not of a batch run ({error}); choose another output folder"
            ) from None
        if not isinstance(found, dict) or not {"settings", "schema_version", "sessions"} <= set(found):
            raise OptionError(f"{self.url}/{RUN}: is not of a batch run; choose another output folder")
        return found

    def write_manifest(self, values: dict[str, Any]) -> None:
        """Replace the run manifest."""
        self._write_json(RUN, values)

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
        self._store.write(name, text.encode("utf-8", "replace"))


def _better(before: Known | None, found: Known) -> tuple[Known, Known | None]:
    """Two rows of one input, the valid one first: success before failure, then the newer."""
    if before is None:
        return found, None
    if before.error is None and found.error is not None:
        return before, found
    return found, before


def _commit_name(partition: str) -> str:
    return f"{COMMITS}/{partition}.json"
