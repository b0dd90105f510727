"""Where a downloaded model is installed, and which of its files exist already."""

from __future__ import annotations

from pathlib import Path

from unislu.bundle import MANIFEST, Manifest, file_digest
from unislu.bundle.installed import models_folder, parse_reference
from unislu.errors import BundleError
from unislu.files import link_or_copy


def place_of(manifest: Manifest, where: str) -> Path:
    """The folder of a model. Raises `BundleError` naming `where` if its name or version can be none."""
    if parse_reference(f"{manifest.name}@{manifest.version}") is None:
        raise BundleError(
            f"{where}: the name {manifest.name!r} and the version {manifest.version!r} cannot be asked for; "
            "export the model again with letters, digits, dots and dashes"
        )
    return models_folder() / manifest.name / manifest.version


def missing(manifest: Manifest, folder: Path) -> list[str]:
    """The files that `folder` lacks, or has damaged, after taking those that an installed model has."""
    installed = place_of(manifest, str(folder / MANIFEST))
    return [
        name
        for name, digest in manifest.files.items()
        if not (_is(folder / name, digest) or _taken(installed / name, folder / name, digest))
    ]


def _is(file: Path, digest: str) -> bool:
    return file.is_file() and file_digest(file) == digest


def _taken(source: Path, target: Path, digest: str) -> bool:
    if not _is(source, digest):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(source, target)
    return True
