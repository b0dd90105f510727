"""Which paths a client may name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unislu.errors import OptionError
from unislu.server.mcp.folders import Folders


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    (folder / "2026").mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"a")
    (folder / "2026" / "b.wav").write_bytes(b"b")
    (folder / ".hidden").write_bytes(b"h")
    (tmp_path / "secret.wav").write_bytes(b"s")
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "inside.wav").symlink_to(folder / "a.wav")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.wav")
    return folder


def test_names_and_places(calls: Path) -> None:
    folders = Folders([calls])
    assert [name for name, _ in folders.files()] == ["calls/a.wav", "calls/2026/b.wav"]
    assert folders.file("calls/2026/b.wav") == ("calls/2026/b.wav", calls / "2026" / "b.wav")
    assert folders.file(str(calls / "a.wav")) == ("calls/a.wav", calls / "a.wav")
    assert folders.file("calls/./a.wav")[1] == calls / "a.wav"


@pytest.mark.parametrize(
    ("path", "message"),
    [("calls/../secret.wav", "is not in the folders"), ("../secret.wav", "is not in the folders"),
     ("/etc/passwd", "is not in the folders"), ("", "is not in the folders"),
     ("a.wav", "is not in the folders"),
     ("calls/2026/../../secret.wav", "is not in the folders"), ("calls/a\0.wav", "is not in the folders"),
     ("other/a.wav", "of this server: calls;"), ("calls/link.wav", "symbolic link"),
     ("calls/inside.wav", "symbolic link"), ("calls/up/secret.wav", "or behind one"),
     ("calls/pipe.wav", "is not a file"), ("calls", "is not a file"), ("calls/2026", "is not a file"),
     ("calls/none.wav", "no such file"), ("calls/" + "x" * 300, "no such file"),
     ("calls/a.wav/b", "no such file")],
)  # fmt: skip
def test_everything_else_is_refused(calls: Path, path: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Folders([calls]).file(path)
    with pytest.raises(OptionError):
        Folders([calls]).file(str(calls.parent / "calls-2" / "a.wav"))


def test_bad_folders(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "calls").mkdir(parents=True)
    with pytest.raises(OptionError, match="another folder is called 'calls' too"):
        Folders([calls, tmp_path / "other" / "calls"])
    with pytest.raises(OptionError, match="is not a folder"):
        Folders([calls / "a.wav"])
    assert Folders([calls, calls]).names == ("calls",)
