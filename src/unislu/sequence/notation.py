"""How the parts of a sequence are spelled: a pen for rendering, a scanner for parsing.

A format defines what stands where, a notation how it is spelled. This module spells with special tokens
(`Alphabet.ATOMIC`), `plain` with text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from unislu.sequence.labels import normalize_type
from unislu.sequence.reader import ASR_PART, TASK_PART, Rendered
from unislu.sequence.vocabulary import (
    BIO_BEGIN,
    BIO_CLOSE,
    BIO_INSIDE,
    BIO_OUTSIDE,
    CLOSE_TEXT,
    END,
    NER,
    OPEN_TEXT,
    OPEN_TYPE,
    SA,
    TRANSCRIPT_END,
    Vocabulary,
    closer,
    opener,
)

SECTIONS = (TRANSCRIPT_END, NER, SA)


class Style(Enum):
    """The three ways to mark an entity: by its tag, by its name, by a tag after each word."""

    CLOSED = auto()
    OPEN = auto()
    BIO = auto()


class Kind(Enum):
    """The kind of an event."""

    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    OUTSIDE = auto()
    BEGIN = auto()
    INSIDE = auto()
    SECTION = auto()
    JUNK = auto()


class ScanEvent(NamedTuple):
    """One thing that a scanner read."""

    kind: Kind
    """What it is."""
    first: int
    """Index of its first id."""
    last: int
    """Index of its last id."""
    name: str = ""
    """The entity type (empty for a closer that does not repeat it), the section, or for junk the message."""
    content: bytes = b""
    """The UTF-8 bytes of text."""


class AtomicNotation:
    """Delimiters are tokens; only the name of an open type is text between them."""

    def __init__(self, vocabulary: Vocabulary, style: Style) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this style."""
        self.vocabulary, self.style = vocabulary, style
        self._marks = {vocabulary[name]: (Kind.SECTION, name) for name in SECTIONS}
        self._spelled: dict[int, tuple[Kind, int]] = {}  # opener of a name -> what it is, closer of the name
        self._end = vocabulary[END]
        if style is Style.CLOSED:
            for type_ in vocabulary.labels.entity_types:
                self._marks[vocabulary[opener(type_)]] = (Kind.OPEN, type_)
                self._marks[vocabulary[closer(type_)]] = (Kind.CLOSE, type_)
        elif style is Style.OPEN:
            self._spelled[vocabulary[OPEN_TYPE]] = (Kind.OPEN, vocabulary[OPEN_TEXT])
            self._marks[vocabulary[CLOSE_TEXT]] = (Kind.CLOSE, "")
        else:
            self._spelled[vocabulary[BIO_BEGIN]] = (Kind.BEGIN, vocabulary[BIO_CLOSE])
            self._spelled[vocabulary[BIO_INSIDE]] = (Kind.INSIDE, vocabulary[BIO_CLOSE])
            self._marks[vocabulary[BIO_OUTSIDE]] = (Kind.OUTSIDE, "")

    def opener(self, entity_type: str) -> tuple[int, ...]:
        """The ids that open an entity."""
        if self.style is Style.CLOSED:
            return (self.vocabulary[opener(entity_type)],)
        name = self.vocabulary.tokenizer.encode(entity_type)
        return (self.vocabulary[OPEN_TYPE], *name, self.vocabulary[OPEN_TEXT])

    def closer(self, entity_type: str) -> tuple[int, ...]:
        """The ids that close an entity."""
        name = closer(entity_type) if self.style is Style.CLOSED else CLOSE_TEXT
        return (self.vocabulary[name],)

    def tag(self, kind: Kind, entity_type: str) -> tuple[int, ...]:
        """The ids of a BIO tag."""
        if kind is Kind.OUTSIDE:
            return (self.vocabulary[BIO_OUTSIDE],)
        name = self.vocabulary.tokenizer.encode(entity_type)
        begin = self.vocabulary[BIO_BEGIN if kind is Kind.BEGIN else BIO_INSIDE]
        return (begin, *name, self.vocabulary[BIO_CLOSE])

    def pen(self) -> AtomicPen:
        return AtomicPen(self)

    def scan(self, ids: Sequence[int]) -> Iterator[ScanEvent]:
        """The events of any ids, up to `<|endoftext|>`. Never raises."""
        text = self.vocabulary.tokenizer.text_bytes
        name_at, terminator, kind = -1, -1, Kind.JUNK  # of the type name being read
        for index, id_ in enumerate(ids):
            content = text.get(id_)
            if content is not None:
                if name_at < 0:
                    yield ScanEvent(Kind.TEXT, index, index, "", content)
                continue
            if name_at >= 0:
                if id_ == terminator:
                    yield ScanEvent(kind, name_at, index, self._type_name(ids[name_at + 1 : index]))
                    name_at = -1
                    continue
                yield ScanEvent(Kind.JUNK, name_at, index, "type name without end, dropped")
                name_at = -1
            if id_ in self._spelled:
                name_at, (kind, terminator) = index, self._spelled[id_]
            elif id_ in self._marks:
                mark, name = self._marks[id_]
                yield ScanEvent(mark, index, index, name)
            elif id_ == self._end:
                return
            else:
                name = self.vocabulary.names.get(id_, f"token {id_}")
                yield ScanEvent(Kind.JUNK, index, index, f"unexpected {name}, ignored")
        if name_at >= 0:
            yield ScanEvent(Kind.JUNK, name_at, len(ids) - 1, "type name without end, dropped")

    def _type_name(self, ids: Sequence[int]) -> str:
        return normalize_type(self.vocabulary.tokenizer.decode(ids))


