"""Compose annotated sentences from patterns: the written text, what is said, and the entities.

A pattern file holds rules and sentences, one a line; `#` begins a comment line:

    opener: Hi, | Hello, | ~uh,~            # a rule: NAME: alternative | alternative
    <opener> my number is {phone number}.   # a sentence

* `<name>` becomes one of the rule's alternatives; `(a|b|)` one of those in the brackets.
* `{type}` becomes a value of that type, annotated; `{type:source}` is annotated as `type` and drawn from
  another source of values.
* `{=source}` becomes a value that is *not* annotated: what looks like an entity and is none.
* `{type -> x}` keeps the value under a name; `{=source <- x}` hands its written form to a source.
* `~words~` is said and not written: hesitations, which transcripts leave out.

Every draw comes from the generator that the caller passes, so that a sentence can be made again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unislu.data.records import AnnotatedEntity
from unislu.errors import RecordError


@dataclass(frozen=True)
class Value:
    """A filler: how a transcript writes it and how it is said."""

    written: str
    said: str
    lead: int = 0
    """So many characters at the beginning, such as an article, are not part of the entity."""


Source = Callable[[random.Random, str], Value]
"""Draws a value; the text is the written form of the value it refers to, or empty."""


@dataclass(frozen=True)
class Sentence:
    """A composed sentence."""

    text: str
    spoken: str
    entities: tuple[AnnotatedEntity, ...]


@dataclass(frozen=True)
class Patterns:
    """The sentences of a pattern file and its rules."""

    sentences: tuple[str, ...]
    rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Patterns:
        """Read pattern files; each may use the rules of all the others.

        Raises:
            RecordError: a rule is missing, or defined twice; names file and line.
        """
        sentences: list[tuple[str, str]] = []
        rules: dict[str, tuple[str, ...]] = {}
        for path in paths:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if not line.strip() or line.startswith("#"):
                    continue
                place = f"{path}:{number}"
                rule = _RULE.match(line)
                if not rule:
                    sentences.append((place, line.strip()))
                elif rule["name"] in rules:
                    raise RecordError(f"{place}: the rule {rule['name']!r} is already defined")
                else:
                    rules[rule["name"]] = tuple(part.strip() for part in rule["body"].split("|"))
        for place, text in [*sentences, *((name, a) for name, body in rules.items() for a in body)]:
            for name in _REFERENCE.findall(text):
                if name not in rules:
                    raise RecordError(f"{place}: <{name}> is no rule; add a line `{name}: … | …`")
        return cls(tuple(text for _, text in sentences), rules)

    def sources(self) -> set[str]:
        """The names of the sources that the sentences and rules draw from."""
        texts = [*self.sentences, *(text for body in self.rules.values() for text in body)]
        return {_slot(match)[1] for text in texts for match in _SLOT.finditer(text)}

    def expand(self, sentence: str, rng: random.Random) -> str:
        """A sentence with its rules and brackets chosen, its slots still open."""
        while True:
            reference = _REFERENCE.search(sentence)
            if reference:
                chosen = rng.choice(self.rules[reference[1]])
                sentence = sentence[: reference.start()] + chosen + sentence[reference.end() :]
                continue
            brackets = _BRACKETS.search(sentence)
            if not brackets:
                return sentence
            chosen = rng.choice(brackets[1].split("|"))
            sentence = sentence[: brackets.start()] + chosen + sentence[brackets.end() :]


_RULE = re.compile(r"(?P<name>[a-z][a-z-]*): (?P<body>.*)")
_REFERENCE = re.compile(r"<([a-z][a-z-]*)>")
_BRACKETS = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(
    r"\{(?P<plain>=)?(?P<name>[^{}:=]+?)(?::(?P<source>[^{}]+?))?(?: (?P<link>->|<-) (?P<key>\w+))?\}"
)
_PIECE = re.compile(r"\{[^{}]+\}|~[^~]*~|[^{~]+")


def _slot(match: re.Match[str]) -> tuple[str | None, str]:
    """The annotated type, if any, and the source of the values."""
    if match["plain"]:
        return None, match["name"]
    return match["name"], match["source"] or match["name"]


def annotated_types(pattern: str) -> set[str]:
    """The types that a pattern's open slots are annotated as."""
    return {match["name"] for match in _SLOT.finditer(pattern) if not match["plain"]}


def compose(pattern: str, sources: Mapping[str, Source], rng: random.Random) -> Sentence:
    """Fill the slots of an expanded pattern.

    Raises:
        RecordError: a slot names no source, or refers to a value that was not kept.
    """
    text, spoken = _Joiner(), _Joiner()
    kept: dict[str, str] = {}
    entities: list[AnnotatedEntity] = []
    for piece in _PIECE.findall(pattern):
        slot = _SLOT.fullmatch(piece)
        if slot is None:
            spoken.add(piece.strip("~"))
            if not piece.startswith("~"):
                text.add(piece)
            continue
        type_, source = _slot(slot)
        if source not in sources:
            raise RecordError(f"pattern {pattern!r}: {{{source}}} is no known source of values")
        if slot["link"] == "<-" and slot["key"] not in kept:
            raise RecordError(f"pattern {pattern!r}: no value was kept as {slot['key']!r}")
        value = sources[source](rng, kept.get(slot["key"], "") if slot["link"] == "<-" else "")
        if slot["link"] == "->":
            kept[slot["key"]] = value.written
        start, written = text.add(value.written)
        spoken.add(value.said)
        if type_ is not None:
            entities.append(AnnotatedEntity(start + value.lead, start + len(written), type_))
    return Sentence(text.close(), spoken.close(), tuple(entities))


class _Joiner:
    """Joins pieces into tidy text: single blanks and marks, "an" before vowels, capitals after full stops."""

    def __init__(self) -> None:
        self._text = ""
        self._new = True
        """Whether the next word begins a sentence."""

    def add(self, piece: str) -> tuple[int, str]:
        """Append; returns where the piece begins in the text and what it looks like there."""
        piece = re.sub(r" (?=[,.?!])", "", re.sub(r"\s+", " ", piece))
        if not self._text or self._text.endswith(" "):
            piece = piece.lstrip(" ")
        if piece[:1] in tuple(".,?!"):
            self._text = self._text.rstrip(" ")
        if piece.startswith(".") and self._text.endswith("."):  # "10 a.m." ends its sentence
            piece, self._new = piece[1:], True
        if _ARTICLE.search(self._text) and _VOWEL.match(piece):
            self._text = f"{self._text[:-1]}n "
        piece = self._capitalised(piece)
        start = len(self._text)
        self._text += piece
        return start, piece

    def _capitalised(self, piece: str) -> str:
        found = []
        for index, char in enumerate(piece):
            if self._new and char.isalnum():
                char, self._new = char.upper(), False
            elif char == " " and _ENDS.search(self._text + piece[:index]):
                self._new = True
            found.append(char)
        return "".join(found)

    def close(self) -> str:
        return self._text.rstrip()


_ARTICLE = re.compile(r"\b[Aa] $")
_VOWEL = re.compile(
    r"(?!uni|use|eu|one\b|US\b|U S|UK\b)(?:[aeiouAEIOU]|8|11\b|18\b|1[18]-|hour|honest|[FHLMNRSX] [A-Z]\b)"
)
_ENDS = re.compile(r"(?<!\ba\.m)(?<!\bp\.m)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\b[A-Z])[.?!]$")
