"""What a batch run is asked to do, checked once, before any input is looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ..errors import OptionError
from ..recognition.request import Request

ENGINES = ("local", "ray")
DEFAULT_LOADER = "unislu:load"


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker process needs to know; travels to other processes and machines.

    request: what is asked of every file.
    bundle: as for `unislu.load`; on a cluster a folder must exist on every node.
    loader: "module:function", called as `function(bundle, threads=threads)`; it returns a `Model`. A
        function of your own puts another engine under the model, e.g. one on a GPU.
    threads: of one worker.
    retries: further attempts for a file that crashed its worker, hung or could not be fetched.
    timeout: seconds that a file may take besides its own length; whatever is slower hangs.
    start_timeout: seconds that loading a model may take.
    """

    request: Request = field(default_factory=Request)
    bundle: str | None = None
    loader: str = DEFAULT_LOADER
    threads: int = 1
    retries: int = 2
    timeout: float = 60.0
    start_timeout: float = 300.0

    def __post_init__(self) -> None:
        module, colon, function = self.loader.partition(":")
        if not (module and colon and function):
            raise OptionError(f"loader is {self.loader!r}: name it as module:function")
        _at_least(1, threads=self.threads)
        _at_least(0, retries=self.retries)
        _above_zero(timeout=self.timeout, start_timeout=self.start_timeout)

    def limit(self, seconds: float) -> float:
        """Seconds of computing that `seconds` of audio may take."""
        return self.timeout + seconds


@dataclass(frozen=True)
class BatchOptions:
    """A whole run; `OptionError` for every value that cannot be meant.

    workers: processes or actors; None = as many as the cores allow.
    batch_seconds, batch_files: a batch given to a worker holds at most this much audio, and this many files.
    partition_rows, commit_every: a partition is written when it has this many rows, or so many seconds after
        the last.
    retry_errors: hear again what an earlier run wrote an error row for.
    shard: (i, n) with 1 ≤ i ≤ n: only that part of the inputs, chosen by a hash of their ids.
    ray_address: of a running cluster; None = RAY_ADDRESS, or a cluster of this machine alone.
    gpus: of each Ray actor; may be a fraction.
    """

    worker: WorkerOptions = field(default_factory=WorkerOptions)
    engine: str = "local"
    workers: int | None = None
    batch_seconds: float = 300.0
    batch_files: int = 32
    partition_rows: int = 1000
    commit_every: float = 60.0
    retry_errors: bool = False
    shard: tuple[int, int] = (1, 1)
    ray_address: str | None = None
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise OptionError(f"unknown engine {self.engine!r}: choose from {', '.join(ENGINES)}")
        if self.engine != "ray" and (self.ray_address is not None or self.gpus):
            raise OptionError("--ray-address and --gpus are of --engine ray: add it or drop them")
        if self.workers is not None:
            _at_least(1, workers=self.workers)
        _at_least(1, batch_files=self.batch_files, partition_rows=self.partition_rows)
        _above_zero(batch_seconds=self.batch_seconds, commit_every=self.commit_every)
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise OptionError(f"shard is {self.shard[0]}/{self.shard[1]}: give I/N with 1 ≤ I ≤ N")
        if not 0.0 <= self.gpus < float("inf"):
            raise OptionError(f"gpus is {self.gpus!r}: give a number from 0")

    def settings(self, bundle_hash: str) -> dict[str, Any]:
        """What rows depend on: two runs may share an output folder when these are equal."""
        return {
            "bundle_hash": bundle_hash,
            "loader": self.worker.loader,
            "analyze": self.worker.request.to_dict(),
            "shard": f"{self.shard[0]}/{self.shard[1]}",
        }


def in_shard(identity: str, shard: tuple[int, int]) -> bool:
    """Whether an input belongs to part `i` of `n`; the same everywhere and always."""
    part, parts = shard
    return (
        int.from_bytes(hashlib.sha256(identity.encode("utf-8", "replace")).digest()[:8]) % parts == part - 1
    )


def _at_least(lowest: int, **values: Any) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise OptionError(f"{name} is {value!r}: give a whole number from {lowest}")


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < value < float("inf"):
            raise OptionError(f"{name} is {value!r}: give a number above 0")
