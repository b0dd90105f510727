"""The command line: what goes to stdout and stderr, exit codes, files, and every kind of bad input."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unislu
from unislu.audio import read_audio
from unislu.cli import main
from unislu.cli.output import Output, Settings
from unislu.cli.writing import Writing
from unislu.errors import BundleError, OptionError, UnisluError
from unislu.options import AnalyzeOptions
from unislu.recording import Progress
from unislu.result import Analysis, Entity, Segment, Sentiment
from unislu.writers import SubtitleStyle


class StubModel:
    """Reads audio for real and answers the same to all of it."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    def check(self, options: AnalyzeOptions) -> None:
        if options.entities and "dragon" in options.entities:
            raise OptionError("entity type 'dragon': this bundle only knows PERSON")

    def analyze_many(
        self, sources: list[Any], *, on_error: str, progress: Any, watch: Any, **options: Any
    ) -> Iterator[Analysis | UnisluError]:
        self.options = options
        for number, source in enumerate(sources):
            progress(number)
            try:
                yield self._analyze(source, AnalyzeOptions(**options))
            except UnisluError as error:
                yield error

    def _analyze(self, source: Any, options: AnalyzeOptions) -> Analysis:
        audio = read_audio(source)
        text = "Ann was glad." if options.wants_text else None
        length = len(text or "")
        return Analysis(
            text=text,
            duration=audio.duration,
            model="stub 1",
            file=audio.name,
            entities=(Entity("PERSON", "Ann", 0, 3, 0.9),) if "ner" in options.tasks else None,
            sentiment=Sentiment("positive", {"positive": 1.0}) if "sa" in options.tasks else None,
            segments=(Segment(0, audio.duration, text or "", 0, length),),
            warnings=audio.warnings,
        )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubModel:
    model = StubModel()

    def load(bundle: str | None = None, **options: Any) -> StubModel:
        if bundle is not None:
            raise BundleError(f"{bundle}: no manifest.json, so no bundle")
        return model

    monkeypatch.setattr("unislu.pipeline.load", load)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return model


def wav(seconds: float = 0.5, rate: int = 16_000, channels: int = 1, dtype: str = "<i2") -> bytes:
    count = round(seconds * rate)
    samples = np.random.default_rng(0).normal(0, 0.1, (count, channels))
    scaled = samples.astype(dtype) if dtype == "<f4" else (samples * 32_767).astype(dtype)
    data = scaled.tobytes()
    width = channels * scaled.itemsize
    fmt = struct.pack(
        "<HHIIHH", 3 if dtype == "<f4" else 1, channels, rate, rate * width, width, scaled.itemsize * 8
    )
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + fmt
    return head + b"data" + struct.pack("<I", len(data)) + data


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["analyze", *arguments])
    except SystemExit as exit_:  # argparse leaves by itself
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_text(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, clip)
    assert (code, err) == (0, "")
    assert out == f"{clip} · 0.5 s\n[Ann](PERSON) was glad.\nentities   1\nsentiment  positive 100 %\n"
    assert "\x1b[" in run(capsys, clip, "--color", "always")[1]


