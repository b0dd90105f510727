"""What an hour of audio costs: processor seconds on one core, joules, memory; what follows for many hours.

    python benchmarks/cost.py --out benchmarks/results/DATE-cost

Counts the processor's seconds, not the clock's: other work on the machine takes time from the clock, and from
these only what it takes of caches and memory. One thread everywhere. A model in a process of its own
transcribes clips of 10 s and 30 s one by one and a recording of five minutes, cut from `--speech`;
`unislu batch` transcribes files of half a minute to two minutes with one worker, and its seconds include its
start, the loading and the writing. Joules come from /sys/class/powercap, for the whole processor and whoever
uses it, where it has counters.

Writes cost.json and cost.md there, and the projections of docs/scaling.md (not with --no-docs).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import describe, measured_on
from speed import HERE, Run, System, set_threads

from scale import make_files, write_between

ROOT = HERE.parent
MARKS = ("<!-- measured: benchmarks/cost.py -->", "<!-- end of costs -->")
POWER = Path("/sys/class/powercap")
NO_COUNTERS = "no counters"
CORES_A_MACHINE = 32
FLAC_BYTES_AN_HOUR, MP3_BYTES_AN_HOUR = 65e6, 29e6  # 16 kHz mono speech; 64 kbit/s
MINUTES_A_FILE = 5
CLIPS = ((10, 6), (30, 3), (300, 1))
"""Seconds of a clip, clips."""


def open_model(options: argparse.Namespace) -> Run:
    """A model in a process of its own; answers with processor seconds, joules and peak memory in MiB."""
    before = time.process_time()
    import unislu

    model = unislu.load(options.bundle, threads=1)
    loaded = time.process_time() - before

    def run(variant: str, clips: Any) -> dict[str, Any]:
        if variant == "load":
            return {"processor_seconds": loaded, "memory_mib": peak_memory()}
        energy, start = joules(), time.process_time()
        for clip in clips:
            model.analyze(clip, sample_rate=16_000)
        seconds = time.process_time() - start
        return {"processor_seconds": seconds, "joules": spent(energy), "memory_mib": peak_memory()}

    return run


def peak_memory() -> float:
    """MiB of this process. (ru_maxrss is in KiB on Linux.)"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def joules() -> dict[Path, int]:
    """Microjoules on the counter of every processor; empty where there is none that may be read."""
    found = {}
    for folder in sorted(POWER.glob("intel-rapl:?")):
        try:
            found[folder] = int((folder / "energy_uj").read_text())
        except OSError:
            continue
    return found


def spent(before: dict[Path, int]) -> float | None:
    """Joules since `before`; None without counters."""
    if not before:
        return None
    total = 0
    for folder, now in joules().items():
        range_ = int((folder / "max_energy_range_uj").read_text())
        total += (now - before[folder]) % range_  # a counter begins again at its range
    return total / 1e6


