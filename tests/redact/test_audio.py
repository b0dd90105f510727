"""The redacted recording: like the original in everything but the covered seconds."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unislu.errors import AudioError, AudioNotFoundError, OptionError, RedactionError
from unislu.redact import redact_audio
from unislu.redact.cover import FADE, TONE_LEVEL, Cover

SECONDS = 1.5
SPANS = [(0.6, 0.8)]
GUARD = 0.1
PITCH = 440.0

LOSSLESS = {
    "s16.wav": ("wav", "pcm_s16le", "s16", 16000, 1),
    "s24.wav": ("wav", "pcm_s24le", "s32", 44100, 2),
    "u8.wav": ("wav", "pcm_u8", "u8", 8000, 1),
    "f32.wav": ("wav", "pcm_f32le", "flt", 22050, 2),
    "six.wav": ("wav", "pcm_s16le", "s16", 16000, 6),
    "s16.flac": ("flac", "flac", "s16", 44100, 2),
    "s32.flac": ("flac", "flac", "s32", 44100, 1),
    "alac.m4a": ("ipod", "alac", "s16p", 44100, 2),
    "s16.aiff": ("aiff", "pcm_s16be", "s16", 16000, 1),
}
LOSSY = {
    "a.mp3": ("mp3", "libmp3lame", "fltp", 44100, 2),
    "b.mp3": ("mp3", "libmp3lame", "fltp", 16000, 1),
    "a.m4a": ("ipod", "aac", "fltp", 44100, 2),
    "a.aac": ("adts", "aac", "fltp", 44100, 1),
    "a.opus": ("opus", "libopus", "flt", 48000, 1),
    "a.webm": ("webm", "libopus", "flt", 48000, 2),
    "law.wav": ("wav", "pcm_mulaw", "s16", 8000, 1),
}
FRAME = 2048
"""No codec here has longer frames, in samples."""
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def make(
    path: Path, format_: str, codec: str, kind: str, rate: int, channels: int, video: bool = False
) -> Path:
    """A sine of 440 Hz in all channels, at a quarter of full scale."""
    wave = 0.25 * np.sin(2 * np.pi * PITCH * np.arange(round(SECONDS * rate)) / rate)
    with av.open(str(path), "w", format=format_) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.codec_context.layout = LAYOUTS[channels]
        stream.codec_context.format = kind
        picture = output.add_stream("mpeg4", rate=10) if video else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        output.metadata["title"] = "A call with Ann"
        samples = np.repeat(wave[None, :].astype(np.float32), channels, axis=0)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", LAYOUTS[channels])
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        output.mux(stream.encode(frame))
        for number in range(round(SECONDS * 10) if picture is not None else 0):
            image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number * 10, np.uint8), "rgb24")
            image.pts, image.time_base = number, Fraction(1, 10)
            output.mux(picture.encode(image))  # type: ignore[union-attr]
        for track in output.streams:
            output.mux(track.encode(None))
    return path


def decoded(path: Path) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
    """What the file says of itself, and its samples [n, channels] in the decoder's own type."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts = []
        for frame in container.decode(stream):
            array = frame.to_ndarray()
            parts.append(array.T if frame.format.is_planar else array.reshape(frame.samples, -1))
        kind = (
            container.format.name,
            stream.codec_context.codec.canonical_name,
            stream.rate,
            stream.channels,
        )
        return kind, np.concatenate(parts)


def level(samples: NDArray[Any], rate: int, start: float, end: float, pitch: float) -> float:
    """Amplitude of one pitch in the first channel, relative to full scale."""
    part = samples[round(start * rate) : round(end * rate), 0].astype(np.float64)
    if samples.dtype.kind == "u":
        part = (part - 128) / 128
    elif samples.dtype.kind == "i":
        part = part / 2.0 ** (samples.dtype.itemsize * 8 - 1)
    turned = part * np.hanning(len(part)) * np.exp(-2j * np.pi * pitch * np.arange(len(part)) / rate)
    return float(4 * abs(turned.mean()))


