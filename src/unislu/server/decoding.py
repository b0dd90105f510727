"""Uploads → 16 kHz mono WAV on disk, in processes of their own that are killed when they take too long."""

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
"""Files after which a process is replaced: what a decoder leaks goes with it."""
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "SYSTEMROOT")
_PROGRAM = """
import json, sys
start = json.loads(sys.argv[1])
place = next((n for n, path in enumerate(sys.path) if path.endswith("-packages")), len(sys.path))
sys.path[place:place] = start["paths"]
from unislu.server.decode_worker import main
main(start)
"""
_BROKEN = "the file cannot be decoded: it breaks the decoder; convert it first, e.g. to WAV or FLAC"


@dataclass(frozen=True)
class Decoded:
    """Decoded audio: where it lies, seconds, and what was wrong with the file."""

    path: Path
    seconds: float
    warnings: tuple[str, ...]


@dataclass
class _Worker:
    process: Process
    uses: int = 0


@dataclass(frozen=True)
class Confinement:
    """What a process may do: folders it reads and writes in, bytes of a file it writes, seconds of computing
    for one task."""

    read: Sequence[str]
    write: Sequence[str]
    file_bytes: int
    cpu_seconds: float


class DecoderPool:
    """At most `size` processes, started when they are needed and kept."""

    def __init__(
        self,
        size: int,
        timeout: float,
        max_seconds: float,
        confinement: Confinement,
        room: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        """`timeout`: seconds that one file may take. `max_seconds`: longest audio; of all channels together
        twice as long. `room`: bytes that all of them may write."""
        self._size, self._room = size, room
        self._confinement = confinement
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._timeout, self._max_seconds = timeout, max_seconds

    async def decode(self, source: Path, target: Path, name: str, split: bool = False) -> Decoded:
        """Decode `source` into `target`; `split` keeps its channels.

        Raises `ApiError`: 400 not audio, 413 too long, 500 disk full.
        """
        task = {
            "source": str(source), "target": str(target), "name": name, "split": split,
            "max_seconds": self._max_seconds, "room": self._room() // self._size,
        }  # fmt: skip
        answer = await self._done(task)
        return Decoded(target, answer["seconds"], tuple(answer["warnings"]))

    async def stated_seconds(self, source: Path, name: str) -> float | None:
        """How long the file says it is; None when it does not say. Raises `ApiError`."""
        seconds: float | None = (await self._done({"source": str(source), "name": name}))["seconds"]
        return seconds

    async def redact(
        self,
        source: Path,
        target: Path,
        name: str,
        covers: Sequence[tuple[float, float]],
        how: str,
        heard: float,
    ) -> dict[str, Any]:
        """Write `source` to `target` with `covers`, in seconds; `format` and `notes` of `redact_audio`.

        Raises `ApiError`.
        """
        task = {
            "source": str(source), "target": str(target), "name": name, "covers": list(covers), "how": how,
            "heard": heard,
        }  # fmt: skip
        return await self._done(task)

    async def heard(self, copy: Path, target: Path) -> int:
        """Write what is heard of a redacted copy; how many channels it has. Raises `ApiError`."""
        task = {
            "heard_of": str(copy),
            "source": str(copy),
            "target": str(target),
            "name": "the redacted audio",
        }
        channels: int = (await self._done(task))["channels"]
        return channels

    async def _done(self, task: dict[str, Any]) -> dict[str, Any]:
        """The answer of a process to a task. Raises `ApiError` when it failed."""
        async with self._free:
            worker = self._idle.pop() if self._idle else await _start(self._confinement)
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await _ask(worker, task)
            except TimeoutError:
                await _kill(worker)
                message = f"decoding took longer than {self._timeout:g} s: send a shorter file, or WAV"
                raise ApiError(413, message, code="decoding_timeout", param="file") from None
            except BaseException:  # cancelled: its answer would be taken for the next one's
                await _kill(worker)
                raise
            await self._keep(worker, alive=answer is not None)
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
                f"{task['name']}: takes too much memory to decode: convert it first, or send it in parts"
            )
            raise ApiError(413, message, code=code, param="file")
        message = f"{task['name']}: holds more than {self._max_seconds:g} s of audio: send it in parts"
        raise ApiError(413, message, code=code, param="file")

    async def _keep(self, worker: _Worker, alive: bool) -> None:
        worker.uses += 1
        if alive and worker.uses < USES:
            self._idle.append(worker)
        else:
            await _kill(worker)

    async def close(self) -> None:
        """End the idle processes."""
        while self._idle:
            await _kill(self._idle.pop())


async def _start(confinement: Confinement) -> _Worker:
    start = json.dumps({"paths": _paths(), **asdict(confinement)})
    process = await asyncio.create_subprocess_exec(
        # Isolated: neither the folder the server was started in nor the environment is searched for modules.
        sys.executable, "-I", "-c", _PROGRAM, start, stdin=PIPE, stdout=PIPE, limit=1 << 20,
        env=_environment(), cwd=os.sep, start_new_session=True,
    )  # fmt: skip
    return _Worker(process)


def _environment() -> dict[str, str]:
    """Nothing that the server was told: keys, tokens of clouds."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}


def _paths() -> list[str]:
    """Where modules are found that an isolated Python does not find: unislu itself in a source checkout, what
    the operator added on purpose, what the user installed."""
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    user = site.getusersitepackages()
    found = [str(Path(__file__).parents[2]), *(path for path in added if os.path.isabs(path))]
    return [*found, user] if user in sys.path else found


async def _ask(worker: _Worker, task: dict[str, Any]) -> dict[str, Any] | None:
    """The answer, or None when the process died of the file."""
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
