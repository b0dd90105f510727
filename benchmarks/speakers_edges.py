"""Speakers where there may be none: music, half a second, silence, one person, a number that is too large.

    python benchmarks/speakers_edges.py examples/jfk.flac MUSIC …
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from unislu import load
from unislu.audio import SAMPLE_RATE, load_audio


def main() -> None:
    """Print what is found in each."""
    one, *music = sys.argv[1:]
    model, speech = load(threads=1), load_audio(one)
    half = SAMPLE_RATE // 2
    begin = int(np.convolve(np.square(speech), np.ones(half, np.float32), "valid")[::800].argmax()) * 800
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("one person", speech, {}),
        ("one person, 3 asked for", speech, {"speakers": 3, "speaker_names": ("Ann", "Ben")}),
        ("the loudest half second", speech[begin : begin + half], {"vad": "energy"}),
        ("half of it", speech[begin : begin + half // 2], {"vad": "energy"}),
        ("silence", np.zeros(5 * SAMPLE_RATE, np.float32), {}),
    ]
    cases += [(f"music: {path.rsplit('/', 1)[-1]}", load_audio(path), {}) for path in music]
    for name, samples, options in cases:
        asked = {"tasks": ("asr",), "speakers": "auto", **options}
        result = model.analyze(samples, sample_rate=SAMPLE_RATE, **asked)
        print(json.dumps({
            "case": name, "seconds": round(result.duration, 2), "text": result.text,
            "speakers": [(one.id, one.name, one.seconds) for one in result.speakers or ()],
            "warnings": [note.removeprefix("array: ") for note in result.warnings],
        }, ensure_ascii=False))  # fmt: skip


if __name__ == "__main__":
    main()
