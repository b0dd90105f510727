"""Speed of one bundle beside another: every clip by both in turn, processor seconds of one thread.

python benchmarks/two_bundles.py BUNDLE OTHER MANIFEST [--limit N]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import unislu
from unislu.data.records import read_records


def main() -> None:
    """Print the seconds of both and the ratio of their speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs=2, metavar="BUNDLE")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    models = [unislu.load(bundle, threads=1) for bundle in arguments.bundles]
    spent = [0.0, 0.0]
    for number, record in enumerate(list(read_records(arguments.manifest))[: arguments.limit]):
        for turn in (0, 1) if number % 2 else (1, 0):
            started = time.process_time()
            models[turn].analyze(record.audio_path(arguments.manifest.parent))
            spent[turn] += time.process_time() - started
    ratio = spent[0] / spent[1]
    print(f"{spent[0]:.1f} s, {spent[1]:.1f} s: the second has {ratio:.2f} of the first one's speed")


if __name__ == "__main__":
    main()
