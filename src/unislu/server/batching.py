"""One thread owns the models. Requests with the same options are transcribed together; short files do not
wait for long ones.

Short audio goes before long audio, and long audio is paused between its batches of windows: the model calls
back there, and waiting short files are transcribed first.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..recognition.request import Request
from .answers import log

if TYPE_CHECKING:
    from ..recognition.longform import FileProgress
    from ..recognition.model import Model
    from ..result import Analysis

T = TypeVar("T")
MAIN = ""
"""The model that answers where none is named."""
SHORT_SECONDS = 60.0
"""Longer audio is transcribed alone, and pauses for short audio that arrives meanwhile."""


@dataclass(frozen=True)
class WaitingClip:
    """One file: its path, its length, the request, the client's name for it, and the model's.

    Clips with equal requests to the same model are analysed together.
    """

    path: Path
    seconds: float
    request: Request
    name: str = ""
    model: str = MAIN


@dataclass
class _QueuedTask:
    """A task for the model's thread: a file, or (`function`) anything else."""

    future: Future[Any]
    clip: WaitingClip | None = None
    function: Callable[[Model], Any] | None = None
    progress: Callable[[FileProgress], None] | None = None
    abandoned: bool = False
    model: str = MAIN


@dataclass
class Counters:
    """Counters of the worker for /metrics; only its thread writes them."""

    batches: int = 0
    files: int = 0
    seconds_of_audio: float = 0.0
    busy_seconds: float = 0.0
    largest_batch: int = 0


