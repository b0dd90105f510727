"""The worker process: one model, batches in, rows out.

It may crash or hang: `guard` watches it from outside. What it can say itself, it says as error rows.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..bundle import MANIFEST, file_digest, open_bundle
from ..errors import AudioError, BatchError, UnisluError
from .fetch import Fetched, fetch
from .options import WorkerOptions
from .rows import Origin, Row, error_row, ok_row
from .sources import Input

if TYPE_CHECKING:
    from ..recognition.model import Model


@dataclass(frozen=True)
class Ready:
    """The first message of a worker: its model is loaded."""

    origin: Origin


@dataclass(frozen=True)
class Failed:
    """A worker cannot work at all, or a batch as a whole failed."""

    kind: str
    message: str
    error: UnisluError | None = None


def main(connection: Connection, options: WorkerOptions, bundle_hash: str) -> None:
    """Serve batches until the other side closes the connection or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run's own process ends us
    _end_with_parent()
    # One model a process: threads beyond the ones asked for only contend with the other workers.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    try:
        _check_bundle(options, bundle_hash)
        model = load_model(options)
    except UnisluError as error:
        connection.send(Failed("start", str(error), error))
        return
    except Exception as error:  # of a loader of somebody's own, perhaps: the run must hear of it
        connection.send(Failed("start", f"{type(error).__name__}: {error}"))
        return
    origin = Origin(model.name, bundle_hash, __version__, f"{socket.gethostname()}:{os.getpid()}")
    connection.send(Ready(origin))
    while True:
        try:
            inputs = connection.recv()
        except EOFError:
            return
        connection.send(_answer(model, inputs, options, origin))


def _check_bundle(options: WorkerOptions, expected: str) -> None:
    """Rows of one run are of one model, on whatever machine they are made."""
    found = file_digest(open_bundle(options.bundle).path / MANIFEST)
    if found != expected:
        raise BatchError(
            f"{socket.gethostname()}: the bundle {options.bundle or 'of this installation'} is another one "
            f"({found[:12]}…, not {expected[:12]}…); install the same on every machine"
        )


def load_model(options: WorkerOptions) -> Model:
    """The model that the options' loader makes, checked against what it is asked to do.

    Raises `BatchError` for a loader that is not there, and whatever the loader raises.
    """
    from ..recognition.request import Request

    module, _, function = options.loader.partition(":")
    try:
        loader = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise BatchError(f"loader {options.loader!r}: {error}; name it as module:function") from None
    model: Model = loader(options.bundle, threads=options.threads)
    model.check(Request(**options.analyze))
    return model


def _answer(
    model: Model, inputs: Sequence[Input], options: WorkerOptions, origin: Origin
) -> list[Row] | Failed:
    try:
        return hear(model, inputs, options, origin)
    except MemoryError:
        return Failed("memory", "the memory of the machine did not suffice")
    except Exception as error:  # a fault of ours or of a library must cost one file, not the run
        return Failed("failed", f"{type(error).__name__}: {error}")


def hear(model: Model, inputs: Sequence[Input], options: WorkerOptions, origin: Origin) -> list[Row]:
    """One row for each input, in their order. Raises what the model raises besides `UnisluError`."""
    rows: dict[str, Row] = {}
    with ExitStack() as stack:
        fetched: list[tuple[Input, Fetched]] = []
        for entry in inputs:
            try:
                fetched.append((entry, stack.enter_context(fetch(entry.uri))))
            except FileNotFoundError:
                rows[entry.id] = error_row(entry, "missing", f"{entry.uri}: no such file", origin)
            except MemoryError:
                raise
            except Exception as error:  # storage packages raise what they like
                rows[entry.id] = error_row(entry, "fetch", f"{entry.uri}: {_say(error)}", origin)
        results = model.analyze_many([file.path for _, file in fetched], on_error="yield", **options.analyze)
        for (entry, file), result in zip(fetched, results, strict=True):
            rows[entry.id] = _row(entry, file, result, origin)
    return [rows[entry.id] for entry in inputs]


def _row(entry: Input, file: Fetched, result: Any, origin: Origin) -> Row:
    if isinstance(result, UnisluError):
        kind = "audio" if isinstance(result, AudioError) else "failed"
        message = str(result).replace(file.path, entry.uri)
        return error_row(entry, kind, message, origin, content_key=file.content_key)
    warnings = tuple(note.replace(file.path, entry.uri) for note in result.warnings)
    return ok_row(entry, file.content_key, replace(result, warnings=warnings), origin)


def _say(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _end_with_parent() -> None:
    """End at once when the parent is killed, even in the middle of a batch: nobody would read the rows."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is None:  # not started by multiprocessing
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
