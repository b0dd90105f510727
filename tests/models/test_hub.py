"""The hub, by `huggingface_hub` itself against a server that speaks its HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import unislu
from unislu.bundle import DECODER, ENCODER, REQUIRED_FILES, Manifest, hash_files, open_bundle, write_manifest
from unislu.bundle.installed import source_of

from .hub import LARGE, TOKEN, Hub, running

pytest.importorskip("huggingface_hub")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running() as found:
        yield found


@pytest.fixture
def run(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command that knows this hub; the library reads its settings when it is imported."""
    monkeypatch.setenv("UNISLU_HOME", str(tmp_path / "home"))

    def call(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1]), "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1", **settings,
        }  # fmt: skip
        command = [sys.executable, "-m", "unislu", *map(str, arguments)]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200
        )

    return call


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in REQUIRED_FILES:
        (folder / file).write_bytes(f"{file}\n".encode() * (1000 if file.endswith(".md") else LARGE))
    vocabulary = {"size": 10, "tokens": {}, "entity_types": ["ORG"], "sentiments": ["Positive"]}
    write_manifest(folder, Manifest("small", "1.0", ("inline",), vocabulary, hash_files(folder)))
    return folder


def _published(hub: Hub, bundle: Path, **more: bytes) -> None:
    """Put a bundle on the hub without the command."""
    from .hub import Repository

    repository = hub.repositories["someone/small"] = Repository()
    repository.commit("main", {file.name: file.read_bytes() for file in bundle.iterdir()} | more, "added")


def test_push_and_download(run: Run, hub: Hub, bundle: Path, tmp_path: Path) -> None:
    pushed = run("push", bundle, "hf:someone/small", "--private", "-m", "first")
    assert pushed.returncode == 0, pushed.stderr
    repository = hub.repositories["someone/small"]
    head = repository.branches["main"]
    assert pushed.stdout.strip() == f"hf:someone/small@{head}"
    assert repository.private and repository.messages[-1] == "first" and len(repository.commits) == 2
    files = repository.files("main")
    assert files.keys() == {"manifest.json", "README.md", *REQUIRED_FILES}
    assert files[DECODER] == (bundle / DECODER).read_bytes() and len(hub.uploads) >= 4
    readme = files["README.md"].decode()
    assert readme.startswith("---\nlibrary_name: unislu\n")
    assert readme.endswith(files["MODEL_CARD.md"].decode())

    got = run("download", pushed.stdout.strip())
    assert got.returncode == 0, got.stderr
    found = open_bundle("small")
    found.verify()
    assert Path(got.stdout.strip()) == found.path and source_of(found.path) == pushed.stdout.strip()
    assert sorted(path.name for path in found.path.iterdir()) == sorted(
        ["manifest.json", "source.json", *REQUIRED_FILES]
    )
    # From then on nothing is asked, whether the name or the address is given.
    assert open_bundle(pushed.stdout.strip()).path == found.path


def test_another_branch(run: Run, hub: Hub, bundle: Path) -> None:
    for _ in range(2):
        done = run("push", bundle, "hf:someone/small@next")
        assert done.returncode == 0, done.stderr
    repository = hub.repositories["someone/small"]
    assert repository.files("main") == {} and DECODER in repository.files("next")
    assert run("download", "hf:someone/small@next", "-q").returncode == 0


def test_a_download_that_breaks_off_goes_on(run: Run, hub: Hub, bundle: Path) -> None:
    chunk = 10 << 20  # what the library writes at a time
    (bundle / DECODER).write_bytes(bytes(chunk + 5000))
    write_manifest(bundle, replace(open_bundle(bundle).manifest, files=hash_files(bundle)))
    _published(hub, bundle)
    hub.broken[DECODER] = [chunk + 1000]
    done = run("download", "hf:someone/small")
    assert done.returncode == 0, done.stderr
    ranges = [range_ for method, path, range_ in hub.asked if method == "GET" and path.endswith(DECODER)]
    assert ranges[0] is None and str(ranges[-1]).startswith(f"bytes={chunk}-")
    open_bundle("small").verify()


@pytest.mark.parametrize(("times", "code"), [(1, 0), (9, 1)])
def test_a_damaged_file(times: int, code: int, run: Run, hub: Hub, bundle: Path, tmp_path: Path) -> None:
    _published(hub, bundle)
    hub.spoilt[ENCODER] = times
    done = run("download", "hf:someone/small")
    assert done.returncode == code, done.stderr
    if code:
        line = done.stderr.splitlines()[-1]
        assert "encoder.onnx is missing or damaged" in line and "nothing was installed" in line
        assert not (tmp_path / "home" / "models").exists()
    else:
        open_bundle("small").verify()


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("download", "hf:someone/nothing"), {}, "hf:someone/nothing: could not be downloaded"),
        (("download", "hf:someone/small@v9"), {}, "hf:someone/small@v9: could not be downloaded"),
        (("download", "hf:someone/empty"), {}, "hf:someone/empty: could not be downloaded"),
        (("push", "bundle", "hf:someone/small"), {"HF_TOKEN": "wrong"}, "could not be published"),
        (("push", "bundle", "someone/small"), {}, "is no repository of the hub: give hf:owner/name"),
    ],
)
def test_one_line_for_what_fails(
    arguments: tuple[str, ...], settings: dict[str, Any], message: str, run: Run, hub: Hub, bundle: Path
) -> None:
    from .hub import Repository

    _published(hub, bundle)
    hub.repositories["someone/empty"] = Repository()
    done = run(*arguments, **settings)
    assert done.returncode != 0 and done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("unislu: ") and message in last and "Traceback" not in done.stderr


def test_an_address_as_a_bundle_downloads_nothing(run: Run, hub: Hub, bundle: Path, tmp_path: Path) -> None:
    _published(hub, bundle)
    for command in (("analyze", "x.wav", "--bundle"), ("serve", "--port", "0", "--bundle"), ("package",)):
        done = run(*command, "hf:someone/small")
        assert done.returncode != 0 and "Traceback" not in done.stderr
        said = "hf:someone/small: is not on this machine; get it with: unislu download hf:someone/small"
        assert said in done.stderr, done.stderr
    assert hub.asked == []
    assert run("download", "hf:someone/small").returncode == 0
    count = len(hub.asked)
    done = run("package", "hf:someone/small", "-o", "dist")
    assert done.returncode == 0 and len(hub.asked) == count