class ModelWorker:
    """Runs one model or several in a thread of its own."""

    def __init__(
        self,
        load: Callable[[], Model],
        max_batch: int,
        wait_seconds: float,
        more: Mapping[str, Callable[[], Model]] | None = None,
    ) -> None:
        """`more`: what loads further models, by their names."""
        self._loaders = {MAIN: load, **(more or {})}
        self._max_batch, self._wait = max_batch, wait_seconds
        self._condition = threading.Condition()
        self._short: deque[_QueuedTask] = deque()
        self._long: deque[_QueuedTask] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="unislu-model", daemon=True)
        self._models: Mapping[str, Model] = {}
        self._loaded: Future[Mapping[str, Model]] = Future()
        self.counters = Counters()
        self._mean = 0.3  # seconds a short request takes, on average

    def start(self) -> None:
        """Start loading."""
        self._thread.start()

    async def model(self, name: str = MAIN) -> Model:
        """A model, once all are loaded. Raises what loading raised."""
        return (await self.models())[name]

    async def models(self) -> Mapping[str, Model]:
        """All models by their names, as `model`."""
        return await asyncio.shield(asyncio.wrap_future(self._loaded))

    @property
    def ready(self) -> bool:
        """Whether the models are loaded."""
        return self._loaded.done() and self._loaded.exception() is None

    @property
    def failure(self) -> BaseException | None:
        """Why a model could not be loaded."""
        return self._loaded.exception() if self._loaded.done() else None

    @property
    def waiting(self) -> int:
        """The number of waiting tasks."""
        return len(self._short) + len(self._long)

    def patience(self, requests: int) -> int:
        """Seconds until that many requests should be done, 1 to 60, for Retry-After."""
        return max(1, min(60, round(self._mean * requests)))

    async def analyze(
        self, clip: WaitingClip, progress: Callable[[FileProgress], None] | None = None
    ) -> Analysis:
        """Transcribe a file. `progress` is called in the model's thread as a longer file advances.

        Raises what `Model.analyze` raises. Cancelling the call withdraws the request.
        """
        task = _QueuedTask(Future(), clip, progress=progress, model=clip.model)
        result: Analysis = await self._submit(
            task, self._short if clip.seconds <= SHORT_SECONDS else self._long
        )
        return result

    async def call(self, function: Callable[[Model], T], model: str = MAIN) -> T:
        """Run a short function in the models' thread, before all waiting tasks."""
        task = _QueuedTask(Future(), function=function, model=model)
        result: T = await self._submit(task, self._short, first=True)
        return result

    async def _submit(self, task: _QueuedTask, queue: deque[_QueuedTask], first: bool = False) -> Any:
        with self._condition:
            if self._stopping:
                raise RuntimeError("the model's thread has stopped")
            (queue.appendleft if first else queue.append)(task)
            self._condition.notify()
        try:
            return await asyncio.wrap_future(task.future)
        except asyncio.CancelledError:
            task.abandoned = True  # a running task ends at its next check
            raise

    def stop(self) -> None:
        """End the thread after its current task; waiting tasks are cancelled."""
        with self._condition:
            self._stopping = True
            for task in (*self._short, *self._long):
                task.future.cancel()
            self._short.clear()
            self._long.clear()
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._models = {name: load() for name, load in self._loaders.items()}
        except BaseException as error:  # any error must reach the requests that wait for the model
            self._loaded.set_exception(error)
            return
        self._loaded.set_result(self._models)
        while (tasks := self._next()) is not None:
            self._do(tasks)

    def _next(self) -> list[_QueuedTask] | None:
        """The next batch of tasks; None to stop."""
        with self._condition:
            while not self._stopping:
                if self._short:
                    return self._batch(wait=True)
                if self._long:
                    return [self._long.popleft()]
                self._condition.wait()
        return None

    def _batch(self, wait: bool) -> list[_QueuedTask]:
        """The first waiting short request and those like it; `wait` a moment for one if there is none."""
        first = self._short.popleft()
        found = [first]
        if first.clip is None:
            return found
        if wait and not self._short and self._wait > 0:
            self._condition.wait(self._wait)
        alike = first.clip.request, first.model
        for task in list(self._short):
            if len(found) >= self._max_batch:
                break
            if task.clip is not None and (task.clip.request, task.model) == alike:
                self._short.remove(task)
                found.append(task)
        return found

    def _do(self, tasks: list[_QueuedTask]) -> None:
        tasks = [task for task in tasks if task.future.set_running_or_notify_cancel()]
        if not tasks:
            return
        start, busy = time.perf_counter(), self.counters.busy_seconds
        try:
            results = self._results(tasks)
        except BaseException as error:  # fails the tasks, never the thread
            results = self._one_by_one(tasks, error)
        # Files for which a long one was paused are already counted.
        self._count(tasks, time.perf_counter() - start - (self.counters.busy_seconds - busy))
        for task, result in zip(tasks, results, strict=True):
            if isinstance(result, BaseException):
                task.future.set_exception(result)
            else:
                task.future.set_result(result)

    def _results(self, tasks: list[_QueuedTask]) -> list[Any]:
        model = self._models[tasks[0].model]
        if tasks[0].function is not None:
            return [tasks[0].function(model)]
        if len(tasks) == 1:
            return [self._one(tasks[0])]
        clips = [task.clip for task in tasks if task.clip is not None]
        paths, names = [clip.path for clip in clips], [clip.name or str(clip.path) for clip in clips]
        return list(model.analyze_many(paths, request=clips[0].request, names=names, on_error="yield"))

    def _one(self, task: _QueuedTask) -> Analysis:
        clip = task.clip
        assert clip is not None
        watch = None if clip.seconds <= SHORT_SECONDS else self._watch(task)
        model = self._models[task.model]
        return model.analyze(clip.path, request=clip.request, name=clip.name or None, watch=watch)

    def _watch(self, task: _QueuedTask) -> Callable[[FileProgress], bool]:
        """Called by the model between batches of windows: transcribes what arrived meanwhile, reports the
        progress.
        """

        def watch(progress: FileProgress) -> bool:
            while not task.abandoned and (tasks := self._pending()):
                self._do(tasks)
            if task.progress is not None:
                task.progress(progress)
            return task.abandoned

        return watch

    def _pending(self) -> list[_QueuedTask]:
        """Waiting short requests, to be done together."""
        with self._condition:
            return self._batch(wait=False) if self._short else []

    def _one_by_one(self, tasks: list[_QueuedTask], error: BaseException) -> list[Any]:
        """One bad file must not fail a batch: each is retried alone."""
        if len(tasks) == 1:
            return [error]
        log.warning(
            "a batch of %d failed (%s): trying its files one by one", len(tasks), type(error).__name__
        )
        results: list[Any] = []
        for task in tasks:
            try:
                results.append(self._one(task))
            except BaseException as single:  # as in `_do`
                results.append(single)
        return results

    def _count(self, tasks: list[_QueuedTask], seconds: float) -> None:
        clips = [task.clip for task in tasks if task.clip is not None]
        if not clips:
            return
        counters = self.counters
        counters.batches += 1
        counters.files += len(clips)
        counters.seconds_of_audio += sum(clip.seconds for clip in clips)
        counters.busy_seconds += seconds
        counters.largest_batch = max(counters.largest_batch, len(clips))
        if clips[0].seconds <= SHORT_SECONDS:
            self._mean += 0.1 * (seconds / len(clips) - self._mean)
