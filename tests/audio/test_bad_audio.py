"""Audio that is cut off, damaged or none: a warning or one clear error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unislu.audio import AudioWarning, load_audio, read_audio
from unislu.errors import AudioError, AudioNotFoundError

from .conftest import assert_is_tone, encoded, tone, video, wav


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "data",
    [lambda: wav(tone(16_000, 4.0), 16_000, tag=3), lambda: encoded("mp3", "libmp3lame", seconds=4.0),
     lambda: encoded("flac", "flac", seconds=4.0), lambda: encoded("matroska", "libopus", seconds=4.0)],
    ids=["wav", "mp3", "flac", "webm"],
)  # fmt: skip
def test_a_file_cut_off_is_transcribed_with_a_warning(data: Any, tmp_path: Path) -> None:
    path = tmp_path / "half"
    path.write_bytes(_cut(data()))
    audio = read_audio(path)
    assert_is_tone(audio.samples, 2.0, 0.5)
    (warning,) = audio.warnings
    assert str(path) in warning and "cut off" in warning and "of 4.0 s" in warning
    with pytest.warns(AudioWarning, match="cut off"):
        load_audio(path)


BAD_BYTES = {
    "empty": (b"", "is empty"),
    "text": (b"this is not audio\n" * 100, "is not an audio or video file"),
    "binary": (bytes(range(256)) * 20, "is not an audio or video file"),
    "zeros": (bytes(5000), "is not an audio or video file"),
    "header only": (wav(np.zeros((0, 1), np.float32), 16_000, tag=3), "has 0 ms"),
    "one sample": (wav(np.zeros((1, 1), "<i2"), 16_000), "at least 100 ms"),
    "nan": (wav(np.full((16_000, 1), np.nan, "<f4"), 16_000, tag=3), "not numbers: nan at 0.000 s"),
    "inf": (wav(np.append(tone(), np.inf).astype("<f4"), 16_000, tag=3), "numbers: inf at 1.000 s; export"),
    "unscaled": (wav(tone() * 30_000, 16_000, tag=3), "divide them by full scale"),
    "playlist": (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile:///etc/passwd\n",
        "is not an audio or video file",
    ),
    "playlist of files": (b"ffconcat version 1.0\nfile /etc/passwd\n", "is not an audio or video file"),
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
    with pytest.raises(AudioError, match=r"no audio track \(it contains: video\)"):
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


@pytest.mark.parametrize(
    ("row", "message"),
    [({"array": np.zeros(16_000)}, "a.flac: has no 'sampling_rate'"),
     ({"array": None, "sampling_rate": 16_000}, "a.flac: has no 'array'"),
     ({"array": np.zeros(16_000), "sampling_rate": "16000"}, "'16000' is not a whole number of Hz"),
     ({"array": np.zeros(16_000), "sampling_rate": 16}, "between 1000"),
     ({"array": np.zeros(16_000, bool), "sampling_rate": 16_000}, "dtype bool"),
     ({"array": [0, 1] * 8_000, "sampling_rate": 16_000}, "dtype int64 is not audio; pass float32"),
     ({"array": np.zeros((2, 2, 2)), "sampling_rate": 16_000}, r"shape \(2, 2, 2\)"),
     ({"array": np.float32(0), "sampling_rate": 16_000}, r"shape \(\)"),
     ({"array": [[0.0], [0.0, 0.0]], "sampling_rate": 16_000}, "a.flac: 'array' is list that is no array"),
     ({"array": ["a"], "sampling_rate": 16_000}, "dtype <U1"),
     ({"array": np.full(16_000, np.nan), "sampling_rate": 16_000}, "not numbers: nan at 0.000 s"),
     ({"array": np.zeros(0, np.float32), "sampling_rate": 16_000}, "0 ms"),
     ({"array": np.full(16_000, 3e4, np.float32), "sampling_rate": 16_000}, "float samples reach 30000")],
)  # fmt: skip
def test_bad_audio_of_the_library_datasets(row: dict[str, Any], message: str) -> None:
    with pytest.raises(AudioError, match=message) as caught:
        load_audio({**row, "path": "a.flac"})
    assert "a.flac" in str(caught.value)


def test_a_mapping_without_audio() -> None:
    with pytest.raises(AudioError, match=r"has the keys 'audio'; pass \{\"array\""):
        load_audio({"audio": "a.wav"})
    with pytest.raises(AudioError, match="the mapping has its 'sampling_rate'"):
        load_audio({"array": np.zeros(16_000), "sampling_rate": 16_000}, 16_000)


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


_ENCODED: list[bytes] = []


def encoded_once() -> bytes:
    if not _ENCODED:
        _ENCODED.append(encoded("flac", "flac", rate=16_000, seconds=0.5))
    return _ENCODED[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_header_never_escapes(position: int, value: int) -> None:
    data = bytearray(encoded_once())
    data[position % len(data)] = value
    try:
        read_audio(bytes(data))
    except AudioError as error:
        assert str(error).startswith("bytes: ")


def test_text_of_a_container_in_no_known_encoding_is_no_error() -> None:
    data = bytearray(encoded("ogg", "libopus"))
    place = data.index(b"encoder=")
    data[place + 8] = 0x80
    # A checksum guards the page; FFmpeg reads it nevertheless or says that it cannot.
    try:
        assert_is_tone(load_audio(bytes(data)), 2.0)
    except AudioError as error:
        assert str(error).startswith("bytes: ")


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.wav\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.wav\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        b"1\n00:00:00,000 --> 00:00:01,000\nwords\n\n" * 20,
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        b"GIF89a" + bytes(1000),
    ],
    ids=["hls", "concat", "dash", "subtitles", "sdp", "picture"],
)
def test_files_that_name_other_files_or_hold_none_of_sound(data: bytes, tmp_path: Path) -> None:
    """FFmpeg knows them, and would open what they name: only containers of sound are let in."""
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"a\.wav: is not an audio or video file"):
        load_audio(path)
