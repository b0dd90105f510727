"""Downloads from a real server that breaks off, lies, and does not know the file; names and lists."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from unislu.bundle import DECODER, ENCODER, MANIFEST, REQUIRED_FILES, Manifest, hash_files, open_bundle
from unislu.bundle import write_manifest as store_manifest
from unislu.cli import main
from unislu.errors import BundleError, BundleNotFoundError, OptionError
from unislu.models import catalog, download, write_index
from unislu.models import http as module


@dataclass
class Host:
    """Serves a folder as any static host does, with faults on order."""

    folder: Path
    url: str = ""
    resumable: bool = True
    break_after: dict[str, list[int]] = field(default_factory=dict)
    """By file: after how many bytes the next answers end without a word."""
    spoilt: dict[str, int] = field(default_factory=dict)
    """By file: how many answers have a wrong byte."""
    busy: int = 0
    """How many answers are 503."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and range of every request."""

    def ranges(self, name: str) -> list[str | None]:
        return [range_ for path, range_ in self.asked if path.endswith(name)]


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        host, name = self.host, self.path.rsplit("/", 1)[-1]
        host.asked.append((self.path, self.headers.get("Range")))
        path = host.folder / self.path.lstrip("/")
        if host.busy:
            host.busy -= 1
            self.send_error(503)
            return
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        start = 0
        if host.resumable and (range_ := self.headers.get("Range")):
            start = int(range_.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        if host.spoilt.get(name):
            host.spoilt[name] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = host.break_after.get(name)
        self.wfile.write(content[start : start + cut.pop(0)] if cut else content[start:])
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host of `small` 1.0, and an empty folder of models."""
    monkeypatch.setenv("UNISLU_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("UNISLU_MODELS_URL", raising=False)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.001)
    monkeypatch.chdir(tmp_path)
    found = Host(tmp_path / "hosted")
    write(found.folder / "small" / "1.0")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"host": found}))
    found.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def write(folder: Path, name: str = "small", version: str = "1.0", **changes: Any) -> Path:
    folder.mkdir(parents=True)
    for file in REQUIRED_FILES:
        (folder / file).write_bytes(f"{name} {version} {file}\n".encode() * 20_000)
    vocabulary = {"size": 10, "tokens": {}, "entity_types": ["ORG"], "sentiments": ["Positive"]}
    store_manifest(folder, Manifest(name, version, ("inline",), vocabulary, hash_files(folder), **changes))
    return folder


def _partial(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("partial/*/*"))


def test_an_address(host: Host, tmp_path: Path) -> None:
    shown: list[str] = []
    found = download(f"{host.url}small/1.0/", show=shown.append)
    assert found.path == tmp_path / "home" / "models" / "small" / "1.0"
    assert open_bundle("small").path == found.path and "small: encoder.onnx  0.5 of 0.5 MB" in shown
    assert _partial(tmp_path / "home") == []
    count = len(host.asked)
    download(f"{host.url}small/1.0/manifest.json")
    assert len(host.asked) == count + 1  # the manifest alone: the files are here


def test_it_goes_on_where_it_broke_off(host: Host) -> None:
    host.break_after[DECODER] = [1000, 50_000]
    download(f"{host.url}small/1.0")
    assert host.ranges(DECODER) == [None, "bytes=1000-", "bytes=51000-"]


def test_a_later_command_goes_on(host: Host, tmp_path: Path) -> None:
    host.break_after[DECODER] = [70_000, *[0] * module.ATTEMPTS]
    with pytest.raises(BundleError, match=r"broke off\); 70000 bytes are kept, and the same command goes on"):
        download(f"{host.url}small/1.0/")
    assert f"{DECODER}.partial" in _partial(tmp_path / "home")
    assert [entry.name for entry in catalog()] == ["default"]
    host.asked.clear()
    download(f"{host.url}small/1.0/").verify()
    assert host.ranges(DECODER) == ["bytes=70000-"] and host.ranges(ENCODER) == []


def test_a_server_that_cannot_resume(host: Host) -> None:
    host.resumable, host.break_after[DECODER] = False, [1000]
    download(f"{host.url}small/1.0/").verify()


@pytest.mark.skipif(os.name != "posix", reason="no flock")
def test_two_at_the_same_time(host: Host) -> None:
    said: list[str] = []

    def show(text: str) -> None:
        if not said:
            said.append("")  # in the middle of the first one
            with pytest.raises(BundleError, match="is being downloaded already; wait for the other command"):
                download(f"{host.url}small/1.0/")

    download(f"{host.url}small/1.0/", show=show).verify()
    assert said


def test_a_busy_server(host: Host) -> None:
    host.busy = 2
    download(f"{host.url}small/1.0/").verify()


def test_a_damaged_file_is_not_installed(host: Host, tmp_path: Path) -> None:
    host.spoilt[DECODER] = 1
    with pytest.raises(BundleError, match=r"decoder\.onnx: is damaged: its sha256 .*; nothing was installed"):
        download(f"{host.url}small/1.0/")
    assert not (tmp_path / "home" / "models").exists()
    download(f"{host.url}small/1.0/").verify()


def test_a_damaged_part_is_thrown_away(host: Host, tmp_path: Path) -> None:
    """What was left by an attempt on another version of the file cannot be continued."""
    host.break_after[DECODER] = [70_000, *[0] * module.ATTEMPTS]
    with pytest.raises(BundleError):
        download(f"{host.url}small/1.0/")
    next(tmp_path.glob(f"home/partial/*/{DECODER}.partial")).write_bytes(b"x" * 70_000)
    download(f"{host.url}small/1.0/").verify()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("large/", r"large/manifest\.json: is not there \(404\)"),
        ("page/", r"page/manifest\.json: is not JSON"),
        ("future/", r"schema_version is 2, this unislu reads 1"),
        ("old/", r"unislu_version is '<0\.1', this is unislu"),
        ("odd/", r"the name '\.\./evil' and the version '1\.0' cannot be asked for"),
    ],
)
def test_what_cannot_be_installed(path: str, message: str, host: Host) -> None:
    small = json.loads((host.folder / "small/1.0" / MANIFEST).read_text())
    for folder, change in (
        ("page", None),
        ("future", {"schema_version": 2, "x": 1}),
        ("old", {"unislu_version": "<0.1"}),
        ("odd", {"name": "../evil"}),
    ):
        (host.folder / folder).mkdir()
        text = "<html>" if change is None else json.dumps(small | change)
        (host.folder / folder / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match=message) as error:
        download(host.url + path)
    assert "\n" not in str(error.value) and host.ranges(DECODER) == []


def test_the_hash_of_an_address(host: Host) -> None:
    digest = hashlib.sha256((host.folder / "small/1.0" / MANIFEST).read_bytes()).hexdigest()
    with pytest.raises(BundleError, match=r"manifest\.json: its sha256 .* is not the 000000000000"):
        download(f"{host.url}small/1.0/#sha256={'0' * 64}")
    with pytest.raises(OptionError, match=r"after # must be sha256="):
        download(f"{host.url}small/1.0/#md5=1")
    download(f"{host.url}small/1.0/#sha256={digest}")


def test_no_server(host: Host) -> None:
    with pytest.raises(BundleError, match=r"could not be downloaded \(.*refused.*\); check the address"):
        download("http://127.0.0.1:9/small/")


@pytest.mark.parametrize("source", ["ftp://a/b", "some/folder", "a b", "", "hf:only"])
def test_what_is_no_source(source: str, host: Host) -> None:
    with pytest.raises(OptionError, match="cannot be downloaded: give a name of `unislu models`"):
        download(source)


def test_a_folder_that_cannot_be_written(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNISLU_HOME", str(tmp_path / "file"))
    assert main(["download", f"{host.url}small/1.0/"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "models cannot be kept there" in error and "set UNISLU_HOME" in error


# Names -----------------------------------------------------------------------------------------


@pytest.fixture
def listed(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The host has a list, with two versions of `small`."""
    scores = {"slue dev": {"wer": 4.04, "f1": 66.7}}
    write(host.folder / "small" / "1.10", version="1.10", licence="MIT", scores=scores)
    write_index(host.folder)
    monkeypatch.setenv("UNISLU_MODELS_URL", f"{host.url}index.json")
    return host


def test_by_name(listed: Host) -> None:
    said: list[str] = []
    assert download("small").label == "small 1.10"
    count = len(listed.asked)
    assert download("small", said.append).label == "small 1.10"
    assert said == ["small 1.10 is installed already"]
    assert len(listed.asked) == count + 1  # the list alone
    assert download("small@1.0").label == "small 1.0" == open_bundle("small@1.0").label
    assert open_bundle("small").label == "small 1.10"


def test_the_newest_version_that_works(listed: Host, capsys: pytest.CaptureFixture[str]) -> None:
    write(listed.folder / "small" / "2.0", version="2.0")
    index = json.loads(write_index(listed.folder).read_text())
    index["models"][-1]["unislu_version"] = ">=99"
    (listed.folder / "index.json").write_text(json.dumps(index))
    assert download("small").label == "small 1.10"
    assert main(["models"]) == 0
    assert "index, unusable" in capsys.readouterr().out


def test_a_damaged_installation_is_replaced(listed: Host) -> None:
    said: list[str] = []
    found = download("small")
    found.decoder.write_bytes(b"?")
    download("small", said.append).verify()
    assert "what is installed cannot be used" in said[0] and "decoder.onnx" in said[0]
    assert listed.ranges(ENCODER) == [None]  # what is whole is not fetched again


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smal", r"the list of UNISLU_MODELS_URL has no model of this name .*; did you mean small\?"),
        ("small@9", r"small@9: there is no such version; known are 1\.0, 1\.10"),
        ("large", r"has no model of this name \(default, small\)"),
    ],
)
def test_unknown_names(name: str, message: str, listed: Host) -> None:
    with pytest.raises(BundleNotFoundError, match=message):
        download(name)


