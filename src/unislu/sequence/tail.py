"""The part after a transcript: `[T/L]`, then a branch for each task (UniSLU's template, section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from unislu.sequence.labels import LabelSet
from unislu.sequence.notation import Kind, ScanEvent
from unislu.sequence.prompt import Prompt
from unislu.sequence.reader import Reader
from unislu.sequence.vocabulary import ASCII_BLANKS, NER, SA, TRANSCRIPT_END


@dataclass(frozen=True)
class Item:
    """An entity of the list: the indices of its delimiters, its type and its phrase."""

    opener: int
    closer: int
    type: str
    phrase: str


@dataclass
class Tail:
    """The content after the transcript."""

    items: list[Item] | None = None
    """The list of entities; None = there was no `[NER]` branch."""
    sentiment: str | None = None
    sentiment_index: int | None = None


@dataclass
class TailReader:
    """Reads the branches of one sequence; `lists`: whether the format has an `[NER]` branch."""

    reader: Reader
    labels: LabelSet
    prompt: Prompt
    lists: bool
    tail: Tail = field(default_factory=Tail)
    _section: str = ""
    _open: ScanEvent | None = None
    _words: bytearray = field(default_factory=bytearray)
    _seen: set[str] = field(default_factory=set)
    _at: int = -1

    def read(self, first: ScanEvent, events: Iterator[ScanEvent]) -> Tail:
        """Read on from the section `first`, which ended the transcript."""
        if first.name != TRANSCRIPT_END:
            self.reader.repair(first.first, f"{first.name} without {TRANSCRIPT_END} before it")
            self._enter(first)
        for event in events:
            if event.kind is Kind.SECTION:
                self._enter(event)
            elif event.kind is Kind.JUNK:
                self.reader.repair(event.first, event.name)
            elif self._section == NER:
                self._listed(event)
            elif self._section == SA and event.kind is Kind.TEXT:
                self._at = event.first if self._at < 0 else self._at
                self._words += event.content
            elif self._section or event.kind is not Kind.TEXT or event.content.strip(ASCII_BLANKS):
                self.reader.repair(event.first, "not part of a task's output, ignored")
        self._leave()
        if not self._seen:
            self.reader.repair(first.last, f"no task after {TRANSCRIPT_END}")
        return self.tail

    def _enter(self, event: ScanEvent) -> None:
        self._leave()
        name = event.name
        asked = (name == NER and self.lists and self.prompt.ner) or (name == SA and self.prompt.sa)
        if not asked or name in self._seen:
            self.reader.repair(event.first, f"{name} is not expected here, ignored")
        else:
            self._section = name
            self._words.clear()
            if name == NER:
                self.tail.items = []
        self._seen.add(name)

    def _leave(self) -> None:
        if self._section == NER:
            self._give_up()
        elif self._section == SA:
            words = self._words.decode("utf-8", errors="replace")
            label = self.labels.sentiment(words)
            if label is None:
                self.reader.repair(max(self._at, 0), f"unknown sentiment {words!r}, dropped")
            else:
                self.tail.sentiment, self.tail.sentiment_index = label, self._at
        self._section = ""

    def _listed(self, event: ScanEvent) -> None:
        if event.kind is Kind.OPEN:
            self._give_up()
            self._open = event
            self._words.clear()
        elif event.kind is Kind.CLOSE:
            self._close(event)
        elif event.kind is Kind.TEXT and self._open is not None:
            self._words += event.content
        else:
            self.reader.repair(event.first, "words outside an entity, ignored")

    def _close(self, event: ScanEvent) -> None:
        opened, self._open = self._open, None
        if opened is None:
            self.reader.repair(event.first, "closer without opener")
        elif opened.name != event.name:
            self.reader.repair(event.first, f"{opened.name} closed as {event.name}, dropped")
        elif not self._words.strip(ASCII_BLANKS):
            self.reader.repair(event.first, f"{opened.name} without words, dropped")
        elif self.tail.items is not None:
            phrase = " ".join(self._words.decode("utf-8", errors="replace").split())
            self.tail.items.append(Item(opened.first, event.last, opened.name, phrase))

    def _give_up(self) -> None:
        if self._open is not None:
            self.reader.repair(self._open.first, f"{self._open.name} is never closed, dropped")
            self._open = None
