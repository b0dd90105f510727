"""Audio of every kind, good and bad, made here."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, AudioWarning, load_audio, open_audio, read_audio
from unislu.errors import AudioError, AudioNotFoundError

TONE = 440.0


def tone(rate: int = 16_000, seconds: float = 1.0) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * TONE * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def wav(
    samples: NDArray[Any], rate: int, tag: int = 1, bits: int | None = None, size: int | None = None
) -> bytes:
    """WAV bytes of [n, channels] samples; `size` overrides what the header says of the data."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    data = samples.tobytes()
    bits = bits or samples.itemsize * 8
    if bits == 24:
        data = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    channels = samples.shape[1]
    width = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits)
    length = len(data) if size is None else size
    return (
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE"
        + b"LIST" + struct.pack("<I", 5) + b"INFOx\0"  # an odd chunk before the format
        + b"fmt " + struct.pack("<I", 16) + fmt
        + b"data" + struct.pack("<I", length) + data
    )  # fmt: skip


def encoded(
    container: str, codec: str, rate: int = 48_000, seconds: float = 2.0, layout: str = "mono"
) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.layout = layout
        samples = tone(rate, seconds)
        channels = av.AudioLayout(layout).nb_channels
        for start in range(0, len(samples), 1024):
            block = np.tile(samples[start : start + 1024], (channels, 1))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def video(with_audio: bool) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream("aac", rate=16_000) if with_audio else None
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 20, np.uint8), format="rgb24")
            frame.pts = number
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if sound is not None:
            samples = tone(16_000, 1.0)
            for start in range(0, len(samples), 1024):
                block = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
                block.sample_rate, block.pts = 16_000, start
                out.mux(sound.encode(block))
            out.mux(sound.encode(None))
    return buffer.getvalue()


def assert_is_tone(samples: NDArray[np.float32], seconds: float, tolerance: float = 0.1) -> None:
    assert samples.dtype == np.float32 and samples.ndim == 1 and samples.flags.c_contiguous
    assert abs(len(samples) / SAMPLE_RATE - seconds) <= tolerance
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert abs(spectrum.argmax() * SAMPLE_RATE / len(samples) - TONE) < 5
    assert 0.2 < np.abs(samples).max() < 0.5


WAVS = {
    "u8": lambda x: wav((x * 127 + 128).astype(np.uint8), 16_000),
    "s16": lambda x: wav((x * 32767).astype("<i2"), 16_000),
    "s24": lambda x: wav((x * 8388607).astype("<i4"), 16_000, bits=24),
    "s32": lambda x: wav((x * 2147483647.0).astype("<i4"), 16_000),
    "f32": lambda x: wav(x.astype("<f4"), 16_000, tag=3),
    "f64": lambda x: wav(x.astype("<f8"), 16_000, tag=3),
}


@pytest.mark.parametrize("kind", WAVS)
def test_every_sample_type_of_wav(kind: str) -> None:
    samples = load_audio(WAVS[kind](tone()))
    assert np.abs(samples - tone()).max() < (0.02 if kind == "u8" else 1e-4)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_rates(rate: int) -> None:
    assert_is_tone(load_audio(wav(tone(rate), rate, tag=3)), 1.0, 0.001)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp3", "libmp3lame"), ("mp4", "aac"), ("adts", "aac"), ("ogg", "libopus"), ("flac", "flac"),
     ("matroska", "libopus"), ("aiff", "pcm_s16be"), ("wav", "pcm_mulaw")],
)  # fmt: skip
def test_containers(container: str, codec: str) -> None:
    assert_is_tone(load_audio(encoded(container, codec)), 2.0)


def test_channels_are_mixed_by_their_mean_everywhere() -> None:
    left, right = tone(), np.zeros(16_000, np.float32)
    stereo = np.stack([left, right], axis=1)
    mono = (left + right) / 2
    for decoded in (
        load_audio(wav(stereo, 16_000, tag=3)),
        load_audio(stereo, 16_000),
        load_audio(stereo.T, 16_000),
        load_audio((stereo * 32767).astype(np.int16), 16_000),
        load_audio(_stereo_flac(stereo)),
    ):
        assert np.abs(decoded - mono).max() < 2e-4


def _stereo_flac(stereo: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=16_000)
        stream.layout, stream.format = "stereo", "s16"
        packed = (stereo * 32767).astype(np.int16).reshape(1, -1)
        for start in range(0, packed.shape[1], 2048):
            frame = av.AudioFrame.from_ndarray(packed[:, start : start + 2048], "s16", "stereo")
            frame.sample_rate, frame.pts = 16_000, start // 2
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def test_eight_channels_at_96_khz_in_float() -> None:
    samples = np.repeat(tone(96_000)[:, None], 8, axis=1)
    assert_is_tone(load_audio(wav(samples.astype("<f4"), 96_000, tag=3)), 1.0)


