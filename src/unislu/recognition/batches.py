"""In which order windows are heard, and by whom.

Windows are taken from their source as they are needed: a bounded number is looked ahead, so that memory
does not grow with a recording. A batch is the oldest window that waits and those most like it in length:
rows of one batch then end at about the same time, and no window waits for long. Which windows share a batch
follows from their order alone and never from how fast something was: the same input gives the same output.

With many windows, each core hears batches of its own: a second thread on one operator gains little where
most operators are small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.engines.protocol import Engine

from .recognizer import Hearer, Outcome, Plan

BATCH = 16
"""Windows decoded together: a step of sixteen takes four times as long as a step of one."""
BATCH_SECONDS = 200.0
"""Audio of one batch at most: the caches of sixteen windows of 30 s would take a gigabyte."""
LOOKAHEAD = 4 * BATCH
"""Windows that wait at most."""


class Job(Protocol):
    """A window that waits to be heard."""

    @property
    def samples(self) -> NDArray[np.float32]:
        """[n] float32 at 16 kHz."""
        ...


AnyJob = TypeVar("AnyJob", bound=Job)


class Workers:
    """The hearers of one model: one with all threads for short audio, one a core for long."""

    def __init__(self, engine: Engine, make: Callable[[Engine], Hearer]) -> None:
        self._engine = engine
        self._make = make
        self.single = make(engine)
        self._many: list[Hearer] | None = None

    @property
    def many(self) -> list[Hearer]:
        """Hearers that may work at the same time; made when they are first asked for."""
        if self._many is None:
            divide = getattr(self._engine, "divided", None)
            engines: list[Engine] = divide() if divide is not None else []
            self._many = [self._make(engine) for engine in engines] if len(engines) > 1 else [self.single]
        return self._many


class Schedule(Generic[AnyJob]):
    """Hears all windows of a source."""

    def __init__(self, workers: Workers, plan: Plan) -> None:
        self._workers = workers
        self._plan = plan
        self._waiting: list[AnyJob] = []
        self._begun = 0
        self._stopped = False

    def stop(self) -> None:
        """Begin no further batch; those being heard still come."""
        self._stopped = True

    def run(self, jobs: Iterator[AnyJob]) -> Iterator[list[tuple[AnyJob, Outcome]]]:
        """Batches as they are done. Closing the iterator waits for what is being heard and drops the rest.

        Raises what `Hearer.hear` and the source raise.
        """
        first = self._next(jobs)
        if first and self._waiting and len(self._workers.many) > 1:
            return self._side_by_side(first, jobs)
        return self._in_turn(first, jobs)

    def _in_turn(self, batch: list[AnyJob], jobs: Iterator[AnyJob]) -> Iterator[list[tuple[AnyJob, Outcome]]]:
        while batch:
            yield _paired(batch, self._workers.single.hear([job.samples for job in batch], self._plan))
            batch = self._next(jobs)

    def _side_by_side(
        self, batch: list[AnyJob], jobs: Iterator[AnyJob]
    ) -> Iterator[list[tuple[AnyJob, Outcome]]]:
        free = list(self._workers.many)
        running: dict[Future[list[Outcome]], tuple[Hearer, list[AnyJob]]] = {}
        with ThreadPoolExecutor(len(free), thread_name_prefix="unislu-hear") as executor:
            while True:
                while free and batch and not self._stopped:
                    hearer = free.pop()
                    samples = [job.samples for job in batch]
                    running[executor.submit(hearer.hear, samples, self._plan)] = (hearer, batch)
                    batch = self._next(jobs)  # read ahead while others work
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    hearer, heard = running.pop(future)
                    free.append(hearer)
                    yield _paired(heard, future.result())

    def _next(self, jobs: Iterator[AnyJob]) -> list[AnyJob]:
        """The next batch; empty at the end."""
        if self._stopped:
            return []
        wanted = min(LOOKAHEAD, BATCH * (2 + self._begun))  # begin soon, look further later
        while len(self._waiting) < wanted and (job := next(jobs, None)) is not None:
            self._waiting.append(job)
        if self._stopped or not self._waiting:
            return []
        self._begun += 1
        lengths = [len(job.samples) for job in self._waiting]
        alike = sorted(range(len(lengths)), key=lambda place: abs(lengths[place] - lengths[0]))
        chosen: set[int] = set()
        left = BATCH_SECONDS * SAMPLE_RATE
        for place in alike[:BATCH]:
            left -= lengths[place]
            if chosen and left < 0:
                break
            chosen.add(place)
        batch = [self._waiting[place] for place in sorted(chosen)]
        self._waiting = [job for place, job in enumerate(self._waiting) if place not in chosen]
        return sorted(batch, key=lambda job: len(job.samples))


def _paired(batch: list[AnyJob], outcomes: list[Outcome]) -> list[tuple[AnyJob, Outcome]]:
    return list(zip(batch, outcomes, strict=True))
