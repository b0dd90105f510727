"""Tones in every container, made here, and how one is recognized."""

from __future__ import annotations

import io
import struct
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE

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


def stereo_flac(stereo: NDArray[np.float32]) -> bytes:
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


def assert_is_tone(samples: NDArray[np.float32], seconds: float, tolerance: float = 0.1) -> None:
    assert samples.dtype == np.float32 and samples.ndim == 1 and samples.flags.c_contiguous
    assert abs(len(samples) / SAMPLE_RATE - seconds) <= tolerance
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert abs(spectrum.argmax() * SAMPLE_RATE / len(samples) - TONE) < 5
    assert 0.2 < np.abs(samples).max() < 0.5
