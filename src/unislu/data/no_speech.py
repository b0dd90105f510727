"""Clips without speech, whose transcript is empty: silence, noise, hum, tones and chords, clicks.

A recogniser trained only on speech writes words for any audio; a few hundred of these clips teach it to stay
silent. `unislu tools no-speech OUT` writes `OUT/manifest.jsonl` and WAV files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unislu.audio.wav import write_pcm
from unislu.data.records import Record, write_records

RATE = 16_000
Sound = NDArray[np.float64]


def silence(n: int, rng: np.random.Generator) -> Sound:
    """Digital silence, or the faint noise floor of a recorder."""
    return rng.normal(0, rng.choice([0.0, 1e-4, 1e-3]), n)


def coloured_noise(n: int, rng: np.random.Generator) -> Sound:
    """Noise whose power falls with frequency: white, pink or brown."""
    spectrum = np.fft.rfft(rng.normal(size=n))
    spectrum *= np.maximum(np.arange(spectrum.size), 1.0) ** -rng.choice([0.0, 0.5, 1.0])
    noise = np.fft.irfft(spectrum, n)
    return np.asarray(noise / np.abs(noise).max(), np.float64)


def hum(n: int, rng: np.random.Generator) -> Sound:
    """Mains hum with harmonics."""
    base, time = rng.choice([50.0, 60.0]), np.arange(n) / RATE
    harmonics = [np.sin(2 * np.pi * base * k * time) / k for k in range(1, 6)]
    return np.asarray(0.4 * np.sum(harmonics, axis=0), np.float64)


def tones(n: int, rng: np.random.Generator) -> Sound:
    """A tune of chords with soft attacks."""
    time, out, position = np.arange(n) / RATE, np.zeros(n), 0
    while position < n:
        length = int(RATE * rng.uniform(0.15, 0.9))
        part = slice(position, min(n, position + length))
        decay = np.exp(-3 * (time[part] - time[part][0])) * np.minimum(1, (time[part] - time[part][0]) / 0.02)
        root = 110 * 2 ** (rng.integers(0, 36) / 12)
        for semitones in rng.choice([0, 3, 4, 7, 12, 16], size=rng.integers(1, 4), replace=False):
            out[part] += decay * np.sin(2 * np.pi * root * 2 ** (semitones / 12) * time[part])
        position += length
    return np.asarray(out / max(1.0, np.abs(out).max()), np.float64)


def clicks(n: int, rng: np.random.Generator) -> Sound:
    """Keyboard-like clicks."""
    out = np.zeros(n)
    for start in rng.integers(0, max(1, n - 400), size=max(1, n // RATE * 4)):
        out[start : start + 300] += rng.normal(size=300)[: max(0, n - start)] * np.exp(
            -np.arange(300)[: max(0, n - start)] / 40
        )
    return np.asarray(out / max(1.0, np.abs(out).max()), np.float64)


KINDS: dict[str, Callable[[int, np.random.Generator], Sound]] = {
    "silence": silence, "noise": coloured_noise, "hum": hum, "tones": tones, "clicks": clicks,
}  # fmt: skip


def write_corpus(out: Path, count: int, seed: int) -> None:
    """Write `count` clips of 0.4 to 15 s and their manifest."""
    (out / "audio").mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kind = list(KINDS)[number % len(KINDS)]
        n = int(RATE * np.exp(rng.uniform(np.log(0.4), np.log(15.0))))
        sound = KINDS[kind](n, rng) * 10 ** rng.uniform(-2.0, -0.3)
        name = f"audio/{kind}-{number:05d}.wav"
        write_pcm(str(out / name), (np.clip(sound, -1, 1) * 32767).astype(np.int16), RATE)
        records.append(
            Record(
                f"no-speech-{number}", "", audio=name, duration=n / RATE, entities=(), extra={"kind": kind}
            )
        )
    write_records(out / "manifest.jsonl", records)
