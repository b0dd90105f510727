"""Rare names with and without a vocabulary: recall, and what the list does to speech without them.

    python benchmarks/vocabulary.py speak NAMES spoken --voices piper:joe,flite:slt
    python benchmarks/vocabulary.py hear NAMES spoken/manifest.jsonl > heard.jsonl
    python benchmarks/vocabulary.py hear NAMES read/manifest.jsonl --set read > read.jsonl
    python benchmarks/vocabulary.py sum heard.jsonl read.jsonl

`speak` says every name of a list (`name<TAB>weight<TAB>type`) in a sentence, by voices that the default model
was not trained on, in turn. `hear` recognises each clip of a manifest without and with the whole list, one
JSON row a clip; `--part 1/4` takes every fourth. `sum` counts: the names that stand in the transcript as
whole words with all of their letters, names of the list that were not said, and WER (profile `unislu`).
"""

from __future__ import annotations

import argparse
import json
import re
import time
import wave
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

SENTENCES = {
    "person": (
        "I spoke to {} about the delivery yesterday.",
        "Could you put me through to Mister {}, please?",
        "The report was signed by {} and sent to the office.",
        "My name is {} and I am calling about my order.",
        "We asked {} to come back on Monday.",
        "Doctor {} will see you in a few minutes.",
        "Please send the invoice to Anna {} this week.",
        "Nobody knew where {} had gone after the meeting.",
    ),
    "drug": (
        "She has been taking {} for about three months.",
        "The doctor prescribed {} twice a day.",
        "Do not take {} together with alcohol.",
        "I would like to order another pack of {}.",
        "We stopped the {} because of the side effects.",
    ),
    "company": (
        "He works for {} in the north of the city.",
        "The contract with {} ends in March.",
        "I am calling from {} about your account.",
        "Last year {} bought two smaller firms.",
    ),
}


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    spoken = commands.add_parser("speak")
    spoken.add_argument("names", type=Path)
    spoken.add_argument("out", type=Path)
    spoken.add_argument("--voices", default="piper:joe,flite:slt")
    heard = commands.add_parser("hear")
    heard.add_argument("names", type=Path)
    heard.add_argument("manifest", type=Path)
    heard.add_argument("--bundle")
    heard.add_argument("--beam", type=int, default=1)
    heard.add_argument("--set", help="only records of this set")
    heard.add_argument("--part", default="1/1")
    heard.add_argument("--weight", type=float, action="append", help="of all names; may be repeated")
    summed = commands.add_parser("sum")
    summed.add_argument("rows", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "speak":
        speak(arguments.names, arguments.out, arguments.voices.split(","))
    elif arguments.command == "hear":
        hear(arguments)
    else:
        for path in arguments.rows:
            print(json.dumps({"rows": path.name, **total(path)}))


def speak(names: Path, out: Path, voices: list[str]) -> None:
    """Write a clip and a record for each name, sentences and voices in turn."""
    from unislu.data.voices import open_voice

    out.mkdir(parents=True, exist_ok=True)
    opened = {name: open_voice(name) for name in voices}
    rows = []
    for number, (name, kind) in enumerate(read_names(names)):
        voice = voices[number % len(voices)]
        templates = SENTENCES[kind]
        text = templates[number // len(voices) % len(templates)].format(name)
        samples, rate = opened[voice].speak(text)
        audio = f"{number:03d}.wav"
        with wave.open(str(out / audio), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        identity = {"id": f"{number:03d}", "audio": audio, "text": text}
        rows.append(identity | {"name": name, "kind": kind, "voice": voice})
    (out / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def hear(arguments: argparse.Namespace) -> None:
    """Print what is recognised in each clip without and with the list."""
    import unislu
    from unislu.audio import load_audio

    model = unislu.load(arguments.bundle, threads=1)
    names = [name for name, _ in read_names(arguments.names)]
    lists = {f"{weight:g}": [(name, weight) for name in names] for weight in arguments.weight or [1.0]}
    records = [json.loads(line) for line in arguments.manifest.read_text().splitlines()]
    records = [r for r in records if r.get("text") and arguments.set in (None, r.get("set"))]
    part, parts = map(int, arguments.part.split("/"))
    for record in records[part - 1 :: parts]:
        samples = load_audio(arguments.manifest.parent / record["audio"])
        row = {key: record.get(key) for key in ("id", "name", "text")} | {"heard": {}, "seconds": {}}
        for weight, vocabulary in {"none": None, **lists}.items():
            start = time.process_time()
            result = model.analyze(samples, sample_rate=16_000, vocabulary=vocabulary, beam=arguments.beam)
            row["seconds"][weight] = round(time.process_time() - start, 3)
            row["heard"][weight] = result.text
        row["alarms"] = {
            weight: sum(_has(text, name) and not _has(record["text"], name) for name in names)
            for weight, text in row["heard"].items()
        }
        print(json.dumps(row), flush=True)


def total(path: Path) -> dict[str, Any]:
    """Recall, false names and WER of each list."""
    import jiwer

    from unislu.evaluation.profiles import profile

    normalize = profile("unislu")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    named = [row for row in rows if row["name"]]
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for weight in rows[0]["heard"]:
        references = [normalize(row["text"]) for row in rows]
        words = jiwer.process_words(references, [normalize(row["heard"][weight]) for row in rows])
        found[weight] = {
            "right": sum(_has(row["heard"][weight], row["name"]) for row in named),
            "false": sum(row["alarms"][weight] for row in rows),
            "wer": round(100 * words.wer, 2),
            "cpu_seconds": round(sum(row["seconds"][weight] for row in rows), 1),
        }
    return {"clips": len(rows), "names": len(named), "by_weight": found}


def _has(text: str, name: str) -> bool:
    return f" {_letters(name)} " in f" {_letters(text)} "


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", text.lower().replace("-", " "))


def read_names(path: Path) -> list[tuple[str, str]]:
    """The names of a list and their types."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [(line[0], line[2]) for line in lines]


if __name__ == "__main__":
    main()
