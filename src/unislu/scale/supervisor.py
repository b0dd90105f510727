"""A model in a supervised process: a file that crashes it costs only that file.

A batch that crashes or hangs its process is retried file by file in a new one; a file that does so again gets
an error row once its retries are used up. This is the same on one machine and inside the actors of a cluster.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from ..errors import BatchError
from .inputs import Input
from .options import WorkerOptions
from .rows import Origin, Row, error_row
from .worker import Failed, main

MAX_STARTS = 3
"""Failed starts in a row after which the run is given up: then the machine is at fault, not a file."""
_FETCH_PAUSE = 1.0
_JOIN_SECONDS = 5.0
_MAIN = threading.Lock()


class Supervisor:
    """Runs batches in a process that it starts on demand; used by one thread at a time, and closed."""

    def __init__(self, options: WorkerOptions, bundle_hash: str) -> None:
        self._options = options
        self._bundle_hash = bundle_hash
        self._process: Any = None
        self._connection: Connection | None = None
        self._origin = Origin("", bundle_hash, "", "")
        self._closed = False

    def close(self) -> None:
        """End the process; may be called from another thread to abort its work."""
        self._closed = True
        self._stop()

    def run(self, inputs: Sequence[Input]) -> list[Row]:
        """One row for each input.

        Raises:
            UnisluError: the model cannot be loaded, or cannot fulfil the request.
            BatchError: processes die before they have loaded the model.
        """
        answer = self._attempt(inputs)
        rows = {} if isinstance(answer, Failed) else {row["id"]: row for row in answer}
        again = [entry for entry in inputs if entry.id not in rows or _worth_repeating(rows[entry.id])]
        for entry in again:
            rows[entry.id] = self._alone(entry, first=rows.get(entry.id, answer), single=len(inputs) == 1)
        return [rows[entry.id] for entry in inputs]

    def _alone(self, entry: Input, first: Any, single: bool) -> Row:
        """Run a file on its own until it succeeds or the retries are used up.

        A failed batch counts as an attempt of each of its files, but proves a file guilty only if it was
        alone.
        """
        last, attempts, allowed = first, 1, 1 + self._options.retries
        if isinstance(first, Failed) and not single:
            allowed = max(2, allowed)
        while attempts < allowed:
            if not isinstance(last, Failed):
                time.sleep(_FETCH_PAUSE * 2 ** (attempts - 1))
            answer = self._attempt([entry])
            attempts += 1
            last = answer if isinstance(answer, Failed) else answer[0]
            if not isinstance(last, Failed) and not _worth_repeating(last):
                break
        if isinstance(last, Failed):
            return error_row(
                entry, last.kind, f"{entry.place}: {last.message}", self._origin, attempts=attempts
            )
        if last.get("error"):
            last = {**last, "error": {**last["error"], "attempts": attempts}}
        return dict(last)

    def _attempt(self, inputs: Sequence[Input]) -> list[Row] | Failed:
        connection = self._started()
        limit = self._options.timeout + sum(entry.seconds for entry in inputs)
        try:
            connection.send(list(inputs))
            if not connection.poll(limit):
                self._stop()
                return Failed("timeout", f"took more than {limit:.0f} s; raise --timeout or split the file")
            answer: list[Row] | Failed = connection.recv()
            return answer
        except (EOFError, OSError):
            return Failed("crash", f"the worker ended with {self._ending()}")

    def _started(self) -> Connection:
        """The connection to a process that has loaded its model."""
        if self._connection is not None and self._process.is_alive():
            return self._connection
        for _ in range(MAX_STARTS):
            if self._closed:
                raise BatchError("the run was ended")
            self._stop()
            said = self._start()
            if isinstance(said, Origin) and self._connection is not None:
                self._origin = said
                return self._connection
            if isinstance(said, Failed):
                self._stop()
                raise said.error or BatchError(f"a worker cannot load its model: {said.message}")
        raise BatchError(
            f"{MAX_STARTS} workers ended with {self._ending()} before they had loaded the model; "
            "give the run more memory or fewer --workers"
        )

    def _start(self) -> Any:
        """Start a process; returns its first message, or None if it died or took too long."""
        # Spawned, not forked: threads of the parent do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=main, args=(theirs, self._options, self._bundle_hash), daemon=True
        )
        with _without_main():
            self._process.start()
        theirs.close()
        if self._closed:  # meanwhile, from another thread
            self._process.kill()
        try:
            if self._connection.poll(self._options.start_timeout):
                return self._connection.recv()
        except (EOFError, OSError):
            pass
        return None

    def _ending(self) -> str:
        """How the process ended, in words, after waiting for it."""
        if self._process is None:
            return "no exit code"
        self._process.join(_JOIN_SECONDS)
        code = self._process.exitcode
        if code is None:
            return "a closed connection"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return f"signal {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"exit code {code}"

    def _stop(self) -> None:
        process, connection = self._process, self._connection
        self._connection = None
        if connection is not None and not self._closed:
            connection.close()
        if process is not None and process.is_alive():
            process.kill()
            process.join(_JOIN_SECONDS)


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes started inside do not import the parent's main module again.

    That would be all of Ray in an actor, or a script that starts its run again.
    """
    with _MAIN:
        main_module = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main_module


def _worth_repeating(row: Row) -> bool:
    """Whether a failure may be temporary: storage and networks fail and recover."""
    return bool(row.get("error")) and row["error"]["kind"] == "fetch"
