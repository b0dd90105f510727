"""The model's thread: what is heard together, what goes first, what happens when something fails."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from unislu.errors import AudioError
from unislu.recognition.longform import FileProgress
from unislu.recognition.request import Request
from unislu.server.batching import SHORT_SECONDS, ModelWorker, WaitingClip

ASR = Request(tasks=("asr",))


class Recorder:
    """A model that passes on what it is asked, and writes it down."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.asked: list[int] = []

    def analyze(self, source: Path, **options: Any) -> Any:
        self.asked.append(1)
        return self.model.analyze(source, **options)

    def analyze_many(self, sources: list[Path], **options: Any) -> Any:
        self.asked.append(len(sources))
        return self.model.analyze_many(sources, **options)


@asynccontextmanager
async def held(model: Any, max_batch: int = 8) -> AsyncIterator[tuple[ModelWorker, Callable[[], Any]]]:
    """A worker whose thread stands still until it is released: what comes meanwhile has to wait."""
    worker = ModelWorker(lambda: model, max_batch, 0.0)
    worker.start()
    await worker.model()
    gate = threading.Event()
    holding = asyncio.create_task(worker.call(lambda _: gate.wait(30)))
    while worker.waiting:
        await asyncio.sleep(0.001)

    async def release(*tasks: Any) -> list[Any]:
        await asyncio.sleep(0)  # lets the tasks queue up
        gate.set()
        await holding
        return await asyncio.gather(*tasks, return_exceptions=True)

    try:
        yield worker, release
    finally:
        gate.set()
        await holding
        worker.stop()


@pytest.fixture
def clip(tmp_path: Path, hum: bytes) -> Path:
    path = tmp_path / "hum.wav"
    path.write_bytes(hum)
    return path


def test_like_requests_are_transcribed_together(model: Any, clip: Path) -> None:
    async def run() -> list[int]:
        recorder = Recorder(model)
        async with held(recorder, max_batch=3) as (worker, release):
            alike = [asyncio.create_task(worker.analyze(WaitingClip(clip, 0.5, ASR))) for _ in range(4)]
            other = asyncio.create_task(worker.analyze(WaitingClip(clip, 0.5, Request(tasks=("sa",)))))
            results = await release(*alike, other)
            assert [result.text for result in results] == ["", "", "", "", None]
            assert worker.counters.files == 5 and worker.counters.largest_batch == 3
        return recorder.asked

    assert asyncio.run(run()) == [3, 1, 1]


def test_short_audio_goes_before_long(model: Any, clip: Path) -> None:
    async def run() -> list[str]:
        done: list[str] = []

        async def ask(worker: ModelWorker, name: str, seconds: float) -> None:
            await worker.analyze(WaitingClip(clip, seconds, ASR))
            done.append(name)

        async with held(model) as (worker, release):
            lengths = {"long": SHORT_SECONDS + 1, "short": 0.5}
            await release(*[asyncio.create_task(ask(worker, *item)) for item in lengths.items()])
        return done

    assert asyncio.run(run()) == ["short", "long"]


def test_time_is_counted_once_when_a_long_file_makes_way(clip: Path) -> None:
    begun, queued = threading.Event(), threading.Event()

    class Waits:
        def analyze(self, source: Path, watch: Any = None, **options: Any) -> str:
            if watch is None:
                time.sleep(0.3)
                return "short"
            begun.set()
            queued.wait(30)
            watch(FileProgress(0, 1.0, None))
            return "long"

    async def run() -> tuple[list[Any], float, float]:
        worker = ModelWorker(lambda: Waits(), 8, 0.0)  # type: ignore[arg-type, return-value]
        worker.start()
        start = time.perf_counter()
        long = asyncio.create_task(worker.analyze(WaitingClip(clip, SHORT_SECONDS + 1, ASR)))
        await asyncio.to_thread(begun.wait, 30)
        short = asyncio.create_task(worker.analyze(WaitingClip(clip, 0.5, ASR)))
        while not worker.waiting:
            await asyncio.sleep(0.001)
        queued.set()
        results = await asyncio.gather(long, short)
        worker.stop()
        return results, worker.counters.busy_seconds, time.perf_counter() - start

    results, busy, passed = asyncio.run(run())
    assert results == ["long", "short"] and 0.3 <= busy <= passed


def test_short_requests_outlive_a_long_one_that_is_given_up(clip: Path) -> None:
    begun, given_up = threading.Event(), threading.Event()

    class Waits:
        def analyze(self, source: Path, watch: Any = None, **options: Any) -> str:
            if watch is not None:
                begun.set()
                given_up.wait(30)
                watch(FileProgress(0, 1.0, None))
            return "short"

    async def run() -> str:
        worker = ModelWorker(lambda: Waits(), 8, 0.0)  # type: ignore[arg-type, return-value]
        worker.start()
        await worker.model()
        long = asyncio.create_task(worker.analyze(WaitingClip(clip, SHORT_SECONDS + 1, ASR)))
        await asyncio.to_thread(begun.wait, 30)
        short = asyncio.create_task(worker.analyze(WaitingClip(clip, 0.5, ASR)))
        await asyncio.sleep(0)
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)
        given_up.set()
        try:
            return str(await asyncio.wait_for(short, 10))
        finally:
            worker.stop()

    assert asyncio.run(run()) == "short"


def test_a_bad_file_does_not_spoil_its_batch(model: Any, clip: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"nothing")

    async def run() -> list[Any]:
        async with held(model) as (worker, release):
            files = [clip, bad, clip]
            return await release(
                *[asyncio.create_task(worker.analyze(WaitingClip(path, 0.5, ASR))) for path in files]
            )

    first, second, third = asyncio.run(run())
    assert first.text == third.text == "" and isinstance(second, AudioError)


def test_a_batch_that_fails_is_tried_one_by_one(model: Any, clip: Path) -> None:
    class Fragile(Recorder):
        def analyze_many(self, sources: list[Path], **options: Any) -> Any:
            raise MemoryError

    async def run() -> list[Any]:
        async with held(Fragile(model)) as (worker, release):
            return await release(
                *[asyncio.create_task(worker.analyze(WaitingClip(clip, 0.5, ASR))) for _ in range(2)]
            )

    assert [result.text for result in asyncio.run(run())] == ["", ""]


def test_what_nobody_waits_for_is_not_transcribed(model: Any, clip: Path) -> None:
    async def run() -> list[int]:
        recorder = Recorder(model)
        async with held(recorder) as (worker, release):
            tasks = [asyncio.create_task(worker.analyze(WaitingClip(clip, 0.5, ASR))) for _ in range(2)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.sleep(0)
            results = await release(*tasks)
            assert isinstance(results[0], asyncio.CancelledError) and results[1].text == ""
        return recorder.asked

    assert asyncio.run(run()) == [1]


def test_a_model_that_cannot_be_loaded(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Any:
        raise AudioError("no")

    async def run() -> None:
        worker = ModelWorker(load, 8, 0.0)
        worker.start()
        with pytest.raises(AudioError, match="no"):
            await worker.model()
        assert not worker.ready
        worker.stop()

    asyncio.run(run())
