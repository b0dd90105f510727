"""The processes that synthesise clips. They share only a counter; each writes its own journal.

New processes are spawned, not forked: the parent may have loaded ONNX Runtime, whose threads do not survive
a fork. A worker stops when its parent is gone, so a killed run leaves nobody behind.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from unislu.data.journal import journal_of
from unislu.data.speech import Speaker, SpeechJob, SpeechOptions
from unislu.errors import UnisluError, VoiceError
from unislu.files import Journal


def run_jobs(
    jobs: Sequence[SpeechJob],
    out: Path,
    options: SpeechOptions,
    workers: int,
    advance: Callable[[float], None],
) -> None:
    """Make all `jobs`, calling `advance` with each clip's seconds.

    Raises:
        MissingDependencyError: when an engine is missing.
        VoiceError: when a worker process died; what it had finished is kept.
    """
    if workers == 1 or len(jobs) < 2:
        speaker = Speaker(options, out)
        with journal_of(out, 0) as writer:
            for job in jobs:
                advance(_work(speaker, writer, job))
        return
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, Any] = {}
    counter = context.Value("q", 0)
    # One thread for each process: two processes with two threads each on two cores spin against each other.
    try:
        with _environment(OMP_NUM_THREADS="1"):
            for number in range(min(workers, len(jobs))):
                ours, theirs = context.Pipe(duplex=False)
                arguments = (number, list(jobs), out, options, counter, theirs, os.getpid())
                process = context.Process(target=_main, args=arguments, daemon=True)
                process.start()
                theirs.close()
                running[ours] = process
        while running:
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                _receive(ready, running, advance)
    finally:
        for process in running.values():
            process.terminate()
            process.join()


def _receive(ready: Connection, running: dict[Connection, Any], advance: Callable[[float], None]) -> None:
    try:
        message = ready.recv()
    except EOFError:
        process = running.pop(ready)
        process.join()
        if process.exitcode != 0:
            raise VoiceError(
                f"a synthesis worker ended with exit code {process.exitcode}; "
                "run the command again to continue"
            ) from None
        return
    if isinstance(message, UnisluError):
        raise message
    advance(message)


def _main(
    number: int,
    jobs: Sequence[SpeechJob],
    out: Path,
    options: SpeechOptions,
    counter: Any,
    results: Connection,
    parent: int,
) -> None:
    speaker = Speaker(options, out)
    with journal_of(out, number) as writer, suppress(BrokenPipeError, KeyboardInterrupt):
        while os.getppid() == parent:
            with counter.get_lock():
                index = counter.value
                counter.value += 1
            if index >= len(jobs):
                break
            try:
                results.send(_work(speaker, writer, jobs[index]))
            except UnisluError as error:
                results.send(error)
                break
    results.close()


def _work(speaker: Speaker, writer: Journal, job: SpeechJob) -> float:
    """Make one clip and record it; returns its seconds, 0 if there is none."""
    entry = speaker.run(job)
    writer.add(asdict(entry))
    return float(entry.record["duration"]) if entry.record else 0.0


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Sets environment variables that are not set yet, for the processes started inside."""
    added = {key: value for key, value in values.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)
