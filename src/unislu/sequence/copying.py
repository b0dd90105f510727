"""Entities in a copy of the transcript: `hello Anna[T/L] person; drug[NER] hello[<]person[>] Anna[>>]`.

UniSLU's template with WhisperNER's output. The transcript does not depend on the request; the copy comes
after all of it, so that tags are chosen with knowledge of the whole sentence. The words of the copy are the
transcript's own tokens: the grammar forces them, and only tags are chosen.

Two formats: `copy` has a tag for every type of a closed set, `copy-open` delimiters for any type. The
requested types (with descriptions, if the prompt has some) stand between `[T/L]` and `[NER]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from unislu.errors import VocabularyError
from unislu.sequence.copy_grammar import Copied, CopyMachine
from unislu.sequence.entity_types import expressible
from unislu.sequence.format import Branch, Format
from unislu.sequence.grammar import Grammar
from unislu.sequence.locate import locate
from unislu.sequence.notation import AtomicNotation, Kind, ScanEvent, Style
from unislu.sequence.prompt import Prompt, whisper_prefix, with_descriptions
from unislu.sequence.reader import ASR_PART, GIVEN_PART, TASK_PART, Parsed, Reader, Rendered
from unislu.sequence.tail import Tail, TailReader
from unislu.sequence.target import Span, Target
from unislu.sequence.vocabulary import END, NER, SA, TRANSCRIPT_END, Alphabet, Vocabulary

Found = list[tuple[Span, tuple[int, int]]]


def copied_text(text: str, vocabulary: Vocabulary) -> Copied:
    """The tokens of a transcript, prepared for copying."""
    return Copied(vocabulary, vocabulary.tokenizer.encode(f" {text}") if text else ())


def widened(target: Target, copied: Copied) -> Target:
    """The target with entities widened to places where a tag may stand, and without overlaps."""
    wide = []
    for span in target.entities or ():
        first, last = copied.around(span.start + 1, span.end + 1)  # `copied.text` begins with a blank
        wide.append(replace(span, start=max(0, copied.starts[first] - 1), end=copied.starts[last] - 1))
    return replace(target, entities=tuple(wide)).resolved()


def with_tags(target: Target, copied: Copied, notation: AtomicNotation) -> list[int]:
    """The copy of the words with tags; `target` is widened."""
    ids: list[int] = []
    position = 0
    for span in target.entities or ():
        first, last = copied.around(span.start + 1, span.end + 1)
        ids += copied.ids[position:first]
        ids += [*notation.opener(span.type), *copied.ids[first:last], *notation.closer(span.type)]
        position = last
    return [*ids, *copied.ids[position:]]


class CopyFormat(Format):
    """`copy` (`Style.CLOSED`) and `copy-open` (`Style.OPEN`), in the atomic alphabet."""

    inside = False
    open_name = "copy-open"

    def __init__(
        self, vocabulary: Vocabulary, style: Style = Style.CLOSED, alphabet: Alphabet = Alphabet.ATOMIC
    ) -> None:
        """Raises `VocabularyError` for the plain alphabet, or if the vocabulary lacks a token."""
        if alphabet is not Alphabet.ATOMIC:
            raise VocabularyError("the format copy has tokens of its own: use the atomic alphabet")
        super().__init__("copy" if style is Style.CLOSED else "copy-open", vocabulary, style, alphabet)
        self._atomic = AtomicNotation(vocabulary, style)

    def prefix(self, prompt: Prompt) -> list[int]:
        """Whisper's prefix, independent of the request. Raises `OptionError` for a type outside the closed
        set.
        """
        self._types.asked(prompt)
        return whisper_prefix(self._vocabulary, prompt)

    def branches(self, prompt: Prompt) -> tuple[Branch, ...]:
        """The tagged copy, then the sentiment."""
        copied = (Branch(NER, tuple(self.question(prompt)), "copied"),) if prompt.ner else ()
        return copied + super().branches(prompt)

    def question(self, prompt: Prompt) -> list[int]:
        """The tokens between the transcript and its copy: `[T/L]`, the types of an open set, `[NER]`."""
        names = self._types.asked(prompt) if self.open else ()
        listed = "; ".join(with_descriptions(names, prompt))
        words = self._vocabulary.tokenizer.encode(f" {listed}") if listed else []
        return [self._vocabulary[TRANSCRIPT_END], *words, self._vocabulary[NER]]

    def canonical(self, target: Target, prompt: Prompt) -> Target:
        """Resolved, with the requested types, and with entities widened to whole words.

        Raises `RecordError` for a label outside the label set.
        """
        target = expressible(target, prompt, self._types, self._vocabulary.labels)
        return widened(target, copied_text(target.text, self._vocabulary)) if target.entities else target

    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix. Raises as `canonical` does."""
        target = self.canonical(target, prompt)
        vocabulary, copied = self._vocabulary, copied_text(target.text, self._vocabulary)
        pieces: list[tuple[Sequence[int], int]] = [(copied.ids, ASR_PART)]
        if target.entities is not None:
            tagged = with_tags(target, copied, self._atomic)
            end, *types, task = self.question(prompt)
            pieces += [([end], ASR_PART), (types, GIVEN_PART), ([task], ASR_PART), (tagged, TASK_PART)]
        elif target.sentiment is not None:
            pieces.append(([vocabulary[TRANSCRIPT_END]], ASR_PART))
        if target.sentiment is not None:
            label = vocabulary.tokenizer.encode(target.sentiment)
            pieces += [([vocabulary[SA]], ASR_PART), (label, TASK_PART)]
        pieces.append(([vocabulary[END]], pieces[-1][1]))
        ids = [token for tokens, _ in pieces for token in tokens]
        return Rendered(tuple(ids), tuple(part for tokens, part in pieces for _ in tokens))

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises."""
        reader = Reader(len(ids))
        events = iter(list(self._notation.scan(ids)))
        fork = self._transcript(reader, events)
        if fork is None:
            return reader.finish(False, None, None)
        rest = list(events)
        start = next((n for n, e in enumerate(rest) if e.kind is Kind.SECTION and e.name == NER), None)
        if start is None or not prompt.ner or fork.name != TRANSCRIPT_END:
            tail = TailReader(reader, self._vocabulary.labels, prompt, False).read(fork, iter(rest))
            return reader.finish(False, tail.sentiment, tail.sentiment_index)
        stop = next((n for n in range(start + 1, len(rest)) if rest[n].kind is Kind.SECTION), len(rest))
        found = self._entities(reader, rest[start + 1 : stop], len(ids), prompt)
        tail = Tail()
        if stop < len(rest):
            others = iter(rest[stop:])
            tail = TailReader(reader, self._vocabulary.labels, prompt, False).read(fork, others)
        return reader.finish(True, tail.sentiment, tail.sentiment_index, found)

    def _grammar(self, prompt: Prompt) -> Grammar:
        question = tuple(self.question(prompt)) if prompt.ner else ()
        return CopyMachine(self._symbols(), self._vocabulary, self._types.asked(prompt), question, prompt.sa)

    def _transcript(self, reader: Reader, events: Iterator[ScanEvent]) -> ScanEvent | None:
        """Read the transcript up to the section that ends it, which is returned."""
        for event in events:
            if event.kind is Kind.SECTION:
                return event
            if event.kind is Kind.TEXT:
                reader.text(event.first, event.content)
            else:
                junk = event.kind is Kind.JUNK
                reader.repair(event.first, event.name if junk else "delimiter inside the transcript, ignored")
        return None

    def _entities(self, reader: Reader, events: Sequence[ScanEvent], count: int, prompt: Prompt) -> Found:
        """The entities of a copy at their places in the transcript."""
        copy = Reader(count)
        wanted = self._types.readable(prompt)
        for event in events:
            if event.kind is Kind.TEXT:
                copy.text(event.first, event.content)
            elif event.kind is Kind.OPEN and event.name in wanted:
                copy.open(event.first, event.name)
            elif event.kind is Kind.OPEN:
                copy.discard(event.first)
                copy.repair(event.first, f"{event.name} was not requested, ignored")
            elif event.kind is Kind.CLOSE:
                copy.close(event.last, event.name)
            else:
                copy.repair(event.first, event.name)
        copy.discard(count)
        parsed = copy.finish(True, None, None)
        reader.repairs += parsed.repairs
        spans, text = parsed.target.entities or (), parsed.target.text
        if text == reader.transcript():
            return list(zip(spans, parsed.entity_tokens, strict=True))
        reader.repair(count, "the copy differs from the transcript")
        phrases = [text[span.start : span.end] for span in spans]
        found = []
        for place, span, tokens in zip(
            locate(reader.transcript(), phrases), spans, parsed.entity_tokens, strict=True
        ):
            if place.start is not None:
                length = span.end - span.start
                found.append((Span(place.start, place.start + length, span.type), tokens))
        return found
