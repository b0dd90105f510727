"""Values from the word lists: `lists/<source>.txt`, one a line, `written = said` where the two differ."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from talk.registry import SOURCES

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
