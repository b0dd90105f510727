"""Conversations of two to four people, assembled from single clips, and how well their voices are told apart.

    python benchmarks/speakers.py make CLIPS.jsonl conversations --count 40 --seed 1
    python benchmarks/speakers.py score conversations/manifest.jsonl
    python benchmarks/speakers.py live conversations/manifest.jsonl
    python benchmarks/speakers.py time conversations/manifest.jsonl

`score` analyses whole recordings, `live` feeds them to a listener as they are spoken, `time` compares
analyses with and without speakers, one after the other in one process, by the processor time of its thread.

CLIPS.jsonl has `audio`, `speaker` and `seconds` in each line. A conversation has 16 to 24 turns, pauses of
0.1 to 0.9 s, one turn in ten that begins before the last has ended, and interjections, shorter than a second
and a half. Every speaker has a level of their own; clips are trimmed to what is within 35 dB of their loudest
20 ms.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unislu import Model, load
from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.wav import write_wav
from unislu.evaluation.diarization import diarization_errors
from unislu.listen import FinalEvent, Listener
from unislu.result import Analysis, Segment
from unislu.writers.rttm import Turn, speaker_turns

TURNS = (16, 24)
OVERLAP = 0.1
INTERJECTION = 0.15
BLOCK = SAMPLE_RATE // 2
"""Samples that a listener is fed at once."""


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
    for command in ("score", "live", "time"):
        scoring = commands.add_parser(command)
        scoring.add_argument("manifest", type=Path)
        scoring.add_argument("--bundle")
        scoring.add_argument("--known", action="store_true", help="give the number of speakers")
        scoring.add_argument("--first", type=int, help="so many conversations (default: all)")
        scoring.add_argument("--rounds", type=int, default=2, help="of time (default: 2)")
    arguments = parser.parse_args()
    if arguments.command == "make":
        assemble(arguments.clips, arguments.out, arguments.count, arguments.seed)
        return
    model = load(arguments.bundle, threads=1)
    lines = arguments.manifest.read_text(encoding="utf-8").splitlines()[: arguments.first]
    rows = [Row.of(json.loads(line), arguments.manifest.parent) for line in lines]
    if arguments.command == "time":
        share_of_time(model, rows, arguments.rounds)
    else:
        find = whole if arguments.command == "score" else live
        score(rows, lambda row: find(model, row, row.count if arguments.known else "auto"))


@dataclass(frozen=True)
class Row:
    """A conversation and who speaks when in it."""

    audio: Path
    turns: list[Turn]

    @classmethod
    def of(cls, row: dict[str, Any], folder: Path) -> Row:
        turns = [(turn["start"], turn["end"], turn["speaker"]) for turn in row["turns"]]
        return cls(folder / row["audio"], turns)

    @property
    def count(self) -> int:
        return len({speaker for *_, speaker in self.turns})


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


def score(rows: list[Row], find: Callable[[Row], list[Turn]]) -> None:
    """Print DER, its parts, and how often the number of speakers is right."""
    pairs, right, began = [], 0, time.process_time()
    for row in rows:
        found = find(row)
        right += len({speaker for *_, speaker in found}) == row.count
        pairs.append((row.turns, found))
    figures = {name: round(100 * value, 1) for name, value in diarization_errors(pairs).items()}
    seconds = sum(max(end for _, end, _ in row.turns) for row in rows)
    print(json.dumps({"conversations": len(rows), "minutes": round(seconds / 60, 1), **figures,
                      "number_right_percent": round(100 * right / len(rows), 1),
                      "processor_seconds": round(time.process_time() - began)}))  # fmt: skip


def whole(model: Model, row: Row, speakers: int | str) -> list[Turn]:
    """Turns found in a recording."""
    return speaker_turns(model.analyze(row.audio, tasks=("asr",), speakers=speakers))


def live(model: Model, row: Row, speakers: int | str) -> list[Turn]:
    """Turns found while it is spoken: from the final events, as clients get them. Drafts say nothing about
    speakers; with an interval of 10 s there are few.
    """
    samples = load_audio(row.audio)
    listener = Listener(model, tasks=("asr",), speakers=speakers, interval=10.0)
    events = [
        event
        for first in range(0, len(samples), BLOCK)
        for event in listener.feed(samples[first : first + BLOCK])
    ]
    events += listener.finish()
    closed = [event for event in events if isinstance(event, FinalEvent)]
    segments = tuple(
        Segment(event.start, event.end, event.text, event.start_char, event.end_char, words=event.words)
        for event in closed
    )
    text = " ".join(event.text for event in closed)
    speakers_ = closed[-1].speakers if closed else ()
    return speaker_turns(
        Analysis(text, len(samples) / SAMPLE_RATE, "live", segments=segments, speakers=speakers_)
    )


def share_of_time(model: Model, rows: list[Row], rounds: int) -> None:
    """Print what speakers add to all tasks, in percent of the time with them."""
    spent = {"off": 0.0, "auto": 0.0}
    own = total = 0.0
    ratios = []
    model.analyze(rows[0].audio, speakers="auto")  # everything is loaded
    for number in range(rounds):
        for place, row in enumerate(rows):
            once: dict[str, float] = {}
            for speakers in ("off", "auto") if (number + place) % 2 else ("auto", "off"):
                mark = time.process_time()
                result = model.analyze(row.audio, speakers=speakers)
                once[speakers] = time.process_time() - mark
                spent[speakers] += once[speakers]
                if speakers == "auto":
                    own += result.timings["speakers"]
                    total += result.timings["total"]
            ratios.append(1 - once["off"] / once["auto"])
    print(json.dumps({"pairs": len(ratios), "processor_seconds": {k: round(v, 1) for k, v in spent.items()},
                      "added_percent": round(100 * (1 - spent["off"] / spent["auto"]), 1),
                      "added_percent_median_of_pairs": round(100 * statistics.median(ratios), 1),
                      "share_of_timings_percent": round(100 * own / total, 1)}))  # fmt: skip


if __name__ == "__main__":
    main()
