"""What is covered lies where it was heard, whatever a file says of its times; or nothing is written."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, read_audio
from unislu.errors import RedactionError
from unislu.redact import redact_audio
from unislu.redact.formats import kind_of

RATE = 16_000
SPAN = (1.0, 1.4)
GUARD = 0.1


def voice(seconds: float = 3.0) -> NDArray[np.int16]:
    """A tone whose pitch tells the time: 200 Hz and 200 more with each second."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * (200 * time + 100 * time**2))).astype(np.int16)


def sound_with_times(start: float, hole: tuple[float, float], picture: str | None = "mpeg4") -> bytes:
    """Matroska whose sound begins at `start` s and leaves out the seconds `hole` of itself."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        video = None if picture is None else out.add_stream(picture, rate=25)
        if video is not None:
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for number in range(0 if video is None else round(25 * (start + 3))):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))  # type: ignore[union-attr]
        samples = voice()
        for first in range(0, len(samples), 1600):
            if hole[0] <= first / RATE < hole[1]:
                continue
            block = av.AudioFrame.from_ndarray(samples[None, first : first + 1600], "s16", "mono")
            block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
            block.pts = round(start * RATE) + first
            out.mux(sound.encode(block))
        for track in out.streams:
            out.mux(track.encode(None))
    return buffer.getvalue()


def wav(data: bytes, size: int | None = None, after: bytes = b"", channels: int = 1) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, RATE, RATE * 2 * channels, 2 * channels, 16)
    head = b"WAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack("<I", len(data) if size is None else size)
    return b"RIFF" + struct.pack("<I", len(head) + len(data) + len(after)) + head + data + after


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


FIRST = voice()[: RATE * 2].tobytes()
REST = voice()[RATE * 2 :].tobytes()
AWKWARD = {
    "late.mkv": sound_with_times(2.0, (9, 9)),
    "hole.mka": sound_with_times(0.0, (0.3, 0.8), None),
    "late with a hole.mkv": sound_with_times(0.5, (0.5, 0.7)),
    "two data chunks.wav": wav(FIRST, after=chunk(b"LIST", b"INFO!") + chunk(b"data", REST)),
    "size of the first second.wav": wav(FIRST + REST, RATE * 2),
    "size of a stream.wav": wav(FIRST + REST, 0x7FFFF000),
    "header counted in.wav": wav(FIRST + REST, len(FIRST + REST) + 44),
    "cut off.wav": wav(FIRST + REST, 10 * len(FIRST)),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_what_is_covered_is_what_was_transcribed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(AWKWARD[name])
    before = read_audio(tmp_path / name)
    target = tmp_path / f"redacted {name}"
    copy = redact_audio(tmp_path / name, target, [SPAN], "silence", GUARD, duration=round(before.duration, 3))
    after = read_audio(target).samples
    assert len(after) == len(before.samples) and abs(copy.seconds - before.duration) < 0.001
    changed = np.flatnonzero(np.abs(after - before.samples) > 1e-4) / SAMPLE_RATE
    assert changed.size == 0 or (changed.min() >= 0.88 and changed.max() <= 1.52)
    inside = after[round(0.9 * SAMPLE_RATE) : round(1.5 * SAMPLE_RATE)]
    assert np.abs(inside).max() < 1e-4


def test_other_decoders_find_as_much_in_the_copy(tmp_path: Path) -> None:
    for name, data in AWKWARD.items():
        if not name.endswith(".wav"):
            continue
        redact_audio(data, tmp_path / "copy.wav", [SPAN], name=name)
        with av.open(str(tmp_path / "copy.wav")) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == 3 * RATE, name


def test_a_copy_of_another_length_is_not_handed_out(tmp_path: Path) -> None:
    target = tmp_path / "copy.wav"
    with pytest.raises(RedactionError, match=r"3\.400 s were transcribed, but a copy has 3\.000 s"):
        redact_audio(wav(FIRST + REST), target, [SPAN], duration=3.4)
    assert not list(tmp_path.iterdir())


def test_pictures_and_sound_stay_together(tmp_path: Path) -> None:
    redact_audio(AWKWARD["late.mkv"], tmp_path / "copy.mkv", [SPAN], name="late.mkv")
    with av.open(str(tmp_path / "copy.mkv")) as container:
        firsts = {
            p.stream.type: float(p.pts * p.time_base) for p in reversed(list(container.demux())) if p.size
        }
    assert firsts["video"] < 0.1 and firsts["audio"] < 0.1, "the silence before the sound is sound now"


def test_a_tag_in_another_encoding(tmp_path: Path) -> None:
    tag = chunk(b"LIST", b"INFO" + chunk(b"INAM", "Gespräch".encode("latin-1")))
    redact_audio(wav(FIRST, after=tag), tmp_path / "copy.wav", [SPAN])
    mp3 = io.BytesIO()
    with av.open(mp3, "w", format="mp3") as out:
        sound = out.add_stream("libmp3lame", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(voice().astype(np.float32)[None] / 32768, "fltp", "mono")
        frame.sample_rate = RATE
        out.mux([*sound.encode(frame), *sound.encode(None)])
    data = mp3.getvalue() + b"TAG" + "Gespräch mit Ann".encode("latin-1").ljust(125, b"\0")
    redact_audio(data, tmp_path / "copy.mp3", [SPAN], name="a.mp3")
    assert b"Gespr" not in (tmp_path / "copy.mp3").read_bytes()


@pytest.mark.parametrize(
    ("name", "format_", "codec"), [("a.ul", "mulaw", "pcm_mulaw"), ("a.al", "alaw", "pcm_alaw")]
)
def test_telephone_sound_without_a_header(name: str, format_: str, codec: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format_) as out:
        sound = out.add_stream(codec, rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(voice()[None, ::2].copy(), "s16", "mono")
        frame.sample_rate = 8000
        out.mux([*sound.encode(frame), *sound.encode(None)])
    (tmp_path / name).write_bytes(buffer.getvalue())
    audio = read_audio(tmp_path / name)
    assert audio.duration == 3.0 and read_audio(buffer.getvalue(), name=name).duration == 3.0
    redact_audio(tmp_path / name, tmp_path / f"copy-{name}", [SPAN], "silence", duration=3.0)
    assert (tmp_path / f"copy-{name}").stat().st_size == len(buffer.getvalue())


def with_captions(container: str, codec: str) -> bytes:
    """A second of pictures, each with a CEA-608 caption in its user data, and of sound."""
    caption = b"GA94\x03\xc2\xff\xfc\x94\x20\xfc\xc1\x6e\xff"
    if codec == "h264":
        payload = b"\xb5\x00\x31" + caption
        unit = b"\0\0\0\1\x06\x04" + bytes([len(payload)]) + payload + b"\x80"
    else:
        unit = b"\0\0\1\xb2" + caption
    pictures = []
    encoder = av.CodecContext.create("libx264" if codec == "h264" else codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"  # type: ignore[attr-defined]
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = Fraction(25)  # type: ignore[attr-defined]
    if codec == "h264":
        encoder.options = {"bf": "0"}
    for number in range(25):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 9, np.uint8), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        pictures += encoder.encode(frame)  # type: ignore[attr-defined]
    pictures += encoder.encode(None)  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        video = out.add_stream("libx264" if codec == "h264" else codec, rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream("mp2", rate=RATE, layout="mono")
        frames = av.AudioFrame.from_ndarray(voice(1.0)[None], "s16", "mono")
        frames.sample_rate = RATE
        packets = [*sound.encode(frames), *sound.encode(None)]
        for old in pictures:
            data = bytes(old)
            # Before the first slice: behind the headers of sequence and picture.
            slices = (b"\0\0\1\x65", b"\0\0\1\x41", b"\0\0\1\x61") if codec == "h264" else (b"\0\0\1\x01",)
            place = min(at for at in (data.find(mark) for mark in slices) if at >= 0)
            place -= codec == "h264" and data[place - 1 : place] == b"\0"
            packet = av.Packet(data[:place] + unit + data[place:])
            packet.pts, packet.dts, packet.time_base = old.pts, old.dts, Fraction(1, 25)
            packet.stream, packet.is_keyframe = video, old.is_keyframe
            out.mux(packet)
        out.mux(packets)
    return buffer.getvalue()


def captions_of(path: Path) -> tuple[int, int]:
    """(pictures, those of them with captions)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return len(frames), sum(any("A53" in str(side.type) for side in frame.side_data) for frame in frames)


