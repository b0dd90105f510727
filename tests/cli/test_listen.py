"""`unislu listen`: stdin to events, bounded memory, and a clean end on Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unislu.audio import SAMPLE_RATE
from unislu.cli import main
from unislu.cli.pcm_buffer import Buffer
from unislu.errors import OptionError
from unislu.recognition.request import Request
from unislu.result import Analysis, Entity, Segment, Sentiment


class Model:
    """Hears "Ann spoke." in everything."""

    manifest = SimpleNamespace(audio=SimpleNamespace(max_seconds=30.0))

    def check(self, options: Request) -> None:
        if options.entities and "dragon" in options.entities:
            raise OptionError("entity type 'dragon': unknown")

    def partial(self, samples: Any, begin: object, *, request: Request) -> Analysis:
        return self.analyze(samples, sample_rate=SAMPLE_RATE, request=request)

    def analyze(self, samples: Any, *, sample_rate: int, request: Request) -> Analysis:
        tasks = request.tasks
        return Analysis(
            text="Ann spoke.",
            duration=len(samples) / sample_rate,
            model="m",
            entities=(Entity("PERSON", "Ann", 0, 3),),
            sentiment=Sentiment("neutral", {"neutral": 1.0}) if "sa" in tasks else None,
            segments=(Segment(0, 1, "Ann spoke.", 0, 10),),
        )


class Detector:
    def feed(self, samples: Any) -> Any:
        return (np.abs(samples.reshape(-1, 512)).max(axis=1) > 0.01).astype(np.float32)


def pcm(*seconds: float) -> bytes:
    """Sound and silence by turns."""
    parts = [np.full(round(s * SAMPLE_RATE), 8000 * (n % 2 == 0), "<i2") for n, s in enumerate(seconds)]
    return np.concatenate(parts).tobytes()


class Stdin:
    def __init__(self, data: bytes, wait: threading.Event | None = None) -> None:
        self.buffer, self._data, self._wait = self, io.BytesIO(data), wait

    def isatty(self) -> bool:
        return False

    def read(self, count: int) -> bytes:
        data = self._data.read(count)
        if not data and self._wait is not None:
            self._wait.wait(20)
        return data


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.recognition.model.load", lambda bundle=None, **options: Model())
    monkeypatch.setattr("unislu.listen.listener.Silero", Detector)


def test_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(pcm(1.5, 1.2, 62.0, 1.0)))
    assert main(["listen", "-"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "[0:00] [Ann](PERSON) spoke. (neutral 100 %)"
    assert len(said.out.splitlines()) == 5 and said.err == ""


def test_events(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(pcm(1.5, 1.0)))
    assert main(["listen", "--stdin", "--format", "jsonl", "--tasks", "asr,ner", "--interval", "0.2"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["type"] for e in events if e["type"] != "partial"] == ["entity", "final", "end"]
    assert events[-1]["duration"] == 2.5


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(sys, "stdin", Stdin(pcm(1.5), waiting))

    def interrupt() -> None:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert main(["listen", "-"]) == 130
    waiting.set()
    assert capsys.readouterr().out == "[0:00] [Ann](PERSON) spoke. (neutral 100 %)\n"


def test_half_a_sample(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(pcm(1.0) + b"x"))
    assert main(["listen", "-"]) == 0
    assert "in the middle of a sample" in capsys.readouterr().err


def test_an_empty_stream(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    assert main(["listen", "-", "-f", "jsonl"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"type": "end", "duration": 0.0, "skipped": 0}
    assert err == "unislu: stdin: ended without any audio; check the command that is piped into it\n"


@pytest.mark.parametrize("head", [b"RIFF\x24\0\0\0WAVE", b"ID3\x04", b"fLaC\0", b"OggS\0"])
def test_a_sound_file_is_no_pcm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], head: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(head + pcm(1.0)))
    assert main(["listen", "-"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "not raw PCM: pipe it through ffmpeg" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["call.mp3"], "'call.mp3': give - for stdin"),
        (["-", "--device", "1"], "--device 1 is a microphone, but the source is stdin"),
        (["--stdin"], "stdin is a terminal here"),
    ],
)
def test_what_is_transcribed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert main(["listen", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--entities", "dragon"], "dragon"),
        (["--tasks", "sa"], "add asr or ner"),
        (["--interval", "0"], "interval is 0"),
        (["--bias", "nan"], "bias is nan"),
    ],
)
def test_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    assert main(["listen", "-", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_no_sounddevice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["listen"]) == 1
    assert 'pip install ".[listen]"' in capsys.readouterr().err


def fake_sounddevice(blocks: list[bytes], overflow: bool = False) -> Any:
    """A sounddevice whose microphone plays `blocks` and then nothing."""

    class PortAudioError(Exception):
        pass

    class Stream:
        def __init__(
            self, rate: int, size: int, device: Any, *, channels: int, dtype: str, callback: Any
        ) -> None:
            assert (rate, channels, dtype) == (SAMPLE_RATE, 1, "int16")
            self.callback = callback

        def __enter__(self) -> Stream:
            for block in blocks:
                self.callback(block, len(block) // 2, None, SimpleNamespace(input_overflow=overflow))
            return self

        def __exit__(self, *error: object) -> None:
            pass

    def query_devices(device: Any = None, kind: str | None = None) -> Any:
        known = [{"name": "Speaker", "max_input_channels": 0}, {"name": "Mic", "max_input_channels": 2}]
        if kind is None:
            return known
        if device not in (None, 1, "Mic"):
            raise ValueError(f"No input device matching {device!r}")
        return known[1]

    return SimpleNamespace(PortAudioError=PortAudioError, RawInputStream=Stream, query_devices=query_devices)


def test_the_microphone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice([pcm(1.0), pcm(0.5)], overflow=True))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert main(["listen", "--device", "1"]) == 0
    said = capsys.readouterr()
    assert said.out == "[0:00] [Ann](PERSON) spoke. (neutral 100 %)\n"
    assert "listening" in said.err and "0.2 s of audio were lost" in said.err


def test_no_such_microphone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice([]))
    assert main(["listen", "--device", "Radio"]) == 2
    assert "choose from 1 Mic" in capsys.readouterr().err


def test_the_buffer_is_bounded() -> None:
    buffer = Buffer()
    second = bytes(32000)
    for _ in range(70):
        buffer.put(second, wait=False)
    assert buffer.lost == 10 * 32000
    writer = threading.Thread(target=buffer.put, args=(second, True), daemon=True)
    writer.start()
    assert writer.is_alive()
    assert len(buffer.take(1) or b"") == 60 * 32000
    writer.join(5)
    assert not writer.is_alive() and buffer.take(1) == second
    buffer.end()
    assert buffer.take(1) is None


def test_a_sound_file_on_stdin_ends_the_command_at_once() -> None:
    """Also while its reader still waits for the rest of the file."""
    command = [sys.executable, "-m", "unislu", "listen", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(b"fLaC" + bytes(3_000))
        process.stdin.flush()
        assert process.wait(60) == 1
        error = process.stderr.read().decode()
    assert error.count("\n") == 1 and "is FLAC" in error
