"""`unislu redact` over a model that hears pitches: every half second of a tone is a word."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, open_audio
from unislu.cli import main
from unislu.errors import OptionError
from unislu.recognition.request import Request
from unislu.result import Analysis, Entity, Segment, Word

SLOT = SAMPLE_RATE // 2
PITCHES = {300: "Hello", 440: "Ann", 560: "from", 680: "Oslo", 800: "called"}


class Model:
    """Hears real audio; `late` shifts the times it gives, `timed` says whether it gives any."""

    def __init__(self) -> None:
        self.late = 0.0
        self.timed = True
        self.heard: list[str] = []

    def check(self, options: Request) -> None:
        if options.entities and "dragon" in options.entities:
            raise OptionError("entity type 'dragon': unknown")

    def analyze(self, source: Any, *, name: str | None = None, request: Request) -> Analysis:
        with open_audio(source, split=request.channels == "split") as stream:
            channels = np.concatenate(list(stream), axis=1)
            notes = stream.warnings
        self.heard.append(name or str(source))
        words: list[Word] = []
        text = ""
        slots = range(0, channels.shape[1] - SLOT // 2, SLOT)
        for first, samples in ((first, channel) for first in slots for channel in channels):
            spoken = _word(samples[first : first + SLOT])
            if spoken:
                start = len(text) + 1 if text else 0
                text = f"{text} {spoken}".strip()
                at = first / SAMPLE_RATE + self.late
                words.append(Word(spoken, at, at + 0.5, start, len(text)))
        tagged = [w for w in words if w.text == "Ann"][:1] + [w for w in words if w.text == "Oslo"]
        entities = tuple(
            Entity("person" if w.text == "Ann" else "place", w.text, w.start_char, w.end_char, 0.9)
            for w in tagged
            if request.entities is None or ("person" if w.text == "Ann" else "place") in request.entities
        )
        seconds = channels.shape[1] / SAMPLE_RATE
        segment = Segment(0, seconds, text, 0, len(text), words=tuple(words) if self.timed else None)
        return Analysis(
            text=text,
            duration=seconds,
            model="m",
            file=name or str(source),
            entities=entities,
            segments=(segment,),
            warnings=(f"{source}: Ann is hard to hear", *notes),
        )


def _word(samples: NDArray[np.float32]) -> str | None:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    pitch = float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)
    if spectrum.max() < 50:
        return None
    return next((word for p, word in PITCHES.items() if abs(p - pitch) < 20), None)


def speak(path: Path, words: str, suffix: str = "wav") -> Path:
    soundfile = pytest.importorskip("soundfile")
    named = {word: pitch for pitch, word in PITCHES.items()}
    time = np.arange(SLOT) / SAMPLE_RATE
    tones = [0.3 * np.sin(2 * np.pi * named[word] * time) for word in words.split()]
    soundfile.write(path, np.concatenate(tones), SAMPLE_RATE, subtype="PCM_16")
    return path


SAID = "Hello Ann called from Oslo Ann called"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Model:
    model = Model()
    monkeypatch.setattr("unislu.recognition.model.load", lambda bundle=None, **options: model)
    monkeypatch.chdir(tmp_path)
    speak(tmp_path / "ann.wav", SAID)
    return model


def everything(folder: Path) -> str:
    return "\n".join(p.read_text(encoding="utf-8") for p in sorted(folder.iterdir()) if p.suffix != ".wav")


def test_a_verified_redaction(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    formats = "json,txt,srt,vtt,html,conll,jsonl"
    options = ["--types", "person", "--text", "type", "--verify", "--guard", "0", "--format", formats]
    code = main(["redact", "ann.wav", "-o", "out", *options])
    said = capsys.readouterr()
    assert code == 0 and said.out == ""
    names = {"ann.wav", *(f"ann.{f}" for f in formats.split(","))}
    assert {p.name for p in Path("out").iterdir()} == names
    shown = everything(Path("out")) + said.err
    assert not re.search(r"\bAnn\b", shown) and "[PERSON] called from Oslo [PERSON] called" in shown
    result = Analysis.from_dict(json.loads(Path("out/ann.json").read_text()))
    assert result.file == "ann.wav" and "2 redactions (person), replaced by their types" in result.warnings
    assert any(warning.startswith("verified: ") for warning in result.warnings)
    assert len(model.heard) == 2 and ".redact-" in model.heard[1], "what was verified is the redacted copy"
    assert model.analyze("out/ann.wav", request=Request()).text == "Hello called from Oslo called"
    assert '<audio controls preload="metadata" src="ann.wav">' in Path("out/ann.html").read_text()


def test_what_is_still_transcribed_is_not_written(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    model.late = 3.0  # the wrong half seconds are covered, at every try
    Path("out").mkdir()
    Path("out/ann.wav").write_bytes(b"before")
    assert main(["redact", "ann.wav", "-o", "out", "--types", "person", "--verify"]) == 3
    said = capsys.readouterr().err
    assert "ann.wav: still recognised after redaction: person at" in said and "nothing was written" in said
    assert not re.search(r"\bAnn\b", said), "the message does not repeat the phrase"
    assert [p.name for p in Path("out").iterdir()] == ["ann.wav"]
    assert Path("out/ann.wav").read_bytes() == b"before"


def test_what_is_transcribed_again_is_covered_too(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    hear = model.analyze

    def late_at_first(source: Any, **options: Any) -> Analysis:
        model.late = 0.0 if model.heard else 0.6
        return hear(source, **options)

    monkeypatch.setattr(model, "analyze", late_at_first)
    assert main(["redact", "ann.wav", "-o", "out", "--types", "person", "--verify", "-q"]) == 0
    assert len(model.heard) == 3, "the original, a copy that still says it, and one that does not"
    assert "Ann" not in (hear("out/ann.wav", request=Request()).text or "")


@pytest.mark.parametrize("right", [-1.0, 0.0])
def test_each_channel_is_transcribed(model: Model, right: float) -> None:
    """Both channels upside down of each other are silence when they are mixed."""
    soundfile = pytest.importorskip("soundfile")
    mono, rate = soundfile.read("ann.wav")
    soundfile.write("stereo.wav", np.stack([mono, right * mono], axis=1), rate, subtype="PCM_16")
    assert main(["redact", "stereo.wav", "-o", "out", "--types", "person", "--verify", "-q"]) == 0
    assert len(model.heard) == 3, "the original, and the copy mixed and split"
    for channels in ("mix", "split"):
        text = model.analyze("out/stereo.wav", request=Request(channels=channels)).text or ""
        assert "Oslo" in text and "Ann" not in text


def test_a_word_of_one_channel_that_the_mix_drowns(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile = pytest.importorskip("soundfile")
    loud, rate = soundfile.read(speak(Path("loud.wav"), "Hello Ann called from Oslo called called"))
    soft, _ = soundfile.read(speak(Path("soft.wav"), "Hello Ann called from Oslo Ann called"))
    soundfile.write("call.wav", np.stack([loud, soft * 0.7], axis=1), rate, subtype="PCM_16")
    assert "called from Oslo called called" in (model.analyze("call.wav", request=Request()).text or "")
    assert main(["redact", "call.wav", "-o", "out", "--types", "person", "--verify", "-q"]) == 0
    assert "Ann" not in (model.analyze("out/call.wav", request=Request(channels="split")).text or "")


def shown_words(folder: Path, name: str) -> list[str]:
    """The words of the transcript that can still be read, the same in every format."""
    result = Analysis.from_dict(json.loads((folder / f"{name}.json").read_text()))
    read = [word for word in (result.text or "").split() if word != "[PERSON]"]
    for other in ("srt", "vtt", "txt", "html", "conll", "jsonl"):
        shown = (folder / f"{name}.{other}").read_text(encoding="utf-8")
        assert {word for word in PITCHES.values() if re.search(rf"\b{word}\b", shown)} == set(read), other
    return read


EVERY_TEXT = ["--text", "type", "-f", "json,srt,vtt,txt,html,conll,jsonl", "-q", "--types", "person"]


@pytest.mark.parametrize("verify", [[], ["--verify"]])
@pytest.mark.parametrize(("guard", "read"), [("0", 5), ("0.3", 5), ("0.5", 1), ("2", 0)])
def test_what_is_covered_is_not_read_either(model: Model, verify: list[str], guard: str, read: int) -> None:
    assert main(["redact", "ann.wav", "-o", "out", "--guard", guard, *verify, *EVERY_TEXT]) == 0
    left = shown_words(Path("out"), "ann")
    assert len(left) == read and "Ann" not in left
    if guard != "0.3":  # which leaves half of the words beside a name
        assert left == (model.analyze("out/ann.wav", request=Request()).text or "").split()


@pytest.mark.parametrize("verify", [[], ["--verify"]])
def test_what_another_channel_says_meanwhile_is_not_read(model: Model, verify: list[str]) -> None:
    soundfile = pytest.importorskip("soundfile")
    one, rate = soundfile.read(speak(Path("one.wav"), "Hello Ann called"))
    two, _ = soundfile.read(speak(Path("two.wav"), "called Oslo from"))
    soundfile.write("call.wav", np.stack([one, two], axis=1), rate, subtype="PCM_16")
    asked = ["--channels", "split", "--guard", "0", *verify, *EVERY_TEXT]
    assert main(["redact", "call.wav", "-o", "out", *asked]) == 0
    left = shown_words(Path("out"), "call")
    assert left == ["Hello", "called", "called", "from"]
    assert left == (model.analyze("out/call.wav", request=Request(channels="split")).text or "").split()


def test_what_only_a_later_transcription_finds_is_not_read(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first copy is heard to name somebody where `Oslo` is said; that is covered half a word wider."""
    hear = model.analyze

    def person_at_first(source: Any, **options: Any) -> Analysis:
        analysis = hear(source, **options)
        if len(model.heard) != 2:
            return analysis
        (oslo,) = [w for s in analysis.segments for w in s.words or () if w.text == "Oslo"]
        entity = Entity("person", "Oslo", oslo.start_char, oslo.end_char, 0.9, oslo.start, oslo.end)
        return replace(analysis, entities=(entity,))

    monkeypatch.setattr(model, "analyze", person_at_first)
    assert main(["redact", "ann.wav", "-o", "out", "--guard", "0.2", "--verify", *EVERY_TEXT]) == 0
    assert len(model.heard) == 3
    left = shown_words(Path("out"), "ann")
    assert left == ["Hello", "called", "called"] and "Oslo" not in left and "from" not in left
    assert left == (hear("out/ann.wav", request=Request()).text or "").split()


