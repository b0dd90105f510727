"""The folders that a client may access, and nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from ...errors import OptionError

_LISTED = "list_recordings names those there are"


class Folders:
    """Named folders. A path is `NAME/…`, NAME being the folder's own, or absolute and inside of one.

    `..` and symbolic links below a folder are refused, also those that lead back into it.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        """Raises `OptionError` if one is no folder, or if two have the same name."""
        self._roots: dict[str, Path] = {}
        for folder in folders:
            root = Path(folder).resolve()
            if not root.is_dir():
                raise OptionError(f"{folder}: is not a folder; give one that has recordings")
            if self._roots.setdefault(root.name, root) != root:
                raise OptionError(f"{folder}: another folder is called {root.name!r} too; rename one")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the folders."""
        return tuple(self._roots)

    def file(self, path: str) -> tuple[str, Path]:
        """Name and place of a file. Raises `OptionError` if it is not one of these folders' regular files."""
        root, parts = self._split(path)
        place, kind = root, stat.S_IFDIR
        for part in parts:
            place = place / part
            try:
                kind = stat.S_IFMT(place.lstat().st_mode)
            except (OSError, ValueError):
                raise OptionError(f"{path!r:.200}: no such file; {_LISTED}") from None
            if kind == stat.S_IFLNK:
                raise OptionError(f"{path!r:.200}: is a symbolic link, or behind one; name the file itself")
        if kind != stat.S_IFREG:
            raise OptionError(f"{path!r:.200}: is not a file; {_LISTED}")
        return self._name(root, place), place

    def _split(self, path: str) -> tuple[Path, tuple[str, ...]]:
        """The folder of a path, and its parts below it. Raises `OptionError`."""
        pure = PurePath(path)
        if ".." not in pure.parts and "\0" not in path:
            for name, root in self._roots.items():
                if pure.is_absolute() and pure.is_relative_to(root):
                    return root, pure.relative_to(root).parts
                if pure.parts[:1] == (name,):
                    return root, pure.parts[1:]
        raise OptionError(
            f"{path!r:.200}: is not in the folders of this server: {', '.join(self.names) or 'it has none'}; "
            "name a file as FOLDER/FILE"
        )

    def files(self) -> Iterator[tuple[str, Path]]:
        """Names and places of all regular files, in order; hidden ones and links are left out."""
        for root in self._roots.values():
            for folder, inside, names in os.walk(root):
                inside[:] = sorted(name for name in inside if not name.startswith("."))
                for name in sorted(names):
                    place = Path(folder, name)
                    if not name.startswith(".") and not place.is_symlink() and place.is_file():
                        yield self._name(root, place), place

    @staticmethod
    def _name(root: Path, place: Path) -> str:
        return PurePath(root.name, place.relative_to(root)).as_posix()
