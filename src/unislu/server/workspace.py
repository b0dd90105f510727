"""The folder for uploads and their decoded audio: used by one server, limited in size, emptied at the
start.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

from ..errors import OptionError
from .answers import TOO_MANY, ApiError

PREFIX = "request-"
RETRY_SECONDS = 10
_FRESH_SECONDS = 0.2  # for which a measured size is valid


class Workspace:
    """A folder for each request. What a killed server left behind is deleted at the start."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes. Raises `OptionError` if the folder cannot be used or another server uses it."""
        self.limit = limit
        self.folder = folder / "requests"
        self._measured, self._used = 0.0, 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_file = lock(folder / "lock", "its uploads", "--work")
            self._sweep()
        except OSError as error:
            raise OptionError(
                f"{folder}: uploads cannot be stored there ({error}); choose another --work"
            ) from None

    def request(self) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.folder))

    @property
    def room(self) -> int:
        """Bytes that can still be written."""
        now = time.monotonic()
        if now - self._measured > _FRESH_SECONDS:
            self._measured, self._used = now, size_of(self.folder)
        return max(0, self.limit - self._used)

    def take(self, size: int) -> None:
        """Reserve bytes that are written next. Raises `ApiError` (429) if there is no room for them."""
        if self.room <= size:
            raise full(RETRY_SECONDS)
        self._used += size

    def close(self) -> None:
        """Delete all files."""
        self._sweep()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock_file.close()

    def _sweep(self) -> None:
        for path in self.folder.glob(f"{PREFIX}*"):  # keep other files in it
            shutil.rmtree(path, ignore_errors=True)


def full(retry_after: int) -> ApiError:
    """The error for a client if there is no room for its upload."""
    message = f"the server has no room for more uploads: try again in {retry_after} s"
    return ApiError(TOO_MANY, message, code="disk_full", retry_after=retry_after)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; files that are deleted meanwhile do not count."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += size_of(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        pass
    return total


def lock(path: Path, what: str, option: str) -> IO[bytes]:
    """Lock a file as long as it is open. Raises `OptionError` if another server holds the lock."""
    file = open(path, "wb")  # noqa: SIM115 - held until the owner closes it
    try:
        import fcntl
    except ImportError:  # Windows has no flock: no check there
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OptionError(
            f"{path.parent}: another server keeps {what} there; choose another {option}"
        ) from None
    return file
