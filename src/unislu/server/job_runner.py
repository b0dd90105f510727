"""Runs jobs beside the requests, short ones beside long ones; wakes clients that wait for a change."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UnisluError
from .answers import ApiError, from_unislu, unforeseen
from .batching import SHORT_SECONDS
from .forms import AnalyzeForm, parse_form
from .jobs import CANCELLED, DONE, ENDED, FAILED, Job, JobStore
from .service import finish
from .uploads import Upload

if TYPE_CHECKING:
    from ..recognition.longform import FileProgress
    from .service import Service

STEP = 0.01
"""Progress is reported in steps of one percent."""
_LONG = math.nextafter(SHORT_SECONDS, math.inf)
_EXPIRE_SECONDS = 3600.0
_RETRY_SECONDS = 5.0


@dataclass
class _Lane:
    """Jobs from `low` to less than `high` seconds run here one after another."""

    low: float
    high: float
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class JobRunner:
    """Runs jobs from the store while the server runs; short recordings do not wait for long ones."""

    def __init__(self, store: JobStore, service: Service) -> None:
        self.store = store
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes = (_Lane(0.0, _LONG), _Lane(_LONG, math.inf))
        self._changed = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; needs the running event loop."""
        self._loop = asyncio.get_running_loop()
        self.store.recover()
        self._tasks = [asyncio.create_task(self._run(lane)) for lane in self._lanes]
        self._tasks.append(asyncio.create_task(self._expire()))

    async def stop(self, grace: float) -> None:
        """Give the running jobs `grace` seconds to end; the rest wait for the next start of the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace)
        for id_, task in self._running.items():
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                self.store.requeue(id_)
        self.store.close()

    async def submit(self, owner: str, upload: Upload, fields: Sequence[tuple[str, str]]) -> Job:
        """Queue a job. `fields`: those of its `AnalyzeForm`."""
        options = {"fields": [list(pair) for pair in fields]}
        try:
            seconds = await self._service.decoders.stated_seconds(upload.path, upload.name)
        except ApiError:  # the job will report what is wrong with it
            seconds = None
        job = await asyncio.to_thread(self.store.add, owner, upload.name, options, upload.path, seconds)
        self._wake()
        return job

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.wake.set()

    async def cancel(self, id_: str) -> None:
        """End a job that waits or runs."""
        await asyncio.to_thread(self.store.end, id_, CANCELLED)
        if id_ in self._running:
            self._running[id_].cancel()
        self._tell()

    async def news(self, job: Job, seconds: float, *, ended: bool) -> Job | None:
        """The job after it has `ended`, or otherwise after it has changed in any way, or after `seconds`."""
        found: Job | None = job
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while found is not None and found.status not in ENDED and (ended or found == job):
                    changed = self._changed
                    await changed.wait()
                    found = await asyncio.to_thread(self.store.get, job.id)
        return found

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _expire(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.store.expire, self._service.settings.keep_days)
            except sqlite3.Error as error:
                unforeseen(error)
            await asyncio.sleep(_EXPIRE_SECONDS)

    async def _run(self, lane: _Lane) -> None:
        await self._service.worker.model()
        while True:
            try:
                await self._next(lane)
            except sqlite3.Error as error:  # perhaps a full disk: later jobs may succeed
                unforeseen(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _next(self, lane: _Lane) -> None:
        """Run the oldest job of a lane to its end, or wait for one. Raises `sqlite3.Error`."""
        lane.wake.clear()
        job = await asyncio.to_thread(self.store.take, lane.low, lane.high)
        if job is None:
            await lane.wake.wait()
            return
        self._tell()
        task = self._running[job.id] = asyncio.create_task(self._do(job, lane))
        await asyncio.shield(asyncio.wait([task]))
        del self._running[job.id]
        self._tell()
        if not task.cancelled():
            task.result()

    async def _do(self, job: Job, lane: _Lane) -> None:
        try:
            result = await self._transcribe(job, lane)
        except Exception as error:  # an unexpected error ends this job, not the later ones
            answer = error if isinstance(error, ApiError) else None
            answer = answer or (from_unislu(error) if isinstance(error, UnisluError) else unforeseen(error))
            details = {"code": answer.code or "error", "message": answer.message}
            await asyncio.to_thread(self.store.end, job.id, FAILED, error=details)
        else:
            if result is not None:
                await asyncio.to_thread(self.store.end, job.id, DONE, result=result)

    async def _transcribe(self, job: Job, lane: _Lane) -> str | None:
        """The result; None if the job is longer than stated and was moved to the lane for its length."""
        form = parse_form(AnalyzeForm, [(name, value) for name, value in job.options["fields"]])
        path = self.store.path(job.id)
        if not path.exists():
            raise ApiError(410, "the audio of this job is gone: send it again", code="audio_missing")
        folder = self._service.workspace.request()
        try:
            split = form.channels == "split"
            decoded = await self._service.decoders.decode(path, folder / "audio.wav", job.file, split)
            if decoded.seconds >= lane.high:
                await asyncio.to_thread(self.store.requeue, job.id, decoded.seconds)
                self._wake()
                return None
            await asyncio.to_thread(self.store.advance, job.id, 0.0, decoded.seconds)
            self._tell()
            progress = self._progress(job.id, decoded.seconds)
            analysis = await self._service.transcribe(decoded, job.file, form.request(), progress, form.model)
            return finish(analysis, form).to_json()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _progress(self, id_: str, total: float) -> Callable[[FileProgress], None]:
        """Called in the model's thread as the transcription advances."""
        told = 0.0

        def progress(done: FileProgress) -> None:
            nonlocal told
            share = min(0.99, done.seconds / total)
            if share < told + STEP:
                return
            told = share
            self.store.advance(id_, round(share, 3))
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._tell)

        return progress