def test_video_with_an_audio_track(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(video(with_audio=True))
    assert_is_tone(load_audio(path), 1.0, 0.2)


def test_long_audio_has_no_seams_between_blocks() -> None:
    rate, seconds = 44_100, 35.0
    decoded = load_audio(wav(tone(rate, seconds), rate, tag=3))
    assert len(decoded) == SAMPLE_RATE * seconds
    expected = tone(SAMPLE_RATE, seconds)
    assert np.abs(decoded - expected)[100:-100].max() < 1e-3


def test_sources(tmp_path: Path) -> None:
    data = wav(tone(), 16_000, tag=3)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with path.open("rb") as file:
        from_file = load_audio(file)
    for other in (
        load_audio(path),
        load_audio(str(path)),
        load_audio(bytearray(data)),
        load_audio(memoryview(data)),
    ):
        assert np.array_equal(other, from_file)
    assert read_audio(path).name == str(path) and read_audio(data, name="x").name == "x"


def test_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_bytes(encoded("ogg", "libopus")))
    thread.start()
    assert_is_tone(load_audio(path), 2.0)
    thread.join()


def test_wav_written_to_a_pipe_has_no_length() -> None:
    for size in (0, 0xFFFFFFFF):
        audio = read_audio(wav(tone(), 16_000, tag=3, size=size))
        assert audio.warnings == () and audio.duration == 1.0


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "data",
    [lambda: wav(tone(16_000, 4.0), 16_000, tag=3), lambda: encoded("mp3", "libmp3lame", seconds=4.0),
     lambda: encoded("flac", "flac", seconds=4.0), lambda: encoded("matroska", "libopus", seconds=4.0)],
    ids=["wav", "mp3", "flac", "webm"],
)  # fmt: skip
def test_a_file_cut_off_is_heard_with_a_warning(data: Any, tmp_path: Path) -> None:
    path = tmp_path / "half"
    path.write_bytes(_cut(data()))
    audio = read_audio(path)
    assert_is_tone(audio.samples, 2.0, 0.5)
    (warning,) = audio.warnings
    assert str(path) in warning and "cut off" in warning and "of 4.0 s" in warning
    with pytest.warns(AudioWarning, match="cut off"):
        load_audio(path)


def test_whole_files_give_no_warning() -> None:
    for container, codec in (("mp3", "libmp3lame"), ("mp4", "aac"), ("adts", "aac"), ("ogg", "libopus")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_audio(encoded(container, codec))


BAD_BYTES = {
    "empty": (b"", "is empty"),
    "text": (b"this is not audio\n" * 100, "is not audio"),
    "binary": (bytes(range(256)) * 20, "is not audio"),
    "zeros": (bytes(5000), "is not audio"),
    "header only": (wav(np.zeros((0, 1), np.float32), 16_000, tag=3), "holds 0 ms"),
    "one sample": (wav(np.zeros((1, 1), "<i2"), 16_000), "at least 100 ms"),
    "nan": (wav(np.full((16_000, 1), np.nan, "<f4"), 16_000, tag=3), "not numbers: nan at 0.000 s"),
    "inf": (wav(np.append(tone(), np.inf).astype("<f4"), 16_000, tag=3), "not numbers: inf at 1.000 s"),
    "unscaled": (wav(tone() * 30_000, 16_000, tag=3), "divide them by full scale"),
    "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile:///etc/passwd\n", "is not audio"),
    "playlist of files": (b"ffconcat version 1.0\nfile /etc/passwd\n", "is not audio"),
}


@pytest.mark.parametrize("kind", BAD_BYTES)
def test_bad_content(kind: str, tmp_path: Path) -> None:
    data, message = BAD_BYTES[kind]
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=message) as error:
        load_audio(path)
    assert str(path) in str(error.value)
    with pytest.raises(AudioError, match=message):
        load_audio(data)


def test_mp4_without_its_index() -> None:
    with pytest.raises(AudioError, match="without its index"):
        load_audio(_cut(encoded("mp4", "aac")))


def test_no_audio_track() -> None:
    with pytest.raises(AudioError, match=r"no audio track \(it holds: video\)"):
        load_audio(video(with_audio=False))


def test_bad_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source, message in (
        (tmp_path / "missing.wav", "no such file"),
        (tmp_path, "is a directory"),
        ("https://example.org/a.wav", "only local files"),
        ("a\0b.wav", "cannot be opened"),
    ):
        with pytest.raises(AudioNotFoundError, match=message):
            load_audio(source)
    with pytest.raises(AudioError, match="is a device"):
        load_audio("/dev/null")

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(AudioNotFoundError, match="permission denied"):
        load_audio(tmp_path / "secret.wav")


