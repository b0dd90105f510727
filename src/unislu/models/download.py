"""`unislu download`: a model from a list, an address or the hub into the user's folder.

Everything arrives in a folder beside the models; every file is compared with its sha256 in the manifest; and
only a complete model gets its place. What broke off stays there for the next attempt.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urldefrag

from unislu.bundle import MANIFEST, Bundle, Manifest, file_digest, hub_repository, open_bundle
from unislu.bundle.installed import (
    RECEIPT,
    Reference,
    candidates,
    home,
    make_home,
    parse_reference,
    unwritable,
    version_order,
)
from unislu.errors import BundleError, BundleNotFoundError, OptionError

from .http import Watch, fetch, is_url, read_url
from .hub import fetch_from_hub
from .index import INDEX_URL, hosted, registry
from .place import missing, place_of

_MANIFEST_LIMIT = 16 << 20
_TRIES = 2
"""The second one is for what an earlier, damaged or outdated, part spoilt."""

Say = Callable[[str], None]


def download(source: str, say: Say = lambda text: None, show: Say = lambda text: None) -> Bundle:
    """Fetch a model, unless it is here already.

    Args:
        source: a name (`name[@version]`), the http(s) address of a bundle's folder, which may end in
            `#sha256=` and the hash of its manifest, or `hf:owner/name[@revision]`.
        say: called with one line for what a person should know.
        show: called with the progress.

    Raises:
        OptionError: `source` is none of these.
        BundleNotFoundError: no such model.
        BundleError: it is damaged or of another schema, the connection broke off for good, or the user's
            folder cannot be written.
        MissingDependencyError: the hub without `huggingface_hub`.
    """
    if (repository := hub_repository(source)) is not None:
        return _collect(source, lambda folder: fetch_from_hub(*repository, folder), say)
    if is_url(source):
        return _from_url(source, say, show)
    reference = parse_reference(source)
    if reference is None:
        raise OptionError(
            f"{source!r} cannot be downloaded: give a name of `unislu models`, the http(s) address of a "
            "bundle's folder, or hf:owner/name"
        )
    return _by_name(reference, say, show)


def _by_name(reference: Reference, say: Say, show: Say) -> Bundle:
    listed = [
        entry
        for entry in hosted()
        if entry.name == reference.name and reference.version in (None, entry.version)
    ]
    newest = max(listed, key=lambda entry: (not entry.problem, version_order(entry.version)), default=None)
    wanted = reference if newest is None else Reference(newest.name, newest.version)
    try:
        found = open_bundle(candidates(wanted)[0].path)
        found.verify()
        say(f"{found.label} is installed already")
        return found
    except BundleNotFoundError:
        pass
    except BundleError as error:
        say(f"what is installed cannot be used ({error})")
    if newest is None or newest.url is None:
        raise _unknown(reference)
    fragment = f"#sha256={newest.manifest_sha256}" if newest.manifest_sha256 else ""
    return _from_url(newest.url + fragment, say, show)


def _unknown(reference: Reference) -> BundleNotFoundError:
    wanted = reference.name if reference.version is None else f"{reference.name}@{reference.version}"
    known: dict[str, list[str]] = {}
    for entry in (*registry(), *hosted()):
        known.setdefault(entry.name, []).append(entry.version)
    if versions := [version for version in known.get(reference.name, []) if version]:
        return BundleNotFoundError(f"{wanted}: there is no such version; known are {', '.join(versions)}")
    close = get_close_matches(reference.name, list(known), n=1)
    meant = f"did you mean {close[0]}? Otherwise " if close else ""
    listed = f"the list of {INDEX_URL}" if os.environ.get(INDEX_URL) else "the list of this package"
    return BundleNotFoundError(
        f"{wanted}: {listed} has no model of this name ({', '.join(known)}); {meant}set {INDEX_URL} to the "
        "list of whoever made it, or give an address: unislu download https://… or hf:owner/name"
    )


def _from_url(source: str, say: Say, show: Say) -> Bundle:
    address, fragment = urldefrag(source)
    kind, _, digest = fragment.partition("=")
    if fragment and (kind != "sha256" or len(digest) != 64):
        raise OptionError(f"{source}: the part after # must be sha256= and 64 hexadecimal digits")
    base = address.removesuffix(MANIFEST).rstrip("/") + "/"
    return _collect(address, lambda folder: _fetch_files(base, digest.lower(), folder, show), say)


def _fetch_files(base: str, digest: str, folder: Path, show: Say) -> dict[str, str]:
    content = read_url(base + MANIFEST, _MANIFEST_LIMIT)
    found = hashlib.sha256(content).hexdigest()
    if digest and found != digest:
        raise BundleError(
            f"{base}{MANIFEST}: its sha256 {found[:12]}… is not the {digest[:12]}… that was stated; "
            "nothing was installed"
        )
    try:
        manifest = Manifest.from_dict(json.loads(content), base + MANIFEST)
    except ValueError as error:
        raise BundleError(f"{base}{MANIFEST}: is not JSON ({error}); check the address") from None
    for name in missing(manifest, folder):
        watch = _watch(f"{manifest.name}: {name}", show)
        _fetch_file(base + name, folder / name, manifest.files[name], watch)
    (folder / MANIFEST).write_bytes(content)
    return {}


def _watch(what: str, show: Say) -> Watch:
    def watch(done: int, total: int | None) -> None:
        show(f"{what}  {done / 1e6:.1f}" + (f" of {total / 1e6:.1f} MB" if total else " MB"))

    return watch


def _fetch_file(url: str, target: Path, expected: str, watch: Watch) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    for _ in range(_TRIES):
        begun = partial.exists()
        fetch(url, partial, watch)
        found = file_digest(partial)
        if found == expected:
            os.replace(partial, target)
            return
        partial.unlink()
        if not begun:
            break
    raise BundleError(
        f"{url}: is damaged: its sha256 {found[:12]}… is not the {expected[:12]}… of {MANIFEST}; nothing was "
        "installed"
    )


def _collect(source: str, get: Callable[[Path], dict[str, str]], say: Say) -> Bundle:
    """Let `get` fill a folder, check it, and install it as a model.

    `get` returns what else its receipt should say.
    """
    staging = home() / "partial" / hashlib.sha256(source.encode()).hexdigest()[:16]
    make_home(staging)
    try:
        with _alone(staging.with_suffix(".lock"), source):
            receipt = {"source": source, **get(staging)}
            bundle = open_bundle(staging)
            bundle.verify()
            (staging / RECEIPT).write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")
            return _install(bundle, say)
    except OSError as error:
        if isinstance(error, BundleError):
            raise
        raise unwritable(staging, error) from None


@contextmanager
def _alone(lock: Path, source: str) -> Iterator[None]:
    """Two downloads of the same source would write into the same files. (Windows has no flock: no check.)"""
    with lock.open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except BlockingIOError:
            raise BundleError(f"{source}: is being downloaded already; wait for the other command") from None
        yield


def _install(bundle: Bundle, say: Say) -> Bundle:
    target = place_of(bundle.manifest, str(bundle.path / MANIFEST))
    if target.exists():
        same = (target / MANIFEST).read_bytes() == (bundle.path / MANIFEST).read_bytes()
        was = "was installed already" if same else "was another one and is replaced"
        say(f"{bundle.label} {was}")
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    bundle.path.rename(target)
    return open_bundle(target)
