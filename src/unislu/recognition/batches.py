"""The order in which windows are recognised, and their batches.

Windows are read from their source as needed, with a bounded lookahead, so that memory does not grow with a
recording. A batch is the oldest waiting window and those closest to it in length: rows of one batch then end
at about the same time, and no window waits for long. Which windows share a batch depends on their order alone
and never on timing: the same input gives the same output.

With many windows, each core works on batches of its own: a second thread for an operator gains little,
because most operators are small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from unislu.audio import SAMPLE_RATE
from unislu.vad import Window

from .hypothesis import Hypothesis
from .plan import Plan
from .recognizer import Recognizer
from .recover import recognize

BATCH = 16
"""Windows decoded together: a step of sixteen takes four times as long as a step of one. An engine may want
more (`batch`).
"""
BATCH_SECONDS = 200.0
"""Maximum audio of a batch of so many: the caches of sixteen windows of 30 s would take a gigabyte."""
LOOKAHEAD = 4
"""Maximum number of waiting windows, in batches."""

Owner = TypeVar("Owner")


class Workers:
    """The recognisers of one model: one with all threads for short audio, one per core for long audio."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.single = recognizer
        self._many: list[Recognizer] | None = None

    @property
    def many(self) -> list[Recognizer]:
        """Recognisers that may work at the same time; created on first use."""
        if self._many is None:
            divide = getattr(self.single.engine, "divided", None)
            engines = divide() if divide is not None else []
            vocabulary, manifest = self.single.vocabulary, self.single.manifest
            self._many = [Recognizer(engine, vocabulary, manifest) for engine in engines]
            if len(self._many) < 2:
                self._many = [self.single]
        return self._many


class Batches(Generic[Owner]):
    """Recognises all windows of a source, each with its owner."""

    def __init__(
        self, workers: Workers, plan: Plan, source: Callable[[], tuple[Owner, Window] | None]
    ) -> None:
        """`source`: gives the next window, or None at the end."""
        self._workers, self._plan, self._source = workers, plan, source
        self._waiting: list[tuple[Owner, Window]] = []
        self._begun = 0
        self._most = int(getattr(workers.single.engine, "batch", BATCH))
        self._seconds = BATCH_SECONDS * self._most / BATCH
        self._stopped = False

    def stop(self) -> None:
        """Begin no further batch; running ones are completed."""
        self._stopped = True

    def run(self) -> Iterator[list[tuple[Owner, Window, list[Hypothesis]]]]:
        """Batches as they are completed. Closing the iterator waits for running ones and drops the rest.

        Raises what `recognize` and the source raise.
        """
        batch = self._next()
        if batch and self._waiting and len(self._workers.many) > 1:
            yield from self._side_by_side(batch)
            return
        while batch:
            yield _paired(batch, self._recognize(self._workers.single, batch))
            batch = self._next()

    def _side_by_side(
        self, batch: list[tuple[Owner, Window]]
    ) -> Iterator[list[tuple[Owner, Window, list[Hypothesis]]]]:
        free = list(self._workers.many)
        running: dict[Future[list[list[Hypothesis]]], tuple[Recognizer, list[tuple[Owner, Window]]]] = {}
        with ThreadPoolExecutor(len(free), thread_name_prefix="unislu-recognise") as executor:
            while True:
                while free and batch and not self._stopped:
                    worker = free.pop()
                    running[executor.submit(self._recognize, worker, batch)] = (worker, batch)
                    batch = self._next()  # read ahead while the workers are busy
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    worker, ended = running.pop(future)
                    free.append(worker)
                    yield _paired(ended, future.result())

    def _recognize(self, recognizer: Recognizer, batch: list[tuple[Owner, Window]]) -> list[list[Hypothesis]]:
        return recognize(recognizer, [window.samples for _, window in batch], self._plan)

    def _next(self) -> list[tuple[Owner, Window]]:
        """The next batch; empty at the end."""
        if self._stopped:
            return []
        wanted = self._most * min(LOOKAHEAD, 2 + self._begun)  # begin early; look further ahead later
        while len(self._waiting) < wanted and (window := self._source()) is not None:
            self._waiting.append(window)
        if self._stopped or not self._waiting:
            return []
        self._begun += 1
        lengths = [len(window.samples) for _, window in self._waiting]
        alike = sorted(range(len(lengths)), key=lambda place: abs(lengths[place] - lengths[0]))
        chosen: set[int] = set()
        left = self._seconds * SAMPLE_RATE
        for place in alike[: self._most]:
            left -= lengths[place]
            if chosen and left < 0:
                break
            chosen.add(place)
        batch = [self._waiting[place] for place in sorted(chosen)]
        self._waiting = [window for place, window in enumerate(self._waiting) if place not in chosen]
        return sorted(batch, key=lambda pair: len(pair[1].samples))


def _paired(
    batch: list[tuple[Owner, Window]], found: list[list[Hypothesis]]
) -> list[tuple[Owner, Window, list[Hypothesis]]]:
    return [(owner, window, some) for (owner, window), some in zip(batch, found, strict=True)]
