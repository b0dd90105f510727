"""Entities written around their words: `this[ORG] council[/ORG] made great progress[T/L][SA]Positive`.

Two formats. `inline` has a token pair for every type of a closed set. `inline-open` has delimiters
for any type, whose name is written as text: `the[<]occupation[>] astronaut[>>] explored`; the types
asked for stand in Whisper's previous-text slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from unislu.errors import OptionError, RecordError
from unislu.sequence.format import ASR_PART, TASK_PART, Parsed, Reader, Rendered, Writer, segments
from unislu.sequence.labels import normalize_type
from unislu.sequence.prompt import Prompt, whisper_prefix
from unislu.sequence.sentiment import SentimentTail
from unislu.sequence.target import Target
from unislu.sequence.vocabulary import (
    CLOSE_TEXT,
    NER,
    OPEN_TEXT,
    OPEN_TYPE,
    Vocabulary,
    closer,
    opener,
)


def closed_types(vocabulary: Vocabulary, prompt: Prompt) -> tuple[str, ...]:
    """The tags a prompt asks for, of the label set. Raises `OptionError` for a type that is not in it."""
    labels = vocabulary.labels
    if prompt.types is None:
        return labels.entity_types
    tags = tuple(labels.entity_type(name) for name in prompt.types)
    for name, tag in zip(prompt.types, tags, strict=True):
        if tag is None:
            known = ", ".join(labels.entity_types)
            raise OptionError(f"entity type {name!r} is not in the closed set {known}: use an open format")
    return tuple(tag for tag in tags if tag is not None)


def open_types(vocabulary: Vocabulary, prompt: Prompt) -> tuple[str, ...]:
    """The normalised type names a prompt asks for; without types, those of the label set."""
    if prompt.types is not None:
        return prompt.types
    return tuple(normalize_type(name) for name in vocabulary.labels.entity_types)


def expressible(target: Target, prompt: Prompt, names: Mapping[str, str], tail: SentimentTail) -> Target:
    """The target resolved and reduced to what the prompt asks for.

    `names`: normalised type name -> the type as the format writes it. An entity of a type that is
    not asked for is left out before overlaps are resolved.
    """
    entities = target.entities if prompt.ner else None
    if entities is not None:
        named = ((span, names.get(normalize_type(span.type))) for span in entities)
        entities = tuple(replace(span, type=name) for span, name in named if name is not None)
    return Target(target.text, entities, tail.canonical(target, prompt)).resolved()


class InlineFormat:
    """`inline` with atomic tokens: one pair of tokens for each type of the label set."""

    name = "inline"

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        self._vocabulary = vocabulary
        self._tail = SentimentTail(vocabulary)
        types = vocabulary.labels.entity_types
        self._openers = {type_: vocabulary[opener(type_)] for type_ in types}
        self._closers = {type_: vocabulary[closer(type_)] for type_ in types}
        self._opened = {id_: type_ for type_, id_ in self._openers.items()}
        self._closed = {id_: type_ for type_, id_ in self._closers.items()}

    def prefix(self, prompt: Prompt) -> list[int]:
        """Whisper's prefix, and `[NER]` if entities are asked for."""
        closed_types(self._vocabulary, prompt)
        control = [self._vocabulary[NER]] if prompt.ner else []
        return whisper_prefix(self._vocabulary, prompt) + control

    def canonical(self, target: Target, prompt: Prompt) -> Target:
        """Resolved, with the closed set's tags. Raises `RecordError` for a type outside the closed set."""
        check_annotated(target, prompt)
        check_closed(self._vocabulary, target, prompt)
        names = {normalize_type(tag): tag for tag in closed_types(self._vocabulary, prompt)}
        return expressible(target, prompt, names, self._tail)

    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix. Raises `RecordError` for a label outside the label set."""
        target = self.canonical(target, prompt)
        out = Writer()
        for piece, span in segments(target):
            words = self._vocabulary.tokenizer.encode(piece)
            if span is None:
                out.add(ASR_PART, *words)
            else:
                out.add(TASK_PART, self._openers[span.type])
                out.add(ASR_PART, *words)
                out.add(TASK_PART, self._closers[span.type])
        self._tail.render(target, out)
        return out.rendered()

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises."""
        text, opened, closed = self._vocabulary.tokenizer.text_bytes, self._opened, self._closed
        wanted = frozenset(asked(self._vocabulary, prompt))
        reader = Reader(len(ids))
        index = 0
        for index, id_ in enumerate(ids):
            if (content := text.get(id_)) is not None:
                reader.text(index, content)
            elif (entity_type := opened.get(id_)) is not None:
                if entity_type in wanted:
                    reader.open(index, entity_type)
                else:
                    reader.repair(index, f"{entity_type} was not asked for, ignored")
            elif (entity_type := closed.get(id_)) is not None:
                reader.close(index, entity_type)
            elif id_ in self._tail.stops:
                break
            else:
                reader.repair(index, f"unexpected token {self._vocabulary.names.get(id_, id_)}, ignored")
        reader.discard(index)
        return self._tail.parse(reader, ids, index, prompt)


