"""Synthesis: complete, deterministic, resumable after a kill, honest about what it left out.

The voices are sine generators, registered here, so nothing has to be installed.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.cli import main
from unislu.data import voices
from unislu.data.records import Record, read_records
from unislu.data.speech import SpeechJob, write_audio
from unislu.data.synthesize import parse_range, synthesize
from unislu.errors import OptionError, RecordError, VoiceError
from unislu.progress import Progress

RATE = 8000


class Sine:
    """Speaks each character as 50 ms of a tone; the voice `mute` is silent, `broken` fails on `fail`."""

    spoken = 0

    def __init__(self, name: str) -> None:
        if name == "absent":
            raise VoiceError("sine:absent: no such voice")
        self.name = name

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        Sine.spoken += 1
        if self.name == "broken" and "fail" in text:
            raise VoiceError(f"sine:broken: cannot say {text!r}")
        time_axis = np.arange(round(len(text) * 0.05 * RATE / speed)) / RATE
        tone = np.sin(2 * np.pi * (200 + len(self.name) * 50) * time_axis)
        return (tone * (0 if self.name == "mute" else 0.4)).astype(np.float32), RATE


@pytest.fixture(autouse=True)
def sines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(voices, "_registered", {"sine": Sine})
    Sine.spoken = 0
    yield


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    lines: list[dict[str, Any]] = [
        {"id": f"set:{n}/a", "text": f"this is sentence number {n}", "sentiment": "neutral", "stars": n}
        for n in range(8)
    ]
    lines[2]["entities"] = [{"start": 0, "end": 4, "type": "X", "type18": "Y"}]
    lines[3]["entities"] = []
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def snapshot(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def samples(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as source:
        assert (source.getnchannels(), source.getsampwidth(), source.getframerate()) == (1, 2, 16000)
        return np.frombuffer(source.readframes(source.getnframes()), "<i2")


def speak(texts: Path, out: Path, given: str = "sine:a=2,sine:bb", **options: Any) -> Any:
    return synthesize(texts, out, given, **{"progress": False, "audio_format": "wav", **options})


def test_the_manifest_keeps_the_record_and_says_how_it_was_made(texts: Path, tmp_path: Path) -> None:
    report = speak(texts, tmp_path / "out", augment="gain=1,noise=0.5")
    assert report.counts == {"ok": 8} and report.retried == 0
    source, made = list(read_records(texts)), list(read_records(report.manifest))
    assert [r.id for r in made] == [r.id for r in source]
    for before, after in zip(source, made, strict=True):
        assert (after.text, after.entities, after.sentiment) == (
            before.text,
            before.entities,
            before.sentiment,
        )
        assert after.extra == before.extra and after.voice in ("sine:a", "sine:bb")
        assert after.augmentation is not None
        assert after.augmentation[0]["name"] == "rate" and after.augmentation[-1]["name"] == "gain"
        audio = samples(after.audio_path(tmp_path / "out"))
        assert after.duration == pytest.approx(len(audio) / 16000, abs=1e-3)
    assert sum(report.voices.values()) == 8
    assert report.seconds == pytest.approx(sum(r.duration or 0 for r in made))
    assert not list((tmp_path / "out").glob("journal*"))


def test_silence_at_both_ends(texts: Path, tmp_path: Path) -> None:
    report = speak(texts, tmp_path / "out", limit=1, silence=0.2)
    audio = samples(next(read_records(report.manifest)).audio_path(tmp_path / "out"))
    assert not audio[:3000].any() and not audio[-3000:].any() and np.abs(audio[3600:-3600]).max() > 1000


def test_clips_do_not_depend_on_order_limit_or_what_was_made_before(texts: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"augment": "default", "copies": 2}
    whole = speak(texts, tmp_path / "whole", **options)
    speak(texts, tmp_path / "parts", limit=3, **options)
    speak(texts, tmp_path / "parts", limit=5, **options)
    grown = speak(texts, tmp_path / "parts", **options)
    assert snapshot(tmp_path / "whole") == snapshot(tmp_path / "parts")
    assert grown.counts == whole.counts == {"ok": 16}
    ids = [r.id for r in read_records(grown.manifest)]
    assert ids[:4] == ["set:0/a", "set:0/a#1", "set:1/a", "set:1/a#1"]
    other = speak(texts, tmp_path / "seed", seed=1, **options)
    assert snapshot(tmp_path / "seed") != snapshot(tmp_path / "whole") and other.counts == whole.counts


def test_a_finished_folder_costs_nothing_and_a_smaller_limit_loses_nothing(
    texts: Path, tmp_path: Path
) -> None:
    speak(texts, tmp_path / "out")
    before, Sine.spoken = snapshot(tmp_path / "out"), 0
    assert speak(texts, tmp_path / "out", limit=2).counts == {"ok": 2}
    assert speak(texts, tmp_path / "out").counts == {"ok": 8}
    assert Sine.spoken == 0 and snapshot(tmp_path / "out") == before


def test_a_changed_text_or_a_lost_file_is_made_again(texts: Path, tmp_path: Path) -> None:
    report = speak(texts, tmp_path / "out")
    records = list(read_records(report.manifest))
    records[0].audio_path(tmp_path / "out").unlink()
    texts.write_text(texts.read_text().replace("sentence number 5", "another sentence, longer"))
    Sine.spoken = 0
    report = speak(texts, tmp_path / "out")
    assert Sine.spoken == 2
    changed = list(read_records(report.manifest))
    assert changed[0] == records[0] and changed[0].audio_path(tmp_path / "out").exists()
    assert changed[5].text == "this is another sentence, longer"


def test_what_is_said_may_differ_from_the_text(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    line = {"id": "a", "text": "555-0134", "spoken": "five five five, oh one three four"}
    texts.write_text(json.dumps(line) + "\n")
    report = speak(texts, tmp_path / "out")
    (made,) = read_records(report.manifest)
    assert (made.text, made.spoken) == (line["text"], line["spoken"])
    assert made.duration is not None and made.duration > 1.2  # of what is said: 50 ms a character
    Sine.spoken = 0
    speak(texts, tmp_path / "out")
    assert Sine.spoken == 0
    texts.write_text(json.dumps({**line, "spoken": "triple five, oh one three four"}) + "\n")
    (again,) = read_records(speak(texts, tmp_path / "out").manifest)
    assert Sine.spoken == 1 and again.spoken == "triple five, oh one three four"


def test_a_journal_cut_short_by_a_kill_is_continued(texts: Path, tmp_path: Path) -> None:
    speak(texts, tmp_path / "whole")
    speak(texts, tmp_path / "out", limit=4)
    out = tmp_path / "out"
    lines = (out / "manifest.jsonl").read_text().splitlines()
    (out / "manifest.jsonl").unlink()
    entries = [
        json.dumps({"key": v["id"], "status": "ok", "source_text": v["text"], "record": v, "reasons": []})
        for v in map(json.loads, lines)
    ]
    (out / "journal-00-1.jsonl").write_text("\n".join([*entries[:3], entries[3][:40]]))
    Sine.spoken = 0
    speak(texts, out)
    assert Sine.spoken == 5 and snapshot(out) == snapshot(tmp_path / "whole")


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    found = {"fine": "yes", "empty": " ... ", "long": "x" * 700, "bad": "we fail here", "": "end"}
    texts.write_text("".join(json.dumps({"id": k or "e", "text": v}) + "\n" for k, v in found.items()))
    report = speak(texts, tmp_path / "out", "sine:broken")
    assert report.counts == {"ok": 2, "unspeakable": 1, "too_long": 1, "failed": 1}
    assert [r.id for r in read_records(report.manifest)] == ["fine", "e"]
    skipped = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert {s["key"]: s["status"] for s in skipped} == {
        "empty": "unspeakable",
        "long": "too_long",
        "bad": "failed",
    }
    assert any("bad: sine:broken: cannot say" in line for line in report.failures)
    assert any("is longer than 30.0 s" in line for line in report.failures)


def test_another_voice_stands_in_for_one_that_fails(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"id": f"{n}", "text": f"fail {n}"}) + "\n" for n in range(6)))
    report = speak(texts, tmp_path / "out", "sine:broken=5,sine:mute=5,sine:ok")
    assert report.counts == {"ok": 6} and report.voices == {"sine:ok": 6}
    assert report.retried == len({line.split(":")[0] for line in report.failures}) > 0


@pytest.mark.parametrize(
    "options",
    [
        {"speed": (1.3, 0.9)},
        {"speed": (float("nan"), 1)},
        {"speed": (0.1, 1)},
        {"sample_rate": 10},
        {"silence": -1},
        {"max_seconds": 0},
        {"audio_format": "mp3"},
        {"copies": 0},
        {"workers": 0},
        {"limit": 0},
        {"augment": "echo=1"},
        {"given": "nobody:x"},
    ],
)
def test_bad_options_are_refused(texts: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        speak(texts, tmp_path / "out", **options)


def test_other_options_in_a_used_folder_are_refused(texts: Path, tmp_path: Path) -> None:
    speak(texts, tmp_path / "out", limit=1)
    with pytest.raises(OptionError, match=r"was begun with seed 0 \(now 1\), silence 0.2 \(now 0.3\)"):
        speak(texts, tmp_path / "out", seed=1, silence=0.3)


def test_a_voice_that_does_not_exist_stops_before_any_work(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="no such voice"):
        speak(texts, tmp_path / "out", "sine:a,sine:absent=0.001")
    assert Sine.spoken == 0
    speak(texts, tmp_path / "out")  # the mistake has not claimed the folder


def test_an_empty_corpus_and_a_corpus_in_its_own_place_are_refused(texts: Path, tmp_path: Path) -> None:
    own = tmp_path / "manifest.jsonl"
    own.write_bytes(texts.read_bytes())
    with pytest.raises(OptionError, match="is the corpus itself"):
        speak(own, tmp_path)
    own.write_text("\n")
    with pytest.raises(RecordError, match="has no records"):
        speak(own, tmp_path / "out")
    with pytest.raises(OptionError, match="is not a folder and cannot be created"):
        speak(texts, own)
    assert not (tmp_path / "out").exists()


def test_a_bad_corpus_stops_before_any_work(texts: Path, tmp_path: Path) -> None:
    texts.write_text(texts.read_text() + '{"id": "x"}\n')
    with pytest.raises(RecordError, match=r"texts.jsonl:9: field `text`"):
        speak(texts, tmp_path / "out")
    assert Sine.spoken == 0


def test_file_names_are_legal_and_distinct() -> None:
    ids = ["a:b", "a/b", "a b", "A:b", "../../etc", "x" * 300, "é", ""]
    stems = {SpeechJob(Record(name or "e", "t"), copy).file_stem for name in ids for copy in (0, 1)}
    assert len(stems) == 16
    assert all(
        s.isascii() and len(s) < 90 and s.count("/") == 1 and ".." not in s.split("/")[0] for s in stems
    )


def test_flac_holds_the_same_samples_as_wav(tmp_path: Path) -> None:
    import av

    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 20001).astype(np.float32)
    for name in ("x.wav", "x.flac"):
        write_audio(tmp_path / name, noise, 16000)
    with av.open(str(tmp_path / "x.flac")) as source:
        assert source.streams.audio[0].rate == 16000
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in source.decode(audio=0)])
    np.testing.assert_array_equal(decoded, samples(tmp_path / "x.wav"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.flac", "x.wav"]


SCRIPT = """
import os, sys, time
import numpy as np
from unislu.data import voices
from unislu.cli import main

