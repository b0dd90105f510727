"""One recording of 30 minutes through `unislu analyze`, `unislu redact --verify` and `unislu listen`.

    python benchmarks/recording.py --speech FOLDER … --out benchmarks/results/2026-11-22-recording

The recording is that of long.py: clips of the folders (each with a `manifest.jsonl`) with pauses between.
Each command is a process of its own, as a user runs it; time and peak memory are the whole process'. What is
checked: no redacted phrase in any redacted text, the redacted sound as long as the original, and the words
that were heard live against those that are heard of the file. Live, the sound is fed as fast as it is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import wave
from collections import Counter
from pathlib import Path
from typing import IO, Any

import psutil
from long import assemble
from machine import describe

from unislu.evaluation.profiles import profile
from unislu.evaluation.wer import word_errors

TYPES = "PERSON,PLACE"


def run(arguments: list[str], stdin: IO[bytes] | None = None) -> tuple[str, dict[str, Any]]:
    """What a command printed, and what it took."""
    started, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as out:
        process = psutil.Popen([sys.executable, "-m", "unislu", *arguments], stdin=stdin, stdout=out)
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.1)
        code, seconds = process.wait(), time.perf_counter() - started
        out.seek(0)
        return out.read(), {"exit_code": code, "seconds": round(seconds, 1), "peak_mib": peak >> 20}


def analyze(audio: Path, said: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of everything about the file, and the result itself."""
    printed, found = run(["analyze", str(audio), "-f", "jsonl"])
    result = json.loads(printed)
    words = profile("unislu").words
    found |= {
        "wer": round(word_errors(words(said), words(result["text"])).wer or 0.0, 2),
        "segments": len(result["segments"]),
        "failed": sum(segment.get("failed") is not None for segment in result["segments"]),
        "entities": len(result["entities"]),
        "sentiment": result["sentiment"]["label"],
    }
    return found, result


def redact(audio: Path, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """A verified copy without persons and places, and whether any is left in a text."""
    options = ["--types", TYPES, "--text", "type", "--verify", "-f", "json,txt,srt,vtt,html"]
    _, found = run(["redact", str(audio), "-o", str(folder), *options])
    named = [entity["text"] for entity in result["entities"] if entity["type"] in TYPES.split(",")]
    gone = {text for text in named if len(text) > 3}
    files = [path for path in folder.iterdir() if path.suffix != ".wav"]
    flat = [f" {' '.join(path.read_text(encoding='utf-8').lower().split())} " for path in files]
    left = {phrase for phrase in gone if any(f" {phrase.lower()} " in text for text in flat)}
    with wave.open(str(audio)) as before, wave.open(str(next(folder.glob("*.wav")))) as after:
        same = before.getparams() == after.getparams()
    found |= {"files": sorted(path.suffix for path in files), "same_format_and_length": same}
    return found | {"entities": len(named), "phrases": len(gone), "left_in_a_text": sorted(left)}


def listen(audio: Path, text: str) -> dict[str, Any]:
    """The same sound as a live stream, fed as fast as it is taken."""
    with tempfile.TemporaryFile() as pcm:
        with wave.open(str(audio)) as file:
            pcm.write(file.readframes(file.getnframes()))
        pcm.seek(0)
        printed, found = run(["listen", "-", "-f", "jsonl"], pcm)
    events = [json.loads(line) for line in printed.splitlines()]
    finals = [event for event in events if event["type"] == "final"]
    words = profile("unislu").words
    live = " ".join(event["text"] for event in finals)
    return found | {
        "events": dict(Counter(event["type"] for event in events)),
        "differs_from_the_file": round(word_errors(words(text), words(live)).wer or 0.0, 2),
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, nargs="+", required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": describe(os.cpu_count() or 1),
        "types": TYPES,
    }
    with tempfile.TemporaryDirectory() as scratch:
        audio = Path(scratch) / "recording.wav"
        seconds, said = assemble(options.speech, 60 * options.minutes, audio)
        report["audio_seconds"] = round(seconds, 1)
        report["analyze"], result = analyze(audio, said)
        report["redact"] = redact(audio, Path(scratch) / "redacted", result)
        report["listen"] = listen(audio, result["text"])
    (options.out / "recording.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
