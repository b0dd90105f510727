"""Headers that are wrong in known ways: read to the end, without a false warning, or refused in one line."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from unislu.audio import SAMPLE_RATE, count_channels, open_audio, read_audio
from unislu.errors import AudioError

from .conftest import assert_is_tone, encoded, stereo_flac, tone, wav

SECOND = 2 * SAMPLE_RATE


def pcm(seconds: float = 3.0) -> np.ndarray:
    return (tone(SAMPLE_RATE, seconds) * 32767).astype("<i2")


@pytest.mark.parametrize(
    "size", [0, 3 * SECOND + 44, 3 * SECOND + 36, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFDB, 0xFFFFFFFF]
)
def test_sizes_of_streaming_writers(size: int) -> None:
    audio = read_audio(wav(pcm(), SAMPLE_RATE, size=size))
    assert audio.duration == 3.0 and audio.warnings == ()


def test_a_recorder_that_was_killed() -> None:
    audio = read_audio(wav(pcm(), SAMPLE_RATE, size=SECOND))
    assert_is_tone(audio.samples, 3.0, 0.001)
    (warning,) = audio.warnings
    assert "its header says 1.0 s, but samples go on up to 3.0 s" in warning


def test_what_follows_the_samples_is_no_sound() -> None:
    tags = b"LIST" + struct.pack("<I", 6) + b"INFOab" + b"id3 " + struct.pack("<I", 3) + b"abc\0"
    for after in (tags, b"TAG".ljust(128, b"\0"), b"\0" * 100):
        audio = read_audio(wav(pcm(), SAMPLE_RATE) + after)
        assert audio.duration == 3.0 and audio.warnings == ()


def test_further_samples_in_a_chunk_of_their_own() -> None:
    more = b"LIST" + struct.pack("<I", 4) + b"INFO" + b"data" + struct.pack("<I", SECOND) + pcm(1.0).tobytes()
    audio = read_audio(wav(pcm(), SAMPLE_RATE) + more)
    assert_is_tone(audio.samples, 4.0, 0.001)


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_rates_that_no_sound_has(rate: int, tmp_path: Path) -> None:
    data = bytearray(wav(pcm(), SAMPLE_RATE))
    place = data.index(b"fmt ") + 12
    data[place : place + 4] = struct.pack("<I", rate)
    begun = time.monotonic()
    with pytest.raises(AudioError, match=f"states {rate} samples a second"):
        read_audio(bytes(data))
    assert time.monotonic() - begun < 5


def test_more_channels_than_a_sound_has() -> None:
    with pytest.raises(AudioError, match="has 65 channels"):
        read_audio(wav(np.zeros((1000, 65), "<i2"), SAMPLE_RATE))


def test_a_header_that_contradicts_itself() -> None:
    data = bytearray(wav(np.zeros((48_000, 1), "<i4"), SAMPLE_RATE))
    place = data.index(b"fmt ") + 22
    data[place : place + 2] = struct.pack("<H", 24)
    with pytest.raises(AudioError, match=r"contradicts itself: 24 bits in blocks of 4 bytes"):
        read_audio(bytes(data))


def test_chunks_without_end_are_no_endless_work() -> None:
    begun = time.monotonic()
    with pytest.raises(AudioError):
        read_audio(b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 500_000)
    read_audio(wav(pcm(), SAMPLE_RATE) + b"junk\0\0\0\0" * 500_000)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("share", [-1.0, -0.7])
def test_channels_that_cancel_each_other_out(share: float) -> None:
    left = tone(SAMPLE_RATE, 2.0)
    stereo = np.stack([share * left, left], axis=1)
    for source, rate in (
        (wav(stereo, SAMPLE_RATE, tag=3), None),
        (stereo_flac(stereo), None),
        (stereo, 16_000),
    ):
        audio = read_audio(source, rate)
        assert_is_tone(audio.samples, 2.0)
        assert np.abs(np.abs(audio.samples).max() - np.abs(left).max()) < 0.01
        (warning,) = audio.warnings
        assert "cancel each other out for 2.0 s" in warning and "--channels split" in warning


def test_only_what_cancels_out_is_taken_from_one_channel() -> None:
    left = tone(SAMPLE_RATE, 4.0)
    right = np.concatenate([left[: 2 * SAMPLE_RATE], -left[2 * SAMPLE_RATE :]])
    audio = read_audio(np.stack([left, right], axis=1), SAMPLE_RATE)
    assert np.abs(audio.samples - left).max() < 1e-3
    assert "for 2.0 s" in audio.warnings[0]


def test_channels_of_their_own_do_not_cancel_out() -> None:
    left, right = tone(SAMPLE_RATE, 1.0), np.roll(tone(SAMPLE_RATE, 1.0), 9)
    for other in (np.zeros_like(left), right, 0.1 * np.random.default_rng(0).normal(size=SAMPLE_RATE)):
        assert read_audio(np.stack([left, other], axis=1), SAMPLE_RATE).warnings == ()
    one_of_six = np.zeros((SAMPLE_RATE, 6), np.float32)
    one_of_six[:, 2] = left
    assert read_audio(one_of_six, SAMPLE_RATE).warnings == ()


def test_the_suffix_tells_the_format_wherever_the_bytes_come_from(tmp_path: Path) -> None:
    data = encoded("g722", "g722", rate=16_000)
    (tmp_path / "call.g722").write_bytes(data)
    (tmp_path / "upload-1234").write_bytes(data)
    expected = read_audio(tmp_path / "call.g722").samples
    assert_is_tone(expected, 2.0)
    assert np.array_equal(read_audio(tmp_path / "upload-1234", name="call.g722").samples, expected)
    assert np.array_equal(read_audio(data, name="call.G722").samples, expected)
    with pytest.raises(AudioError, match="is not an audio or video file"):
        read_audio(data)


def test_samples_without_a_header_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sw").write_bytes(pcm().tobytes())
    with pytest.raises(AudioError, match="samples without a header"):
        read_audio(tmp_path / "a.sw")


def test_a_file_opened_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(pcm(), SAMPLE_RATE))
    with open(tmp_path / "a.wav", encoding="utf-8") as file, pytest.raises(AudioError, match="mode 'rb'"):
        read_audio(file)  # type: ignore[arg-type]


def test_how_many_channels_there_are() -> None:
    assert count_channels(stereo_flac(np.stack([tone(), tone()], axis=1))) == 2
    assert count_channels(wav(pcm(), SAMPLE_RATE)) == 1


def test_a_split_recording_keeps_what_cancels_out() -> None:
    stereo = np.stack([tone(), -tone()], axis=1)
    with open_audio(stereo, SAMPLE_RATE, split=True) as stream:
        channels = np.concatenate(list(stream), axis=1)
    assert np.array_equal(channels, stereo.T) and stream.warnings == ()
