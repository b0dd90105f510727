"""What a batch run costs: speed of one worker and two, memory, results, commits, and Ray on two nodes.

    python benchmarks/scale.py --out benchmarks/results/2026-11-22-scale

writes scale.json there and the tables of docs/scaling.md between its markers. Files of half a minute to two
minutes are cut from the speech in examples/, or taken from `--audio FOLDER`. Workers have one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import wave
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import describe, measured_on

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.scale.inputs import Input
from unislu.scale.ledger import Ledger
from unislu.scale.options import BatchOptions, WorkerOptions
from unislu.scale.rows import Origin, error_row
from unislu.scale.run import run_batch

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scaling.md"
MARKS = ("<!-- measured: benchmarks/scale.py -->", "<!-- end of measured -->")


def make_files(folder: Path, minutes: float, seed: int = 0) -> None:
    """WAV files of 30 to 120 s from stretches of speech with pauses between, all different."""
    speech = load_audio(ROOT / "examples" / "jfk.flac")
    draw = random.Random(seed)
    left, number = minutes * 60, 0
    while left > 0:
        wanted, parts, length = draw.uniform(30, 120), [], 0.0
        while length < wanted:
            start = draw.randrange(0, len(speech) - 3 * SAMPLE_RATE)
            part = speech[start : start + int(draw.uniform(3, 11) * SAMPLE_RATE)] * draw.uniform(0.4, 1.0)
            parts += [part, np.zeros(int(draw.uniform(0.3, 1.5) * SAMPLE_RATE), np.float32)]
            length += (len(parts[-2]) + len(parts[-1])) / SAMPLE_RATE
        with wave.open(str(folder / f"call-{number:03d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((np.concatenate(parts) * 32767).astype("<i2").tobytes())
        left, number = left - length, number + 1


class Watch:
    """The greatest resident memory of any child process, in MiB, sampled while inside."""

    def __enter__(self) -> Watch:
        self.peak, self._end = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.2):
            for child in psutil.Process().children(recursive=True):
                try:
                    self.peak = max(self.peak, child.memory_info().rss / 2**20)
                except psutil.Error:
                    continue


def local(audio: str, workers: int) -> dict[str, Any]:
    """A whole run with some workers; `speed` leaves out the time until the models are loaded."""
    with tempfile.TemporaryDirectory() as out, Watch() as watch:
        summary = run_batch([audio], out, BatchOptions(workers=workers), quiet=True)
        stored = sum(path.stat().st_size for path in Path(out).glob("*.parquet"))
        load = _mean_load(out)
    busy = summary.wall_seconds - load
    return {
        "workers": workers,
        "files": summary.new,
        "failed": summary.failed,
        "audio_seconds": summary.audio_seconds,
        "wall_seconds": summary.wall_seconds,
        "load_seconds": load,
        "speed": summary.audio_seconds / busy,
        "memory_mib": watch.peak,
        "parquet_bytes_an_hour": stored / (summary.audio_seconds / 3600),
    }


def _mean_load(out: str) -> float:
    import pyarrow.parquet as pq

    rows = [row for part in Path(out).glob("*.parquet") for row in pq.read_table(part).to_pylist()]
    loads = [dict(row["timings"])["load"] for row in rows if row["timings"]]
    return sum(loads) / len(loads)


def commits(rows: int = 20_000) -> dict[str, float]:
    """The run's own process: rows a second that it commits and reads back, bytes it holds of each."""
    origin = Origin("model", "0" * 64, "0", "host:1")
    inputs = [Input(f"s3://bucket/calls/{n:09d}.mp3", f"s3://bucket/calls/{n:09d}.mp3", f"{n}:etag", 300.0)
              for n in range(rows)]  # fmt: skip
    word = {"text": "word", "start": 1.0, "end": 1.2, "start_char": 0, "end_char": 4, "confidence": 0.9}
    filled = [
        {**error_row(e, "audio", "x", origin), "text": "word " * 700, "words": [word] * 700}
        for e in inputs[:50]
    ]
    made = [{**filled[n % 50], "id": entry.id, "uri": entry.uri} for n, entry in enumerate(inputs)]
    with tempfile.TemporaryDirectory() as out:
        ledger = Ledger(out)
        with ledger.open():
            start = time.perf_counter()
            for first in range(0, rows, 1000):
                ledger.commit(made[first : first + 1000])
            written = time.perf_counter() - start
        before = psutil.Process().memory_info().rss
        start = time.perf_counter()
        with ledger.open() as known:
            read = time.perf_counter() - start
            held = psutil.Process().memory_info().rss - before
            assert len(known) == rows
    return {
        "rows": rows,
        "committed_a_second": rows / written,
        "read_a_second": rows / read,
        "bytes_held_a_row": held / rows,
    }


