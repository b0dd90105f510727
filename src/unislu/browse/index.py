"""The results folder in DuckDB: in memory, complete partitions only, brought up to date on request.

A partition of `unislu batch` appears, changes and goes in one step. `refresh` reads those that are new or
changed and forgets those that are gone, in one transaction: whoever reads meanwhile sees the folder as it was
before, and never a part of a change.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, needs
from ..scale.ledger import PARTS, RUN
from . import tables

if TYPE_CHECKING:
    import duckdb

Signature = tuple[int, int]
"""Size and time of change of a file."""


class Index:
    """The searchable results. Close it after use."""

    def __init__(self, folder: str) -> None:
        """Reads the folder.

        Args:
            folder: the output of `unislu batch`, or one that holds several (shards).

        Raises:
            OptionError: no such folder, or no results in it.
            MissingDependencyError: DuckDB or pyarrow is not installed.
        """
        self.folder = _checked(folder)
        self.version = 0
        """Counts the refreshes that changed something."""
        self._failed: dict[str, str] = {}
        self._seen: dict[str, Signature] = {}
        self._next = 1
        self._writing = threading.Lock()
        self._spill = tempfile.TemporaryDirectory(prefix="unislu-browse-")
        self._db = _connect(self._spill.name)
        try:
            tables.create(self._db)
            self.refresh()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._db.close()
        self._spill.cleanup()

    @property
    def stale(self) -> bool:
        """Whether the folder has changed since it was read."""
        return self._list() != self._seen

    @property
    def notes(self) -> list[str]:
        """The parts that could not be read, and why."""
        return [f"{os.path.basename(path)}: {reason}" for path, reason in sorted(self._failed.items())]

    def refresh(self) -> bool:
        """Read new parts and retry unreadable ones; returns whether anything changed."""
        with self._writing:
            listed = self._list()
            gone = [path for path, signature in self._seen.items() if listed.get(path) != signature]
            fresh = [path for path in listed if listed[path] != self._seen.get(path) or path in self._failed]
            if not gone and not fresh:
                return False
            numbers = {path: number for number, path in enumerate(fresh, self._next)}
            self._next += len(fresh)
            with self.snapshot() as db:  # closing it without the commit rolls everything back
                tables.forget(db, gone)
                failed = tables.add(db, numbers)
                tables.choose_rows(db)
                db.commit()
            before, self._failed, self._seen = self._failed, failed, listed
            changed = bool(gone) or before != failed or len(failed) < len(fresh)
            self.version += changed
            return changed

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that sees one state of the index; for one thread."""
        cursor = self._db.cursor()
        try:
            cursor.begin()
            yield cursor
        finally:
            cursor.close()

    def _list(self) -> dict[str, Signature]:
        """The partitions of the folder and of the folders in it."""
        found: dict[str, Signature] = {}
        for place in (self.folder, *_folders(self.folder)):
            for entry in _entries(place):
                if fnmatch(entry.name, PARTS):
                    try:
                        status = entry.stat()
                    except OSError:
                        continue  # went this moment
                    found[entry.path] = (status.st_size, status.st_mtime_ns)
        return dict(sorted(found.items()))


def _checked(folder: str) -> str:
    if "://" in folder:
        raise OptionError(f"{folder}: is not a folder of this machine; copy the results here first")
    path = Path(folder)
    if not path.is_dir():
        raise OptionError(f"{folder}: no such folder; give the output folder of `unislu batch`")
    places = (str(path), *_folders(str(path)))
    if not any(entry.name == RUN or fnmatch(entry.name, PARTS) for at in places for entry in _entries(at)):
        raise OptionError(f"{folder}: holds no results of `unislu batch` ({PARTS}); give its output folder")
    return str(path.absolute())


def _folders(folder: str) -> Iterator[str]:
    for entry in _entries(folder):
        if entry.is_dir() and not entry.name.startswith(("_", ".")):
            yield entry.path


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _connect(spill: str) -> duckdb.DuckDBPyConnection:
    """A database in memory that loads no extension; what does not fit goes to the folder `spill`."""
    with needs("browse", "browse"):
        import duckdb
        import pyarrow  # noqa: F401 - of the same extra, used below
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": spill,
    }
    database = duckdb.connect(":memory:", config=settings)
    with suppress(duckdb.CatalogException):  # DuckDB 1.2 has no such cache
        database.execute("SET enable_external_file_cache = false")
    return database
