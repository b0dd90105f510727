"""Batches on a Ray cluster: Ray Data's `map_batches` over a pool of actors, one supervised model in each.

The supervisor inside an actor keeps files that crash it from looking like lost machines; batches of machines
that are lost are handed out again. Audio does not pass through Ray: actors read it from storage themselves,
and only rows of text travel to the process of the run, which commits them.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import BatchError, OptionError, UnisluError, needs
from .options import BatchOptions, WorkerOptions
from .packing import Batch
from .rows import Row
from .supervisor import Supervisor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = dict[str, NDArray[np.object_]]

_WAVE = 4096
"""Batches that Ray plans at once: each is a task that its scheduler keeps in memory."""
_EMPTY_ROUNDS = 3


class BatchActor:
    """The actor: pickled batches in, pickled rows out."""

    def __init__(self, options: WorkerOptions, bundle_hash: str) -> None:
        self._guard = Supervisor(options, bundle_hash)

    def __call__(self, batches: Column) -> Column:
        """`number`, and `batch` `[n]`: pickled tuples of `Input` → `rows` `[n]`: pickled lists or errors."""
        import numpy as np

        answers = np.empty(len(batches["batch"]), object)
        for place, packed in enumerate(batches["batch"]):
            try:
                answers[place] = pickle.dumps(self._guard.run(pickle.loads(packed)))
            except UnisluError as error:  # returned as a value: Ray would wrap it in tracebacks, or retry
                answers[place] = pickle.dumps(error)
        return {"number": batches["number"], "rows": answers}


class Cluster:
    """A connection to Ray; a context manager. Without an address it starts a cluster on this machine
    alone.
    """

    def __init__(self, options: BatchOptions) -> None:
        """Raises `MissingDependencyError` without Ray."""
        with needs("the engine ray", "ray"):
            import ray.data
        self._ray = ray
        self._options = options
        self._ours = False
        self.workers = 1

    def __enter__(self) -> Cluster:
        """Raises `BatchError` if the cluster cannot be reached, `OptionError` if it is too small."""
        ray, options = self._ray, self._options
        address = options.ray_address or os.environ.get("RAY_ADDRESS")
        if not ray.is_initialized():
            try:
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise BatchError(f"no Ray cluster at {address or 'this machine'}: {error}") from None
            self._ours = True
        total = ray.cluster_resources()
        room = int(total.get("CPU", 0.0) // options.worker.threads)
        if options.gpus:
            room = min(room, math.floor(total.get("GPU", 0.0) / options.gpus))
        self.workers = options.workers or room
        if room < 1:
            self.__exit__(None, None, None)
            raise OptionError(
                f"no machine of the cluster has {options.worker.threads} CPUs and {options.gpus:g} GPUs "
                f"for a worker: it has {total.get('CPU', 0):g} and {total.get('GPU', 0):g} in all"
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._ray.shutdown()
            self._ours = False

    def run(self, batches: Sequence[Batch], bundle_hash: str) -> Iterator[list[Row]]:
        """The rows of every batch, as batches finish.

        A machine that is lost takes its batches with it; they go into another round on the remaining
        machines.

        Raises what `Supervisor.run` raises, and `BatchError` when rounds come back empty.
        """
        self._configure()
        for first in range(0, len(batches), _WAVE):
            waiting = dict(enumerate(batches[first : first + _WAVE]))
            empty = 0
            while waiting:
                before = len(waiting)
                for number, rows in self._round(waiting, bundle_hash):
                    if waiting.pop(number, None) is not None:
                        yield rows
                empty = empty + 1 if len(waiting) == before else 0
                if empty == _EMPTY_ROUNDS:
                    raise BatchError(
                        f"Ray lost all {before} batches {empty} times in a row: is unislu installed on every "
                        "machine, with memory for its workers? see Ray's logs of the actors"
                    )

    def _configure(self) -> None:
        from ray.data import DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = False
        context.max_errored_blocks = -1  # batches of a lost machine: see `run`
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)

    def _round(self, batches: dict[int, Batch], bundle_hash: str) -> Iterator[tuple[int, list[Row]]]:
        """The numbers and rows of the batches that come back."""
        ray, options = self._ray, self._options
        size = max(1, min(self.workers, len(batches)))
        items = [{"number": number, "batch": pickle.dumps(batch)} for number, batch in batches.items()]
        with warnings.catch_warnings():
            # The last two arguments go with Ray 2.64, which pyproject.toml excludes.
            warnings.simplefilter("ignore")
            dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
                BatchActor,
                batch_size=1,
                batch_format="numpy",
                fn_constructor_args=(options.worker, bundle_hash),
                # Each actor has one batch waiting while it works on another: more would only be lost with it.
                compute=ray.data.ActorPoolStrategy(
                    min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=2
                ),
                num_cpus=options.worker.threads,
                num_gpus=options.gpus or None,
                # A restarted actor, and its batches, would wait for resources that the cluster may no longer
                # have; another round costs less.
                max_restarts=0,
                max_task_retries=0,
            )
        try:
            for answers in dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
                for number, packed in zip(answers["number"], answers["rows"], strict=True):
                    rows = pickle.loads(packed)
                    if isinstance(rows, UnisluError):
                        raise rows
                    yield int(number), rows
        except ray.exceptions.RayError as error:
            logging.getLogger(__name__).debug("a round was aborted", exc_info=error)