def clips_alone(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for loading and one for each length of clip, each measured in a process of its own."""
    from clips import make_clips

    rows = []
    for seconds, count in CLIPS:
        clips = make_clips(options.speech, seconds, count)
        system = System(open_model, options)
        if not rows:
            rows.append({"what": "loading", **system.run("load", None)})
        system.run("hear", clips[:1])
        found = [system.run("hear", clips) for _ in range(options.rounds)]
        system.close()
        rows.append({"what": f"clips of {seconds} s", **per_audio(found, seconds * count)})
        print(f"clips of {seconds} s measured", file=sys.stderr)
    return rows


def per_audio(found: list[dict[str, Any]], audio: float) -> dict[str, Any]:
    """Medians over rounds, for a second of audio."""
    taken = statistics.median(row["processor_seconds"] for row in found)
    energy = [row["joules"] for row in found if row["joules"] is not None]
    return {
        "audio_seconds": audio,
        "processor_seconds": taken,
        "rtfx_per_core": audio / taken,
        "joules_a_second_of_audio": statistics.median(energy) / audio if energy else None,
        "memory_mib": max(row["memory_mib"] for row in found),
        "rounds": [row["processor_seconds"] for row in found],
    }


def batch(options: argparse.Namespace) -> dict[str, Any]:
    """`unislu batch` with one worker over made files, as a user runs it."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "audio"
        audio.mkdir()
        make_files(audio, options.minutes)
        for turn in range(options.rounds):
            out = Path(folder) / f"out-{turn}"
            command = [sys.executable, "-m", "unislu", "batch", str(audio), str(out), "--workers", "1", "-q"]
            energy = joules()
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(run.pid, 0)  # with the processes that it has waited for
            if status != 0:
                raise SystemExit(f"cost.py: {' '.join(command)} ended with status {status}")
            told = json.loads((out / "run.json").read_text())["sessions"][-1]
            stored = sum(path.stat().st_size for path in out.glob("*.parquet"))
            found.append(
                {
                    "processor_seconds": usage.ru_utime + usage.ru_stime,
                    "joules": spent(energy),
                    "memory_mib": usage.ru_maxrss / 1024,
                    "audio_seconds": told["audio_seconds"],
                    "bytes_an_hour": stored / (told["audio_seconds"] / 3600),
                }
            )
            print(f"unislu batch, round {turn + 1} of {options.rounds}", file=sys.stderr)
        files = len(list(audio.iterdir()))
    first = found[0]
    return {
        "what": "`unislu batch`, one worker",
        **per_audio(found, first["audio_seconds"]),
        "files": files,
        "bytes_an_hour": first["bytes_an_hour"],
    }


def table(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    machine, rows = found["machine"], found["rows"]
    lines = [
        f"{measured_on(found['date'], machine)}, {found['model']}, one thread, "
        f"in processor seconds, median of {found['rounds']} rounds; "
        f"load average at the start {machine['load_average']}.",
        "",
        "| | processor seconds an hour of audio | hours of audio a core hour | joules a second of audio "
        "| memory |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows[1:]:
        energy = row["joules_a_second_of_audio"]
        lines.append(
            f"| {row['what']} | {3600 / row['rtfx_per_core']:.0f} | {row['rtfx_per_core']:.1f} | "
            f"{NO_COUNTERS if energy is None else f'{energy:.2f}'} | {row['memory_mib']:.0f} MiB |"
        )
    load, run = rows[0], rows[-1]
    lines += [
        "",
        f"Loading takes {load['processor_seconds']:.1f} processor seconds and {load['memory_mib']:.0f} MiB "
        f"once a process. `unislu batch` had {run['audio_seconds'] / 60:.0f} min of speech in {run['files']} "
        "files; its start and the loading are in its seconds.",
    ]
    return "\n".join(lines)


def projections(found: dict[str, Any]) -> str:
    """What two sizes of archive take, as Markdown."""
    small, large = (_projected(hours, count, found) for hours, count in ((1e4, 4), (1e6, 100)))
    lines = ["| | 10 000 h | 1 000 000 h |", "|---|---:|---:|"]
    return "\n".join([*lines, *(f"| {name} | {small[name]} | {large[name]} |" for name in small)])


def _projected(hours: float, machines: int, found: dict[str, Any]) -> dict[str, str]:
    """What so many hours of audio take, by the formulas of the page."""
    run, ledger = found["rows"][-1], found["commits"]
    work = hours / run["rtfx_per_core"]
    wall = work / (CORES_A_MACHINE * machines)
    files = hours * 60 / MINUTES_A_FILE
    flac, mp3 = hours * FLAC_BYTES_AN_HOUR, hours * MP3_BYTES_AN_HOUR
    return {
        "core hours `H / s`": f"{work:,.0f}",
        f"machines `M` of {CORES_A_MACHINE} cores": f"{machines}",
        "hours `H / (s · c · M)`": f"{wall:,.1f}",
        "memory of a machine `c · m`": f"{CORES_A_MACHINE * run['memory_mib'] / 1024:.0f} GiB",
        "audio as FLAC / as MP3 of 64 kbit/s": f"{flac / 1e12:.2f} / {mp3 / 1e12:.2f} TB",
        "results `H · b`": f"{hours * run['bytes_an_hour'] / 1e9:.1f} GB",
        "FLAC read by all machines together": f"{flac * 8 / (wall * 3600) / 1e9:.2f} Gbit/s",
        f"files of {MINUTES_A_FILE} min": f"{files:,.0f}",
        "rows to commit in a second": f"{files / (wall * 3600):.1f}",
        "memory of the run's own process": f"{files * ledger['bytes_held_a_row'] / 2**30:.1f} GiB",
        "reading back at a restart": f"{files / ledger['read_a_second'] / 60:.1f} min",
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for cost.json and cost.md")
    parser.add_argument("--bundle", help="of the clips; `unislu batch` takes the default one")
    parser.add_argument(
        "--speech", type=Path, default=ROOT / "examples", help="folder of speech for the clips"
    )
    parser.add_argument("--minutes", type=float, default=12.0, help="of made audio for `unislu batch`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--scale",
        type=Path,
        default=HERE / "results" / "2026-11-22-scale" / "scale.json",
        help="of benchmarks/scale.py: what the run's own process can commit",
    )
    parser.add_argument("--no-docs", action="store_true", help="leave docs/scaling.md as it is")
    options = parser.parse_args()
    set_threads(1)
    from unislu.bundle import open_bundle

    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": describe(1),
        "model": open_bundle(options.bundle).label,
        "rounds": options.rounds,
        "commits": json.loads(options.scale.read_text())["commits"],
        "rows": [*clips_alone(options), batch(options)],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cost.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    (options.out / "cost.md").write_text(
        f"# Cost, {found['date']}\n\n{table(found)}\n\n{projections(found)}\n"
    )
    if not options.no_docs:
        write_between(MARKS, f"{table(found)}\n\n{projections(found)}")
    print(f"{table(found)}\n\n{projections(found)}")


if __name__ == "__main__":
    main()
