"""Throughput: many clips at once through unislu and the usual pipeline, each the way it is fastest.

    pip install . -r benchmarks/requirements.txt
    python benchmarks/throughput.py --speech FOLDER --faster-whisper FOLDER_OF_THE_SAME_BACKBONE

benchmarks/speed.py measures how long one clip takes when nothing else waits. Here a list of WAV files is
given at once: unislu decodes several of them together, a batch on every core (`analyze_many`). The pipeline
takes them one after the other with all threads, and, faster, several side by side with a thread each
(`num_workers`); it is compared at its best. Results: OUT/throughput-DATE.json and .md.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from speed import BEAMS, HERE, PIPELINE, System, about_run, save, set_threads

OURS = {"unislu: transcript": ("asr",), "unislu: all": ("asr", "ner", "sa")}
ALL = "unislu: all"
WAYS = ("one after the other", "side by side")
THEIRS = {f"{PIPELINE.format(name)}, {way}": (beam, way) for name, beam in BEAMS.items() for way in WAYS}

Run = Callable[[str, list[bytes]], float]


def open_unislu(options: argparse.Namespace) -> Run:
    import unislu

    model = unislu.load(options.bundle, threads=options.threads)

    def run(system: str, files: list[bytes]) -> float:
        start = time.perf_counter()
        for result in model.analyze_many(files, tasks=OURS[system]):
            assert result.text
        return time.perf_counter() - start

    return run


def open_pipeline(options: argparse.Namespace) -> Run:
    from usual import open_parts

    alone, tagger, vader = open_parts(options.faster_whisper, options.threads)
    beside, _, _ = open_parts(options.faster_whisper, 1, workers=options.threads)

    def hear(model, beam: int, file: bytes) -> None:
        segments, _ = model.transcribe(
            io.BytesIO(file), language="en", beam_size=beam, without_timestamps=True
        )
        text = " ".join(segment.text for segment in segments)
        tagger(text)
        vader.polarity_scores(text)

    def run(system: str, files: list[bytes]) -> float:
        beam, way = THEIRS[system]
        start = time.perf_counter()
        if way == WAYS[0]:
            for file in files:
                hear(alone, beam, file)
        else:
            with ThreadPoolExecutor(options.threads) as pool:
                list(pool.map(lambda file: hear(beside, beam, file), files))
        return time.perf_counter() - start

    return run


def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    """One row for each clip length and system."""
    from clips import make_clips

    files = {
        seconds: [wav(clip) for clip in make_clips(options.speech, seconds, options.clips)]
        for seconds in options.lengths
    }
    ours, theirs = System(open_unislu, options), System(open_pipeline, options)
    systems = dict.fromkeys(OURS, ours) | dict.fromkeys(THEIRS, theirs)
    for name, system in systems.items():
        system.run(name, files[options.lengths[0]][:2])
    times: dict[tuple[int, str], list[float]] = {}
    for turn in range(options.rounds):
        for seconds in options.lengths:
            for name, system in systems.items():
                times.setdefault((seconds, name), []).append(system.run(name, files[seconds]))
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    for system in (ours, theirs):
        system.close()
    return [
        {
            "clip_seconds": seconds,
            "system": name,
            "seconds": round(statistics.median(found), 3),
            "rtfx": round(seconds * options.clips / statistics.median(found), 1),
            "rounds": [round(value, 3) for value in found],
        }
        for (seconds, name), found in times.items()
    ]


def comparisons(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """For each length: how many times faster everything is than each pipeline at its best."""
    found = []
    for seconds in dict.fromkeys(row["clip_seconds"] for row in rows):
        taken = {row["system"]: row["seconds"] for row in rows if row["clip_seconds"] == seconds}
        best = {
            name: min(taken[system] for system, (width, _) in THEIRS.items() if width == beam)
            for name, beam in BEAMS.items()
        }
        ratios = {PIPELINE.format(name): round(value / taken[ALL], 2) for name, value in best.items()}
        found.append({"clip_seconds": seconds, "times_faster_than": ratios})
    return found


def wav(clip: np.ndarray) -> bytes:
    """The clip as a file of 16-bit samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.clip(clip, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def markdown(report: dict) -> str:
    machine = report["machine"]
    lines = [
        f"# Throughput, {report['date']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; threads of every system: "
        f"{machine['threads']}; load average at the start {machine['load_average']}. "
        f"Python {machine['python']}, " + ", ".join(f"{k} {v}" for k, v in machine["versions"].items()) + ".",
        "",
        f"{report['clips']} clips a length ({report['speech']}) given at once, median of {report['rounds']} "
        "rounds, interleaved in one run, models loaded and warm. RTFx: seconds of audio a second of "
        "computing.",
        "",
        "```",
        report["command"],
        "```",
        "",
        "| clips | system | seconds for all | RTFx |",
        "|---:|---|---:|---:|",
    ]
    lines += [
        f"| {row['clip_seconds']} s | {row['system']} | {row['seconds']:.2f} | {row['rtfx']} |"
        for row in report["rows"]
    ]
    pipelines = list(report["comparisons"][0]["times_faster_than"])
    lines += ["", "| clips |" + "".join(f" times faster than {p}, at its best |" for p in pipelines)]
    lines.append("|---:|" + "---:|" * len(pipelines))
    for c in report["comparisons"]:
        cells = "".join(f" {c['times_faster_than'][p]} |" for p in pipelines)
        lines.append(f"| {c['clip_seconds']} s |{cells}")
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    import os

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, help="folder of speech to cut clips from")
    parser.add_argument("--faster-whisper", type=Path, required=True, help="CTranslate2 folder")
    parser.add_argument("--bundle", help="the unislu bundle; default: the one in the package")
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[5, 10, 20, 30], help="seconds of the clips"
    )
    parser.add_argument("--clips", type=int, default=24, help="clips of each length")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for every system alike")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args()


def main() -> None:
    options = parse()
    set_threads(options.threads)
    import machine

    about = machine.describe(options.threads)
    rows = measure(options)
    save("throughput", options.out, about_run(options, about, rows, comparisons(rows)), markdown)


if __name__ == "__main__":
    main()
