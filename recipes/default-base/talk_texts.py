"""Sentences of calls, support, shops, surgeries and so on, with the types people ask for. Deterministic.

    python recipes/default-base/talk_texts.py OUT [--count N] [--seed S]

OUT gets `train/talk-<domain>.jsonl` from the patterns in `talk/train`, the evaluation sets
`dev/talk-asked.jsonl`, `dev/talk-personal.jsonl` and `dev/talk-numbers.jsonl` from those in `talk/dev`, which
share neither sentences nor values with them, and `types.json`, the table of types. Needs
`pip install ".[texts]"`. See talk/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from talk import amounts, codes, dates, lists, online, places, sets  # noqa: F401  # six of them register their sources
from talk.apart import kept_apart
from talk.registry import SOURCES

from unislu.data.compose import Patterns, Sentence, Source, annotated_types, compose
from unislu.data.records import Record, write_records
from unislu.data.type_names import TypeTable

HERE = Path(__file__).parent
#: How many sentences a domain has, relative to the others.
SHARES = {"calls": 1.4, "banking": 1.3, "medical": 1.6, "emergency": 0.7, "leisure": 0.7, "hr": 0.8}
#: The types most asked for come up several times as often.
OFTEN = frozenset({*sets.ASKED, "full name", "street address", "bank account number"})


def main() -> None:
    """Write every file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=1500, help="sentences of a usual domain (default: 1500)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for split in ("train", "dev"):
        (options.out / split).mkdir(parents=True, exist_ok=True)
    training(options.out / "train", options.count, options.seed)
    table = TypeTable.read(HERE / "types.yml")
    evaluation(options.out / "dev", table, options.seed)
    (options.out / "types.json").write_text(json.dumps(table.to_dict(), indent=1) + "\n", encoding="utf-8")


def training(out: Path, count: int, seed: int) -> None:
    """One file a domain."""
    sources = kept_apart(SOURCES, held_out=False)
    rules = HERE / "talk/train/rules.txt"
    for path in sorted(rules.parent.glob("*.txt")):
        if path != rules:
            name = f"talk-{path.stem}"
            found = sentences(Patterns.read([rules, path]), sources, Random(f"{seed}/{name}"))
            chosen = records(name, found, round(count * SHARES.get(path.stem, 1.0)))
            write_records(out / f"{name}.jsonl", chosen)


def evaluation(out: Path, table: TypeTable, seed: int) -> None:
    """The three sets."""
    sources = kept_apart(SOURCES, held_out=True)

    def patterns(name: str) -> Patterns:
        return Patterns.read([HERE / "talk/dev/rules.txt", HERE / f"talk/dev/{name}.txt"])

    rng = Random(f"{seed}/evaluation")
    write_records(out / "talk-asked.jsonl", sets.asked(patterns("asked"), sources, table, rng))
    write_records(out / "talk-personal.jsonl", sets.personal(patterns("personal"), sources, rng))
    write_records(out / "talk-numbers.jsonl", sets.numbers(patterns("numbers"), sources, rng))


def sentences(patterns: Patterns, sources: Mapping[str, Source], rng: Random) -> Iterator[Sentence]:
    """Sentences without end, some as turns of two; of six patterns the one whose type is rarest so far."""
    seen: Counter[str] = Counter()

    def rarest(pattern: str) -> float:
        types = annotated_types(pattern)
        if not types:
            return seen[""] / 20
        return min(seen[name] / (6 if name in OFTEN else 1) for name in types)

    while True:
        text = patterns.expand(min(rng.sample(patterns.sentences, 6), key=rarest), rng)
        if rng.random() < 0.15:
            text = f"{text} {patterns.expand(rng.choice(patterns.sentences), rng)}"
        sentence = compose(text, sources, rng)
        seen.update(entity.type for entity in sentence.entities)
        seen[""] += not sentence.entities
        yield sentence


def records(name: str, found: Iterator[Sentence], count: int) -> Iterator[Record]:
    """The first `count` different sentences that are neither very short nor very long."""
    seen: set[str] = set()
    while len(seen) < count:
        sentence = next(found)
        if sentence.text in seen or not 2 <= len(sentence.spoken.split()) <= 60:
            continue
        key = hashlib.sha256(sentence.text.encode()).hexdigest()[
            :10
        ]  # so another run's ids are of the same texts
        yield Record(f"{name}-{key}", sentence.text, entities=sentence.entities, spoken=sentence.spoken)
        seen.add(sentence.text)


if __name__ == "__main__":
    main()
