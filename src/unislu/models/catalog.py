"""The list of `unislu models`: models on this machine, and those that can be downloaded by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from unislu.bundle import Installed, installed, read_manifest
from unislu.bundle.installed import source_of
from unislu.errors import BundleError

from .index import Listed, figures, hosted, registry


@dataclass(frozen=True)
class Entry:
    """A model by its name."""

    name: str
    version: str
    model: str | None
    """The name in results, where it differs from that by which it is loaded."""
    bytes: int | None
    wer: float | None
    """In percent, as `f1`; both as its maker measured them on `measured_on`."""
    f1: float | None
    measured_on: str | None
    licence: str | None
    installed: bool
    where: Literal["embedded", "package", "cache", "index"]
    source: str | None = None
    """Where it was, or can be, downloaded from."""
    problem: str | None = None
    """Why this unislu cannot use it."""


def catalog(say: Callable[[str], None] = lambda text: None) -> list[Entry]:
    """All models with a name. `say` is told why the list of an organisation is left out."""
    known = {entry.name: entry for entry in registry()}
    found = [_here(model, known.get(model.name)) for model in installed()]
    try:
        listed = hosted()
    except BundleError as error:
        say(str(error))
        listed = []
    there = {(entry.name, entry.version) for entry in found}
    found += [_listed(entry) for entry in listed if (entry.name, entry.version) not in there]
    return found


def _here(model: Installed, known: Listed | None) -> Entry:
    licence = None if known is None else known.licence
    size = sum(path.stat().st_size for path in model.path.rglob("*") if path.is_file())
    source = source_of(model.path) if model.origin == "cache" else None
    try:
        manifest = read_manifest(model.path)
    except BundleError as error:
        return Entry(
            model.name, model.version, None, size, None, None, None, licence, True, model.origin, source,
            str(error),
        )  # fmt: skip
    own = manifest.name if manifest.name != model.name else None
    wer, f1, data = figures(manifest)
    return Entry(
        model.name, manifest.version, own, size, wer, f1, data, manifest.licence or licence, True,
        model.origin, source,
    )  # fmt: skip


def _listed(entry: Listed) -> Entry:
    return Entry(
        entry.name, entry.version, None, entry.bytes, entry.wer, entry.f1, entry.measured_on, entry.licence,
        False, "index", entry.url, entry.problem,
    )  # fmt: skip