def test_without_a_list(host: Host) -> None:
    with pytest.raises(BundleNotFoundError, match=r"the list of this package .* set UNISLU_MODELS_URL to"):
        download("small")
    assert download("default").path == open_bundle().path and host.asked == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is no list of models"),
        ("<html>", "is no list of models"),
        ('{"models": [{"version": "1"}]}', "'name' is missing"),
        ('{"models": [{"name": "../x"}]}', r"name is '\.\./x'"),
        ('{"models": [{"name": "x", "bytes": "many"}]}', "bytes is 'many'"),
        ('{"models": [{"name": "x", "url": "file:///etc/"}]}', "url is 'file:///etc/'"),
        ('{"models": [7]}', "is no list of models"),
    ],
)
def test_bad_lists(
    content: str, message: str, listed: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    (listed.folder / "index.json").write_text(content)
    assert main(["models", "--json"]) == 1
    out, error = capsys.readouterr()
    assert [entry["name"] for entry in json.loads(out)] == ["default"]  # what is here is listed all the same
    assert error.count("\n") == 1 and re.search(message, error)


def test_the_command_lists_models(
    listed: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "small@1.0", "-q"]) == 0
    path, error = capsys.readouterr()
    assert Path(path.strip()).is_dir() and error == ""
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "SIZE", "WER", "F1", "LICENCE", "WHERE"]
    assert [line.split()[0] for line in lines[1:]] == ["small", "default", "small"]
    assert lines[1].endswith("installed (cache)") and lines[2].endswith("installed (embedded)")
    assert lines[3].split() == "small 1.10 2 MB 4.0 66.7 MIT unislu download small@1.10".split()
    assert main(["models", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["installed"] for entry in entries] == [True, True, False]
    assert entries[0]["source"] == f"{listed.url}small/1.0/" and entries[2]["measured_on"] == "slue dev"
    default = entries[1]
    manifest = open_bundle().manifest
    assert default["model"] == manifest.name and default["version"] == manifest.version
    scored = [scores for scores in manifest.scores.values() if isinstance(scores, dict) and "f1" in scores]
    assert (default["wer"], default["f1"]) == (scored[0]["wer"], scored[0]["f1"])


def test_a_model_that_cannot_be_used_is_listed(listed: Host, capsys: pytest.CaptureFixture[str]) -> None:
    folder = download("small").path
    data = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(data | {"schema_version": 2}))
    assert main(["models"]) == 0
    out, error = capsys.readouterr()
    assert "cache, unusable" in out and "schema_version is 2" in error


def test_the_default_list_names_nothing_that_is_not_there(host: Host) -> None:
    from unislu.models.index import registry

    assert [(entry.name, entry.url) for entry in registry()] == [("default", None)]


def test_the_list_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--index", str(tmp_path)]) == 1
    assert "put each into" in capsys.readouterr().err
    folder = write(tmp_path / "small" / "1.0")
    assert main(["models", "--index", str(tmp_path)]) == 0
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["models"][0]["url"] == "small/1.0/"
    (folder / DECODER).write_bytes(b"?")
    assert main(["models", "--index", str(tmp_path)]) == 1


