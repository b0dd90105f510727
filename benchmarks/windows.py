"""Long recordings cut into windows of several lengths: processor seconds, word errors and entities of each.

    python benchmarks/windows.py --speech FOLDER --lengths 10 15 20 30 --out FOLDER

Clips of the folder (with a `manifest.jsonl`: audio, text, perhaps entities) are joined with short pauses to
recordings of some minutes. Each is analysed with every length in turn, in another order each time, on one
thread; times are the process's own CPU seconds, so that other work on the machine counts little. Entities
count where type and phrase agree with those of the utterance in which they begin. Reported are ratios of CPU
seconds to those of the last length (the median over the recordings) and scores over all recordings.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from clips import RATE

NOISE = 3e-4
"""Level of the noise everywhere: no room is quite silent."""


class Joined(NamedTuple):
    """A recording of several clips."""

    samples: np.ndarray
    starts: list[float]
    """Seconds at which each clip begins."""
    records: list[dict[str, Any]]


def recordings(folder: Path, minutes: float, count: int, pauses: tuple[float, float]) -> list[Joined]:
    """Clips in a random order, no clip twice, with pauses of the given range in seconds."""
    from unislu.audio import load_audio

    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record.get("text")]
    rng = np.random.default_rng(0)
    found: list[Joined] = []
    pieces: list[np.ndarray] = []
    starts: list[float] = []
    kept: list[dict[str, Any]] = []
    for number in rng.permutation(len(records)):
        record = records[number]
        starts.append(sum(map(len, pieces)) / RATE)
        pause = np.zeros(round(rng.uniform(*pauses) * RATE), np.float32)
        pieces += [load_audio(folder / record["audio"]), pause]
        kept.append(record)
        if sum(map(len, pieces)) >= 60 * minutes * RATE:
            samples = np.concatenate(pieces)
            samples += rng.normal(0, NOISE, len(samples)).astype(np.float32)
            found.append(Joined(samples, starts, kept))
            pieces, starts, kept = [], [], []
            if len(found) == count:
                break
    if not found:
        raise SystemExit(f"windows.py: {folder} has less than {minutes:g} minutes of speech with text")
    return found


def phrases(recording: Joined, entities: list[tuple[str, str, float]], normalize: Any) -> Counter[Any]:
    """Entities (type, phrase, second) with the utterance they begin in."""
    return Counter(
        (bisect_right(recording.starts, at + 0.1) - 1, kind, normalize(phrase))
        for kind, phrase, at in entities
    )


def score(recording: Joined, result: Any, words: Any) -> tuple[Any, tuple[int, int, int]]:
    """Word errors, and hits, predicted and gold entities."""
    from unislu.evaluation.wer import word_errors

    said = " ".join(record["text"] for record in recording.records)
    errors = word_errors(words.words(said), words.words(result.text))
    gold = [
        (entity["type"], record["text"][entity["start"] : entity["end"]], start)
        for start, record in zip(recording.starts, recording.records, strict=True)
        for entity in record.get("entities", ())
    ]
    found = [(entity.type, entity.text, entity.start) for entity in result.entities or ()]
    ours, theirs = phrases(recording, found, words), phrases(recording, gold, words)
    return errors, ((ours & theirs).total(), ours.total(), theirs.total())


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for each length."""
    import unislu
    from unislu.evaluation.profiles import profile
    from unislu.evaluation.wer import total

    words = profile("unislu")
    model = unislu.load(options.bundle, threads=1)
    joined = recordings(options.speech, options.minutes, options.recordings, tuple(options.pauses))
    model.analyze(joined[0].samples[: 10 * RATE], sample_rate=RATE)
    lengths = options.lengths
    runs: dict[float, list[dict[str, Any]]] = {length: [] for length in lengths}
    for turn, recording in enumerate(joined):
        for place in range(len(lengths)):
            length = lengths[(place + turn) % len(lengths)]
            start = time.process_time()
            result = model.analyze(recording.samples, sample_rate=RATE, window=length)
            spent = time.process_time() - start
            errors, entities = score(recording, result, words)
            failed = sum(segment.failed is not None for segment in result.segments)
            runs[length].append(
                {"seconds": spent, "errors": errors, "entities": entities, "windows": len(result.segments),
                 "failed": failed}
            )  # fmt: skip
            print(f"{turn + 1}: {length:g} s: {spent:.1f} s, WER {errors.wer:.2f}", flush=True)
    base = [run["seconds"] for run in runs[lengths[-1]]]
    seconds = sum(len(recording.samples) for recording in joined) / RATE
    rows = []
    for length in lengths:
        mine = runs[length]
        hits, predicted, gold = (sum(run["entities"][place] for run in mine) for place in range(3))
        rows.append(
            {
                "window": length,
                "cpu_ms_a_second": round(1000 * sum(run["seconds"] for run in mine) / seconds, 1),
                "ratio": round(
                    statistics.median(r["seconds"] / b for r, b in zip(mine, base, strict=True)), 3
                ),
                "windows": sum(run["windows"] for run in mine),
                "failed": sum(run["failed"] for run in mine),
                "wer": round(total(run["errors"] for run in mine).wer, 2),
                "f1": round(200 * hits / (predicted + gold), 2) if gold else None,
            }
        )
    return rows


def main() -> None:
    import machine

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, required=True, help="folder with a manifest.jsonl")
    parser.add_argument("--lengths", type=float, nargs="+", default=[10.0, 15.0, 20.0, 30.0])
    parser.add_argument("--minutes", type=float, default=4.0, help="of one recording")
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--pauses", type=float, nargs=2, default=[0.2, 0.45], metavar=("LOW", "HIGH"))
    parser.add_argument("--bundle", help="the unislu bundle; default: the one in the package")
    parser.add_argument("--name", default="windows", help="stem of the written file")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    report = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "speech": options.speech.name,
        "machine": machine.describe(1),
        "pauses": options.pauses,
        "minutes": options.minutes,
        "rows": measure(options),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.name}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["rows"], indent=1))


if __name__ == "__main__":
    main()
