"""Conversations of two to four people, assembled from single clips, and how well their voices are told apart.

    python benchmarks/speakers.py make CLIPS.jsonl conversations --count 40 --seed 1
    python benchmarks/speakers.py score conversations/manifest.jsonl

CLIPS.jsonl has `audio`, `speaker` and `seconds` in each line. A conversation has 16 to 24 turns, pauses of
0.1 to 0.9 s, one turn in ten that begins before the last has ended, and interjections, shorter than a second
and a half. Every speaker has a level of their own; clips are trimmed to what is within 35 dB of their loudest
20 ms.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from unislu import load
from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.writer import write_wav
from unislu.evaluation.diarization import diarization_errors
from unislu.writers.rttm import speaker_turns

TURNS = (16, 24)
OVERLAP = 0.1
INTERJECTION = 0.15


def main() -> None:
    """Make conversations, or score a bundle on them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make")
    make.add_argument("clips", type=Path)
    make.add_argument("out", type=Path)
    make.add_argument("--count", type=int, default=40)
    make.add_argument("--seed", type=int, default=0)
    scoring = commands.add_parser("score")
    scoring.add_argument("manifest", type=Path)
    scoring.add_argument("--bundle")
    scoring.add_argument("--known", action="store_true", help="give the number of speakers")
    arguments = parser.parse_args()
    if arguments.command == "make":
        assemble(arguments.clips, arguments.out, arguments.count, arguments.seed)
    else:
        score(arguments.manifest, arguments.bundle, arguments.known)


def assemble(clips: Path, out: Path, count: int, seed: int) -> None:
    """Write `count` conversations and their manifest with the turns."""
    generator = random.Random(seed)
    by_speaker: dict[str, list[Path]] = defaultdict(list)
    for line in clips.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("speaker") and 0.6 <= row["seconds"] <= 12:
            by_speaker[row["speaker"]].append(clips.parent / row["audio"])
    known = sorted(name for name, paths in by_speaker.items() if len(paths) >= 3)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "manifest.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            people = generator.sample(known, 2 + number % 3)
            samples, turns = conversation({name: by_speaker[name] for name in people}, generator)
            name = f"conversation-{number:03d}"
            write_wav(out / f"{name}.wav", [samples[None]])
            row = {"id": name, "audio": f"{name}.wav", "text": "", "turns": turns}
            file.write(json.dumps(row) + "\n")


def conversation(
    people: dict[str, list[Path]], generator: random.Random
) -> tuple[np.ndarray[Any, Any], list[dict[str, Any]]]:
    """Samples and the turns `{start, end, speaker}`."""
    levels = {name: 10 ** (generator.uniform(-6, 3) / 20) for name in people}
    parts: list[tuple[int, np.ndarray[Any, Any], str]] = []
    end, last = round(0.3 * SAMPLE_RATE), ""
    for _ in range(generator.randint(*TURNS)):
        speaker = generator.choice(
            [name for name in people if name != last] if generator.random() < 0.85 else list(people)
        )
        sound = trimmed(load_audio(generator.choice(people[speaker]))) * levels[speaker]
        if generator.random() < INTERJECTION:
            sound = sound[: round(generator.uniform(0.5, 1.5) * SAMPLE_RATE)]
        pause = generator.uniform(0.1, 0.9)
        if speaker != last and generator.random() < OVERLAP:
            pause = -generator.uniform(0.2, 0.8)
        start = max(0, end + round(pause * SAMPLE_RATE))
        parts.append((start, sound, speaker))
        end, last = max(end, start + len(sound)), speaker
    samples = np.zeros(end + SAMPLE_RATE // 2, np.float32)
    turns = []
    for start, sound, speaker in parts:
        samples[start : start + len(sound)] += sound
        turns.append(
            {
                "start": round(start / SAMPLE_RATE, 3),
                "end": round((start + len(sound)) / SAMPLE_RATE, 3),
                "speaker": speaker,
            }
        )
    return samples / max(1.0, float(np.abs(samples).max())), turns


def trimmed(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A clip at a common level without the silence around it."""
    size = SAMPLE_RATE // 50
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.sqrt(np.square(frames).mean(axis=1))
    loud = np.flatnonzero(power > power.max() * 10 ** (-35 / 20))
    kept = samples[loud[0] * size : (loud[-1] + 1) * size]
    return np.asarray(kept * (0.05 / max(1e-6, float(np.sqrt(np.square(kept).mean())))), np.float32)


def score(manifest: Path, bundle: str | None, known: bool) -> None:
    """Print DER, its parts, and how often the number of speakers is right."""
    model = load(bundle, threads=1)
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    pairs, spent, voices, seconds, right = [], 0.0, 0.0, 0.0, 0
    for row in rows:
        count = len({turn["speaker"] for turn in row["turns"]})
        mark = time.perf_counter()
        result = model.analyze(
            manifest.parent / row["audio"], tasks=("asr",), speakers=count if known else "auto"
        )
        spent += time.perf_counter() - mark
        voices += result.timings["speakers"]
        seconds += result.duration
        right += len(result.speakers or ()) == count
        reference = [(turn["start"], turn["end"], turn["speaker"]) for turn in row["turns"]]
        pairs.append((reference, speaker_turns(result)))
    found = diarization_errors(pairs)
    figures = {name: round(100 * value, 1) for name, value in found.items()}
    print(json.dumps({"conversations": len(rows), "minutes": round(seconds / 60, 1), **figures,
                      "number_right_percent": round(100 * right / len(rows), 1),
                      "share_of_time_percent": round(100 * voices / spent, 1)}))  # fmt: skip


if __name__ == "__main__":
    main()
