"""A tag after every word (WhisperNER-BIO): `The(O) astronaut(B-occupation) explored(O)`.

A word is what stands between blanks, split where an entity starts or ends inside it, so that every entity can
be written: `Paris(B-city).(O)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from unislu.sequence.format import Format
from unislu.sequence.grammar import Grammar, bio_grammar, inline_grammar
from unislu.sequence.notation import Kind, ScanEvent, Style
from unislu.sequence.prompt import Prompt
from unislu.sequence.reader import Parsed, Reader, Rendered, segments
from unislu.sequence.tail import Tail, TailReader
from unislu.sequence.target import Span, Target
from unislu.sequence.vocabulary import Alphabet, Vocabulary
from unislu.sequence.writing import finished

_WORD = re.compile(r" ?[^ ]+")


class BioFormat(Format):
    """`bio`, in either alphabet, with open types as in `inline-open`."""

    def __init__(
        self, vocabulary: Vocabulary, alphabet: Alphabet = Alphabet.ATOMIC, leading_blank: bool = True
    ) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        super().__init__("bio", vocabulary, Style.BIO, alphabet, leading_blank)

    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix. Raises as `canonical` does."""
        target = self.canonical(target, prompt)
        pen = self._notation.pen()
        for piece, span in segments(target):
            if target.entities is None:
                pen.text(piece)
                continue
            kind = Kind.OUTSIDE if span is None else Kind.BEGIN
            for word in _WORD.findall(piece):
                pen.word(word, kind, "" if span is None else span.type)
                kind = kind if span is None else Kind.INSIDE
        return finished(pen, target.sentiment)

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises. Words whose tag was not requested, or is missing, are plain text."""
        reader = Reader(len(ids))
        words = _Words(reader, self._types.readable(prompt), prompt.ner)
        tail = Tail()
        events = self._notation.scan(ids)
        for event in events:
            if event.kind is Kind.TEXT:
                words.text(event)
            elif event.kind in (Kind.OUTSIDE, Kind.BEGIN, Kind.INSIDE):
                words.tag(event)
            elif event.kind is Kind.SECTION:
                tail = TailReader(reader, self._vocabulary.labels, prompt, False).read(event, events)
            else:
                reader.repair(event.first, event.name)
        words.end()
        return reader.finish(prompt.ner, tail.sentiment, tail.sentiment_index)

    def _grammar(self, prompt: Prompt) -> Grammar:
        if not prompt.ner:  # then there are no tags
            return inline_grammar(self._symbols(), (), prompt.sa)
        return bio_grammar(self._symbols(), self._types.asked(prompt), prompt.sa)


@dataclass
class _Words:
    """Joins tagged words to entities."""

    reader: Reader
    wanted: frozenset[str]
    tagged: bool
    _start: int | None = None  # of the word whose tag is still to come
    _first: int = 0
    _entity: tuple[Span, tuple[int, int]] | None = None
    """The entity that is open, and its first and last token."""

    def text(self, event: ScanEvent) -> None:
        """A token of a word."""
        if self._start is None:
            self._start, self._first = self.reader.mark(), event.first
        self.reader.text(event.first, event.content)

    def tag(self, event: ScanEvent) -> None:
        """The tag of the previous word."""
        start, self._start = self._start, None
        if start is None or not self.reader.visible:
            self.reader.repair(event.first, "tag without a word, ignored")
            return
        end = self.reader.mark()
        entity = self._entity
        if event.kind is Kind.INSIDE and entity is not None and entity[0].type == event.name:
            span, (first, _) = entity
            self._entity = Span(span.start, end, span.type), (first, event.last)
            return
        self._close()
        if event.kind is Kind.OUTSIDE:
            if not self.tagged:
                self.reader.repair(event.first, "tag without the task ner, ignored")
        elif event.name not in self.wanted:
            self.reader.repair(event.first, f"{event.name} was not requested, ignored")
        else:
            if event.kind is Kind.INSIDE:
                self.reader.repair(event.first, f"inside {event.name} without a beginning, begun here")
            self._entity = Span(start, end, event.name), (event.first, event.last)

    def end(self) -> None:
        """End of the transcript."""
        if self._start is not None and self.tagged:
            self.reader.repair(self._first, "words without a tag")
        self._close()

    def _close(self) -> None:
        entity, self._entity = self._entity, None
        if entity is not None:
            self.reader.add(*entity)
