"""Models too large for one package: `parts.json` lists the pieces of files, which are joined once.

Several packages may install files into one folder, so most files need no joining: they lie where the bundle's
loader looks for them. Only a file that is larger than a package may be comes in pieces. It is put together
once, in the user's folder, beside links to the other files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from unislu.errors import BundleError
from unislu.files import link_or_copy

from .installed import joined_folder, make_home, unwritable
from .manifest import MANIFEST, Manifest

PARTS = "parts.json"
"""Beside the manifest: {"decoder.onnx": ["decoder.onnx.1", "decoder.onnx.2"], …}."""
_BLOCK = 1 << 20


def whole(folder: Path) -> Path:
    """The folder with all files of the model joined: `folder` itself unless some come in pieces.

    Raises `BundleError`: a piece is missing or damaged, or the user's folder cannot be written.
    """
    if not (folder / PARTS).is_file():
        return folder
    pieces = _read(folder / PARTS)
    content = (folder / MANIFEST).read_bytes()
    manifest = Manifest.from_dict(json.loads(content), str(folder / MANIFEST))
    # The manifest holds every file's hash, so its own names the content.
    target = joined_folder() / f"{manifest.name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if (target / MANIFEST).is_file():
        return target
    make_home(target.parent)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".joining-") as staging:
            for name, digest in manifest.files.items():
                place = Path(staging, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                if name in pieces:
                    _join([folder / piece for piece in pieces[name]], place, digest)
                else:
                    _link(folder / name, place)
            Path(staging, MANIFEST).write_bytes(content)
            ready = Path(staging).rename(target.with_name(f"{target.name}.ready-{os.getpid()}"))
        _take_place(ready, target)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    return target


def _read(path: Path) -> dict[str, Sequence[str]]:
    try:
        pieces = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [str(piece) for piece in pieces[name]] for name in pieces}
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{path}: is not a list of parts ({error}); install the model again") from None


def _join(pieces: Sequence[Path], target: Path, digest: str) -> None:
    found = hashlib.sha256()
    with target.open("wb") as joined:
        for piece in pieces:
            if not piece.is_file():
                raise BundleError(f"{piece}: this part of the model is missing; install all of its packages")
            with piece.open("rb") as file:
                while block := file.read(_BLOCK):
                    found.update(block)
                    joined.write(block)
    if found.hexdigest() != digest:
        raise BundleError(
            f"{pieces[0].parent}: the parts of {target.name} are damaged; install the model again"
        )


def _link(file: Path, target: Path) -> None:
    if not file.is_file():
        raise BundleError(f"{file}: is missing; install all packages of the model")
    link_or_copy(file, target)


def _take_place(ready: Path, target: Path) -> None:
    """Become `target`, unless another process was faster."""
    try:
        ready.rename(target)
    except OSError:
        shutil.rmtree(ready, ignore_errors=True)
        if not (target / MANIFEST).is_file():
            raise
