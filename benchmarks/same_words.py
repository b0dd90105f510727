"""Clips whose transcript changes with what is asked: other types, another order, another bias, no entities.

    python benchmarks/same_words.py MANIFEST... [--bundle B] [--limit N]

Prints the transcripts of each clip that has more than one, and how many clips there were.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import unislu
from unislu.data.records import read_records

REQUESTS: tuple[dict[str, Any], ...] = (
    {},
    {"entities": ["person", "drug"]},
    {"entities": ["drug", "person"], "bias": 2.0},
    {"entities": ["phone number"], "bias": -2.0},
    {"entities": ["news"], "bias": 1.0},
    {"tasks": ("asr",)},
)


def main() -> None:
    """Ask every clip for everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--bundle", help="default: the one that ships with the package")
    parser.add_argument("--limit", type=int, help="the first N clips of each manifest")
    arguments = parser.parse_args()
    model = unislu.load(arguments.bundle, threads=1)
    clips = changed = 0
    for manifest in arguments.manifests:
        for record in list(read_records(manifest))[: arguments.limit]:
            path = record.audio_path(manifest.parent)
            texts = {model.analyze(path, **request).text for request in REQUESTS}
            clips += 1
            changed += len(texts) > 1
            if len(texts) > 1:
                print(json.dumps({"id": record.id, "texts": sorted(map(str, texts))}, ensure_ascii=False))
    print(json.dumps({"clips": clips, "changed": changed}))


if __name__ == "__main__":
    main()
