"""How long `unislu analyze CLIP` takes from nothing: a new process, the model loaded, the answer printed.

    python benchmarks/cold_start.py CLIP [--rounds 5] [--threads 1] [--against SRC]

The first round may also wait for the disk; it is reported apart from the median of the others. Seconds of
user time depend little on other work. With `--against` another `src` folder runs in turn with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path


def once(arguments: list[str], source: Path | None = None) -> tuple[float, float]:
    """Seconds by the clock and of user time; `source`: the folder that has the package."""
    environment = dict(os.environ) if source is None else os.environ | {"PYTHONPATH": str(source)}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-m", "unislu", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return time.perf_counter() - start, used


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, help="an audio file, for instance examples/jfk.flac")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--against", type=Path, help="the src folder of another version")
    options = parser.parse_args()
    import machine

    analyze = ["analyze", str(options.clip), "--threads", str(options.threads)]
    first, *rest = [once(analyze) for _ in range(options.rounds + 1)]
    helped = [once(["--help"]) for _ in rest]
    report = {
        "machine": machine.describe(options.threads),
        "clip": options.clip.name,
        "first_seconds": round(first[0], 2),
        "median_seconds": round(statistics.median(seconds for seconds, _ in rest), 2),
        "median_user_seconds": round(statistics.median(used for _, used in rest), 3),
        "of_which_python_and_help_seconds": round(statistics.median(seconds for seconds, _ in helped), 2),
    }
    if options.against is not None:
        pairs = [(once(analyze)[1], once(analyze, options.against)[1]) for _ in rest]
        report["against_user_seconds"] = round(statistics.median(other for _, other in pairs), 3)
        report["ratio_of_user_seconds"] = round(statistics.median(ours / other for ours, other in pairs), 3)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
