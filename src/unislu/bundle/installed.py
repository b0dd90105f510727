"""The models on this machine by name: from packages, from the user's folder, and the embedded one.

Nothing here asks the network. A package names its model in the entry point group `unislu.models`
(`unislu package` makes such packages); the user's folder is filled by `unislu download`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

from unislu.errors import BundleError, BundleNotFoundError

from .manifest import MANIFEST

DEFAULT_PATH = Path(__file__).parent.parent / "assets" / "default"
DEFAULT = "default"
"""The name of the embedded model; it also has the one in its manifest."""
GROUP = "unislu.models"
HOME = "UNISLU_HOME"
RECEIPT = "source.json"
"""Beside the manifest of a downloaded model: where it came from."""

Origin = Literal["package", "cache", "embedded"]
_REFERENCE = re.compile(r"([A-Za-z0-9][\w.-]*)(?:@([\w.+!-]+))?")


class Reference(NamedTuple):
    """`name` or `name@version`."""

    name: str
    version: str | None


@dataclass(frozen=True)
class Installed:
    """A model of this machine."""

    name: str
    path: Path
    """Its folder, in which the manifest lies; `parts.whole` says where all of its files do."""
    origin: Origin

    @property
    def version(self) -> str:
        """The version in its manifest; empty where that cannot be read."""
        return str(self._manifest().get("version", ""))

    def _manifest(self) -> dict[str, Any]:
        try:
            data = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names that refer to it."""
        if self.origin != "embedded":
            return (self.name,)
        own = self._manifest().get("name")
        return (self.name, own) if isinstance(own, str) else (self.name,)


def home() -> Path:
    """The user's folder: `$UNISLU_HOME`, or `unislu` in the system's folder for caches."""
    if chosen := os.environ.get(HOME):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unislu"


def models_folder() -> Path:
    """The folder of downloaded models, each in `NAME/VERSION/`."""
    return home() / "models"


def joined_folder() -> Path:
    """The folder of models whose packages contain files in pieces."""
    return home() / "joined"


def make_home(folder: Path) -> None:
    """Create a folder under `home`. Raises `BundleError` if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None


def unwritable(folder: Path, error: OSError) -> BundleError:
    """The error for a folder of models in which nothing can be written."""
    return BundleError(
        f"{folder}: models cannot be kept there ({error.strerror or error}); "
        f"set {HOME} to a folder that can be written"
    )


def parse_reference(text: str) -> Reference | None:
    """`name` or `name@version`; None for anything else, such as a path."""
    match = _REFERENCE.fullmatch(text)
    return None if match is None else Reference(match[1], match[2])


def installed() -> Iterator[Installed]:
    """All models on this machine: packages, then the user's folder (newest first), then the embedded one."""
    yield from _packages()
    yield from _downloaded()
    if (DEFAULT_PATH / MANIFEST).is_file():
        yield Installed(DEFAULT, DEFAULT_PATH, "embedded")


def _packages() -> Iterator[Installed]:
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    for entry in entry_points(group=GROUP):
        try:
            spec = find_spec(entry.module)
        except (ImportError, ValueError):
            continue  # the package is gone, its entry is not
        for folder in (spec and spec.submodule_search_locations) or ():
            yield Installed(entry.name, Path(folder), "package")


def _downloaded() -> Iterator[Installed]:
    try:
        folders = [path.parent for path in models_folder().glob(f"*/*/{MANIFEST}")]
    except OSError:
        return
    folders.sort(key=lambda path: (path.parent.name, version_order(path.name)), reverse=True)
    for folder in folders:
        yield Installed(folder.parent.name, folder, "cache")


def is_fixed(folder: Path) -> bool:
    """Whether a bundle belongs to a package or was joined from its parts, so that it must not be changed."""
    folder = folder.resolve()
    fixed = [model.path.resolve() for model in installed() if model.origin != "cache"]
    return folder in fixed or folder.is_relative_to(joined_folder().resolve())


def version_order(version: str) -> tuple[int, Any]:
    """A sort key; anything but a version in the style of Python packages comes first."""
    from packaging.version import InvalidVersion, Version

    try:
        return 1, Version(version)
    except InvalidVersion:
        return 0, version


def candidates(reference: Reference) -> list[Installed]:
    """The models that a reference can mean, best first.

    Raises:
        BundleNotFoundError: none; the message names the command that gets it.
    """
    name, version = reference
    every = list(installed())
    named = [model for model in every if name in model.names]
    found = [model for model in named if version in (None, model.version)]
    if found:
        return found
    wanted = name if version is None else f"{name}@{version}"
    if named:
        there = ", ".join(dict.fromkeys(model.version for model in named))
        raise BundleNotFoundError(
            f"{wanted}: version {version} is not installed ({there} is); "
            f"get it with: unislu download {wanted}"
        )
    known = list(dict.fromkeys(name for model in every for name in model.names))
    close = get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise BundleNotFoundError(
        f"{wanted}: no such folder, and no model of this name is installed ({', '.join(known) or 'none is'})"
        f"{meant or '; get it with:'}{' If not, get it with:' if close else ''} unislu download {wanted}"
    )


def source_of(folder: Path) -> str | None:
    """Where a downloaded model came from; None if unknown."""
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    source = receipt.get("source") if isinstance(receipt, dict) else None
    return source if isinstance(source, str) else None


def downloaded_from(source: str) -> Path | None:
    """The newest downloaded model from an address."""
    return next((model.path for model in _downloaded() if source_of(model.path) == source), None)
