"""Models by name: packages, the user's folder, the embedded one; versions; what is not there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unislu.bundle import (
    DECODER,
    DEFAULT_PATH,
    MANIFEST,
    REQUIRED_FILES,
    Manifest,
    hash_files,
    installed,
    open_bundle,
    resolve_bundle,
    write_manifest,
)
from unislu.bundle.installed import is_fixed
from unislu.bundle.parts import PARTS
from unislu.errors import BundleError, BundleNotFoundError

MakeBundle = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, and an empty working folder."""
    monkeypatch.setenv("UNISLU_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.fixture
def make() -> MakeBundle:
    """Writes a bundle of nonsense files with a true manifest."""

    def write(folder: Path, name: str = "small", version: str = "1.0", **changes: Any) -> Path:
        folder.mkdir(parents=True)
        for file in REQUIRED_FILES:
            (folder / file).write_bytes(f"{name} {version} {file}\n".encode() * 1000)
        vocabulary = {"size": 10, "tokens": {}, "entity_types": ["ORG"], "sentiments": ["Positive"]}
        made = Manifest(name, version, ("inline",), vocabulary, hash_files(folder), **changes)
        write_manifest(folder, made)
        return folder

    return write


@pytest.fixture
def package(make: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeBundle:
    """Puts a bundle into an installed package, as pip leaves it."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def write(name: str = "small", version: str = "1.0", **changes: Any) -> Path:
        module = f"unislu_model_{name}"
        folder = make(site / module, name, version, **changes)
        (folder / "__init__.py").touch()
        facts = site / f"{module}-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (facts / "entry_points.txt").write_text(f"[unislu.models]\n{name} = {module}\n")
        return folder

    return write


def _change(folder: Path, **fields: Any) -> None:
    data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(data | fields), encoding="utf-8")


@pytest.mark.parametrize("name", ["default", "unislu-base"])
def test_the_embedded_model_has_names(name: str) -> None:
    assert resolve_bundle(name) == DEFAULT_PATH == resolve_bundle()
    version = open_bundle().manifest.version
    assert resolve_bundle(f"{name}@{version}") == DEFAULT_PATH


def test_packages_go_before_the_users_folder(make: MakeBundle, package: MakeBundle, home: Path) -> None:
    cached = make(home / "models" / "small" / "2.0", version="2.0")
    assert resolve_bundle("small") == cached
    packaged = package()
    assert resolve_bundle("small") == packaged
    assert resolve_bundle("small@2.0") == cached and resolve_bundle("small@1.0") == packaged
    assert [model.origin for model in installed()] == ["package", "cache", "embedded"]


def test_a_folder_that_is_a_bundle_goes_before_names(make: MakeBundle, package: MakeBundle) -> None:
    packaged = package()
    Path("small").mkdir()  # some folder of that name is not meant
    assert resolve_bundle("small") == packaged
    Path("small").rmdir()
    assert open_bundle(make(Path("small"), version="7")).label == "small 7"
    assert open_bundle("small").label == "small 7"


def test_the_newest_version_that_works(make: MakeBundle, home: Path) -> None:
    for version in ("1.9", "1.10", "1.2"):
        make(home / "models" / "small" / version, version=version)
    newest = make(home / "models" / "small" / "2.0", version="2.0")
    assert open_bundle("small").label == "small 2.0"
    _change(newest, unislu_version=">=99")
    assert open_bundle("small").label == "small 1.10"
    with pytest.raises(BundleError, match=r"unislu_version is '>=99', this is unislu .*: install a version"):
        open_bundle("small@2.0")


def test_a_package_of_another_schema_is_refused(package: MakeBundle) -> None:
    _change(package(), schema_version=2, new_field={"of": "that schema"})
    with pytest.raises(BundleError, match=r"schema_version is 2, this unislu reads 1; install") as error:
        open_bundle("small")
    assert "\n" not in str(error.value) and MANIFEST in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("medium", r"medium: no such folder, and no model of .*get it with: unislu download medium$"),
        ("smal", r"did you mean small\? If not, get it with: unislu download smal$"),
        ("small@3", r"version 3 is not installed \(1\.0 is\); get it with: unislu download small@3$"),
        ("defualt", r"did you mean default\?"),
    ],
)
def test_unknown_names(name: str, message: str, package: MakeBundle) -> None:
    package()
    with pytest.raises(BundleNotFoundError, match=message) as error:
        open_bundle(name)
    assert "\n" not in str(error.value)


def test_ranges_of_versions(make: MakeBundle, tmp_path: Path) -> None:
    folder = make(tmp_path / "b", unislu_version=">=0.2", licence="Apache-2.0")
    assert open_bundle(folder).manifest.licence == "Apache-2.0"
    for wrong, message in ((">>1", "not a range"), (3, "not a range"), ("<0.1", "install a version in that")):
        _change(folder, unislu_version=wrong)
        with pytest.raises(BundleError, match=message):
            open_bundle(folder)


def test_manifests_without_the_new_fields_stay_as_they_were(make: MakeBundle, tmp_path: Path) -> None:
    data = open_bundle(make(tmp_path / "b")).manifest.to_dict()
    assert not {"licence", "unislu_version"} & data.keys()


def _cut(folder: Path, file: str = DECODER) -> list[Path]:
    """Cut a file into three pieces, as `unislu package` does."""
    content = (folder / file).read_bytes()
    third = len(content) // 3
    pieces = [folder / f"{file}.{number}" for number in (1, 2, 3)]
    for number, piece in enumerate(pieces):
        piece.write_bytes(content[number * third : None if number == 2 else (number + 1) * third])
    (folder / file).unlink()
    (folder / PARTS).write_text(json.dumps({file: [piece.name for piece in pieces]}))
    return pieces


def test_pieces_are_joined_once(package: MakeBundle, home: Path) -> None:
    folder = package()
    whole = (folder / DECODER).read_bytes()
    _cut(folder)
    bundle = open_bundle("small")
    bundle.verify()
    assert bundle.path.is_relative_to(home) and bundle.decoder.read_bytes() == whole
    assert os.path.samefile(bundle.encoder, folder / "encoder.onnx")  # linked, not copied
    joined = bundle.decoder.stat()
    assert open_bundle("small").decoder.stat().st_ino == joined.st_ino
    assert [path.name for path in bundle.path.parent.iterdir()] == [bundle.path.name]


def test_what_packages_bring_is_not_changed(make: MakeBundle, package: MakeBundle, home: Path) -> None:
    assert is_fixed(DEFAULT_PATH)
    assert not is_fixed(make(home / "models" / "own" / "1", "own")) and not is_fixed(make(Path("mine")))
    folder = package()
    assert is_fixed(folder)
    _cut(folder)
    assert is_fixed(open_bundle("small").path)


def test_a_missing_or_damaged_piece(package: MakeBundle, home: Path) -> None:
    pieces = _cut(package())
    content = pieces[1].read_bytes()
    pieces[1].write_bytes(content[:-1] + b"?")
    with pytest.raises(BundleError, match=r"the parts of decoder\.onnx are damaged; install"):
        open_bundle("small")
    pieces[1].unlink()
    with pytest.raises(BundleError, match=r"decoder\.onnx\.2: this part of the model is missing; install"):
        open_bundle("small")
    assert not list((home / "joined").iterdir())
    pieces[1].write_bytes(content)
    open_bundle("small").verify()


def test_a_folder_that_cannot_be_written(
    package: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut(package())
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNISLU_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(BundleError, match=r"models cannot be kept there \(.*\); set UNISLU_HOME to a folder"):
        open_bundle("small")


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of another system")
def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from unislu.bundle.installed import home as folder

    assert folder() == tmp_path / "home"
    monkeypatch.delenv("UNISLU_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert folder() == Path("/cache/unislu")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert folder() == Path.home() / ".cache" / "unislu"
