"""What people ask for: one type alone, and codes and numbers that must be written without an error.

    python benchmarks/asked.py --bundle BUNDLE alone:asked/manifest.jsonl numbers:numbers/manifest.jsonl

`alone` asks each clip for the type that its record names (`asked`, as talk_texts.py of the recipe writes
it) and for no other: F1 over all clips, and how many of those without the type got one. `numbers` counts the
clips whose only entity stands in the transcript with all of its letters and digits and none beside them. One
JSON row a question; `--show` prints what went wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unislu
from unislu.data.records import Record, read_records
from unislu.evaluation.profiles import profile

Phrases = Counter[str]


def main() -> None:
    """Print a row for each question."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="+", metavar="KIND:MANIFEST")
    parser.add_argument("--bundle", help="default: the one that ships with the package")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--show", action="store_true", help="print what went wrong on stderr")
    arguments = parser.parse_args()
    model = unislu.load(arguments.bundle, threads=1)
    for question in arguments.questions:
        kind, _, name = question.partition(":")
        if kind not in KINDS or not name:
            parser.error(f"{question!r}: expected KIND:MANIFEST with KIND of {', '.join(KINDS)}")
        clips = list(read_records(Path(name)))[: arguments.limit]
        print(json.dumps(KINDS[kind](model, Path(name).parent, clips, arguments.show)), flush=True)


def alone(model: unislu.Model, folder: Path, clips: list[Record], show: bool) -> dict[str, Any]:
    """One type asked alone: micro F1 of phrases, and false alarms in clips without the type."""
    right = wrong = missed = absent = alarms = 0
    for record in clips:
        (asked,) = record.extra["asked"]
        result = model.analyze(record.audio_path(folder), entities=[asked])
        found = Counter(map(_plain, (entity.text for entity in result.entities or ())))
        gold = Counter(_plain(record.text[e.start : e.end]) for e in record.entities or ())
        right += (both := (found & gold).total())
        wrong += found.total() - both
        missed += gold.total() - both
        absent += not gold
        alarms += bool(found) and not gold
        if show and found != gold:
            print(f"{asked}: {dict(gold)} {dict(found)} | {result.text}", file=sys.stderr)
    f1 = 200 * right / max(1, 2 * right + wrong + missed)
    row = {"kind": "alone", "clips": len(clips), "f1": round(f1, 1), "right": right, "wrong": wrong}
    return row | {"missed": missed, "absent": absent, "false_alarms": alarms}


def numbers(model: unislu.Model, folder: Path, clips: list[Record], show: bool) -> dict[str, Any]:
    """Codes and numbers written without an error, none of their characters lost or gained."""
    right = 0
    for record in clips:
        (entity,) = record.entities or ()
        text = model.analyze(record.audio_path(folder), tasks=("asr",)).text or ""
        said = _letters(record.text[entity.start : entity.end])
        good = said in set(_runs(text))
        right += good
        if show and not good:
            print(f"{record.text} | {text}", file=sys.stderr)
    return {"kind": "numbers", "clips": len(clips), "right": right}


def _runs(text: str) -> Iterator[str]:
    """Letters and digits of every run of words."""
    words = [_letters(word) for word in text.split()]
    for first in range(len(words)):
        for last in range(first, len(words)):
            yield "".join(words[first : last + 1])


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _plain(phrase: str) -> str:
    return _letters(_NORMALIZE(phrase)) or phrase


_NORMALIZE = profile("unislu")
KINDS = {"alone": alone, "numbers": numbers}

if __name__ == "__main__":
    main()
