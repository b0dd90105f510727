"""Uploads → 16 kHz mono WAV on disk, in separate processes that are killed if they take too long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import site
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .answers import ApiError, log, unforeseen
from .workspace import RETRY_SECONDS, full

USES = 500
"""A process is replaced after this many files, so that leaks of decoders do not add up."""
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "SYSTEMROOT")
_PROGRAM = """
import json, sys
start = json.loads(sys.argv[1])
place = next((n for n, path in enumerate(sys.path) if path.endswith("-packages")), len(sys.path))
sys.path[place:place] = start["paths"]
from unislu.server.decode_worker import main
main(start)
"""
_BROKEN = "the file cannot be decoded: it crashes the decoder; convert it first, e.g. to WAV or FLAC"


@dataclass(frozen=True)
class DecodedFile:
    """Decoded audio: its path, its length in seconds, and warnings about the file."""

    path: Path
    seconds: float
    warnings: tuple[str, ...]


@dataclass
class _Worker:
    process: Process
    uses: int = 0


@dataclass(frozen=True)
class Confinement:
    """Limits of a process: folders that it may read and write, size of a file it writes, CPU seconds for one
    task.
    """

    read: Sequence[str]
    write: Sequence[str]
    file_bytes: int
    cpu_seconds: float


class DecoderPool:
    """At most `size` processes, started on demand and kept."""

    def __init__(
        self,
        size: int,
        timeout: float,
        max_seconds: float,
        confinement: Confinement,
        room: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        """`timeout`: seconds for one file. `max_seconds`: longest audio; twice that for all channels
        together. `room`: bytes that may be written.
        """
        self._size, self._room = size, room
        self._confinement = confinement
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._timeout, self._max_seconds = timeout, max_seconds

    async def decode(
        self, source: Path, target: Path, name: str, split: bool = False, longest: float | None = None
    ) -> DecodedFile:
        """Decode `source` into `target`; `split` keeps its channels. `longest`: seconds, if fewer than of
        other audio.

        Raises `ApiError`: 400 not audio, 413 too long, 500 disk full.
        """
        task = {
            "source": str(source), "target": str(target), "name": name, "split": split,
            "max_seconds": min(longest or self._max_seconds, self._max_seconds),
            "room": self._room() // self._size,
        }  # fmt: skip
        answer = await self._done(task)
        return DecodedFile(target, answer["seconds"], tuple(answer["warnings"]))

    async def stated_seconds(self, source: Path, name: str) -> float | None:
        """The length that the file states, or None. Raises `ApiError`."""
        seconds: float | None = (await self._done({"source": str(source), "name": name}))["seconds"]
        return seconds

    async def redact(
        self,
        source: Path,
        target: Path,
        name: str,
        covers: Sequence[tuple[float, float]],
        how: str,
        duration: float,
    ) -> dict[str, Any]:
        """Write `source` to `target` with `covers`, in seconds; `format` and `notes` of `redact_audio`.

        Raises `ApiError`.
        """
        task = {
            "source": str(source), "target": str(target), "name": name, "covers": list(covers), "how": how,
            "duration": duration,
        }  # fmt: skip
        return await self._done(task)

    async def without_tone(self, copy: Path, target: Path) -> int:
        """Write a redacted copy as input for its verification; returns its number of channels. Raises
        `ApiError`.
        """
        task = {"copy": str(copy), "target": str(target), "name": "the redacted audio"}
        channels: int = (await self._done(task))["channels"]
        return channels

    async def _done(self, task: dict[str, Any]) -> dict[str, Any]:
        """The answer of a process to a task. Raises `ApiError` if it failed."""
        async with self._free:
            worker = self._idle.pop() if self._idle else await _start(self._confinement)
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await _ask(worker, task)
            except TimeoutError:
                await _kill(worker)
                message = f"decoding took longer than {self._timeout:g} s: send a shorter file, or WAV"
                raise ApiError(413, message, code="decoding_timeout", param="file") from None
            except BaseException:  # cancelled: its answer would be taken for that of the next task
                await _kill(worker)
                raise
            worker.uses += 1
            if answer is not None and worker.uses < USES:
                self._idle.append(worker)
            else:
                await _kill(worker)
        if answer is None:
            raise ApiError(400, f"{task['name']}: {_BROKEN}", code="invalid_audio", param="file")
        self._check(answer, task)
        return answer

    def _check(self, answer: dict[str, Any], task: dict[str, Any]) -> None:
        code = answer.get("code")
        if code is None:
            return
        if code == "invalid_audio":
            raise ApiError(400, answer["message"], code=code, param="file")
        if code == "disk_full":
            raise full(RETRY_SECONDS)
        if code == "disk":
            raise unforeseen(OSError(answer["message"]))
        if code == "audio_too_large":
            message = (
                f"{task['name']}: needs too much memory to decode: convert it first, or send it in parts"
            )
            raise ApiError(413, message, code=code, param="file")
        message = f"{task['name']}: has more than {task['max_seconds']:g} s of audio: send it in parts"
        raise ApiError(413, message, code=code, param="file")

    async def close(self) -> None:
        """End the idle processes."""
        while self._idle:
            await _kill(self._idle.pop())


async def _start(confinement: Confinement) -> _Worker:
    start = json.dumps({"paths": _paths(), **asdict(confinement)})
    process = await asyncio.create_subprocess_exec(
        # Isolated: modules are not searched for in the current folder or through the environment.
        sys.executable, "-I", "-c", _PROGRAM, start, stdin=PIPE, stdout=PIPE, limit=1 << 20,
        env=_environment(), cwd=os.sep, start_new_session=True,
    )  # fmt: skip
    return _Worker(process)


def _environment() -> dict[str, str]:
    """The environment without the server's secrets: keys, cloud tokens."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}


def _paths() -> list[str]:
    """Module paths that an isolated Python lacks: unislu itself in a source checkout, paths that the operator
    added, packages that the user installed.
    """
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    user = site.getusersitepackages()
    found = [str(Path(__file__).parents[2]), *(path for path in added if os.path.isabs(path))]
    return [*found, user] if user in sys.path else found


async def _ask(worker: _Worker, task: dict[str, Any]) -> dict[str, Any] | None:
    """The answer, or None if the file crashed the process."""
    stdin, stdout = worker.process.stdin, worker.process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("the decoder was started without pipes")
    try:
        stdin.write(json.dumps(task).encode() + b"\n")
        await stdin.drain()
        line = await stdout.readline()
    except (BrokenPipeError, ConnectionResetError):
        line = b""
    if not line:
        log.warning("a decoder died (exit code %s)", await worker.process.wait())
        return None
    answer: dict[str, Any] = json.loads(line)
    return answer


async def _kill(worker: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.process.kill()
    await worker.process.wait()
    if worker.process.stdin is not None:
        worker.process.stdin.close()