class Slow:
    def __init__(self, name):
        self.name = name
    def speak(self, text, *, speed=1.0):
        if self.name == "crash" and "number 3" in text:
            os._exit(9)
        time.sleep(float(os.environ.get("PAUSE", "0")))
        return np.sin(np.arange(4000 / speed) * 0.2).astype(np.float32), 8000

voices.register_engine("slow", Slow)
if __name__ == "__main__":
    sys.exit(main(["synthesize", *sys.argv[1:]]))
"""


def script(tmp_path: Path) -> list[str]:
    path = tmp_path / "speak.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return [sys.executable, str(path)]


def environment(**values: str) -> dict[str, str]:
    source = str(Path(voices.__file__).parents[3])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", **values}


def test_a_killed_parallel_run_continues_to_the_same_result(texts: Path, tmp_path: Path) -> None:
    command = [*script(tmp_path), str(texts), "OUT", "--voices", "slow:a,slow:b", "--augment", "default"]
    command += ["--copies", "3", "--audio-format", "wav", "--quiet"]

    def run(out: str, workers: int, **values: str) -> subprocess.Popen[bytes]:
        arguments = [str(tmp_path / out) if a == "OUT" else a for a in command] + ["--workers", str(workers)]
        return subprocess.Popen(arguments, env=environment(**values), stdout=subprocess.DEVNULL)

    killed = run("killed", 2, PAUSE="0.1")
    deadline = time.monotonic() + 120
    journals: list[str] = []
    while len(journals) < 4 and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.02)
        journals = [s for p in (tmp_path / "killed").glob("journal*") for s in p.read_text().splitlines()]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(journals) >= 4 and not (tmp_path / "killed" / "manifest.jsonl").exists()
    assert run("killed", 2).wait(timeout=120) == 0
    assert run("whole", 1).wait(timeout=120) == 0
    whole = snapshot(tmp_path / "whole")
    assert snapshot(tmp_path / "killed") == whole and len(whole) == 24 + 3


def test_a_worker_that_dies_is_an_error_and_its_work_is_kept(texts: Path, tmp_path: Path) -> None:
    command = [*script(tmp_path), str(texts), str(tmp_path / "out"), "--voices", "slow:crash"]
    done = subprocess.run([*command, "--workers", "2"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 1 and "ended with exit code 9; run the command again" in done.stderr
    assert list((tmp_path / "out").glob("journal*")) and "Traceback" not in done.stderr


def test_the_command_line(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(source: Path, out: str, *arguments: str) -> int:
        return main(["synthesize", str(source), str(tmp_path / out), "--audio-format", "wav", *arguments])

    assert run(texts, "a", "--voices", "sine:a", "--limit", "2", "--speed", "1-1.1") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["counts"] == {"ok": 2} and "2/2 clips" in shown.err
    assert run(tmp_path / "none.jsonl", "b", "--voices", "sine:a") == 1
    assert "none.jsonl: cannot be read" in capsys.readouterr().err
    assert run(texts, "b", "--voices", "sine:a=x") == 2
    assert run(texts, "b", "--voices", "sine:a", "--silence", "nan") == 2
    texts.write_text('{"id": "x", "text": "fail"}\n')
    assert run(texts, "c", "--voices", "sine:broken", "--quiet") == 1
    assert "sine:broken: cannot say 'fail'" in capsys.readouterr().err


def test_ranges() -> None:
    assert parse_range("0.95-1.25") == (0.95, 1.25) and parse_range("1") == (1, 1)
    with pytest.raises(OptionError, match="'fast' is not a range"):
        parse_range("fast")


def test_the_progress_line_tells_the_time_left() -> None:
    stream = io.StringIO()
    with Progress(200, 100, stream=stream) as progress:
        for _ in range(50):
            progress.advance(6.0)
        assert progress.line(25.0) == "150/200 clips   75%  2.0/s  12.0x real time  0:25 left"
        assert Progress(10, 10).line(1.0) == "10/10 clips  100%"
    assert stream.getvalue().endswith("left\n")
