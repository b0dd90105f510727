"""Every kind of audio that is read: sample types, rates, containers, channels, sources."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from unislu.audio import SAMPLE_RATE, load_audio, read_audio

from .conftest import assert_is_tone, encoded, stereo_flac, tone, video, wav

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
        load_audio(stereo_flac(stereo)),
    ):
        assert np.abs(decoded - mono).max() < 2e-4


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


def test_whole_files_give_no_warning() -> None:
    for container, codec in (("mp3", "libmp3lame"), ("mp4", "aac"), ("adts", "aac"), ("ogg", "libopus")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_audio(encoded(container, codec))


def test_audio_of_the_library_datasets(tmp_path: Path) -> None:
    stereo = np.stack([tone(), np.zeros(16_000, np.float32)])
    integers = (stereo * 32767).astype(np.int16)
    for array in (stereo, stereo.T, integers, stereo.astype(np.float64), stereo.tolist()):
        decoded = load_audio({"array": array, "sampling_rate": 16_000, "path": None})
        assert np.abs(decoded - tone() / 2).max() < 2e-4
    assert_is_tone(load_audio({"array": tone(44_100), "sampling_rate": np.int64(44_100)}), 1.0, 0.001)
    data = wav(tone(), 16_000, tag=3)
    assert read_audio({"bytes": data, "path": "a.wav"}).name == "a.wav"
    (tmp_path / "b.wav").write_bytes(data)
    assert_is_tone(load_audio({"bytes": None, "path": str(tmp_path / "b.wav")}), 1.0)
