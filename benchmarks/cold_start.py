"""How long `unislu analyze CLIP` takes from nothing: a new process, the model loaded, the answer printed.

    python benchmarks/cold_start.py CLIP [--rounds 5]

The first round may also wait for the disk; it is reported apart from the median of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


def once(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "unislu", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, help="an audio file, for instance examples/jfk.flac")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    import machine

    first, *rest = [once(["analyze", str(options.clip)]) for _ in range(options.rounds + 1)]
    report = {
        "machine": machine.describe(os.cpu_count() or 1),
        "clip": options.clip.name,
        "first_seconds": round(first, 2),
        "median_seconds": round(statistics.median(rest), 2),
        "of_which_python_and_help_seconds": round(statistics.median(once(["--help"]) for _ in rest), 2),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
