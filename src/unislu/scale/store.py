"""Files on this machine or in object storage, through fsspec: one way to read, one atomic way to write."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from typing import Any

from ..errors import BatchError, OptionError, needs, not_imported
from ..files import write_whole

LOCK = "_lock"
_INSTALL = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
    "abfss": "adlfs", "http": "aiohttp", "https": "aiohttp", "sftp": "paramiko", "ssh": "paramiko",
    "hdfs": "pyarrow", "smb": "smbprotocol", "oci": "ocifs", "hf": "huggingface_hub",
}  # fmt: skip
# Where a rename is one atomic step; elsewhere (object storage) storing a whole object is.
_RENAMES = {"file", "local", "hdfs", "sftp", "ssh", "smb"}


def open_store(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL or local path, and the path in it.

    Raises:
        MissingDependencyError: fsspec or the package of this kind of storage is not installed.
        OptionError: no such kind of storage.
    """
    with needs(f"reading {url}", "scale"):
        import fsspec
    if "://" not in url:  # a path, even if it contains `::`, which chains URLs
        return fsspec.filesystem("file"), os.path.abspath(url)
    protocol = url.partition("://")[0]
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        # fsspec's own message says what to install, whatever it was that could not be imported.
        cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        package = _INSTALL.get(protocol)
        remedy = f"pip install {package}" if package else str(error)
        raise not_imported(f"{url}: storage of the kind {protocol}://", cause, remedy) from None
    except ValueError as error:
        raise OptionError(f"{url}: {error}; give a path, or a URL such as s3://bucket/key") from None
    except OSError as error:  # e.g. hdfs:// without the Hadoop libraries
        raise OptionError(
            f"{url}: storage cannot be reached ({error}); check its address and set-up"
        ) from None
    return fs, path


def is_local(fs: Any) -> bool:
    """Whether a file system is local."""
    return "file" in _protocols(fs)


def full_url(fs: Any, path: str) -> str:
    """The name of a path for any machine: a URL, or a plain local path."""
    return path if is_local(fs) else str(fs.unstrip_protocol(path))


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


class Store:
    """One folder. Names are relative to it, with `/`."""

    def __init__(self, url: str) -> None:
        """Raises as `open_store`, and `OptionError` if the folder cannot be created."""
        self.url = url
        self._fs, self._root = open_store(url)
        self._root = self._root.rstrip("/") or "/"
        self.local = is_local(self._fs)
        try:
            self._fs.makedirs(self._root, exist_ok=True)
        except OSError as error:
            raise OptionError(
                f"{url}: is not a folder and cannot be created ({error.strerror or error})"
            ) from None

    def path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def names(self, pattern: str) -> list[str]:
        """Sorted names whose last part matches a pattern; the folder's own name may have any characters."""
        folder, _, last = pattern.rpartition("/")
        self._fs.invalidate_cache()
        try:
            listed = self._fs.ls(self.path(folder) if folder else self._root, detail=False)
        except FileNotFoundError:
            return []
        found = sorted(str(path).rstrip("/").rpartition("/")[2] for path in listed)
        return [f"{folder}/{name}" if folder else name for name in found if fnmatch(name, last)]

    def read(self, name: str) -> bytes:
        data: bytes = self._fs.cat_file(self.path(name))
        return data

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(self.path(name)))

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(self.path(name))

    def rename(self, name: str, new: str) -> None:
        self._fs.mv(self.path(name), self.path(new))

    def open(self, name: str) -> Any:
        return self._fs.open(self.path(name), "rb")

    def write(self, name: str, data: bytes) -> None:
        """Write atomically: readers see the old content or the new one, never a part."""
        final = self.path(name)
        self._fs.makedirs(final.rpartition("/")[0], exist_ok=True)
        try:
            if self.local:
                write_whole(final, data, durable=True, partial=f"_partial-{uuid.uuid4().hex}")
            elif _protocols(self._fs) & _RENAMES:
                partial = self.path(f"_partial-{uuid.uuid4().hex}")
                self._fs.pipe_file(partial, data)
                self._fs.mv(partial, final)
            else:
                self._fs.pipe_file(final, data)
        except OSError as error:
            raise BatchError(
                f"{full_url(self._fs, final)}: cannot be written ({error.strerror or error}); "
                "make room or choose another output, then run the command again"
            ) from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second run out of a local folder; the system releases the lock when the process dies.

        Object storage has no such lock.

        Raises:
            BatchError: another run holds it.
        """
        if not self.local or os.name != "posix":
            yield
            return
        import fcntl

        with open(self.path(LOCK), "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BatchError(
                    f"{self.url}: another run is writing here; wait for it or choose another output folder"
                ) from None
            yield
