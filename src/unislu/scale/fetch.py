"""A file from anywhere → a local path and its content key, the sha256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import BatchError
from .store import is_local, open_store

_BLOCK = 1 << 20


@contextmanager
def fetch(uri: str) -> Iterator[tuple[str, str]]:
    """A readable local file, which lives as long as the context, and its content key.

    A local file is hashed in place; any other is downloaded to a temporary file first.

    Raises:
        OSError: it cannot be opened or read.
        OptionError, MissingDependencyError: see `open_store`.
    """
    fs, path = open_store(uri)
    if is_local(fs):
        with open(path, "rb") as file:
            key = _hash(file)
        yield path, key
        return
    handle, temporary = tempfile.mkstemp(prefix="unislu-", suffix=os.path.splitext(path)[1])
    try:
        with os.fdopen(handle, "wb") as copy, fs.open(path, "rb") as file:
            key = _hash(file, copy)
        yield temporary, key
    finally:
        os.unlink(temporary)


def content_key(uri: str) -> str | None:
    """The content key of a file without keeping it; None if it cannot be read.

    Raises:
        BatchError: the storage does not answer, so the state of the file is unknown.
        OptionError, MissingDependencyError: see `open_store`.
    """
    fs, path = open_store(uri)
    try:
        with fs.open(path, "rb") as file:
            return _hash(file)
    except OSError:
        return None
    except Exception as error:  # storage packages raise what they like
        raise BatchError(f"{uri}: cannot be read ({error}); run the command again") from None


def _hash(file: BinaryIO, copy: BinaryIO | None = None) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
        if copy is not None:
            copy.write(block)
    return f"sha256:{digest.hexdigest()}"
