"""What is found to be heard: names with any character, folders with links, segments, hostile manifests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unislu.cli.batch import render
from unislu.errors import OptionError, RecordError, UnisluError
from unislu.scale.inputs import BYTES_PER_SECOND, FileStretch, printable
from unislu.scale.sources import find_inputs

Batch = Callable[..., Any]
Rows = Callable[[Path], dict[str, dict[str, Any]]]
Clip = Callable[..., Path]
UNPRIVILEGED = 65_534
POSIX = pytest.mark.skipif(os.name != "posix", reason="names and links of POSIX systems")


def manifest_of(path: Path, *lines: str | dict[str, Any]) -> Path:
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), "utf-8")
    return path


@pytest.mark.parametrize("name", ["Talk [dQw4w9].wav", "really?.wav", "b*.wav", "a::b.wav", "50%.wav"])
def test_a_path_that_exists_is_a_path(clip: Clip, tmp_path: Path, name: str) -> None:
    path = clip(tmp_path / name, 20)
    clip(tmp_path / "bb.wav", 20)
    assert [entry.uri for entry in find_inputs([str(path)]).inputs] == [str(path)]


@POSIX
def test_a_name_that_is_not_utf8_has_its_row(batch: Batch, rows: Rows, clip: Clip, tmp_path: Path) -> None:
    os.rename(clip(tmp_path / "x.wav", 20), os.fsencode(tmp_path) + b"/c\xe9.wav")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/c\xe9.wav")
    summary = batch([odd, clip(tmp_path / "a.wav", 20)], tmp_path / "out")
    assert (summary.done, summary.failed) == (2, 0)
    assert set(rows(tmp_path / "out")) == {"c\\xe9.wav", "a.wav"}
    render(summary).encode()
    assert batch([odd, tmp_path / "a.wav"], tmp_path / "out").new == 0


@POSIX
def test_a_failed_file_whose_name_is_not_utf8_has_its_row(batch: Batch, rows: Rows, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/c\xe9.wav"
    Path(os.fsdecode(odd)).write_bytes(b"no sound at all")
    assert batch([os.fsdecode(odd)], tmp_path / "out").causes == {"audio": 1}
    (row,) = rows(tmp_path / "out").values()
    assert "c\\xe9.wav" in row["error"]["message"]


@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name))
def test_every_name_can_be_written(name: bytes) -> None:
    printable(os.fsdecode(name)).encode()


def test_what_a_folder_holds_is_transcribed_or_named(clip: Clip, tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    for suffix in (".wav", ".3gp", ".mka", ".mpga", ".mp2", ".gsm", ".g722", ".wv", ".ts", ".WAV"):
        clip(folder / f"a{suffix}", 20)
    (folder / "._a.wav").write_bytes(b"\0\5\26\7")
    (folder / "notes.txt").write_text("x")
    (folder / "read.me").write_text("x")
    (folder / ".DS_Store").write_text("x")
    found = find_inputs([str(folder)])
    assert len(found.inputs) == 10
    assert set(found.notes) == {
        "left out: 1 that macOS stores beside other files (._…), it is " + str(folder / "._a.wav"),
        "left out: 2 of unknown type, the first is " + str(folder / "notes.txt"),
    }
    assert len(find_inputs([str(folder / "*.wav")]).inputs) == 1


def test_every_suffix_is_of_sound() -> None:
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in BYTES_PER_SECOND)


@POSIX
def test_links_to_folders_are_followed_once(clip: Clip, tmp_path: Path) -> None:
    clip(tmp_path / "real" / "a.wav", 20)
    clip(tmp_path / "d" / "x" / "b.wav", 20)
    (tmp_path / "d" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "d" / "again").symlink_to(tmp_path / "real")
    (tmp_path / "d" / "inside").symlink_to(tmp_path / "d" / "x")
    (tmp_path / "d" / "up").symlink_to(tmp_path)
    (tmp_path / "d" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    found = find_inputs([str(tmp_path / "d")])
    names = [entry.uri.removeprefix(str(tmp_path / "d")) for entry in found.inputs]
    assert names == ["/again/a.wav", "/gone.wav", "/x/b.wav"]
    assert found.inputs[1].stamp is None  # heard about as an error row of its own
    assert found.notes == (
        f"left out: 1 links to a parent of the searched folder, it is {tmp_path / 'd' / 'up'}",
    )


@pytest.fixture
def ordinary_user(tmp_path: Path) -> Iterator[None]:
    """Root may read everything: the test runs as another user, who may reach `tmp_path`."""
    if os.geteuid() != 0:
        yield
        return
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o755)
    os.seteuid(UNPRIVILEGED)
    try:
        yield
    finally:
        os.seteuid(0)


@POSIX
@pytest.mark.parametrize("depth", ["shut", "open/shut", "shut/deeper"])
def test_a_folder_that_cannot_be_read_is_named(
    clip: Clip, tmp_path: Path, depth: str, request: pytest.FixtureRequest
) -> None:
    clip(tmp_path / "d" / "a.wav", 20)
    clip(tmp_path / "d" / depth / "b.wav", 20)
    shut = next(tmp_path.glob("d/**/shut"))
    shut.chmod(0)
    request.getfixturevalue("ordinary_user")
    found = find_inputs([str(tmp_path / "d")])
    assert [Path(entry.uri).name for entry in found.inputs] == ["a.wav"]
    assert found.notes == (f"left out: 1 folders that cannot be read (Permission denied), it is {shut}",)


@POSIX
def test_a_folder_that_can_be_listed_but_not_entered_is_named(
    clip: Clip, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    clip(tmp_path / "d" / "a.wav", 20)
    clip(tmp_path / "d" / "shut" / "b.wav", 20)
    (tmp_path / "d" / "shut" / "deeper").mkdir()
    (tmp_path / "d" / "shut").chmod(0o444)
    request.getfixturevalue("ordinary_user")
    found = find_inputs([str(tmp_path / "d")])
    # b.wav becomes an error row of its own
    assert [(Path(entry.uri).name, entry.stamp is None) for entry in found.inputs] == [
        ("a.wav", False), ("b.wav", True)
    ]  # fmt: skip
    assert found.notes == (
        f"left out: 1 folders that cannot be read (Permission denied), it is {tmp_path / 'd/shut/deeper'}",
    )


@POSIX
def test_a_shut_folder_alone_is_refused_in_one_line(
    clip: Clip, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    clip(tmp_path / "shut" / "b.wav", 20)
    (tmp_path / "shut").chmod(0)
    request.getfixturevalue("ordinary_user")
    with pytest.raises(OptionError, match="cannot be read"):
        find_inputs([str(tmp_path / "shut")])


def test_characters_that_only_python_takes_for_line_breaks(clip: Clip, tmp_path: Path) -> None:
    clip(tmp_path / "a.wav", 20)
    line = json.dumps({"audio": "a.wav", "text": "a\u2028b\u0085c\x1cd\x0b"}, ensure_ascii=False)
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + (line + end).encode())
        assert len(find_inputs([str(tmp_path / "m.jsonl")]).inputs) == 1


def test_ids_are_strings_or_whole_numbers(clip: Clip, tmp_path: Path) -> None:
    lines = [{"id": 0, "audio": "a.wav"}, {"id": 1, "audio": "b.wav"}, {"id": "", "audio": "c.wav"}]
    found = find_inputs([str(manifest_of(tmp_path / "m.jsonl", *lines))]).inputs
    assert [entry.id for entry in found] == ["0", "1", str(tmp_path / "c.wav")]
    for bad in (True, 1.5, ["a"]):
        path = manifest_of(tmp_path / "n.jsonl", {"id": bad, "audio": "a.wav"})
        with pytest.raises(RecordError, match=r"n.jsonl:1: field `id`"):
            find_inputs([str(path)])


def test_segments_of_a_file(batch: Batch, rows: Rows, clip: Clip, tmp_path: Path) -> None:
    clip(tmp_path / "a.wav", 500)
    lines = [
        {"id": "X", "audio_filepath": "a.wav", "offset": 0, "duration": 2.0},
        {"id": "Y", "audio_filepath": "a.wav", "offset": 2.5, "duration": 2.5},
        {"id": "rest", "audio_filepath": "a.wav", "offset": 4},
        {"id": "behind", "audio_filepath": "a.wav", "offset": 9, "duration": 1},
        {"id": "whole", "audio_filepath": "a.wav"},
        {"audio_filepath": "a.wav", "offset": 1.25, "duration": 1},
    ]
    path = manifest_of(tmp_path / "m.json", *lines)
    summary = batch(path, tmp_path / "out", workers=1)
    found = rows(tmp_path / "out")
    assert (summary.done, summary.causes) == (5, {"audio": 1})
    lengths = {name: row["duration"] for name, row in found.items() if not row["error"]}
    expected = {"X": 2.0, "Y": 2.5, "rest": 1.0, "whole": 5.0, "a.wav#t=1.25,2.25": 1.0}
    assert lengths == pytest.approx(expected, abs=1e-3)
    assert found["Y"]["uri"] == f"{tmp_path}/a.wav#t=2.5,5"
    assert found["behind"]["error"]["message"].endswith("a.wav#t=9,10: begins after the file's end")
    assert batch(path, tmp_path / "out").new == 0
    lines[0]["duration"] = 2.25  # another stretch of the same file is another content
    assert batch(manifest_of(path, *lines), tmp_path / "out").new == 1
    assert rows(tmp_path / "out")["X"]["duration"] == pytest.approx(2.25, abs=1e-3)


def test_manifests_may_be_lists_and_match_patterns(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"audio": "a.wav"},\n {"audio": "b.wav", "offset": 1}]')
    manifest_of(tmp_path / "b.json", {"audio": "c.wav"})
    found = find_inputs([str(tmp_path / "*.json")]).inputs
    assert [(Path(entry.uri).name, entry.part) for entry in found] == [
        ("a.wav", None), ("b.wav", FileStretch(1.0)), ("c.wav", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[" * 100_000, "brackets are nested too deeply"),
        ('{"audio": "a.wav", "n": ' + "[" * 100_000 + "]" * 100_000 + "}", "brackets are nested too deeply"),
        ('{"audio": "a.wav", "n": ' + "9" * 5000 + "}", "thousands of digits"),
        ('{"id": "\\ud800", "audio": "a.wav"}', "half a character"),
        ('{"audio": "a\\u0000.wav"}', "is not a path"),
        ('{"audio": "nowhere://a.wav"}', "field `audio`: nowhere://a.wav: "),
        ('{"audio": "a.wav", "offset": -1}', "field `offset`: -1 is not a length"),
        ('{"audio": "a.wav", "offset": 1, "duration": 0}', "a part of 0 seconds"),
        ('{"audio": "a.wav", "duration": 1' + "0" * 400 + "}", "field `duration`"),
    ],
)
def test_hostile_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = manifest_of(tmp_path / "m.jsonl", {"audio": "b.wav"}, line)
    with pytest.raises(RecordError, match=message) as caught:
        find_inputs([str(path)])
    assert str(caught.value).startswith(f"{path}:2: ") and len(str(caught.value)) < 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["id", "audio", "uri", "path", "audio_filepath", "duration", "offset", "text"])
LINES = st.lists(
    st.dictionaries(KEYS, JSON | st.just("a.wav"), max_size=5).map(json.dumps) | st.text(max_size=30),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=LINES, junk=st.binary(max_size=12), place=st.integers(0, 200))
def test_a_manifest_of_anything_is_read_or_refused(
    tmp_path: Path, lines: list[str], junk: bytes, place: int
) -> None:
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    path = tmp_path / "m.jsonl"
    path.write_bytes(content[:place] + junk + content[place:])
    try:
        found = find_inputs([str(path)]).inputs
    except (RecordError, OptionError) as error:
        assert str(path) in str(error)
    except UnisluError as error:  # a kind of storage whose package is not here
        assert "pip install" in str(error)
    else:
        assert all(entry.id and entry.id.encode() and entry.place.encode() for entry in found)
