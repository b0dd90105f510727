"""Lists of models by name: the one of this package, and the one that an organisation hosts.

`$UNISLU_MODELS_URL` is the address of a JSON file:

    {"models": [{"name": "small", "version": "1.0", "url": "small/1.0/", "manifest_sha256": "…"}]}

`url` is the folder of a bundle, relative to the list; `write_index` makes the list of a folder of bundles.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from unislu.bundle import MANIFEST, Manifest, open_bundle
from unislu.bundle.installed import parse_reference, version_order
from unislu.bundle.manifest import check_range
from unislu.errors import BundleError
from unislu.files import write_whole

from .http import is_url, read_url

INDEX_URL = "UNISLU_MODELS_URL"
INDEX = "index.json"
_LIMIT = 16 << 20
_REGISTRY = Path(__file__).with_name("registry.json")
_TEXTS = ("name", "version", "url", "manifest_sha256", "licence", "unislu_version", "measured_on")
_NUMBERS = ("bytes", "wer", "f1")


@dataclass(frozen=True)
class Listed:
    """A model of a list."""

    name: str
    version: str = ""
    url: str | None = None
    """Of its folder; None: it comes with a package."""
    manifest_sha256: str | None = None
    bytes: int | None = None
    wer: float | None = None
    """In percent, as `f1`; both as its maker measured them on `measured_on`."""
    f1: float | None = None
    measured_on: str | None = None
    licence: str | None = None
    unislu_version: str | None = None

    @property
    def problem(self) -> str | None:
        """The reason why this unislu cannot use it; None if it can."""
        try:
            check_range(self.unislu_version)
        except ValueError as error:
            return f"{self.name} {self.version}: {error}"
        return None


def registry() -> list[Listed]:
    """The models that this package knows."""
    return _read(_REGISTRY.read_bytes(), str(_REGISTRY))


def hosted() -> list[Listed]:
    """The models of `$UNISLU_MODELS_URL`; none if that is not set.

    Raises `BundleError`: it cannot be fetched, or is no such list.
    """
    url = os.environ.get(INDEX_URL, "").strip()
    if not url:
        return []
    if not is_url(url):
        raise BundleError(f"{INDEX_URL} is {url!r}: give the http(s) address of a list of models")
    return _read(read_url(url, _LIMIT), url)


def _read(content: bytes, where: str) -> list[Listed]:
    try:
        data = json.loads(content)
        return [_entry(item, where) for item in data["models"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise BundleError(f"{where}: is no list of models ({reason}); see docs/how-to/models.md") from None


def _entry(item: Mapping[str, Any], where: str) -> Listed:
    """One model; unknown keys are ignored, since later versions may add some."""
    values = {key: item[key] for key in (*_TEXTS, *_NUMBERS) if item.get(key) is not None}
    for key, value in values.items():
        kind: type | tuple[type, ...] = str if key in _TEXTS else (int, float)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{key} is {value!r}")
    reference = parse_reference(item["name"])
    if reference is None or reference.version is not None:
        raise ValueError(f"name is {item['name']!r}")
    if "url" in values:
        values["url"] = urljoin(where, values["url"])
        if not is_url(values["url"]):
            raise ValueError(f"url is {item['url']!r}")
    return Listed(**values)


def write_index(folder: Path) -> Path:
    """Write `index.json` for the bundles in `FOLDER/*/*/` (name and version), and return its path.

    Raises `BundleError`: one of them is damaged, there is none, or the folder cannot be written.
    """
    manifests = sorted(folder.glob(f"*/*/{MANIFEST}"), key=lambda path: version_order(path.parent.name))
    if not manifests:
        raise BundleError(f"{folder}: has no bundles; put each into {folder}/NAME/VERSION/")
    listed = []
    for path in manifests:
        bundle = open_bundle(path.parent)
        bundle.verify()
        listed.append(_describe(bundle.manifest, path, folder))
    try:
        write_whole(folder / INDEX, json.dumps({"models": listed}, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise BundleError(f"{folder / INDEX}: cannot be written ({error.strerror})") from None
    return folder / INDEX


def _describe(manifest: Manifest, path: Path, folder: Path) -> dict[str, Any]:
    wer, f1, data = figures(manifest)
    facts = {
        "name": manifest.name,
        "version": manifest.version,
        "url": f"{path.parent.relative_to(folder).as_posix()}/",
        "manifest_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": sum((path.parent / name).stat().st_size for name in (MANIFEST, *manifest.files)),
        "wer": wer,
        "f1": f1,
        "measured_on": data,
        "licence": manifest.licence,
        "unislu_version": manifest.unislu_version,
    }
    return {key: value for key, value in facts.items() if value is not None}


def figures(manifest: Manifest) -> tuple[float | None, float | None, str | None]:
    """WER and F1 in percent, and on what: of the first data in `scores` that have both."""
    for name, scores in manifest.scores.items():
        if isinstance(scores, Mapping):
            wer, f1 = scores.get("wer"), scores.get("f1")
            if isinstance(wer, int | float) and isinstance(f1, int | float):
                return float(wer), float(f1), name
    return None, None, None