@pytest.mark.parametrize(("container", "codec"), [("mpegts", "h264"), ("mpegts", "mpeg2video")])
def test_captions_inside_the_picture_are_left_out(container: str, codec: str, tmp_path: Path) -> None:
    source, target = tmp_path / "call.ts", tmp_path / "copy.ts"
    source.write_bytes(with_captions(container, codec))
    pictures, captions = captions_of(source)
    assert pictures == captions == 25, "the source has them"
    (note,) = redact_audio(source, target, [(0.2, 0.4)]).notes
    assert "captions inside the picture left out" in note
    assert captions_of(target) == (25, 0) and b"GA94" not in target.read_bytes()


def test_pictures_of_which_nobody_knows_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "call.mkv"
    source.write_bytes(sound_with_times(0.0, (9, 9), "ffv1"))
    (note,) = redact_audio(source, tmp_path / "copy.mkv", [SPAN]).notes
    assert "pictures left out of the redacted copy" in note
    with av.open(str(tmp_path / "copy.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


def test_the_kind_of_a_copy_fits_its_bytes(tmp_path: Path) -> None:
    webm = io.BytesIO()
    with av.open(webm, "w", format="webm") as out:
        sound = out.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "flt", "mono")
        frame.sample_rate = 48_000
        out.mux([*sound.encode(frame), *sound.encode(None)])
    copy = redact_audio(webm.getvalue(), tmp_path / "copy", [], name="blob")
    assert b"webm" in (tmp_path / "copy").read_bytes()[:64]
    assert kind_of(copy.format, "") == (".webm", "audio/webm")
    assert kind_of("wav", ".mp3") == (".wav", "audio/wav") and kind_of("oga", ".OGA")[0] == ".oga"


def recording_of_a_browser(start: float, hole: tuple[float, float]) -> bytes:
    """WebM as MediaRecorder writes it: neither length nor cues; sound from `start` s on, without `hole`."""
    rate = 48_000
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm", options={"live": "1"}) as out:
        sound = out.add_stream("libopus", rate=rate, layout="mono")
        tone = (0.3 * np.sin(0.05 * np.arange(3 * rate))).astype(np.float32)
        for first in range(0, len(tone), 2880):
            frame = av.AudioFrame.from_ndarray(tone[None, first : first + 2880], "flt", "mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate) + first
            out.mux(
                packet
                for packet in sound.encode(frame)
                if not hole[0] <= float(packet.pts * packet.time_base) - start < hole[1]
            )
        out.mux(sound.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("start", [0.0, 0.7])
@pytest.mark.parametrize("hole", [(9.0, 9.0), (0.0, 0.5), (1.0, 1.5)])
def test_a_recording_of_a_browser_keeps_its_length(
    start: float, hole: tuple[float, float], tmp_path: Path
) -> None:
    recording = recording_of_a_browser(start, hole)
    with av.open(io.BytesIO(recording)) as container:
        assert container.duration is None
    length = read_audio(recording).duration
    assert length == pytest.approx(3.0, abs=0.02)
    copy = redact_audio(recording, tmp_path / "copy.webm", [SPAN], duration=length)
    assert copy.seconds == pytest.approx(length, abs=0.01)
    assert read_audio(tmp_path / "copy.webm").duration == pytest.approx(length, abs=0.01)
