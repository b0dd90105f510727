"""Entities listed after the transcript (UniSLU): `this council made progress[T/L][NER][ORG] council[/ORG]`.

The list has phrases, not offsets. They are located from left to right, each after the previous one;
`SuffixFormat.canonical` tells where that puts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unislu.sequence.entity_types import expressible
from unislu.sequence.format import Branch, Format
from unislu.sequence.grammar import Grammar
from unislu.sequence.locate import locate
from unislu.sequence.notation import Kind, Style
from unislu.sequence.prompt import Prompt
from unislu.sequence.reader import ASR_PART, TASK_PART, Parsed, Reader, Rendered, segments
from unislu.sequence.suffix_grammar import SuffixMachine
from unislu.sequence.tail import Item, Tail, TailReader
from unislu.sequence.target import Span, Target
from unislu.sequence.vocabulary import NER, SA, TRANSCRIPT_END, Alphabet, Vocabulary


class SuffixFormat(Format):
    """`suffix`, in either alphabet. A branch for each task follows the transcript's end."""

    inside = False

    def __init__(
        self, vocabulary: Vocabulary, alphabet: Alphabet = Alphabet.ATOMIC, leading_blank: bool = True
    ) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        super().__init__("suffix", vocabulary, Style.CLOSED, alphabet, leading_blank)

    def branches(self, prompt: Prompt) -> tuple[Branch, ...]:
        """A list of entities, then the sentiment."""
        listed = (self._branch(NER, "listed"),) if prompt.ner else ()
        return listed + super().branches(prompt)

    def canonical(self, target: Target, prompt: Prompt) -> Target:
        """Resolved, with the closed set's tags, and with entities where their phrases are located.

        Raises `RecordError` for a label outside the label set.
        """
        target = expressible(target, prompt, self._types, self._vocabulary.labels)
        if target.entities is None:
            return target
        phrases = [target.text[span.start : span.end] for span in target.entities]
        places = locate(target.text, phrases)
        found = (
            Span(place.start, place.start + len(phrase), span.type)
            for place, phrase, span in zip(places, phrases, target.entities, strict=True)
            if place.start is not None
        )
        return replace(target, entities=tuple(found))

    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix: a branch for every task that is annotated and requested, entities first.

        Raises `RecordError` for a label outside the label set.
        """
        target = self.canonical(target, prompt)
        pieces = list(segments(target))
        pen = self._notation.pen()
        for piece, _ in pieces:
            pen.text(piece)
        if target.entities is None and target.sentiment is None:
            return pen.end(ASR_PART)
        pen.section(TRANSCRIPT_END)
        if target.entities is not None:
            pen.section(NER)
            for piece, span in pieces:
                if span is not None:
                    pen.item(piece, span.type)
        if target.sentiment is not None:
            pen.section(SA)
            pen.label(target.sentiment)
        return pen.end(TASK_PART)

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises. The branches may come in any order, or joined after a fork."""
        reader = Reader(len(ids))
        tail = Tail()
        events = self._notation.scan(ids)
        for event in events:
            if event.kind is Kind.TEXT:
                reader.text(event.first, event.content)
            elif event.kind is Kind.SECTION:
                tail = TailReader(reader, self._vocabulary.labels, prompt, True).read(event, events)
            elif event.kind is Kind.JUNK:
                reader.repair(event.first, event.name)
            else:
                reader.repair(event.first, "delimiter inside the transcript, ignored")
        items = tail.items or ()
        found = self._find(reader, items, prompt)
        parsed = reader.finish(tail.items is not None, tail.sentiment, tail.sentiment_index, found)
        types = self._types.readable(prompt)
        listed = tuple((item.type, item.phrase) for item in items if item.phrase and item.type in types)
        return replace(parsed, listed=None if tail.items is None else listed)

    def _find(
        self, reader: Reader, items: Sequence[Item], prompt: Prompt
    ) -> list[tuple[Span, tuple[int, int]]]:
        """The places of the listed entities in the transcript."""
        types = self._types.readable(prompt)
        wanted = []
        for item in items:
            if item.type not in types:
                reader.repair(item.opener, f"{item.type} was not requested, dropped")
            elif item.phrase:  # else it has nothing but blanks outside ASCII
                wanted.append(item)
        found = []
        places = locate(reader.transcript(), [item.phrase for item in wanted])
        for item, place in zip(wanted, places, strict=True):
            if place.repair:
                reader.repair(item.opener, f"{item.type} {item.phrase!r} {place.repair}")
            if place.start is not None:
                span = Span(place.start, place.start + len(item.phrase), item.type)
                found.append((span, (item.opener, item.closer)))
        return found

    def _grammar(self, prompt: Prompt) -> Grammar:
        symbols = self._symbols()
        return symbols.grammar(SuffixMachine(symbols, self._types.asked(prompt), prompt.ner, prompt.sa))
