"""Files that are either complete or absent, and journals that survive a kill."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import OptionError

PARTIAL = ".partial"
"""Suffix of files that are still being written."""


@contextmanager
def replacing(path: str | os.PathLike[str], *, partial: str | None = None) -> Iterator[Path]:
    """A file beside `path` to write to; it becomes `path` if the block succeeds and is removed otherwise.

    Whatever was at `path` stays until then, so readers see either the old content or the new one. `partial`
    is the temporary name, for callers that clean up after a kill.

    Raises `OSError`.
    """
    final = Path(path)
    written = final.with_name(partial or f".{secrets.token_hex(8)}{PARTIAL}")
    try:
        yield written
        os.replace(written, final)
    finally:
        written.unlink(missing_ok=True)


def write_whole(
    path: str | os.PathLike[str], content: bytes | str, *, durable: bool = False, partial: str | None = None
) -> None:
    """Write a file in one step, text as UTF-8; `partial` as for `replacing`.

    `durable`: it survives a power cut, because the content reaches the disk before the name does, and the
    name before this returns.

    Raises `OSError`.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path, partial=partial) as written, open(written, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if durable and os.name == "posix":
        folder = os.open(Path(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def link_or_copy(source: Path, target: Path) -> None:
    """Link a file to a second place, or copy it if that is on another disk. Raises `OSError`."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def make_folder(folder: Path) -> Path:
    """The folder, created if missing. Raises `OptionError` if it cannot be created."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"{folder}: is not a folder and cannot be created ({error.strerror})") from None
    return folder


class Journal:
    """JSON lines to which results are appended one by one; each is on its way to the disk before `add`
    returns.

    Use as a context manager. A line that an earlier kill cut short is removed first. Raises `OSError`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        drop_half_line(path)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by `close`

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, values: Mapping[str, Any]) -> None:
        """Append one line."""
        self._file.write(json.dumps(values, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()


def read_journal(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The objects of a journal; empty if the file does not exist. Damaged lines are skipped, so their work is
    done again.
    """
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return  # cut short by a kill
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                yield values


def drop_half_line(path: str | os.PathLike[str]) -> None:
    """Cut off whatever a kill left after the last line break, so that the next line does not continue it."""
    if not os.path.exists(path):
        return
    content = Path(path).read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
