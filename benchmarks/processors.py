"""The golden ids on this processor, or on one that QEMU plays: how far they are from the recorded ones.

    PYTHONPATH=src qemu-x86_64 -cpu Nehalem "$(which python)" benchmarks/processors.py

A JSON line for each clip, at once: an emulated processor takes minutes for one.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import onnxruntime

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.golden.record import CLIPS, IDS, open_recorded, summary  # noqa: E402


def main() -> int:
    """Hear the clips; the exit status is 1 if one has other ids."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=len(CLIPS), metavar="N", help="hear the first N only")
    chosen = CLIPS[: parser.parse_args().clips]
    recorded = json.loads(IDS.read_text(encoding="utf-8"))["clips"]
    print(json.dumps({"machine": platform.machine(), "onnxruntime": onnxruntime.__version__}), flush=True)
    model, recorder = open_recorded()
    equal = 0
    for path in chosen:
        start = time.perf_counter()
        seen = summary(model.analyze(path)) | {"ids": recorder.ids}
        same = {key: seen[key] == recorded[path.name][key] for key in ("ids", "text", "entities")}
        equal += same["ids"]
        line = {"clip": path.name, "equal": same, "seconds": round(time.perf_counter() - start, 1)}
        print(json.dumps(line | ({} if same["ids"] else {"found": seen})), flush=True)
    print(f"{equal} of {len(chosen)} clips have the recorded ids")
    return 0 if equal == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
