"""Spoken turns → calls of two people: the agent on the left channel, the customer on the right.

python examples/calls/join.py spoken calls

`spoken` has the folders `agents` and `customers` that `unislu synthesize` wrote. The id of a turn is the
call's name and the turn's number: `2026-03-03-olsen.2`.
"""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np

from unislu.audio import SAMPLE_RATE, load_audio

CHANNELS = {"agents": 0, "customers": 1}
PAUSE = 0.5  # seconds between turns


def main(spoken: Path, out: Path) -> None:
    """Write a WAV for each call."""
    calls: dict[str, dict[int, tuple[int, np.ndarray]]] = {}
    for folder, channel in CHANNELS.items():
        for line in (spoken / folder / "manifest.jsonl").read_text().splitlines():
            record = json.loads(line)
            name, _, number = record["id"].rpartition(".")
            samples = load_audio(spoken / folder / record["audio"])
            calls.setdefault(name, {})[int(number)] = (channel, samples)
    out.mkdir(exist_ok=True)
    for name, turns in calls.items():
        parts = []
        for _, (channel, samples) in sorted(turns.items()):
            part = np.zeros((len(samples) + round(PAUSE * SAMPLE_RATE), 2), np.float32)
            part[: len(samples), channel] = samples
            parts.append(part)
        with wave.open(str(out / f"{name}.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((np.concatenate(parts) * 32767).astype("<i2").tobytes())
    print(f"{len(calls)} calls: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
