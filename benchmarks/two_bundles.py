"""Speed of one bundle beside another, and whether it answers the same: every clip by both in turn, processor
seconds of one thread.

python benchmarks/two_bundles.py BUNDLE OTHER MANIFEST… [--limit N]
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import unislu
from unislu.data.records import read_records
from unislu.result import Analysis


def main() -> None:
    """Print what differs, then the seconds of both and the ratio of their speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs=2, metavar="BUNDLE")
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--limit", type=int, default=40, help="clips of each manifest")
    arguments = parser.parse_args()
    models = [unislu.load(bundle, threads=1) for bundle in arguments.bundles]
    clips = [
        record.audio_path(manifest.parent)
        for manifest in arguments.manifests
        for record in islice(read_records(manifest), arguments.limit)
    ]
    spent, same = [0.0, 0.0], 0
    for number, clip in enumerate(clips):
        found = ["", ""]
        for turn in (0, 1) if number % 2 else (1, 0):
            started = time.process_time()
            analysis = models[turn].analyze(clip)
            spent[turn] += time.process_time() - started
            found[turn] = answer(analysis)
        same += found[0] == found[1]
        if found[0] != found[1]:
            print(f"{clip.name}: {found[0]} / {found[1]}")
    ratio = spent[0] / spent[1]
    print(f"{spent[0]:.1f} s, {spent[1]:.1f} s: the second has {ratio:.2f} of the first one's speed")
    print(f"same answers {same} of {len(clips)}")


def answer(analysis: Analysis) -> str:
    """The transcript, the entities and the likeliest sentiment."""
    entities = [(entity.type, entity.start_char, entity.end_char) for entity in analysis.entities or ()]
    return f"{analysis.text} {entities} {analysis.sentiment.label if analysis.sentiment else None}"


if __name__ == "__main__":
    main()
