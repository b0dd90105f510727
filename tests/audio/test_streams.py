"""Streams of audio: blocks, time codes, split channels, files closed in time."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from unislu.audio import SAMPLE_RATE, load_audio, open_audio

from .conftest import stereo_flac, tone, wav


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
    for source, rate in ((stereo, 16_000), (stereo.T, 16_000), (stereo_flac(stereo), None)):
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