def test_options_reach_the_model(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    entities = ["--entities", 'drug,"phone number, mobile"', "--entities", "person"]
    others = ["--tasks", "ner,asr", "--beam", "3", "--style", "normalized"]
    run(capsys, clip, *entities, "--bias", "drug=2,person=-1", *others)
    given = {
        "tasks": ("ner", "asr"), "entities": ["drug", "phone number, mobile", "person"],
        "bias": {"drug": 2.0, "person": -1.0}, "beam": 3, "style": "normalized",
    }  # fmt: skip
    expected = dataclasses.asdict(AnalyzeOptions()) | given
    del expected["constrained"]
    assert stub.options == expected
    cutting = ["--vad", "silero", "--window", "12", "--pad", "0.3", "--merge", "0.5", "--channels", "split"]
    run(capsys, clip, *cutting)
    cut = {"vad": "silero", "window": 12.0, "pad": 0.3, "merge": 0.5, "channels": "split"}
    assert cut.items() <= stub.options.items()
    run(capsys, clip, "--bias", "-1.5")
    assert stub.options["bias"] == -1.5 and stub.options["entities"] is None


def test_several_files(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, clip, clip, "--format", "jsonl")
    assert code == 0 and [json.loads(line)["text"] for line in out.splitlines()] == ["Ann was glad."] * 2
    assert len(json.loads(run(capsys, clip, clip, "-f", "json")[1])) == 2
    assert json.loads(run(capsys, clip, "-f", "json")[1])["schema_version"] == 1
    assert run(capsys, clip, clip)[1].count("\n\n") == 1
    assert run(capsys, clip, clip, "-f", "txt")[1] == "Ann was glad.\n" * 2


def test_one_bad_file_does_not_stop_the_others(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.wav")
    code, out, err = run(capsys, clip, missing, clip, "-f", "jsonl")
    assert code == 1 and len(out.splitlines()) == 2
    assert err == f"unislu: {missing}: no such file; check the path\n"
    code, out, err = run(capsys, missing, clip, "-f", "json")
    assert code == 1 and len(json.loads(out)) == 1


def test_stdin(stub: StubModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(wav())))
    code, out, _ = run(capsys, "-", "-f", "json")
    assert code == 0 and json.loads(out)["file"] == "stdin"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, out, err = run(capsys, "-")
    assert (code, out) == (1, "") and err == "unislu: stdin: is empty (0 bytes); record or copy it again\n"


def test_a_folder_of_results(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other" / "Clip.flac.wav"
    other.parent.mkdir()
    other.write_bytes(wav())
    same = tmp_path / "other" / "CLIP.wav"
    same.write_bytes(wav())
    out = tmp_path / "new" / "results"
    code, shown, err = run(capsys, clip, str(other), str(same), clip, "-o", str(out))
    assert (code, shown) == (0, "")
    assert sorted(p.name for p in out.iterdir()) == [
        "CLIP-2.json",
        "Clip.flac.json",
        "clip-3.json",
        "clip.json",
    ]
    assert len(err.splitlines()) == 4 and json.loads((out / "CLIP-2.json").read_text())["file"] == str(same)
    assert run(capsys, clip, "-o", str(out), "-q") == (0, "", "")


@pytest.mark.parametrize("name", ["text", "json", "jsonl", "txt", "srt", "vtt", "html"])
def test_every_format(
    name: str, stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, clip, "--format", name)
    assert code == 0 and "Ann" in out
    assert run(capsys, clip, "--format", name, "-o", str(tmp_path / "o"))[0] == 0
    (written,) = (tmp_path / "o").iterdir()
    assert "Ann" in written.read_text(encoding="utf-8")


def test_stdin_that_nobody_pipes_into(
    stub: StubModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(b""))
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    code, _, err = run(capsys, "-")
    assert code == 2 and "pipe a sound file into it" in err


def test_a_replaced_file_is_said(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(capsys, clip, "-o", str(out))[2] == f"{out}/clip.json\n"
    assert run(capsys, clip, "-o", str(out))[2] == f"{out}/clip.json (replaced)\n"


def test_an_input_is_never_overwritten(
    stub: StubModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "talk.txt"  # sound in a file of an odd name
    path.write_bytes(wav())
    assert run(capsys, str(path), "-o", str(tmp_path), "-f", "txt")[0] == 0
    assert path.read_bytes() == wav() and (tmp_path / "talk-2.txt").read_text() == "Ann was glad.\n"


def test_warnings_go_to_stderr(stub: StubModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "half.wav"
    path.write_bytes(wav(2.0)[:-16_000])
    code, out, err = run(capsys, str(path), "-f", "json")
    assert code == 0 and "cut off: 1.5 s of 2.0 s" in json.loads(out)["warnings"][0]
    assert err.startswith(f"unislu: warning: {path}: is cut off")
    assert run(capsys, str(path), "-q")[2] == ""


USAGE = [
    ([], "the following arguments are required: FILE"),
    (["{clip}", "--tasks", "asr,translate"], "unknown task 'translate': choose from asr, ner, sa"),
    (["{clip}", "--tasks", ""], "--tasks: the value is empty"),
    (["{clip}", "--entities", ""], "--entities: the value is empty"),
    (["{clip}", "-o", ""], "-o/--output: the value is empty"),
    (["{clip}", "--entities", "person", "drug"], "'drug' is left over"),
    (["{clip}", "--entities", "a,,b"], "entity type '' is empty"),
    (["{clip}", "--entities", "person,Person"], "duplicate entity type 'Person'"),
    (["{clip}", "--entities", ",".join(f"t{n}" for n in range(501))], "501 entity types: at most 500"),
    (["{clip}", "--entities", "dragon"], "this bundle only knows PERSON"),
    (["{clip}", "--bias", "nan"], "bias is nan"),
    (["{clip}", "--bias", "inf"], "bias is inf"),
    (["{clip}", "--bias", "much"], "'much' is not a number"),
    (["{clip}", "--bias", "person="], "'' is not a number"),
    (["{clip}", "--bias", "person=1,2"], "'2' is not TYPE=NUMBER"),
    (["{clip}", "--bias", "person=1,person=2"], "'person' is given twice"),
    (["{clip}", "--beam", "0"], "'0' is not a whole number from 1"),
    (["{clip}", "--beam", "99"], "beam is 99"),
    (["{clip}", "--threads", "x"], "'x' is not a whole number from 1"),
    (["{clip}", "--style", "loud"], "unknown style 'loud'"),
    (["{clip}", "--format", "xml"], "unknown format 'xml'"),
    (["{clip}", "{clip}", "--format", "srt"], "--format srt of 2 files needs a folder: add -o DIR"),
    (["{clip}", "--format", "txt", "--tasks", "sa"], "add asr to --tasks"),
    (["{clip}", "-o", "{clip}"], "is no folder and cannot be made"),
    (["{clip}", "--frmt", "json"], "unknown option --frmt, did you mean --format?"),
    (["-", "-"], "- is given twice, but stdin can be read only once"),
    (["{clip}", "--device", "cuda"], "unknown option --device"),
    (["{clip}", "--bias", "1,5"], "'1,5' is not a number: write 1.5"),
    (["{clip}", "--pad", "0,2"], "'0,2' is not a number: write 0.2"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(a)[:30] for a, _ in USAGE])
def test_wrong_usage(
    arguments: list[str], message: str, stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *[argument.format(clip=clip) for argument in arguments])
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def _bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    contents: dict[str, tuple[bytes, str]] = {
        "empty.wav": (b"", "is empty"),
        "text.wav": (b"hello, I am a text\n" * 50, "is not audio"),
        "zero.wav": (wav(0.0), "holds 0 ms of audio"),
        "one.wav": (wav(1 / 16_000), "holds 0.0625 ms of audio; at least 100 ms"),
        "nan.wav": (wav(0.5, dtype="<f4")[:44] + np.full(8_000, np.nan, "<f4").tobytes(), "not numbers"),
    }
    made = {}
    for name, (data, message) in contents.items():
        (folder / name).write_bytes(data)
        made[name] = (folder / name, message)
    (folder / "directory").mkdir()
    return made | {
        "missing": (folder / "missing.wav", "no such file"),
        "directory": (folder / "directory", "is a directory"),
        "device": (Path("/dev/null"), "is a device"),
    }


def test_every_bad_file_is_one_clear_line(
    stub: StubModel, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = _bad_files(tmp_path)
    code, out, err = run(capsys, *[str(path) for path, _ in bad.values()], clip, "-f", "jsonl")
    assert code == 1 and len(out.splitlines()) == 1
    lines = err.splitlines()
    assert len(lines) == len(bad) and "Traceback" not in err
    for line, (path, message) in zip(lines, bad.values(), strict=True):
        assert line.startswith(f"unislu: {path}: ") and message in line and ";" in line


def test_unusual_audio_is_heard(stub: StubModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wide.wav"
    path.write_bytes(wav(0.5, 96_000, 8, "<f4"))
    code, out, _ = run(capsys, str(path), "-f", "json")
    assert code == 0 and json.loads(out)["duration"] == 0.5


@pytest.mark.skipif(os.name != "posix", reason="bytes as file names")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_odd_names_and_encodings(tmp_path: Path, encoding: str) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9 \xc3\xa9.wav"
    bundle = os.fsdecode(os.fsencode(tmp_path) + b"/b\xe9")
    process = _command("analyze", os.fsdecode(path), "--bundle", bundle, PYTHONIOENCODING=encoding)
    _, err = process.communicate()
    assert process.returncode == 1 and b"Traceback" not in err and b"/b?: no such bundle" in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_no_permission(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    os.chmod(clip, 0)
    code, _, err = run(capsys, clip)
    assert code == 1 and "permission denied" in err


def test_a_bad_bundle(stub: StubModel, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, clip, "--bundle", "nothing") == (
        1,
        "",
        "unislu: nothing: no manifest.json, so no bundle\n",
    )


def _command(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1]), **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "unislu", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip


def test_version_and_help() -> None:
    for argument, shown in (("--version", f"unislu {unislu.__version__}"), ("--help", "synthesize")):
        out, err = _command(argument).communicate()
        assert shown in out.decode() and err == b""


SLOW_STUB = """
import sys, time
from unislu.cli import main
import unislu.pipeline
from unislu.result import Analysis
class Model:
    def check(self, options): pass
    def analyze_many(self, sources, **options):
        for source in sources:
            yield Analysis(text="word " * 2000, duration=1.0, model="m")
            time.sleep(float(sys.argv[1]))
unislu.pipeline.load = lambda *a, **k: Model()
sys.exit(main(["analyze", *["x.wav"] * 50, "-f", "jsonl"]))
"""


def _slow(delay: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_STUB, delay],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_interrupted() -> None:
    process = _slow("30")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.decode().strip() == "unislu: interrupted"


PATIENT_STUB = """
import sys, time
from unislu.cli import main
import unislu.pipeline
from unislu.recording import Progress
from unislu.result import Analysis
class Model:
    def check(self, options): pass
    def analyze_many(self, sources, *, watch, **options):
        yield Analysis(text="all of it", duration=1.0, model="m")
        seconds = 0.0
        while not watch(Progress(1, seconds, 3600.0)):
            print("heard", file=sys.stderr, flush=True)
            seconds += 10
            time.sleep(0.05)
        yield Analysis(text="so far", duration=3600.0, model="m", warnings=("b.wav: interrupted",))
unislu.pipeline.load = lambda *a, **k: Model()
sys.exit(main(["analyze", "a.wav", "b.wav", "c.wav", "-f", "jsonl"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_an_interrupt_keeps_what_was_heard() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(unislu.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", PATIENT_STUB],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stderr is not None and process.stderr.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["all of it", "so far"]
    said = [line for line in err.splitlines() if line != "heard"]
    assert said == [
        "unislu: warning: b.wav: interrupted",
        "unislu: interrupted; 1 of 3 files were not heard",
    ]


def test_progress_of_a_long_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    now = iter([100.0, 100.0, 110.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    output = Output(
        Settings(None, None, "never", False, Writing(SubtitleStyle(), "link")),
        ["talks/call.mp3"],
        AnalyzeOptions(),
    )
    output.advance(Progress(0, 0.0, 5400.0))
    output.advance(Progress(0, 600.0, 5400.0))
    output.clear_progress()
    shown = [line.strip() for line in capsys.readouterr().err.split("\r")]
    assert "call.mp3  0:00 of 1:30:00" in shown
    assert "call.mp3  10:00 of 1:30:00 · 1:20 left" in shown
    quiet = Output(
        Settings(None, None, "never", True, Writing(SubtitleStyle(), "link")), ["call.mp3"], AnalyzeOptions()
    )
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    quiet.advance(Progress(0, 600.0, 5400.0))
    assert capsys.readouterr().err == ""


def test_broken_pipe() -> None:
    process = _slow("0")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141 and err == b""


def test_export_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    facts = tmp_path / "facts.json"
    bundle = str(tmp_path / "bundle")
    for content, message in (
        ("{", "is not JSON"),
        ("[]", "holds a list"),
        ('{"scor": 1}', "unknown key 'scor'"),
    ):
        facts.write_text(content)
        assert main(["export", str(tmp_path), bundle, "--facts", str(facts)]) == 2
        assert message in capsys.readouterr().err
    assert main(["export", str(tmp_path), bundle, "--facts", str(tmp_path / "none")]) == 2
    assert main(["export", str(tmp_path), bundle, "--card", str(tmp_path / "none")]) == 2
    capsys.readouterr()
    assert main(["export", str(tmp_path), bundle]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_extras_that_are_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "unislu.cli.requirements.find_spec", lambda name: None if name == "torch" else object()
    )
    for command in (["train", "recipe.yaml"], ["export", "a", "b"]):
        assert main(command) == 1
        assert capsys.readouterr().err == 'unislu: torch is not installed: pip install "unislu[train]"\n'
