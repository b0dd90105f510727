"""Batches on this machine: a thread for each supervised process, rows as they arrive."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from .options import WorkerOptions
from .packing import Batch
from .rows import Row
from .supervisor import Supervisor


def run_local(
    batches: Sequence[Batch], options: WorkerOptions, bundle_hash: str, workers: int
) -> Iterator[list[Row]]:
    """The rows of every batch, in the order in which batches finish.

    Raises what `Supervisor.run` raises. Closing the iterator ends the processes.
    """
    waiting: queue.SimpleQueue[Batch] = queue.SimpleQueue()
    for batch in batches:
        waiting.put(batch)
    done: queue.SimpleQueue[list[Row] | BaseException] = queue.SimpleQueue()
    supervisors = [Supervisor(options, bundle_hash) for _ in range(min(workers, len(batches)))]
    threads = [
        threading.Thread(target=_serve, args=(supervisor, waiting, done), daemon=True)
        for supervisor in supervisors
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in batches:
            rows = done.get()
            if isinstance(rows, BaseException):
                raise rows
            yield rows
    finally:
        for supervisor in supervisors:
            supervisor.close()
        for thread in threads:
            thread.join()


def _serve(
    supervisor: Supervisor,
    waiting: queue.SimpleQueue[Batch],
    done: queue.SimpleQueue[list[Row] | BaseException],
) -> None:
    while True:
        try:
            batch = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put(supervisor.run(batch))
        except BaseException as error:  # raised again in the run's thread, which waits for it
            done.put(error)
            return
