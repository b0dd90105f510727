"""Options of a batch run, checked once, before any input is read."""

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
    """Options of a worker process, which are sent to other processes and machines."""

    request: Request = field(default_factory=Request)
    """What to recognise in every file."""
    bundle: str | None = None
    """As for `unislu.load`; on a cluster a folder must exist on every node."""
    loader: str = DEFAULT_LOADER
    """"module:function", called as `function(bundle, threads=threads)`; it returns a `Model`. A function of
    your own can put another engine under the model, e.g. one on a GPU.
    """
    threads: int = 1
    """Threads of one worker."""
    retries: int = 2
    """Further attempts for a file that crashed its worker, hung or could not be fetched."""
    timeout: float = 60.0
    """Seconds that a file may take in addition to its own length; anything slower counts as hanging."""
    start_timeout: float = 300.0
    """Seconds that loading a model may take."""

    def __post_init__(self) -> None:
        module, colon, function = self.loader.partition(":")
        if not (module and colon and function):
            raise OptionError(f"loader is {self.loader!r}: name it as module:function")
        _at_least(1, threads=self.threads)
        _at_least(0, retries=self.retries)
        _above_zero(timeout=self.timeout, start_timeout=self.start_timeout)


@dataclass(frozen=True)
class BatchOptions:
    """A whole run. Raises `OptionError` for every invalid value."""

    worker: WorkerOptions = field(default_factory=WorkerOptions)
    """For the workers."""
    engine: str = "local"
    """Where batches run: "local" or "ray"."""
    workers: int | None = None
    """Processes or actors; None = as many as the cores allow."""
    batch_seconds: float = 300.0
    """A batch has at most this much audio."""
    batch_files: int = 32
    """A batch has at most this many files."""
    partition_rows: int = 1000
    """A partition is written when it has this many rows."""
    commit_every: float = 60.0
    """A partition is written at the latest this many seconds after the last one."""
    retry_errors: bool = False
    """Retry inputs for which an earlier run wrote an error row."""
    shard: tuple[int, int] = (1, 1)
    """(i, n) with 1 ≤ i ≤ n: only that part of the inputs, chosen by a hash of their ids."""
    ray_address: str | None = None
    """Of a running cluster; None = RAY_ADDRESS, or a cluster on this machine alone."""
    gpus: float = 0.0
    """GPUs of each Ray actor; may be a fraction."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise OptionError(f"unknown engine {self.engine!r}: choose from {', '.join(ENGINES)}")
        if self.engine != "ray" and (self.ray_address is not None or self.gpus):
            raise OptionError("--ray-address and --gpus need --engine ray: add it or drop them")
        if self.workers is not None:
            _at_least(1, workers=self.workers)
        _at_least(1, batch_files=self.batch_files, partition_rows=self.partition_rows)
        _above_zero(batch_seconds=self.batch_seconds, commit_every=self.commit_every)
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise OptionError(f"shard is {self.shard[0]}/{self.shard[1]}: give I/N with 1 ≤ I ≤ N")
        if not 0.0 <= self.gpus < float("inf"):
            raise OptionError(f"gpus is {self.gpus!r}: give a number from 0")

    def settings(self, bundle_hash: str) -> dict[str, Any]:
        """The settings that rows depend on: two runs may share an output folder if these are equal."""
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
