"""Batches on this machine: a thread for each supervised process, rows as they arrive."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

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
    supervisors = [Supervisor(options, bundle_hash) for _ in range(min(workers, len(batches)))]
    idle: queue.SimpleQueue[Supervisor] = queue.SimpleQueue()
    for supervisor in supervisors:
        idle.put(supervisor)

    def run(batch: Batch) -> list[Row]:
        supervisor = idle.get()
        try:
            return supervisor.run(batch)
        finally:
            idle.put(supervisor)

    with ThreadPoolExecutor(len(supervisors)) as pool:
        try:
            for future in as_completed([pool.submit(run, batch) for batch in batches]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for supervisor in supervisors:
                supervisor.close()
