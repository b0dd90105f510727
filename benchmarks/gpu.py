"""A bundle in float16 on a GPU beside the default bundle on the CPU, in one run.

    unislu export CHECKPOINT half --quantize float16     # and `unislu tools compose`, for two decoders
    python benchmarks/gpu.py half [--speech FOLDER]

Each system has a process of its own; their turns alternate, and the median over the rounds is reported.
Measured are loading, the first request, clips of 10 s and 30 s in batches of 1, 8 and 32, a recording of half
an hour, and memory; and that the GPU writes what the CPU writes of the same bundle. Results:
OUT/gpu-DATE.json and .md.

`--device cpu` runs the bundle on the CPU as well: it tries the script, not a GPU. Without a GPU the script
says what is missing and ends with status 1.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from speed import HERE, Run, System, about_run, save, set_threads
from throughput import wav

from unislu.engines.devices import PROVIDERS, providers
from unislu.errors import EngineError

DEVICES = ("cuda", *(device for device in PROVIDERS if device != "cuda"))
LENGTHS = (10, 30)


def open_model(place: argparse.Namespace) -> Run:
    """A model on its device; `place` has `bundle`, `device`, `threads`."""
    import unislu

    idle = gpu_memory()
    start = time.perf_counter()
    model = unislu.load(place.bundle, device=place.device, threads=place.threads)
    loaded = time.perf_counter() - start

    def run(variant: str, given: Any) -> Any:
        if variant == "first":
            start = time.perf_counter()
            model.analyze(given)
            return loaded, time.perf_counter() - start
        if variant == "memory":
            used = gpu_memory()
            # ru_maxrss is in KiB on Linux.
            host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            return host, None if used is None or idle is None else used - idle
        files, batch = given
        model.recognizer.engine.batch = batch
        start = time.perf_counter()
        texts = [result.text for result in model.analyze_many(files)]
        return time.perf_counter() - start, texts

    return run


def nvidia(field: str) -> str | None:
    """A property of the first GPU; None without NVIDIA's tool."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--id=0", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


def gpu_memory() -> float | None:
    """MiB that are in use on the first GPU."""
    used = nvidia("memory.used")
    return None if used is None else float(used)


def workloads(options: argparse.Namespace) -> dict[str, tuple[list[bytes], int, float]]:
    """Name -> files, windows in a batch, seconds of audio."""
    from clips import make_clips

    made: dict[str, tuple[list[bytes], int, float]] = {}
    for seconds in LENGTHS:
        files = [wav(clip) for clip in make_clips(options.speech, seconds, options.clips)]
        for batch in options.batches:
            made[f"{seconds} s, batches of {batch}"] = files, batch, float(seconds * len(files))
    (long,) = make_clips(options.speech, round(60 * options.minutes), 1)
    made[f"a recording of {options.minutes:g} min"] = [wav(long)], max(options.batches), 60 * options.minutes
    return made


def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    """One row for each system and workload."""
    here = {f"{options.device}, float16": (options.bundle, options.device), "cpu, int8": (None, "cpu")}
    work = workloads(options)
    first = next(iter(work.values()))[0][0]
    systems, rows = {}, []
    for name, (bundle, device) in here.items():
        place = argparse.Namespace(bundle=bundle, device=device, threads=options.threads)
        systems[name] = System(open_model, place)
        loaded, answered = systems[name].run("first", first)
        rows += [
            {"system": name, "what": "loading", "seconds": loaded},
            {"system": name, "what": "the first request", "seconds": answered},
        ]
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(options.rounds):
        for what, (files, batch, _) in work.items():
            for name, system in systems.items():
                times.setdefault((name, what), []).append(system.run("many", (files, batch))[0])
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    rows += [
        {
            "system": name,
            "what": what,
            "seconds": statistics.median(found),
            "rtfx": work[what][2] / statistics.median(found),
            "rounds": found,
        }
        for (name, what), found in times.items()
    ]
    for name, system in systems.items():
        host, device = system.run("memory", None)
        rows.append({"system": name, "what": "memory", "host_mib": host, "gpu_mib": device})
        system.close()
    return rows


def compare(options: argparse.Namespace) -> list[dict[str, object]]:
    """How many clips have the same text on the device and on the CPU, in the same batches of one bundle."""
    files, batch, _ = workloads(options)[f"{LENGTHS[0]} s, batches of {max(options.batches)}"]
    texts = []
    for device in (options.device, "cpu"):
        system = System(open_model, argparse.Namespace(**{**vars(options), "device": device}))
        texts.append(system.run("many", (files, batch))[1])
        system.close()
    same = sum(one == other for one, other in zip(*texts, strict=True))
    return [{"clips": len(files), "same_text": same}]


def markdown(report: dict[str, Any]) -> str:
    machine, compared = report["machine"], report["comparisons"][0]
    names = list(dict.fromkeys(row["system"] for row in report["rows"]))
    lines = [
        f"# GPU, {report['date']}",
        "",
        f"{report['gpu'] or 'No GPU'}; {machine['cpu']}, {machine['cores']} cores, {machine['system']}; "
        f"threads on the CPU {machine['threads']}; load average at the start {machine['load_average']}. "
        f"Python {machine['python']}, " + ", ".join(f"{k} {v}" for k, v in machine["versions"].items()) + ".",
        "",
        f"{report['clips']} clips a length ({report['speech']}), transcript, entities and sentiment; median "
        f"of {report['rounds']} rounds. RTFx: seconds of audio a second.",
        "",
        "```",
        report["command"],
        "```",
        "",
        "| |" + "".join(f" {name} | RTFx |" for name in names),
        "|---|" + "---:|---:|" * len(names),
    ]
    for what in dict.fromkeys(row["what"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["what"] == what]
        if what != "memory":
            lines.append(f"| {what} |" + "".join(_timed(row) for row in rows))
            continue
        lines.append("| host's memory at most |" + "".join(f" {row['host_mib']:.0f} MiB | |" for row in rows))
        if report["gpu"]:
            lines.append("| GPU's memory |" + "".join(f" {row['gpu_mib']:.0f} MiB | |" for row in rows))
    lines += ["", f"{compared['same_text']} of {compared['clips']} clips have the same text as on the CPU."]
    return "\n".join(lines) + "\n"


def _timed(row: dict[str, Any]) -> str:
    return (
        f" {row['seconds']:.2f} s | {row['rtfx']:.1f} |" if "rtfx" in row else f" {row['seconds']:.2f} s | |"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", help="a bundle in float16")
    parser.add_argument("--device", choices=DEVICES, default="cuda", help="of that bundle (default: cuda)")
    parser.add_argument("--speech", type=Path, default=HERE.parent / "examples", help="folder of speech")
    parser.add_argument("--clips", type=int, default=64, help="clips of each length (default: 64)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32], help="windows in a batch")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the recording (default: 30)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="on the CPU; default: every core")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args()


def main() -> None:
    options = parse()
    try:
        providers(options.device, "float16")
    except EngineError as error:
        raise SystemExit(f"gpu.py: nothing measured: {error}") from None
    set_threads(options.threads)
    import machine

    about = machine.describe(options.threads)
    rows = measure(options)
    report = about_run(options, about, rows, compare(options)) | {"gpu": nvidia("name,driver_version")}
    save("gpu", options.out, report, markdown)


if __name__ == "__main__":
    main()
