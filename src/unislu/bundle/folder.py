"""Bundles on disk: finding one, reading and writing its manifest, checking its files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from unislu.errors import BundleError, BundleNotFoundError
from unislu.files import write_whole

from .installed import DEFAULT_PATH, Reference, candidates, downloaded_from, parse_reference
from .manifest import DECODER, ENCODER, MANIFEST, REQUIRED_FILES, TAGGER, TOKENIZER, Manifest
from .parts import whole

_HUB = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose manifest is valid and whose files exist. Hashes: see `verify`."""

    path: Path
    manifest: Manifest

    @property
    def encoder(self) -> Path:
        return self.path / ENCODER

    @property
    def decoder(self) -> Path:
        return self.path / DECODER

    @property
    def tagger(self) -> Path | None:
        """The graph that tags finished transcripts, if the bundle has one."""
        return self.path / TAGGER if TAGGER in self.manifest.files else None

    @property
    def tokenizer(self) -> Path:
        return self.path / TOKENIZER

    @property
    def label(self) -> str:
        """The model's name in results: name and version."""
        return f"{self.manifest.name} {self.manifest.version}"

    def verify(self) -> None:
        """Compare every file with its sha256; files are hashed in parallel, outside Python's lock.

        Raises `BundleError` naming the first file that differs.
        """
        with ThreadPoolExecutor(max_workers=2) as pool:
            digests = dict(zip(self.manifest.files, pool.map(self._digest, self.manifest.files), strict=True))
        for name, expected in self.manifest.files.items():
            if digests[name] != expected:
                raise BundleError(
                    f"{self.path / name}: its sha256 {digests[name][:12]}… is not the {expected[:12]}… of "
                    f"{MANIFEST}: the file is damaged or was changed; download or export the bundle again"
                )

    def _digest(self, name: str) -> str:
        return file_digest(self.path / name)


def file_digest(path: Path) -> str:
    """sha256 of a file in hexadecimal. Raises `BundleError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def write_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> Path:
    """Write `manifest.json` into a bundle folder; `manifest.files` must already hold the hashes.

    This is atomic: a reader sees either the old manifest or the new one.
    """
    path = Path(folder) / MANIFEST
    write_whole(path, json.dumps(manifest.to_dict(), indent=2, ensure_ascii=False) + "\n")
    return path


def hash_files(folder: str | os.PathLike[str], names: Iterable[str] = REQUIRED_FILES) -> dict[str, str]:
    """sha256 of the named files of a bundle folder, for `Manifest.files`."""
    return {name: file_digest(Path(folder) / name) for name in names}


def open_bundle(bundle: str | os.PathLike[str] | None = None) -> Bundle:
    """Find a bundle and read its manifest. Hashes are checked by `Bundle.verify`.

    Args:
        bundle: None for the embedded default; a folder; `name[@version]` of an installed model; or
            `hf:owner/name[@revision]` of the Hugging Face hub, if it was downloaded to this machine.

    Raises:
        BundleNotFoundError: no such folder or model, or no default bundle in this installation.
        BundleError: not a bundle, an invalid manifest, another schema, or a file is missing.
    """
    path = resolve_bundle(bundle)
    manifest = read_manifest(path)
    for name in manifest.files:
        if not (path / name).is_file():
            raise BundleError(f"{path / name}: is missing; download or export the bundle again")
    return Bundle(path, manifest)


def read_manifest(path: Path) -> Manifest:
    """Read and validate `manifest.json` of a bundle folder. Raises `BundleError`."""
    file = path / MANIFEST
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"{path}: has no {MANIFEST}, so it is not a bundle; make one with `unislu export`"
        ) from None
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({error.strerror}); check its permissions") from None
    except ValueError as error:
        raise BundleError(f"{file}: is not JSON ({error}); download or export the bundle again") from None
    return Manifest.from_dict(data, str(file))


def resolve_bundle(bundle: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a bundle; see `open_bundle`.

    A folder that is a bundle goes before a model of the same name.
    """
    if bundle is None:
        if not (DEFAULT_PATH / MANIFEST).is_file():
            raise BundleNotFoundError(
                f"{DEFAULT_PATH}: this installation has no default bundle; pass one with --bundle or load(…)"
            )
        return DEFAULT_PATH
    if not isinstance(bundle, str | os.PathLike):
        raise BundleNotFoundError(f"{bundle!r} is not a bundle: give the path of a folder, or hf:owner/name")
    if isinstance(bundle, str) and (repository := hub_repository(bundle)) is not None:
        return downloaded_from(bundle) or _from_hub(*repository)
    path = Path(bundle).expanduser()
    reference = parse_reference(bundle) if isinstance(bundle, str) else None
    if reference is not None and not (path / MANIFEST).is_file():
        try:
            return _by_name(reference)
        except BundleNotFoundError:
            if not path.exists():
                raise
    if path.is_dir():
        return whole(path)
    if path.exists():
        raise BundleError(f"{path}: is a file; a bundle is the folder that contains {MANIFEST}")
    raise BundleNotFoundError(
        f"{path}: no such folder; pass the path of a bundle, or hf:owner/name of one on the hub"
    )


def _by_name(reference: Reference) -> Path:
    """The best model of that name: the first that this unislu can use. Raises `BundleError`."""
    reasons: list[BundleError] = []
    for model in candidates(reference):
        try:
            read_manifest(model.path)
            return whole(model.path)
        except BundleError as error:
            reasons.append(error)
    raise reasons[0]


def hub_repository(name: str) -> tuple[str, str | None] | None:
    """The repository and revision of `hf:owner/name[@revision]`; None for a path.

    The prefix is required so that a mistyped path never becomes a network request.
    """
    match = _HUB.fullmatch(name)
    return None if match is None else (match[1], match[2])


def _from_hub(name: str, revision: str | None) -> Path:
    """The hub's own folder on this machine. Only `unislu download` downloads anything."""
    with contextlib.suppress(Exception):  # no such library, not there, or not all of it
        from huggingface_hub import snapshot_download

        found = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if all((found / file).is_file() for file in read_manifest(found).files):
            return found
    address = f"hf:{name}@{revision}" if revision else f"hf:{name}"
    raise BundleNotFoundError(f"{address}: is not on this machine; get it with: unislu download {address}")
