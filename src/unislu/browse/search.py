"""Full-text search: words, "phrases", prefix*, -without, one OR another.

Texts are folded once, to words in lower case without accents, each between two blanks, so that a phrase is
found by looking for a string, which DuckDB does at the speed of memory. `FOLD` is that in SQL, `tokens` the
same in Python, to find the place of a match in the text as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import OptionError

# Scripts that are written without blanks: every character is a word.
_UNSPACED = ((0x0E00, 0x0E7F), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_CLASS = "".join(f"\\x{{{first:04X}}}-\\x{{{last:04X}}}" for first, last in _UNSPACED)
_WORD = re.compile(r"[a-z0-9]+")
_PART = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')

FOLD = f"""
CREATE OR REPLACE MACRO fold(written) AS ' ' || trim(regexp_replace(
    CASE WHEN strlen(written) = length(written) THEN lower(written)
    ELSE regexp_replace(lower(strip_accents(written)), '([{_CLASS}])', ' \\1 ', 'g') END,
    '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')) || ' '
"""
"""The SQL macro `fold`."""


@dataclass(frozen=True)
class Token:
    """A folded word, and where it stands in the text: characters `start` to `end`."""

    word: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """The folded words of a text in their order."""
    if text.isascii():
        return [Token(found[0], *found.span()) for found in _WORD.finditer(text.lower())]
    found: list[Token] = []
    word, start = "", 0
    for place, character in enumerate(text):
        kind = unicodedata.category(character)[0]
        if kind == "M":
            continue
        folded = _without_accents(character)
        alone = any(first <= ord(character) <= last for first, last in _UNSPACED)
        if word and (alone or not folded):
            found.append(Token(word, start, place))
            word = ""
        if alone and folded:
            found.append(Token(folded, place, place + 1))
        elif folded:
            start = start if word else place
            word += folded
    if word:
        found.append(Token(word, start, len(text)))
    return found


def _without_accents(character: str) -> str:
    """In lower case; empty for what is neither letter nor number."""
    kept = (part for part in unicodedata.normalize("NFD", character) if unicodedata.category(part)[0] != "M")
    lower = unicodedata.normalize("NFC", "".join(kept)).lower()
    return "".join(part for part in lower if unicodedata.category(part)[0] in "LN")


@dataclass(frozen=True)
class Term:
    """Adjacent words, the last of which may be a prefix."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def needle(self) -> str:
        """The string that folded texts with this term contain."""
        return f" {' '.join(self.words)}{'' if self.prefix else ' '}"

    def spans(self, found: Sequence[Token]) -> Iterator[tuple[int, int]]:
        """Its positions in a text, in characters."""
        size = len(self.words)
        for first in range(len(found) - size + 1):
            here = [token.word for token in found[first : first + size]]
            last_fits = here[-1].startswith(self.words[-1]) if self.prefix else here[-1] == self.words[-1]
            if last_fits and here[:-1] == list(self.words[:-1]):
                yield found[first].start, found[first + size - 1].end


@dataclass(frozen=True)
class TextQuery:
    """A query: a text must contain one term of every group of `wanted`, and none of `without`."""

    wanted: tuple[tuple[Term, ...], ...] = ()
    without: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, query: str) -> TextQuery:
        """Raises `OptionError` if there is nothing to look for in it."""
        wanted: list[list[Term]] = []
        without: list[Term] = []
        joins = False
        for minus, phrase, word in _PART.findall(query):
            if word == "OR" and not minus:
                joins = bool(wanted)
                continue
            words = tuple(token.word for token in tokens(phrase or word))
            if not words:
                continue
            term = Term(words, prefix=word.endswith("*"))
            if minus:
                without.append(term)
            elif joins:
                wanted[-1].append(term)
            else:
                wanted.append([term])
            joins = False
        if query.strip() and not (wanted or without):
            raise OptionError(f"{query!r} has neither letters nor figures to look for")
        return cls(tuple(map(tuple, wanted)), tuple(without))

    def sql(self, column: str) -> tuple[str, list[str]]:
        """A condition on a folded column, and its parameters."""
        conditions = [f"({' OR '.join([f'contains({column}, ?)'] * len(group))})" for group in self.wanted]
        conditions += [f"NOT contains({column}, ?)"] * len(self.without)
        terms = [term for group in self.wanted for term in group] + list(self.without)
        return " AND ".join(conditions) or "TRUE", [term.needle for term in terms]

    def spans(self, text: str, parts: Sequence[tuple[int, int]] | None = None) -> list[tuple[int, int]]:
        """The positions of the wanted terms in a text, in characters, in order and without overlaps.

        `parts`: only inside these stretches of it, e.g. of one speaker.
        """
        terms = [term for group in self.wanted for term in group]
        found: list[tuple[int, int]] = []
        for first, last in parts if parts is not None else [(0, len(text))]:
            here = tokens(text[first:last])
            found += [(first + a, first + b) for term in terms for a, b in term.spans(here)]
        apart: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if not apart or start >= apart[-1][1]:
                apart.append((start, end))
        return apart
