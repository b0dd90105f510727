"""Sentences of calls, support, shops, surgeries, banks and so on, with the types people ask for. Deterministic.

    python recipes/default-base/talk_texts.py OUT [--count N] [--seed S]

OUT gets `train/talk-<domain>.jsonl` from the patterns in `talk/train`, with values of which no word-list entry,
name, number or address occurs in the dev files. Needs `pip install "unislu[texts]"`. See talk/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from talk import calendar, codes, lists, people  # noqa: E402, F401  # register their sources
from talk.registry import SOURCES  # noqa: E402

from unislu.data.compose import Patterns, Sentence, Source, Value, compose  # noqa: E402
from unislu.data.records import Record, write_records  # noqa: E402

HERE = Path(__file__).parent / "talk"
#: Values that are too few, or too common, to be kept apart.
SHARED = frozenset("date|time|duration|age|age adjective|frequency|color|size|currency|payment method|language|state|"
                   "country|nationality|department|relationship|percent|number|small number|year|blood type|dosage|"
                   "temperature|quantity|measurement|device|seat number|gate|degree|religion|spelling|extension|"
                   "card security code|first name|city|body part|crime|emergency|project|blood pressure|pin|"
                   "bare flight number|room number|calendar date|money|error code|street|animal".split("|"))  # fmt: skip
TRIES = 60


def is_held_out(written: str) -> bool:
    """Whether a value belongs to the evaluation: one of seven, by its words."""
    return int(hashlib.sha256(written.lower().encode()).hexdigest()[:8], 16) % 7 == 0


def kept_apart(sources: Mapping[str, Source], held_out: bool) -> dict[str, Source]:
    """The sources with training's values alone, or with those of the evaluation alone."""

    def chosen(name: str, source: Source) -> Source:
        def draw(rng: Random, of: str) -> Value:
            for _ in range(TRIES):
                value = source(rng, of)
                if is_held_out(value.written) == held_out:
                    return value
            raise LookupError(f"source {name!r} has no values for the {'evaluation' if held_out else 'training'}")

        return draw

    return {name: source if name in SHARED else chosen(name, source) for name, source in sources.items()}


def sentences(
    patterns: Patterns, chosen: tuple[str, ...], sources: Mapping[str, Source], rng: Random
) -> Iterator[Sentence]:
    """Sentences without end: every pattern once, in random order, then again; some as turns of two."""
    while True:
        order = rng.sample(chosen, len(chosen))
        for pattern in order:
            text = patterns.expand(pattern, rng)
            if rng.random() < 0.15:
                text = f"{text} {patterns.expand(rng.choice(chosen), rng)}"
            yield compose(text, sources, rng)


def records(name: str, found: Iterator[Sentence], count: int) -> Iterator[Record]:
    """The first `count` different sentences that are neither very short nor very long."""
    seen: set[str] = set()
    while len(seen) < count:
        sentence = next(found)
        if sentence.text in seen or not 2 <= len(sentence.spoken.split()) <= 60:
            continue
        yield Record(
            f"{name}-{len(seen):05d}", sentence.text, entities=sentence.entities, extra={"spoken": sentence.spoken}
        )
        seen.add(sentence.text)


def main() -> None:
    """Write every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=1500, help="sentences a domain (default: 1500)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rules = HERE / "train" / "rules.txt"
    sources = kept_apart(SOURCES, held_out=False)
    (options.out / "train").mkdir(parents=True, exist_ok=True)
    for path in sorted((HERE / "train").glob("*.txt")):
        if path == rules:
            continue
        patterns = Patterns.read([rules, path])
        name = f"talk-{path.stem}"
        rng = Random(f"{options.seed}/{name}")
        found = sentences(patterns, patterns.sentences, sources, rng)
        write_records(options.out / "train" / f"{name}.jsonl", records(name, found, options.count))


if __name__ == "__main__":
    main()
