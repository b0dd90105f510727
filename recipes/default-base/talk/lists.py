"""Values from the word lists: `lists/<source>.txt`, one a line, `written = said` where the two differ."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from talk.names import given_and_family
from talk.registry import SOURCES, part, same, source
from unislu.data.compose import Source, Value

_ARTICLE = re.compile(r"(?:a|an|the|my) (?=\S)")


def read_list(path: Path) -> list[Value]:
    """The values of a list; an article at the beginning is not part of the entity."""
    values = []
    for line in path.read_text(encoding="utf-8").splitlines():
        written, _, said = line.partition(" = ")
        article = _ARTICLE.match(written)
        values.append(Value(written, said or written, article.end() if article else 0))
    return values


def _drawn_from(values: list[Value]) -> Source:
    return lambda rng, _: rng.choice(values)


for _path in sorted((Path(__file__).parent / "lists").glob("*.txt")):
    SOURCES[_path.stem.replace("-", " ")] = _drawn_from(read_list(_path))


_US_CITIES = [
    tuple(line.split(", "))
    for line in (Path(__file__).parent / "parts/us-cities.txt").read_text(encoding="utf-8").splitlines()
]


@source
def us_city(rng: Random, _: str = "") -> Value:
    """An American city, whose state `state of` knows."""
    city = rng.choice(_US_CITIES)[0]
    return Value(city, city)


@source
def state_of(rng: Random, city: str = "") -> Value:
    """The state of an American city, or one of them where several have a city of that name."""
    state = rng.choice([state for name, state in _US_CITIES if name == city])
    return Value(state, state)


@source
def company(rng: Random, _: str = "") -> Value:
    """A known company, or one with the usual kinds of names."""
    if rng.random() < 0.65:
        return SOURCES["known company"](rng, "")
    first, second, word = given_and_family(rng)[1], given_and_family(rng)[1], part("words", rng).capitalize()
    kind = rng.choice(
        "Group Partners Consulting Logistics Industries Foods Motors Properties Systems".split()
    )
    glued = word + rng.choice(["soft", "tech", "works", "line", "media", "base"])
    return same(
        rng.choice([f"{first} and {second}", f"{first} {kind}", f"{first} Brothers", f"{word} {kind}", glued])
    )
