"""Entities written around their words: `this[ORG] council[/ORG] made great progress[T/L][SA]Positive`.

Two formats. `inline` has a tag for every type of a closed set. `inline-open` has delimiters for any type,
whose name is written as text: `the[<]occupation[>] astronaut[>>] explored`; the requested types stand in
Whisper's previous-text slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from unislu.errors import OptionError
from unislu.sequence.copy_grammar import CopyMachine
from unislu.sequence.format import Format
from unislu.sequence.grammar import Grammar, inline_grammar
from unislu.sequence.notation import Kind, ScanEvent, Style
from unislu.sequence.prompt import Prompt
from unislu.sequence.reader import Parsed, Reader, Rendered, segments
from unislu.sequence.tail import Tail, TailReader
from unislu.sequence.target import Span, Target
from unislu.sequence.vocabulary import Alphabet, Vocabulary
from unislu.sequence.writing import finished


class InlineFormat(Format):
    """`inline` (`Style.CLOSED`) and `inline-open` (`Style.OPEN`), in either alphabet."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        style: Style = Style.CLOSED,
        alphabet: Alphabet = Alphabet.ATOMIC,
        leading_blank: bool = True,
    ) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        name = "inline-open" if style is Style.OPEN else "inline"
        super().__init__(name, vocabulary, style, alphabet, leading_blank)
        self._machines = lru_cache(maxsize=16)(self._machine)

    def prefix(self, prompt: Prompt) -> list[int]:
        """As in `Format`. Raises `OptionError` for masking in the closed style."""
        if prompt.mask and not self.open:
            raise OptionError("masking needs types in the prompt: request open types")
        return super().prefix(prompt)

    def canonical(self, target: Target, prompt: Prompt) -> Target:
        """As in `Format`, masked if the prompt says so."""
        target = super().canonical(target, prompt)
        return masked(target) if prompt.mask else target

    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix. Raises as `canonical` does."""
        target = self.canonical(target, prompt)
        pen = self._notation.pen()
        for piece, span in segments(target):
            if span is None:
                pen.text(piece)
            elif prompt.mask:
                pen.masked(piece, span.type)
            else:
                pen.entity(piece, span.type)
        return finished(pen, target.sentiment)

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises. The words of an entity that was not requested are plain text."""
        wanted = self._types.readable(prompt)
        reader = Reader(len(ids))
        tail = Tail()
        events = self._notation.scan(ids)
        for event in events:
            if event.kind is Kind.TEXT:
                reader.text(event.first, event.content)
            elif event.kind is Kind.OPEN:
                reader.discard(event.first)
                if event.name in wanted:
                    reader.open(event.first, event.name)
                else:
                    reader.repair(event.first, f"{event.name} was not requested, ignored")
            elif event.kind is Kind.CLOSE:
                if prompt.mask:
                    self._unmask(reader, event, wanted)
                reader.close(event.last, event.name)
            elif event.kind is Kind.SECTION:
                reader.discard(event.first)
                tail = TailReader(reader, self._vocabulary.labels, prompt, False).read(event, events)
            else:
                reader.repair(event.first, event.name)
        reader.discard(len(ids))
        return reader.finish(prompt.ner, tail.sentiment, tail.sentiment_index)

    def tags_around(self, prompt: Prompt) -> CopyMachine:
        """The grammar of tags around given words, which `CopyMachine.begin` takes."""
        return self._machines(self._types.asked(prompt))

    def _machine(self, types: tuple[str, ...]) -> CopyMachine:
        return CopyMachine(self._symbols(), self._vocabulary, types, ())

    def _unmask(self, reader: Reader, event: ScanEvent, wanted: frozenset[str]) -> None:
        """Before a closer, insert a placeholder for the words that were not written."""
        if reader.opened is None and event.name in wanted:  # the plain alphabet writes the closer alone
            reader.open(event.first, event.name)
        name = reader.opened
        if name is not None and not reader.visible:
            reader.text(event.first, placeholder(name).encode())

    def _grammar(self, prompt: Prompt) -> Grammar:
        return inline_grammar(self._symbols(), self._types.asked(prompt), prompt.sa)


def placeholder(entity_type: str) -> str:
    """A masked entity in a transcript: `[PHONE-NUMBER]`."""
    return f"[{entity_type.upper()}]"


def masked(target: Target) -> Target:
    """The target with a placeholder in place of each entity's words; `target` is resolved."""
    pieces: list[str] = []
    spans: list[Span] = []
    position = length = 0
    for span in target.entities or ():
        before, words = target.text[position : span.start], placeholder(span.type)
        start = length + len(before)
        pieces += [before, words]
        spans.append(Span(start, start + len(words), span.type))
        position, length = span.end, start + len(words)
    text = "".join([*pieces, target.text[position:]])
    return replace(target, text=text, entities=None if target.entities is None else tuple(spans))