def on_ray(audio: str, kill: bool) -> dict[str, Any]:
    """A run on two nodes of one CPU each; with `kill`, one dies when a quarter of the rows are there."""
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    health = {
        "health_check_period_ms": 1000,
        "health_check_timeout_ms": 5000,
        "health_check_failure_threshold": 2,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": health}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)
    try:
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "unislu", "batch", audio, out, "--engine", "ray"]
            command += ["--ray-address", cluster.address, "--partition-rows", "1", "-q"]
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            files = len(list(Path(audio).iterdir()))
            while kill and run.poll() is None:
                if len(list(Path(out).glob("*.parquet"))) >= files / 4:
                    cluster.remove_node(second, allow_graceful=False)
                    break
                time.sleep(0.1)
            code = run.wait()
            told = json.loads((Path(out) / "run.json").read_text())
            first = min(commit["committed_at"] for commit in told["partitions"])
    finally:
        cluster.shutdown()
    session = told["sessions"][-1]
    return {
        "exit_code": code, "files": files, "rows": told["totals"]["rows"], "heard": told["totals"]["heard"],
        "audio_seconds": session["audio_seconds"], "wall_seconds": session["wall_seconds"],
        "started_at": session["started_at"], "first_row_at": first, "node_killed": kill,
        "speed": session["audio_seconds"] / session["wall_seconds"],
    }  # fmt: skip


def tables(found: dict[str, Any]) -> str:
    """The measured tables, as Markdown."""
    one, two = found["local"]
    machine, ledger = found["machine"], found["commits"]
    lines = [
        f"{measured_on(found['date'], machine)}, default bundle, "
        f"one thread a worker, {one['audio_seconds'] / 60:.0f} min of speech in {one['files']} files; "
        f"load average at the start {machine['load_average']}.",
        "",
        "| workers | hours of audio in an hour | for each core | wall | greatest memory of a worker |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {run['workers']} | {run['speed']:.1f} | {run['speed'] / run['workers']:.1f} | "
        f"{run['wall_seconds']:.0f} s | {run['memory_mib']:.0f} MiB |"
        for run in found["local"]
    ]
    lines += [
        "",
        f"Efficiency from one worker to two: **{two['speed'] / (2 * one['speed']):.0%}**. Loading a model "
        f"takes {two['load_seconds']:.1f} s once a worker.",
    ]
    lines += [line for run in found.get("ray", []) for line in ("", _ray_line(run))]
    stored = two["parquet_bytes_an_hour"]
    lines += [
        "",
        f"The run's own process commits {ledger['committed_a_second']:.0f} rows a second (700 words each), "
        f"reads {ledger['read_a_second']:.0f} back at a restart and holds "
        f"{ledger['bytes_held_a_row'] / 1000:.1f} kB of each. Results take {stored / 1000:.0f} kB an hour.",
    ]
    return "\n".join(lines)


def _ray_line(run: dict[str, Any]) -> str:
    what = "one of them killed after a quarter" if run["node_killed"] else "undisturbed"
    return (
        f"Ray, two nodes of one core on the same machine, {what}: {run['heard']} of {run['files']} files "
        f"transcribed, {run['rows']} rows, {run['wall_seconds']:.0f} s with the start of the actors, "
        f"{run['speed']:.1f} hours in an hour."
    )


def write_between(marks: tuple[str, str], text: str) -> None:
    """Replace what lies between two markers of docs/scaling.md."""
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.partition(marks[0])[0], page.partition(marks[1])[2]
    PAGE.write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{after}", encoding="utf-8")


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for scale.json")
    parser.add_argument(
        "--audio", type=Path, help="folder of sound files, instead of generated ones"
    )
    parser.add_argument("--minutes", type=float, default=18.0, help="of made audio (default: 18)")
    parser.add_argument("--no-ray", action="store_true", help="leave the cluster out")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/scaling.md as it is")
    options = parser.parse_args()
    found: dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "machine": describe(1)}
    found["options"] = {"worker": asdict(WorkerOptions()), "minutes": options.minutes}
    with tempfile.TemporaryDirectory() as folder:
        audio = options.audio or Path(folder)
        if options.audio is None:
            make_files(audio, options.minutes)
        found["local"] = [local(str(audio), workers) for workers in (1, 2)]
        found["commits"] = commits()
        if not options.no_ray:
            found["ray"] = [on_ray(str(audio), kill) for kill in (False, True)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scale.json").write_text(json.dumps(found, indent=1) + "\n")
    text = tables(found)
    if not options.no_docs:
        write_between(MARKS, text)
    print(re.sub(r"\n{2,}", "\n\n", text))


if __name__ == "__main__":
    main()