class AtomicPen:
    """Writes one sequence; a `piece` of text starts with the blank before it, if there is one.

    Every piece of text is encoded by itself.
    """

    def __init__(self, notation: AtomicNotation) -> None:
        self._notation = notation
        self._encode = notation.vocabulary.tokenizer.encode
        self._ids: list[int] = []
        self._parts: list[int] = []

    def text(self, piece: str) -> None:
        """Words outside any entity."""
        self._add(ASR_PART, self._encode(piece))

    def entity(self, piece: str, entity_type: str) -> None:
        """Words with delimiters around them."""
        self._add(TASK_PART, self._notation.opener(entity_type))
        self._add(ASR_PART, self._encode(piece))
        self._add(TASK_PART, self._notation.closer(entity_type))

    def masked(self, piece: str, entity_type: str) -> None:
        """Delimiters in place of words."""
        self._add(ASR_PART, self._encode(piece[: len(piece) - len(piece.removeprefix(" "))]))
        self._add(TASK_PART, [*self._notation.opener(entity_type), *self._notation.closer(entity_type)])

    def item(self, piece: str, entity_type: str) -> None:
        """An entity of a list after the transcript."""
        opened, closed = self._notation.opener(entity_type), self._notation.closer(entity_type)
        self._add(TASK_PART, [*opened, *self._encode(piece), *closed])

    def word(self, piece: str, kind: Kind, entity_type: str) -> None:
        """A word and its BIO tag."""
        self._add(ASR_PART, self._encode(piece))
        self._add(TASK_PART, self._notation.tag(kind, entity_type))

    def section(self, name: str) -> None:
        """`[T/L]` or a task token; the ASR part of the loss, as in UniSLU's released code."""
        self._add(ASR_PART, [self._notation.vocabulary[name]])

    def label(self, words: str) -> None:
        """A sentiment."""
        self._add(TASK_PART, self._encode(words))

    def end(self, part: int) -> Rendered:
        """The end of the sequence, counted to `part`."""
        self._add(part, [self._notation.vocabulary[END]])
        return Rendered(tuple(self._ids), tuple(self._parts))

    def _add(self, part: int, ids: Sequence[int]) -> None:
        self._ids.extend(ids)
        self._parts.extend([part] * len(ids))
