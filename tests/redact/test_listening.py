"""What is heard of a redacted copy: the tone is silence, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from unislu.audio import SAMPLE_RATE, open_audio, read_audio
from unislu.redact import redact_audio
from unislu.redact.cover import write_without_tone

SPAN, GUARD = (1.0, 1.6), 0.1


def speechlike(seconds: float = 3.0) -> np.ndarray:
    """Noise that changes its loudness like syllables: [n] float32 at 16 kHz."""
    random = np.random.default_rng(0)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * random.normal(size=len(time)) * (1.5 + np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def encoded(path: Path, codec: str, samples: np.ndarray) -> Path:
    """A file of [channels, n] float32."""
    with av.open(str(path), "w") as out:
        layout = "mono" if len(samples) == 1 else "stereo"
        sound = out.add_stream(codec, rate=SAMPLE_RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
        frame.sample_rate = SAMPLE_RATE
        out.mux([*sound.encode(frame), *sound.encode(None)])
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame"), ("a.m4a", "aac")]
)
def test_the_tone_is_silence(name: str, codec: str, tmp_path: Path) -> None:
    source = encoded(tmp_path / name, codec, np.stack([speechlike(), -0.5 * speechlike()]))
    copy, heard = tmp_path / f"copy-{name}", tmp_path / "copy.wav"
    redact_audio(source, copy, [SPAN], "beep", GUARD)
    assert write_without_tone(copy, heard) == 2
    with open_audio(copy, split=True) as stream:
        before = np.concatenate(list(stream), axis=1)
    with open_audio(heard, split=True) as stream:
        after = np.concatenate(list(stream), axis=1)
    assert before.shape == after.shape
    changed = np.abs(before - after) > 2 / 32_768  # more than the rounding to 16 bits
    places = np.flatnonzero(changed.any(axis=0)) / SAMPLE_RATE
    assert SPAN[0] - GUARD - 0.05 <= places.min() and places.max() <= SPAN[1] + GUARD + 0.05
    assert changed.sum(axis=1).min() > 0.8 * (SPAN[1] - SPAN[0] + 2 * GUARD) * SAMPLE_RATE
    assert not after[changed].any(), "where something changed there is silence"


def test_speech_under_a_tone_is_transcribed(tmp_path: Path) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE)
    source = encoded(tmp_path / "a.wav", "pcm_s16le", (tone + 0.3 * speechlike())[None].astype(np.float32))
    write_without_tone(source, tmp_path / "copy.wav")
    assert np.array_equal(read_audio(tmp_path / "copy.wav").samples, read_audio(source).samples)