@pytest.mark.parametrize("how", ["beep", "silence"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_change_only_where_they_are_covered(tmp_path: Path, name: str, how: str) -> None:
    source = make(tmp_path / name, *LOSSLESS[name])
    target = tmp_path / f"redacted-{name}"
    assert redact_audio(source, target, SPANS, how, GUARD).notes == ()
    (kind, before), (same, after) = decoded(source), decoded(target)
    rate = kind[2]
    assert same == kind and after.shape == before.shape and after.dtype == before.dtype
    changed = np.flatnonzero((before != after).any(axis=1)) / rate
    edge = GUARD + FADE + 1 / rate
    assert changed.min() >= SPANS[0][0] - edge and changed.max() <= SPANS[0][1] + edge
    assert level(after, rate, 0.5, 0.9, PITCH) < 0.004 < 0.2 < level(before, rate, 0.5, 0.9, PITCH)
    assert level(after, rate, 0.52, 0.88, 1000) == pytest.approx(
        TONE_LEVEL if how == "beep" else 0, abs=0.005
    )


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_files_keep_their_kind_and_length(tmp_path: Path, name: str) -> None:
    source = make(tmp_path / name, *LOSSY[name])
    target = tmp_path / f"redacted-{name}"
    redact_audio(source, target, SPANS, "beep", GUARD)
    (kind, before), (same, after) = decoded(source), decoded(target)
    assert same == kind and abs(len(after) - len(before)) <= FRAME
    rate = kind[2]
    assert level(after, rate, 0.55, 0.85, PITCH) < 0.01
    assert level(after, rate, 0.55, 0.85, 1000) == pytest.approx(TONE_LEVEL, rel=0.2)
    assert level(after, rate, 1.1, 1.4, PITCH) == pytest.approx(0.25, rel=0.1)


def test_video_is_copied_and_everything_else_left_out(tmp_path: Path) -> None:
    source = make(tmp_path / "call.mp4", "mp4", "aac", "fltp", 44100, 2, video=True)
    target = tmp_path / "redacted.mp4"
    assert redact_audio(source, target, SPANS, "silence", GUARD).notes == ()
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert sorted(s.type for s in after.streams) == sorted(s.type for s in before.streams)
        assert before.metadata["title"] == "A call with Ann" and "title" not in after.metadata
        pictures = [[bytes(p) for p in c.demux(c.streams.video[0]) if p.size] for c in (before, after)]
        assert pictures[0] == pictures[1] and len(pictures[0]) == SECONDS * 10
    assert level(decoded(target)[1], 44100, 0.55, 0.85, PITCH) < 0.01


def test_further_tracks_are_left_out_and_said(tmp_path: Path) -> None:
    source = tmp_path / "two.mka"
    with av.open(str(source), "w") as output:
        streams = [output.add_stream("flac", rate=16000, layout="mono") for _ in range(2)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), 0
            output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    (note,) = redact_audio(source, tmp_path / "one.mka", SPANS).notes
    assert note.endswith("further audio tracks left out of the redacted copy: the words may be in them")
    with av.open(str(tmp_path / "one.mka")) as container:
        assert len(container.streams) == 1


def test_bytes_and_file_objects(tmp_path: Path) -> None:
    source = make(tmp_path / "a.wav", *LOSSLESS["s16.wav"])
    outputs = []
    for number, form in enumerate((source, source.read_bytes(), io.BytesIO(source.read_bytes()))):
        redact_audio(form, tmp_path / f"{number}.wav", SPANS)
        outputs.append((tmp_path / f"{number}.wav").read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]


def test_the_name_does_not_decide_the_format(tmp_path: Path) -> None:
    source = make(tmp_path / "really.mp3", *LOSSLESS["s16.wav"])
    redact_audio(source, tmp_path / "out.mp3", SPANS)
    assert decoded(tmp_path / "out.mp3")[0] == decoded(source)[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"how": "whistle"}, "unknown cover 'whistle'"),
        ({"guard": -0.1}, "guard is -0.1"),
        ({"guard": float("nan")}, "guard is nan"),
        ({"spans": [(2.0, 1.0)]}, "span 2.0…1.0 s"),
        ({"spans": [(0.0, float("inf"))]}, "span 0.0…inf s"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    source = make(tmp_path / "a.wav", *LOSSLESS["s16.wav"])
    with pytest.raises(OptionError, match=message):
        redact_audio(source, tmp_path / "b.wav", **{"spans": SPANS} | arguments)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav"]


def test_bad_inputs_leave_nothing_behind(tmp_path: Path) -> None:
    source = make(tmp_path / "a.wav", *LOSSLESS["s16.wav"])
    with pytest.raises(OptionError, match="is the recording itself"):
        redact_audio(source, tmp_path / "." / "a.wav", SPANS)
    with pytest.raises(AudioNotFoundError, match="no such file"):
        redact_audio(tmp_path / "no.wav", tmp_path / "b.wav", SPANS)
    (tmp_path / "text.mp3").write_text("no sound at all, only words " * 50)
    with pytest.raises(AudioError, match=r"text\.mp3"):
        redact_audio(tmp_path / "text.mp3", tmp_path / "b.mp3", SPANS)
    with pytest.raises(RedactionError, match="cannot be written"):
        redact_audio(source, tmp_path / "no" / "folder" / "b.wav", SPANS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "text.mp3"]


def test_a_failed_copy_keeps_the_old_target(tmp_path: Path) -> None:
    (tmp_path / "b.mp3").write_bytes(b"old")
    (tmp_path / "text.mp3").write_text("words")
    with pytest.raises(AudioError):
        redact_audio(tmp_path / "text.mp3", tmp_path / "b.mp3", SPANS)
    assert (tmp_path / "b.mp3").read_bytes() == b"old"


RATE = 8000
SPAN_LISTS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 0.3)).map(lambda p: (p[0], p[0] + p[1])), max_size=6
)


@given(SPAN_LISTS, st.sampled_from([0.0, 0.05]), st.sampled_from(["beep", "silence"]), st.integers(200, 3000))
def test_covers(drawn: list[tuple[float, float]], guard: float, how: str, block: int) -> None:
    spans = [(start, start + length) for start, length in drawn]
    speech = np.random.default_rng(0).uniform(-1, 1, RATE)
    slow = np.sin(np.arange(RATE) / 50)
    cover = Cover(spans, RATE, how, guard)
    covered, smooth = speech.copy()[:, None], slow.copy()[:, None]
    for first in range(0, RATE, block):
        before = covered[first : first + block].copy()
        cover.apply(covered[first : first + block], first)
        cover.apply(smooth[first : first + block], first)
        assert cover.touches(first, len(before)) or (before == covered[first : first + block]).all()
    whole = speech.copy()[:, None]
    cover.apply(whole, 0)
    assert (whole == covered).all(), "the size of the blocks does not matter"
    silent = np.zeros((RATE, 1))
    cover.apply(silent, 0)
    times = np.arange(RATE) / RATE
    inside = np.zeros(RATE, bool)
    near = np.zeros(RATE, bool)
    for start, end in spans:
        inside |= (times >= start - guard) & (times <= end + guard)
        near |= (times >= start - guard - 3 * FADE) & (times <= end + guard + 3 * FADE)
    assert (covered[inside] == silent[inside]).all(), "nothing of the speech is left"
    assert (covered[~near, 0] == speech[~near]).all()
    assert np.abs(np.diff(smooth[:, 0])).max() < 0.15, "no click"
