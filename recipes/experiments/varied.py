"""Sentences with other years and other abbreviations than a corpus has, as people say them. Deterministic.

    python recipes/experiments/varied.py MANIFEST OUT [--years N] [--letters N] [--seed S]

A year in figures or an abbreviation in MANIFEST (cased texts, such as `right.jsonl` of `unislu tools
transcripts`) becomes another, and some words around it a record of OUT/years.jsonl or OUT/letters.jsonl:
`text` as it is written (`2013`, `EBRD`), `spoken` as it is said (`two thousand and thirteen`, `E B R D`). A
corpus of speeches has each of them a few times, too few to learn to write any of them down. Needs
`pip install ".[texts]"`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from unislu.data.abbreviations import SAID, SPELLED
from unislu.data.records import Record, read_records, write_records
from unislu.data.spoken import numbers

YEAR = re.compile(r"\b(?:19|20)\d\d\b")
ABBREVIATION = re.compile(r"\b[A-Z]{2,6}\b")
#: Said as often as words, or by everybody; they stay as they are.
KEPT = frozenset("EU UK US UN IT WHO".split())
ORDINARY = sorted(SPELLED - KEPT)
LETTERS = "ABCDEFGHIKLMNOPRSTUVW"


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--years", type=int, default=700, help="sentences (default: 700)")
    parser.add_argument("--letters", type=int, default=450, help="sentences (default: 450)")
    parser.add_argument("--seed", type=int, default=71)
    options = parser.parse_args()
    texts = [record.text for record in read_records(options.manifest)]
    options.out.mkdir(parents=True, exist_ok=True)
    for name, count, place, vary in (
        ("years", options.years, YEAR, with_other_years),
        ("letters", options.letters, ABBREVIATION, with_other_letters),
    ):
        rng = Random(f"{name}-{options.seed}")
        write_records(options.out / f"{name}.jsonl", varied(texts, name, count, place, vary, rng))


def varied(
    texts: Sequence[str],
    name: str,
    count: int,
    place: re.Pattern[str],
    vary: Callable[[str, Random], tuple[str, str]],
    rng: Random,
) -> list[Record]:
    """`count` records, each around a place of a random text that has one; none if no text has."""
    found = [
        (text, match.start()) for text in texts for match in place.finditer(text) if match[0] not in KEPT
    ]
    if not found:
        return []
    pairs = (vary(around(*rng.choice(found), rng), rng) for _ in range(count))
    return [Record(f"{name}-{n}", text, spoken=spoken) for n, (text, spoken) in enumerate(pairs)]


def around(text: str, at: int, rng: Random) -> str:
    """Some words before and behind a place; a beginning that is near stays."""
    words = list(re.finditer(r"\S+", text))
    here = next(n for n, word in enumerate(words) if word.end() > at)
    first = here - rng.randint(4, 12) if here > 12 else 0
    last = min(len(words), here + rng.randint(6, 14)) - 1
    part = text[words[first].start() : words[last].end()]
    return part[:1].upper() + part[1:]


def with_other_years(text: str, rng: Random) -> tuple[str, str]:
    """The text with years that rise from a random one, and the same as it is said."""
    start = rng.randint(1985, 1999) if rng.random() < 1 / 6 else rng.randint(2000, 2030)
    years = [start + rng.randint(1, 6) * n for n, _ in enumerate(YEAR.findall(text))]
    return replaced(text, YEAR, list(map(str, years))), replaced(
        text, YEAR, [numbers.year(year, rng) for year in years]
    )


def with_other_letters(text: str, rng: Random) -> tuple[str, str]:
    """The text with other abbreviations, a quarter of them of random letters, and the same spelled."""

    def another(old: str) -> str:
        if old in KEPT or old in SAID:
            return old
        if rng.random() < 0.75:
            return rng.choice(ORDINARY)
        return "".join(rng.choices(LETTERS, k=rng.choice([3, 3, 4])))

    new = [another(old) for old in ABBREVIATION.findall(text)]
    spelled = [word if word in SAID else " ".join(word) for word in new]
    return replaced(text, ABBREVIATION, new), replaced(text, ABBREVIATION, spelled)


def replaced(text: str, place: re.Pattern[str], new: Sequence[str]) -> str:
    """The text with each match replaced by the next of the list."""
    rest = iter(new)
    return place.sub(lambda _: next(rest), text)


if __name__ == "__main__":
    main()
