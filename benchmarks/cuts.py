"""How often clips that were cut in the middle of speech run into a loop, without and with silence behind.

    python benchmarks/cuts.py --speech FOLDER --out benchmarks/results/2026-01-01-cuts

Cuts clips of several lengths from a folder of speech, wherever the cuts fall, and hears each once, without
the further tries that a loop gets otherwise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clips import make_clips

import unislu
from unislu.recognition import recognizer
from unislu.sequence import Target


def loops(model: unislu.Model, folder: Path, seconds: int, count: int) -> list[str]:
    """The ends of the texts of those clips that were not heard to their end."""
    ends = []
    for clip in make_clips(folder, seconds, count):
        result = model.partial(clip, Target("", ()))
        if result.segments[0].failed is not None:
            ends.append((result.text or "")[-60:])
    return ends


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--lengths", type=int, nargs="+", default=[3, 5, 8, 10, 20])
    parser.add_argument("--clips", type=int, default=12, help="of each length")
    parser.add_argument("--out", type=Path, help="folder for cuts.json")
    options = parser.parse_args()
    model = unislu.load()
    rows = []
    given = recognizer.with_end
    for silence in (False, True):
        recognizer.with_end = given if silence else lambda mel, most: mel
        for seconds in options.lengths:
            ends = loops(model, options.speech, seconds, options.clips)
            rows.append({"silence": silence, "seconds": seconds, "clips": options.clips, "loops": len(ends),
                         "ends": ends})  # fmt: skip
            print(f"silence behind: {silence}, {seconds} s: {len(ends)} of {options.clips}", flush=True)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"model": model.name, "rows": rows}, indent=1, ensure_ascii=False)
        (options.out / "cuts.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
