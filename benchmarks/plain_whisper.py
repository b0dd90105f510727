"""WER of plain Whisper (faster-whisper, greedy, padded to 30 s as it does) on manifests, with our normaliser.

python benchmarks/plain_whisper.py --model CT2_FOLDER --json out.json real/manifest.jsonl …

Needs `pip install faster-whisper` besides `.[eval]`. Beside the bundle's `text:` rows of quality.py
this says what fine-tuning cost on real voices.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from unislu.data.records import read_records
from unislu.evaluation.question import Prediction, gold_of
from unislu.evaluation.score import score


def main() -> None:
    """Print WER by manifest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("manifests", type=Path, nargs="+")
    args = parser.parse_args()
    from faster_whisper import WhisperModel

    model = WhisperModel(args.model, device="cpu", compute_type=args.compute_type, cpu_threads=args.threads)
    rows = []
    for manifest in args.manifests:
        golds, predictions = [], []
        for record in list(read_records(manifest))[: args.limit]:
            segments, _ = model.transcribe(
                str(manifest.parent / str(record.audio)), language="en", beam_size=1, without_timestamps=True
            )
            golds.append(replace(gold_of(record), entities=None, sentiment=None))
            predictions.append(Prediction(record.id, "".join(s.text for s in segments)))
        scores = score(golds, predictions, "unislu")
        assert scores.words is not None
        rows.append({"manifest": manifest.parent.name, "clips": len(golds), "wer": scores.words.wer})
        print(json.dumps(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(
            json.dumps({"model": "whisper-base", "compute_type": args.compute_type, "rows": rows})
        )


if __name__ == "__main__":
    main()
