"""Wheels of bundles: what is in them, and that pip installs them and `open_bundle` finds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import packaging
import pytest

import unislu
from unislu.bundle import DECODER, REQUIRED_FILES, Bundle, Manifest, hash_files, open_bundle, write_manifest
from unislu.bundle.parts import PARTS
from unislu.cli import main
from unislu.errors import BundleError, OptionError
from unislu.models import PackageOptions, package

SIZES = dict(zip(REQUIRED_FILES, (90_000, 250_000, 30_000, 2_000), strict=True))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle whose bytes cannot be compressed."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file, size in SIZES.items():
        (folder / file).write_bytes(b"# Card\n" if file.endswith(".md") else os.urandom(size))
    vocabulary = {"size": 10, "tokens": {}, "entity_types": ["ORG"], "sentiments": ["Positive"]}
    write_manifest(folder, Manifest("small", "1.0", ("inline",), vocabulary, hash_files(folder)))
    return open_bundle(folder)


def _files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_one_wheel(bundle: Bundle, tmp_path: Path) -> None:
    options = PackageOptions("unislu-Little_One", "2.0.0", "Apache-2.0", ">=0.2,<9")
    (wheel,) = package(bundle, tmp_path / "dist", options)
    assert wheel.name == "unislu_model_little_one-2.0.0-py3-none-any.whl"
    files = _files(wheel)
    manifest = Manifest.from_dict(json.loads(files["unislu_model_little_one/manifest.json"]))
    assert (manifest.name, manifest.version, manifest.licence) == ("unislu-Little_One", "2.0.0", "Apache-2.0")
    assert files[f"unislu_model_little_one/{DECODER}"] == bundle.decoder.read_bytes()
    facts = "unislu_model_little_one-2.0.0.dist-info"
    metadata = files[f"{facts}/METADATA"].decode()
    for line in ("Name: unislu-model-little-one", "License: Apache-2.0", "Requires-Dist: unislu>=0.2,<9"):
        assert line in metadata.splitlines()
    assert metadata.endswith("# Card\n")
    points = files[f"{facts}/entry_points.txt"].decode()
    assert points == "[unislu.models]\nunislu-Little_One = unislu_model_little_one\n"
    assert package(bundle, tmp_path / "again", options)[0].read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "default"}, "'default' cannot be a model's: give --name"),
        ({"name": "a b"}, "'a b' cannot be a model's"),
        ({"name": "a@b"}, "'a@b' cannot be a model's"),
        ({"version": "first"}, "'first' cannot be a package's: give --model-version"),
        ({"unislu_version": "new"}, "unislu_version is 'new', not a range"),
        ({"unislu_version": "<0.1"}, "unislu_version is '<0.1', this is unislu"),
        ({"part_size": 10}, "part size 10: give at least 100kB"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        package(bundle, tmp_path / "dist", PackageOptions(**options))
    assert not (tmp_path / "dist").exists()


def test_damage_is_not_packaged(bundle: Bundle, tmp_path: Path) -> None:
    bundle.decoder.write_bytes(b"?")
    with pytest.raises(BundleError, match=r"decoder\.onnx: its sha256"):
        package(bundle, tmp_path / "dist")


def test_a_folder_that_cannot_be_written(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "dist").touch()
    with pytest.raises(BundleError, match=r"dist: cannot be written \(.*\); choose another -o"):
        package(bundle, tmp_path / "dist")


def test_parts(bundle: Bundle, tmp_path: Path) -> None:
    wheels = package(bundle, tmp_path / "dist", PackageOptions(part_size=120_000))
    assert [wheel.name.partition("-")[0] for wheel in wheels] == [
        "unislu_model_small", "unislu_model_small_part1", "unislu_model_small_part2",
        "unislu_model_small_part3",
    ]  # fmt: skip
    assert all(wheel.stat().st_size <= 120_000 for wheel in wheels)
    files = {name: data for wheel in wheels for name, data in _files(wheel).items()}
    pieces = json.loads(files[f"unislu_model_small/{PARTS}"])
    assert list(pieces) == [DECODER]  # everything else stays whole
    joined = b"".join(files[f"unislu_model_small/{piece}"] for piece in pieces[DECODER])
    assert joined == bundle.decoder.read_bytes()
    assert files["unislu_model_small/encoder.onnx"] == bundle.encoder.read_bytes()
    metadata = _files(wheels[0])["unislu_model_small-1.0.dist-info/METADATA"].decode()
    assert [line for line in metadata.splitlines() if "part" in line and line.startswith("Requires")] == [
        f"Requires-Dist: unislu-model-small-part{number}==1.0" for number in (1, 2, 3)
    ]


def test_no_parts_where_everything_fits(bundle: Bundle, tmp_path: Path) -> None:
    (wheel,) = package(bundle, tmp_path / "dist", PackageOptions(part_size=1_000_000))
    assert f"unislu_model_small/{PARTS}" not in _files(wheel)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh virtual environment."""
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=os.name == "posix")
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def _ask(python: Path, home: Path, code: str) -> str:
    """What the fresh Python prints; it sees this unislu and the libraries beside it."""
    path = [str(Path(unislu.__file__).parents[1]), str(Path(packaging.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "UNISLU_HOME": str(home)}
    done = subprocess.run(
        [python, "-c", code], env=environment, cwd=home.parent, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


OPEN = "import unislu.bundle as b; m = b.open_bundle('small'); m.verify(); print(m.label, m.path, sep='|')"


@pytest.mark.parametrize("part_size", [None, 120_000])
def test_pip_installs_it_and_it_is_found(
    part_size: int | None, bundle: Bundle, fresh: Path, tmp_path: Path
) -> None:
    package(bundle, tmp_path / "dist", PackageOptions(part_size=part_size))
    wheels = sorted((tmp_path / "dist").iterdir())

    def pip(*arguments: object) -> None:
        command = [sys.executable, "-m", "pip", "--python", fresh, *arguments]
        subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=300)

    pip("install", "--no-index", "--no-deps", "--disable-pip-version-check", *wheels)
    label, _, path = _ask(fresh, tmp_path / "home", OPEN).strip().partition("|")
    assert label == "small 1.0"
    assert Path(path).is_relative_to(tmp_path / "home" if part_size else fresh.parents[1])
    pip("uninstall", "--yes", *(wheel.name.partition("-")[0] for wheel in wheels))
    gone = "import unislu.bundle as b; print([m.name for m in b.installed()])"
    assert _ask(fresh, tmp_path / "home", gone).strip() == "['default']"


def test_the_command(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["package", str(bundle.path), "--name", "tiny", "--part-size", "0.12MB", "-o", "out"]
    assert main(arguments) == 0
    assert [Path(line).is_file() for line in capsys.readouterr().out.splitlines()] == [True] * 4
    with pytest.raises(SystemExit):
        main([*arguments[:4], "--part-size", "large"])
    assert "'large' is no size: give one like 95MB" in capsys.readouterr().err
    shutil.rmtree(bundle.path)
    assert main(arguments) == 1


