"""The worker process: one model, batches in, rows out.

It may crash or hang; `supervisor` watches it from outside. Errors that it can catch become error rows.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..bundle import MANIFEST, file_digest, open_bundle
from ..errors import AudioError, BatchError, UnisluError
from ..version import __version__
from .cutting import cut
from .fetch import fetch
from .inputs import Input, printable
from .options import WorkerOptions
from .rows import Origin, Row, error_row, ok_row

if TYPE_CHECKING:
    from ..recognition.model import Model


@dataclass(frozen=True)
class Failed:
    """The worker cannot start, or a whole batch failed."""

    kind: str
    message: str
    error: UnisluError | None = None


def main(connection: Connection, options: WorkerOptions, bundle_hash: str) -> None:
    """Serve batches until the other side closes the connection or dies.

    The first message says where rows come from, once the model is loaded.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run's process ends this one
    _end_with_parent()
    # One model per process: more threads would only compete with the other workers.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    try:
        _check_bundle(options, bundle_hash)
        model = load_model(options)
    except UnisluError as error:
        connection.send(Failed("start", str(error), error))
        return
    except Exception as error:  # perhaps from a custom loader: the run must be told
        connection.send(Failed("start", f"{type(error).__name__}: {error}"))
        return
    origin = Origin(model.name, bundle_hash, __version__, f"{socket.gethostname()}:{os.getpid()}")
    connection.send(origin)
    while True:
        try:
            inputs = connection.recv()
        except EOFError:
            return
        connection.send(_answer(model, inputs, options, origin))


def _check_bundle(options: WorkerOptions, expected: str) -> None:
    """All rows of a run must come from the same model, on every machine."""
    found = file_digest(open_bundle(options.bundle).path / MANIFEST)
    if found != expected:
        raise BatchError(
            f"{socket.gethostname()}: the bundle {options.bundle or 'of this installation'} is another one "
            f"({found[:12]}…, not {expected[:12]}…); install the same on every machine"
        )


def load_model(options: WorkerOptions) -> Model:
    """The model from the options' loader, checked against the request.

    Raises `BatchError` for a missing loader, and whatever the loader raises.
    """
    module, _, function = options.loader.partition(":")
    try:
        loader = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise BatchError(f"loader {options.loader!r}: {error}; name it as module:function") from None
    model: Model = loader(options.bundle, threads=options.threads)
    model.check(options.request)
    return model


def _answer(
    model: Model, inputs: Sequence[Input], options: WorkerOptions, origin: Origin
) -> list[Row] | Failed:
    try:
        return transcribe(model, inputs, options, origin)
    except MemoryError:
        return Failed("memory", "the machine ran out of memory")
    except Exception as error:  # a bug in our code or a library must cost one file, not the run
        return Failed("failed", f"{type(error).__name__}: {error}")


def transcribe(model: Model, inputs: Sequence[Input], options: WorkerOptions, origin: Origin) -> list[Row]:
    """One row for each input, in their order. Raises what the model raises, except `UnisluError`."""
    rows: dict[str, Row] = {}
    files: dict[str, list[Input]] = {}
    for entry in inputs:
        files.setdefault(entry.uri, []).append(entry)
    with ExitStack() as stack:
        ready: list[_Item] = []
        for uri, entries in files.items():
            try:
                path, key = stack.enter_context(fetch(uri))
            except FileNotFoundError:
                rows |= {e.id: error_row(e, "missing", f"{e.place}: no such file", origin) for e in entries}
            except MemoryError:
                raise
            except Exception as error:  # storage packages raise any exception
                rows |= {e.id: error_row(e, "fetch", f"{e.place}: {_say(error)}", origin) for e in entries}
            else:
                ready += _with_paths(entries, path, key, stack)
        sources = [(item.entry.place, item.path) for item in ready if isinstance(item.path, str)]
        results = model.analyze_many(
            [path for _, path in sources],
            request=options.request,
            names=[place for place, _ in sources],
            on_error="yield",
        )
        for item in ready:
            result = next(results) if isinstance(item.path, str) else item.path
            rows[item.entry.id] = _row(item, result, origin)
    return [rows[entry.id] for entry in inputs]


@dataclass(frozen=True)
class _Item:
    """An input, its file's content key, and the path to transcribe, or the error that prevents it."""

    entry: Input
    key: str
    path: str | AudioError


def _with_paths(entries: Sequence[Input], file: str, key: str, stack: ExitStack) -> list[_Item]:
    """Whole files as they are; parts as temporary files that live as long as `stack`."""
    whole = [_Item(entry, key, file) for entry in entries if entry.part is None]
    parts = {entry.id: entry.part for entry in entries if entry.part is not None}
    if not parts:
        return whole
    folder = stack.enter_context(TemporaryDirectory(prefix="unislu-"))
    try:
        paths = cut(file, list(parts.values()), folder, printable(entries[0].uri))
    except AudioError as error:
        paths = [error] * len(parts)
    of_part = dict(zip(parts, paths, strict=True))
    return whole + [_Item(entry, key, of_part[entry.id]) for entry in entries if entry.part is not None]


def _row(item: _Item, result: Any, origin: Origin) -> Row:
    entry, key = item.entry, item.key + item.entry.fragment
    if isinstance(result, UnisluError):
        kind = "audio" if isinstance(result, AudioError) else "failed"
        return error_row(entry, kind, str(result), origin, content_key=key)
    return ok_row(entry, key, result, origin)


def _say(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _end_with_parent() -> None:
    """End at once if the parent is killed, even in the middle of a batch: nobody would read the rows."""
    parent = parent_process()
    if parent is None:  # not started by multiprocessing
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
