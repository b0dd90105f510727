"""What a batch run is made of: inputs, packing, storage, partitions, options."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from unislu.cli import main
from unislu.errors import BatchError, MissingDependencyError, OptionError, RecordError
from unislu.progress import Progress
from unislu.scale.fetch import content_key, fetch
from unislu.scale.inputs import Input
from unislu.scale.ledger import Ledger
from unislu.scale.options import BatchOptions, WorkerOptions, in_shard
from unislu.scale.packing import pack
from unislu.scale.rows import Origin, error_row
from unislu.scale.sources import find_inputs
from unislu.scale.store import Store, open_store

Clip = Callable[..., Path]
RUN = {"schema_version": 1, "settings": {}, "sessions": []}
ORIGIN = Origin("model 1", "0" * 64, "0.1.0", "here:1")


def entry(number: int, seconds: float = 1.0) -> Input:
    return Input(f"id-{number}", f"/calls/{number}.wav", "1:2", seconds)


def test_folders_globs_and_files_give_each_file_once(clips: Path, clip: Clip) -> None:
    (clips / "notes.txt").write_text("no audio")
    clip(clips / "deeper" / "more.wav", 50)
    everything = find_inputs([str(clips)]).inputs
    assert len(everything) == 13 and all(e.id == e.uri and os.path.isabs(e.uri) for e in everything)
    assert len(find_inputs([str(clips / "*.wav"), str(clips / "call-00.wav")]).inputs) == 12
    assert everything[0].seconds == pytest.approx(1.0, abs=0.01)  # estimated from the size
    assert len({e.stamp for e in everything}) >= 12
    for nothing in ("*.flac", "gone.wav", "deeper/*.ogg"):
        with pytest.raises(OptionError, match="check the"):
            find_inputs([str(clips / nothing)])


def test_manifests_name_files_beside_them_and_anywhere(clips: Path, tmp_path: Path) -> None:
    lines = [
        {"id": "a", "audio": "in/call-00.wav", "duration": 4.5, "text": "ignored"},
        {"audio": str(clips / "call-01.wav")},
        {"id": "c", "uri": "memory://bucket/c.ogg"},
        {"id": "d", "audio": "in/gone.wav"},
    ]
    manifest = tmp_path / "calls.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    a, b, c, d = find_inputs([str(manifest)]).inputs
    assert (a.id, a.uri, a.seconds) == ("a", str(clips / "call-00.wav"), 4.5)
    assert b.id == b.uri == str(clips / "call-01.wav") and b.stamp
    assert c.uri == "memory:///bucket/c.ogg" and c.stamp is None and d.stamp is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"calls.jsonl:2: not valid JSON.*one object a line"),
        ("[]", r"calls.jsonl:2: is list, not an object"),
        ('{"text": "x"}', r"calls.jsonl:2: has no file"),
        ('{"audio": "a.wav", "duration": "long"}', r"calls.jsonl:2: field `duration`: 'long'"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    manifest = tmp_path / "calls.jsonl"
    manifest.write_text('{"audio": "b.wav"}\n' + line + "\n")
    with pytest.raises(RecordError, match=message):
        find_inputs([str(manifest)])


def test_object_storage_is_listed_and_fetched(clips: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in sorted(clips.iterdir())[:4]:
        memory.pipe_file(f"/bucket/2026/{path.name}", path.read_bytes())
    found = find_inputs(["memory://bucket/2026/*.wav"]).inputs
    assert [e.uri for e in found] == [f"memory:///bucket/2026/call-0{n}.wav" for n in range(4)]
    assert find_inputs(["memory://bucket/2026"]).inputs == found
    memory.pipe_file("/bucket/list.jsonl", "".join(json.dumps({"uri": e.uri}) + "\n" for e in found).encode())
    assert [replace(e, stamp="") for e in find_inputs(["memory://bucket/list.jsonl"]).inputs] == [
        replace(e, stamp="") for e in found
    ]
    with fetch(found[0].uri) as (copy, key):
        path = Path(copy)
        assert path.read_bytes() == (clips / "call-00.wav").read_bytes()
        assert key == content_key(str(clips / "call-00.wav"))
    assert not path.exists()  # only a copy, for as long as it is heard
    assert content_key("memory://bucket/gone.wav") is None


class _Refusing(MemoryFileSystem):  # type: ignore[misc]
    """Storage whose folders must not be listed; `unasked` is what asking for a file raises."""

    protocol = "refusing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    unasked: ClassVar[Exception | None] = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("refusing://", "memory://")))

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        raise RuntimeError("403: listing is off")

    def info(self, path: str, **options: Any) -> Any:
        if self.unasked is not None:
            raise self.unasked
        return super().info(path, **options)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> type[_Refusing]:
    import fsspec

    fsspec.register_implementation("refusing", _Refusing, clobber=True)
    fs = fsspec.filesystem("refusing")
    fs.pipe_file("/list.jsonl", b"".join(b'{"uri": "refusing://%d.wav"}\n' % n for n in range(3)))
    for name in "02":
        fs.pipe_file(f"/{name}.wav", b"sound")
    monkeypatch.setattr(_Refusing, "unasked", None)
    return _Refusing


def test_files_of_a_folder_that_must_not_be_listed_are_asked_for(refusing: type[_Refusing]) -> None:
    found = find_inputs(["refusing://list.jsonl"]).inputs
    assert [entry.stamp is None for entry in found] == [False, True, False]


def test_storage_that_does_not_answer_is_no_missing_file(
    refusing: type[_Refusing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusing, "unasked", PermissionError("not yours"))
    assert [entry.stamp for entry in find_inputs(["refusing://list.jsonl"]).inputs] == [None] * 3
    monkeypatch.setattr(refusing, "unasked", RuntimeError("no credentials"))
    with pytest.raises(OptionError, match=r"refusing:///0.wav: .*no credentials.*rights"):
        find_inputs(["refusing://list.jsonl"])


def test_a_file_that_cannot_be_fetched_leaves_nothing_open(tmp_path: Path) -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not list open files")
    before = descriptors()
    for _ in range(3):
        with pytest.raises(FileNotFoundError), fetch("memory://bucket/gone.wav"):
            pass
    assert len(descriptors()) == len(before)


def test_files_in_object_storage_are_transcribed(
    clips: Path, environment: dict[str, str], bundle: Path
) -> None:
    import fsspec

    from unislu.scale.worker import load_model, transcribe

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/calls/a.wav", (clips / "call-00.wav").read_bytes())
    memory.pipe_file("/calls/b.mp3", b"no audio at all")
    options = WorkerOptions(loader="scripted_model:load", bundle=str(bundle))
    inputs = [*find_inputs(["memory://calls/*"]).inputs, Input("c", "memory://calls/c.wav", None, 1.0)]
    a, b, c = transcribe(load_model(options), inputs, options, ORIGIN)
    assert a["text"] == "Acme kept Anna waiting." and a["uri"] == "memory:///calls/a.wav"
    assert b["error"]["kind"] == "audio" and b["error"]["message"].startswith("memory:///calls/b.mp3: ")
    assert c["error"]["kind"] == "missing"


def test_a_missing_storage_package_is_named() -> None:
    missing = [
        (p, m) for p, m in (("s3", "s3fs"), ("gs", "gcsfs"), ("abfs", "adlfs")) if find_spec(m) is None
    ]
    if not missing:
        pytest.skip("every storage package is installed")
    for protocol, package in missing:
        with pytest.raises(MissingDependencyError, match=f"pip install {package}"):
            open_store(f"{protocol}://bucket/calls")
    with pytest.raises(OptionError, match="ftpx"):
        open_store("ftpx://bucket/calls")


@given(
    lengths=st.lists(st.floats(0.1, 400), max_size=60),
    seconds=st.floats(1, 500),
    files=st.integers(1, 20),
    workers=st.integers(1, 5),
)
def test_every_input_is_in_one_batch(lengths: list[float], seconds: float, files: int, workers: int) -> None:
    inputs = [entry(number, length) for number, length in enumerate(lengths)]
    batches = pack(inputs, seconds, files, workers)
    packed = [e for batch in batches for e in batch]
    assert sorted(packed, key=lambda e: e.id) == sorted(inputs, key=lambda e: e.id)
    assert [e.seconds for e in packed] == sorted(lengths, reverse=True)
    for batch in batches:
        assert 1 <= len(batch) <= files
        assert len(batch) == 1 or sum(e.seconds for e in batch) <= seconds + 1e-6
    if len(inputs) >= workers:
        assert len(batches) >= workers  # nobody is idle


@given(st.text(max_size=20), st.integers(1, 9))
def test_every_input_is_in_one_shard(identity: str, parts: int) -> None:
    assert sum(in_shard(identity, (part, parts)) for part in range(1, parts + 1)) == 1


@pytest.mark.parametrize("url", ["memory://results/run-{}", "{}/out"])
def test_partitions_are_committed_read_and_cleaned(url: str, tmp_path: Path, request: Any) -> None:
    ledger = Ledger(url.format(request.node.name if "memory" in url else tmp_path))
    with ledger.open() as known:
        assert known == {}
        ledger.write_manifest(RUN)
        first = ledger.commit([error_row(entry(n), "audio", "bad", ORIGIN) for n in range(3)])
        second = ledger.commit([error_row(entry(3), "crash", "bad", ORIGIN, content_key="sha256:1")])
    with ledger.open() as known:
        assert {name: k.partition for name, k in known.items()} == {
            "id-0": first, "id-1": first, "id-2": first, "id-3": second
        }  # fmt: skip
        assert known["id-3"].content_key == "sha256:1" and known["id-3"].error == "crash"
        assert sum(note["rows"] for note in ledger.commits()) == 4
        ledger.drop({first: ["id-1"], second: ["id-3"]})
    with ledger.open() as known:
        assert set(known) == {"id-0", "id-2"} and len(ledger.commits()) == 1


def test_damage_is_noticed_and_transcribed_again(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    with ledger.open():
        ledger.write_manifest(RUN)
        names = [ledger.commit([error_row(entry(n), "audio", "bad", ORIGIN)]) for n in range(4)]
    (tmp_path / names[0]).write_bytes((tmp_path / names[0]).read_bytes()[:-40])  # cut off
    (tmp_path / names[1]).unlink()
    twice = tmp_path / "part-000009-0123abcd.parquet"
    twice.write_bytes((tmp_path / names[2]).read_bytes())
    with ledger.open() as known:
        assert set(known) == {"id-2", "id-3"}
    assert len(ledger.notes) == 3 and "is damaged" in " ".join(ledger.notes)
    assert twice.exists() and not (tmp_path / names[2]).exists()  # of two rows the newer holds
    assert (tmp_path / f"_damaged-{names[0]}").exists() and not (tmp_path / names[0]).exists()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(OptionError, match="is damaged"):
        ledger.manifest()


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "out"))
    store.write("a/b.json", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BatchError, match="No space left on device"):
        store.write("a/b.json", b"new")
    assert store.read("a/b.json") == b"old" and [p.name for p in (tmp_path / "out" / "a").iterdir()] == [
        "b.json"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark"}, "unknown engine 'spark'"),
        ({"workers": 0}, "workers is 0"),
        ({"commit_every": 0.0}, "commit_every is 0.0"),
        ({"shard": (3, 2)}, "shard is 3/2"),
        ({"gpus": 1.0}, "--engine ray"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        BatchOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"loader": "scripted"}, "module:function"),
        ({"retries": -1}, "retries is -1"),
    ],
)
def test_impossible_worker_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        WorkerOptions(**options)


def test_progress_tells_speed_and_time_left() -> None:
    progress = Progress(10, 2, unit="files", expected=80.0, enabled=False)
    progress.advance(18.0, expected=20.0)
    progress.advance(0.0, expected=20.0, failed=True)
    assert progress.line(60.0) == "4/10 files   40%  0.01 h  1 failed  0.3x real time  1:00 left"


def test_the_command_says_what_is_wrong(
    tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", str(tmp_path / "gone"), str(tmp_path / "out")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["batch", str(clips), str(tmp_path / "out"), "--style", "loud"]) == 2
    assert "unknown style 'loud'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["batch", str(clips), str(tmp_path / "out"), "--shard", "x"])