@pytest.mark.parametrize(
    ("array", "rate", "message"),
    [(np.zeros(16_000), None, "sample_rate="), (np.zeros(16_000), 0, "between 1000"),
     (np.zeros((2, 2, 2)), 16_000, "shape"), (np.zeros(0), 16_000, "0 ms"),
     (np.zeros(16_000, complex), 16_000, "dtype"), (np.full(16_000, np.nan), 16_000, "not numbers")],
)  # fmt: skip
def test_bad_arrays(array: NDArray[Any], rate: int | None, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        load_audio(array, rate)


def test_bad_sources() -> None:
    with pytest.raises(AudioError, match="only for arrays"):
        load_audio(b"x", 16_000)
    with pytest.raises(AudioError, match="cannot read audio from int"):
        load_audio(5)  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="mode 'rb'"):
        load_audio(io.StringIO("text"))  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=400), st.sampled_from(["", "RIFF", "ID3", "fLaC", "OggS"]))
def test_any_bytes_give_audio_or_one_clear_error(data: bytes, magic: str) -> None:
    try:
        assert np.isfinite(read_audio(magic.encode() + data).samples).all()
    except AudioError as error:
        assert str(error).startswith("bytes: ")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_header_never_escapes(position: int, value: int) -> None:
    data = bytearray(encoded_once())
    data[position % len(data)] = value
    try:
        read_audio(bytes(data))
    except AudioError as error:
        assert str(error).startswith("bytes: ")


_ENCODED: list[bytes] = []


def encoded_once() -> bytes:
    if not _ENCODED:
        _ENCODED.append(encoded("flac", "flac", rate=16_000, seconds=0.5))
    return _ENCODED[0]


# Streams and time codes -------------------------------------------------------------------------


def leaping(start: float, hole: tuple[float, float]) -> bytes:
    """A video at a changing rate whose sound begins at `start` s and leaves out `hole`, seconds of sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        picture = out.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        sound = out.add_stream("pcm_s16le", rate=16_000)
        sound.layout = "mono"
        for number in (0, 1, 2, 7, 30, 31, 90):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number, np.uint8), format="rgb24")
            frame.pts = number
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        samples = (tone(16_000, 3.0) * 32767).astype(np.int16)
        for first in range(0, len(samples), 1600):
            if hole[0] <= first / 16_000 < hole[1]:
                continue
            block = av.AudioFrame.from_ndarray(samples[None, first : first + 1600], "s16", "mono")
            block.sample_rate, block.pts = 16_000, round(start * 16_000) + first
            out.mux(sound.encode(block))
        out.mux(sound.encode(None))
    return buffer.getvalue()


def test_times_are_those_of_the_container() -> None:
    samples = load_audio(leaping(1.5, (1.0, 1.4)))
    assert abs(len(samples) - 4.5 * SAMPLE_RATE) <= 160
    assert np.abs(samples[: 24_000 - 160]).max() < 1e-6
    assert np.abs(samples[24_000 + 160 : 40_000 - 160]).max() > 0.2
    assert np.abs(samples[40_000 + 160 : 46_400 - 160]).max() < 1e-6
    assert np.abs(samples[46_400 + 160 :]).max() > 0.2
    assert len(load_audio(leaping(0.0, (9.0, 9.0)))) == 3 * SAMPLE_RATE


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_stream_is_what_reading_at_once_gives(rate: int) -> None:
    stereo = np.stack([tone(rate, 31.0), 0.5 * tone(rate, 31.0)], axis=1)
    data = wav(stereo, rate, tag=3)
    with open_audio(data) as stream:
        assert stream.seconds is not None and abs(stream.seconds - 31.0) < 0.01
        mixed = np.concatenate(list(stream), axis=1)
        assert stream.channels == 1 and abs(stream.read_seconds - 31.0) < 0.001
    assert np.array_equal(mixed[0], load_audio(data))
    with open_audio(data, split=True) as stream:
        blocks = list(stream)
    assert len(blocks) > 3 and all(block.shape[0] == 2 for block in blocks)
    left, right = np.concatenate(blocks, axis=1)
    assert np.abs(left - 2 * right).max() < 1e-5


def test_split_channels_of_every_source(tmp_path: Path) -> None:
    stereo = np.stack([tone(), np.zeros(16_000, np.float32)], axis=1)
    for source, rate in ((stereo, 16_000), (stereo.T, 16_000), (_stereo_flac(stereo), None)):
        with open_audio(source, rate, split=True) as stream:
            left, right = np.concatenate(list(stream), axis=1)
        assert np.abs(left - tone()).max() < 1e-3 and np.abs(right).max() < 1e-3


def test_a_stream_closes_its_file_whenever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(wav(tone(16_000, 25.0), 16_000, tag=3))
    with open_audio(path) as stream:
        next(iter(stream))
        assert stream.read_seconds == 10.0
    assert list(stream) == []
    stream.close()


def test_text_of_a_container_in_no_known_encoding_is_no_error() -> None:
    data = bytearray(encoded("ogg", "libopus"))
    place = data.index(b"encoder=")
    data[place + 8] = 0x80
    # A checksum guards the page; FFmpeg reads it nevertheless or says that it cannot.
    try:
        assert_is_tone(load_audio(bytes(data)), 2.0)
    except AudioError as error:
        assert str(error).startswith("bytes: ")
