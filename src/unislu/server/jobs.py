"""Jobs in SQLite, which survive a restart. Rows change here and nowhere else."""

from __future__ import annotations

import json
import math
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import OptionError
from .workspace import lock, size_of

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
AUDIO = "audio"
"""The folder with the audio of jobs, inside that of the store."""
MAX_ATTEMPTS = 3
"""Maximum starts of one job, so that a file that crashes the server does not do so forever."""

_SCHEMA = """
create table if not exists jobs (
    id text primary key, owner text not null, status text not null, progress real not null,
    file text not null, seconds real, options text not null, created text not null, started text,
    finished text, attempts integer not null, error text, result text
);
create index if not exists jobs_by_status on jobs (status, created);
"""


@dataclass(frozen=True)
class Job:
    """A row without its result."""

    id: str
    owner: str
    status: str
    progress: float
    file: str
    seconds: float | None
    options: Mapping[str, Any]
    """The fields of the request."""
    created: str
    started: str | None
    finished: str | None
    attempts: int
    error: Mapping[str, str] | None
    """(code, message)."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON for clients."""
        hidden = ("owner", "options", "attempts")
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in hidden}


_COLUMNS = ", ".join(item.name for item in fields(Job))


class JobStore:
    """The table, and a folder with the audio of jobs that have not ended. Usable from any thread."""

    def __init__(self, folder: Path) -> None:
        """Raises `OptionError` if the folder cannot be used or another server uses it."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.audio = folder / AUDIO
            self.audio.mkdir(exist_ok=True, mode=0o700)
            self._lock_file = lock(folder / "lock", "its jobs", "--data")
            self._connection = sqlite3.connect(folder / "jobs.sqlite3", check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise OptionError(
                f"{folder}: jobs cannot be stored there ({error}); choose another --data"
            ) from None
        self._lock = threading.Lock()
        with self._use() as connection:
            # Deleted data is overwritten: here with zeros, in the log by `_forget`.
            pragmas = "pragma journal_mode=wal; pragma synchronous=normal; pragma secure_delete=on;"
            connection.executescript(f"{pragmas} {_SCHEMA}")
        self._forget()

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:
            yield self._connection

    def _forget(self) -> None:
        """Empty the log of the database, which still contains deleted data."""
        with self._lock:
            self._connection.execute("pragma wal_checkpoint(truncate)")

    def recover(self) -> None:
        """Requeue jobs that ran when the last server ended, and delete audio that no job needs."""
        with self._use() as connection:
            lost = json.dumps({"code": "interrupted", "message": "the server stopped each time this job ran"})
            connection.execute(
                "update jobs set status = ?, error = ?, finished = ? where status = ? and attempts >= ?",
                (FAILED, lost, _now(), RUNNING, MAX_ATTEMPTS),
            )
            connection.execute("update jobs set status = ?, progress = 0 where status = ?", (QUEUED, RUNNING))
            rows = connection.execute("select id from jobs where status = ?", (QUEUED,))
            needed = {row[0] for row in rows}
        for path in self.audio.iterdir():
            if path.name not in needed:
                path.unlink(missing_ok=True)

    def add(
        self, owner: str, file: str, options: Mapping[str, Any], audio: Path, seconds: float | None = None
    ) -> Job:
        """Add a job, which takes over the audio file. `seconds`: its stated length."""
        id_ = secrets.token_urlsafe(16)
        shutil.move(audio, self.path(id_))
        row = {"owner": owner, "status": QUEUED, "progress": 0.0, "file": file, "seconds": seconds}
        return self._insert({"id": id_, **row, "options": json.dumps(options), "created": _now()})

    def add_result(self, owner: str, file: str, result: str, seconds: float) -> Job:
        """Add a job that is done. `result`: the JSON of an `Analysis`."""
        row = {"owner": owner, "status": DONE, "progress": 1.0, "file": file, "seconds": seconds}
        times = dict.fromkeys(("created", "started", "finished"), _now())
        options = json.dumps({"fields": []})
        id_ = secrets.token_urlsafe(16)
        return self._insert({"id": id_, **row, **times, "options": options, "result": result})

    def _insert(self, row: Mapping[str, Any]) -> Job:
        """Add a row that was never started."""
        names, places = ", ".join(row), ", ".join("?" * len(row))
        with self._use() as connection:
            connection.execute(
                f"insert into jobs ({names}, attempts) values ({places}, 0)", tuple(row.values())
            )
        job = self.get(row["id"])
        assert job is not None
        return job

    def path(self, id_: str) -> Path:
        """The path of a job's audio."""
        return self.audio / id_

    def get(self, id_: str) -> Job | None:
        """One job."""
        with self._use() as connection:
            row = connection.execute(f"select {_COLUMNS} from jobs where id = ?", (id_,)).fetchone()
        return None if row is None else _job(row)

    def all(self, owner: str, limit: int = 200) -> list[Job]:
        """The jobs of an owner, newest first."""
        with self._use() as connection:
            rows = connection.execute(
                f"select {_COLUMNS} from jobs where owner = ? order by created desc, rowid desc limit ?",
                (owner, limit),
            ).fetchall()
        return [_job(row) for row in rows]

    def counts(self, owner: str | None = None) -> dict[str, int]:
        """Jobs by status: of all, or of one owner."""
        query = "select status, count(*) from jobs where ?1 is null or owner = ?1 group by status"
        with self._use() as connection:
            return dict(connection.execute(query, (owner,)))

    @property
    def bytes(self) -> int:
        """Disk space taken by the audio of jobs."""
        return size_of(self.audio)

    @property
    def table_bytes(self) -> int:
        """Disk space taken by the table, results included."""
        with self._use() as connection:
            (pages,), (size,) = (
                connection.execute(f"pragma {name}").fetchone() for name in ("page_count", "page_size")
            )
        return int(pages * size)

    def unended(self, owner: str | None = None) -> int:
        """The number of waiting and running jobs."""
        counts = self.counts(owner)
        return counts.get(QUEUED, 0) + counts.get(RUNNING, 0)

    def take(self, low: float = 0.0, high: float = math.inf) -> Job | None:
        """Start the oldest waiting job that is from `low` to less than `high` seconds long.

        A job of unknown length counts as the shortest.
        """
        with self._use() as connection:
            row = connection.execute(
                "update jobs set status = ?, started = ?, attempts = attempts + 1 where id ="
                " (select id from jobs where status = ? and coalesce(seconds, 0) >= ?"
                " and coalesce(seconds, 0) < ? order by created, rowid limit 1)"
                f" returning {_COLUMNS}",
                (RUNNING, _now(), QUEUED, low, high),
            ).fetchone()
        return None if row is None else _job(row)

    def advance(self, id_: str, progress: float, seconds: float | None = None) -> None:
        """Store the progress of a running job, 0 to 1, and the length of its audio once it is known."""
        with self._use() as connection:
            connection.execute(
                "update jobs set progress = ?, seconds = coalesce(?, seconds) where id = ? and status = ?",
                (progress, seconds, id_, RUNNING),
            )

    def end(
        self, id_: str, status: str, *, result: str | None = None, error: Mapping[str, str] | None = None
    ) -> bool:
        """End a waiting or running job and delete its audio; False if there is no such job."""
        with self._use() as connection:
            changed = connection.execute(
                "update jobs set status = ?, result = ?, error = ?, finished = ?,"
                " progress = case when ? = 'done' then 1.0 else progress end"
                " where id = ? and status in ('queued', 'running')",
                (status, result, None if error is None else json.dumps(error), _now(), status, id_),
            ).rowcount
        self.path(id_).unlink(missing_ok=True)
        return bool(changed)

    def requeue(self, id_: str, seconds: float | None = None) -> None:
        """Return a running job to the queue; this start does not count. `seconds`: its length, once known."""
        with self._use() as connection:
            connection.execute(
                "update jobs set status = ?, progress = 0, attempts = attempts - 1,"
                " seconds = coalesce(?, seconds) where id = ? and status = ?",
                (QUEUED, seconds, id_, RUNNING),
            )

    def result(self, id_: str) -> str | None:
        """The result of a job that is done: the JSON of an `Analysis`."""
        with self._use() as connection:
            row = connection.execute("select result from jobs where id = ?", (id_,)).fetchone()
        return None if row is None else row[0]

    def remove(self, id_: str) -> None:
        """Delete a job that has ended."""
        with self._use() as connection:
            connection.execute(
                "delete from jobs where id = ? and status not in ('queued', 'running')", (id_,)
            )
        self._forget()

    def expire(self, days: float) -> None:
        """Delete jobs that ended longer ago."""
        limit = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        with self._use() as connection:
            gone = connection.execute("delete from jobs where finished < ?", (limit,)).rowcount
        if gone:
            self._forget()

    def close(self) -> None:
        """Close the database."""
        self._forget()
        with self._lock:
            self._connection.close()
        self._lock_file.close()


def _job(row: tuple[Any, ...]) -> Job:
    values = dict(zip((item.name for item in fields(Job)), row, strict=True))
    values["options"] = json.loads(values["options"])
    values["error"] = None if values["error"] is None else json.loads(values["error"])
    return Job(**values)


def _now() -> str:
    return datetime.now(UTC).isoformat()