def test_where_nothing_was_transcribed_nothing_is_written(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write("hum.wav", 0.1 * np.sin(np.arange(3 * SAMPLE_RATE) / 40), SAMPLE_RATE)
    for options in ([], ["--verify"]):
        assert main(["redact", "hum.wav", "-o", "out", *options]) == 1
        assert "no speech was found in 3.0 s" in capsys.readouterr().err
    assert not list(Path("out").iterdir())
    assert main(["redact", "hum.wav", "-o", "out", "--audio", "none", "-q"]) == 0


def test_nothing_found_is_said_and_is_not_verified(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    speak(Path("none.wav"), "Hello called from called")
    assert main(["redact", "none.wav", "-o", "out", "--verify"]) == 0
    said = capsys.readouterr().err
    assert "nothing to redact was found" in said and "not verified: there was nothing to look for" in said


def test_a_pipe_is_read_once(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    data = Path("ann.wav").read_bytes()
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(data))
    writer.start()
    assert main(["redact", "pipe", "-o", "out", "--types", "person", "--verify"]) == 0
    writer.join()
    assert {p.name for p in Path("out").iterdir()} == {"pipe", "pipe.json"}
    assert json.loads(Path("out/pipe.json").read_text())["file"] == "pipe"


def test_a_name_that_is_too_long_does_not_stop_the_others(model: Model) -> None:
    long = Path("y" * 251 + ".wav")
    long.write_bytes(Path("ann.wav").read_bytes())
    assert main(["redact", str(long), "ann.wav", "-o", "out", "-q"]) == 1
    assert {p.name for p in Path("out").iterdir()} == {"ann.wav", "ann.json"}


def test_without_verification_it_is_written(model: Model) -> None:
    assert main(["redact", "ann.wav", "-o", "out", "-q"]) == 0
    assert {p.name for p in Path("out").iterdir()} == {"ann.wav", "ann.json"}


def test_text_alone(model: Model) -> None:
    assert main(["redact", "ann.wav", "-o", "out", "--audio", "none", "-f", "html", "-q"]) == 0
    assert [p.name for p in Path("out").iterdir()] == ["ann.html"]
    assert "<audio" not in Path("out/ann.html").read_text()


def test_words_without_times(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    model.timed = False
    assert main(["redact", "ann.wav", "-o", "out"]) == 1
    assert "has no times" in capsys.readouterr().err and not list(Path("out").iterdir())
    assert main(["redact", "ann.wav", "-o", "out", "--untimed", "segment", "--verify"]) == 0
    assert model.analyze("out/ann.wav", request=Request()).text == ""


def test_hashes_share_a_key_within_a_run(model: Model, tmp_path: Path) -> None:
    speak(tmp_path / "b.wav", "Ann called")
    hashes = []
    for number in range(2):
        out = f"out{number}"
        assert main(["redact", "ann.wav", "b.wav", "-o", out, "--text", "hash", "-q"]) == 0
        found = re.findall(r"PERSON:[0-9a-f]{12}", everything(Path(out)))
        assert len(set(found)) == 1
        hashes.append(found[0])
    assert hashes[0] != hashes[1]
    (tmp_path / "key").write_bytes(b"0123456789abcdef\n")
    keyed = ["redact", "b.wav", "--text", "hash", "--key-file", "key", "-q", "--audio", "none", "-o"]
    assert main([*keyed, "x"]) == main([*keyed, "y"]) == 0
    assert everything(Path("x")) == everything(Path("y"))


def test_one_bad_file_does_not_stop_the_others(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["redact", "no.wav", "ann.wav", "-o", "out", "-q"]) == 1
    assert "no.wav: no such file" in capsys.readouterr().err and Path("out/ann.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ann.wav", "-o", "."], "would replace"),
        (["ann.wav", "sub/../ann.wav", "-o", "out"], "would both be ann.wav"),
        (["-", "-o", "out"], "- is stdin"),
        (["ann.wav", "-o", "ann.wav"], "is not a folder"),
        (["ann.wav", "-o", "out", "--text", "blur"], "unknown replacement 'blur'"),
        (["ann.wav", "-o", "out", "--audio", "buzz"], "--audio is 'buzz'"),
        (["ann.wav", "-o", "out", "--audio", "none", "--verify"], "--verify needs"),
        (["ann.wav", "-o", "out", "--guard", "-1"], "guard is -1"),
        (["ann.wav", "-o", "out", "--untimed", "guess"], "untimed is 'guess'"),
        (["ann.wav", "-o", "out", "-f", "text,txt"], "same suffix"),
        (["ann.wav", "-o", "out", "-f", "json,rttm"], "redact tells no speakers apart"),
        (["ann.wav", "-o", "out", "-f", "xml"], "unknown format 'xml'"),
        (["ann.wav", "-o", "out", "--key-file", "no"], "--key-file no: cannot be read"),
        (["ann.wav", "-o", "out", "--types", "dragon"], "dragon"),
        (["ann.wav", "-o", "out", "--line-length", "3"], "subtitle line is 3"),
        (["ann.wav", "-o", "out", "--player", "tv"], "--player is 'tv'"),
    ],
)
def test_wrong_usage(
    model: Model, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["redact", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert model.heard == [] and not list(Path().glob("out/*"))
