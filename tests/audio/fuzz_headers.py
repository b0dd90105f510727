"""Mutated headers of many formats through the reader and the redactor: `python fuzz_headers.py FIRST COUNT`.

A process of its own, because a decoder that crashes must not take the tests along. It prints the number of
each file before it is read, so that the last line names the one that crashed, and `done` at the end.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from unislu.audio import open_audio
from unislu.errors import UnisluError
from unislu.redact import redact_audio

RATE, SECONDS = 16_000, 1.0
HEADER = 400  # bytes that are mutated
MOST_SECONDS, MOST_AUDIO = 20.0, 120.0
FORMATS = {
    ".wav": ("wav", "pcm_s16le"), ".mulaw.wav": ("wav", "pcm_mulaw"), ".flac": ("flac", "flac"),
    ".mp3": ("mp3", "libmp3lame"), ".m4a": ("ipod", "aac"), ".aac": ("adts", "aac"),
    ".ogg": ("ogg", "libopus"), ".webm": ("webm", "libopus"), ".mkv": ("matroska", "pcm_s16le"),
    ".aiff": ("aiff", "pcm_s16be"), ".ts": ("mpegts", "mp2"), ".avi": ("avi", "libmp3lame"),
}  # fmt: skip


def whole(container: str, codec: str) -> bytes:
    """A second of a tone."""
    rate = 48_000 if codec == "libopus" else RATE
    samples = (0.3 * np.sin(np.arange(round(rate * SECONDS)) / 6)).astype(np.float32)
    if (container, codec) == ("wav", "pcm_s16le"):
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((1, 2, rate, len(samples), "NONE", ""))
            file.writeframes((samples * 32_767).astype("<i2").tobytes())
        return buffer.getvalue()
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        sound = out.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        out.mux([*sound.encode(frame), *sound.encode(None)])
    return buffer.getvalue()


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """Some bytes of the header changed, swapped, set to extremes, taken out or doubled."""
    changed = bytearray(data)
    limit = min(HEADER, len(data))
    for _ in range(int(random.integers(1, 9))):
        at, kind = int(random.integers(0, limit)), int(random.integers(0, 5))
        if kind == 0:
            changed[at] = int(random.integers(0, 256))
        elif kind == 1:
            changed[at] ^= 1 << int(random.integers(0, 8))
        elif kind == 2:
            changed[at : at + 4] = random.choice(
                [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0"]
            )
        elif kind == 3:
            del changed[at : at + int(random.integers(1, 9))]
        else:
            changed[at:at] = changed[at : at + int(random.integers(1, 9))]
    return bytes(changed[: len(changed) if random.random() < 0.8 else int(random.integers(1, len(changed)))])


def read(data: bytes, name: str, folder: Path) -> float | None:
    """Seconds that are heard; None if it is refused. A copy must be as long, or be refused."""
    seconds = 0.0
    try:
        with open_audio(data, name=name) as stream:
            for block in stream:
                assert block.dtype == np.float32 and np.isfinite(block).all()
                seconds = stream.read_seconds
                if seconds > MOST_AUDIO:
                    return seconds
    except UnisluError as error:
        assert "\n" not in str(error) and name in str(error), error
        return None
    try:
        target = folder / f"copy{Path(name).suffix}"
        copy = redact_audio(data, target, [(0.2, 0.4)], duration=round(seconds, 3), name=name)
        assert abs(copy.seconds - seconds) <= 0.02
    except UnisluError as error:
        assert "\n" not in str(error), error
    return seconds


def main(first: int, count: int) -> None:
    """Read files `first` to `first + count`."""
    originals = {suffix: whole(*how) for suffix, how in FORMATS.items()}
    heard = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            print(number, flush=True)
            suffix = list(FORMATS)[number % len(FORMATS)]
            data = mutated(originals[suffix], np.random.default_rng(number))
            begun = time.monotonic()
            heard += read(data, f"file{suffix}", Path(folder)) is not None
            assert time.monotonic() - begun < MOST_SECONDS, f"{number} took too long"
    print(f"done, {heard} heard")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