def asked(vocabulary: Vocabulary, prompt: Prompt) -> tuple[str, ...]:
    """As `closed_types`, but passing over unknown types and empty without the task: for parsers."""
    types = vocabulary.labels.entity_types if prompt.ner else ()
    return tuple(t for t in types if prompt.types is None or normalize_type(t) in prompt.types)


def check_annotated(target: Target, prompt: Prompt) -> None:
    """Raises `RecordError` if entities are asked for of a target that does not know them.

    A format that marks entities inside the transcript would write "not annotated" as "none present".
    """
    if prompt.ner and target.entities is None:
        raise RecordError("entities are not annotated: render this target with a prompt without the task ner")


def check_closed(vocabulary: Vocabulary, target: Target, prompt: Prompt) -> None:
    """Raises `RecordError` if the target has an entity whose type the label set does not know."""
    for span in (target.entities or ()) if prompt.ner else ():
        if vocabulary.labels.entity_type(span.type) is None:
            known = ", ".join(vocabulary.labels.entity_types)
            raise RecordError(f"entity type {span.type!r} is not in the closed set {known}: map or drop it")


class OpenInlineFormat:
    """`inline-open` with atomic delimiters; the closer does not repeat the type."""

    name = "inline-open"

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        self._vocabulary = vocabulary
        self._tail = SentimentTail(vocabulary)
        self._open_type = vocabulary[OPEN_TYPE]
        self._open_text = vocabulary[OPEN_TEXT]
        self._close_text = vocabulary[CLOSE_TEXT]

    def prefix(self, prompt: Prompt) -> list[int]:
        """The types as previous text, Whisper's prefix, and `[NER]` if entities are asked for."""
        if not prompt.ner:
            return whisper_prefix(self._vocabulary, prompt)
        types = open_types(self._vocabulary, prompt)
        return [*whisper_prefix(self._vocabulary, prompt, types), self._vocabulary[NER]]

    def canonical(self, target: Target, prompt: Prompt) -> Target:
        """Resolved, with normalised names of the types that the prompt asks for."""
        check_annotated(target, prompt)
        names = {name: name for name in open_types(self._vocabulary, prompt)}
        return expressible(target, prompt, names, self._tail)

    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix. Raises `RecordError` for an unknown sentiment."""
        target = self.canonical(target, prompt)
        encode = self._vocabulary.tokenizer.encode
        out = Writer()
        for piece, span in segments(target):
            if span is None:
                out.add(ASR_PART, *encode(piece))
            else:
                out.add(TASK_PART, self._open_type, *encode(span.type), self._open_text)
                out.add(ASR_PART, *encode(piece))
                out.add(TASK_PART, self._close_text)
        self._tail.render(target, out)
        return out.rendered()

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises. Types that were not asked for are read as plain text."""
        text = self._vocabulary.tokenizer.text_bytes
        wanted = frozenset(open_types(self._vocabulary, prompt)) if prompt.ner else frozenset()
        reader = Reader(len(ids))
        index, name_at = 0, -1  # name_at: the opener whose type name is being read
        for index, id_ in enumerate(ids):
            content = text.get(id_)
            if content is not None:
                if name_at < 0:
                    reader.text(index, content)
            elif id_ == self._open_type:
                reader.discard(index)
                if name_at >= 0:
                    reader.repair(name_at, "type name without end, dropped")
                name_at = index
            elif id_ == self._open_text and name_at >= 0:
                self._enter(reader, ids, name_at, index, wanted)
                name_at = -1
            elif id_ == self._close_text and name_at < 0:
                reader.close(index)
            elif id_ in self._tail.stops:
                break
            else:
                reader.repair(index, f"unexpected token {self._vocabulary.names.get(id_, id_)}, ignored")
        if name_at >= 0:
            reader.repair(name_at, "type name without end, dropped")
        reader.discard(index)
        return self._tail.parse(reader, ids, index, prompt)

    def _enter(
        self, reader: Reader, ids: Sequence[int], start: int, end: int, wanted: frozenset[str]
    ) -> None:
        name = normalize_type(self._vocabulary.tokenizer.decode(ids[start + 1 : end]))
        if name in wanted:
            reader.open(start, name)
        else:
            reader.repair(start, f"type {name!r} was not asked for, dropped")


