"""Entities listed after the transcript (UniSLU): `this council made progress[T/L][NER][ORG] council[/ORG]`.

The list has phrases, not places. They are found again from left to right, each after the one
before; `SuffixFormat.canonical` says where that puts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unislu.sequence.format import ASR_PART, TASK_PART, Parsed, Reader, Rendered, Writer, segments
from unislu.sequence.inline import asked, check_closed, closed_types, expressible
from unislu.sequence.labels import normalize_type
from unislu.sequence.locate import locate
from unislu.sequence.prompt import Prompt, whisper_prefix
from unislu.sequence.sentiment import SentimentTail, read_label
from unislu.sequence.target import Span, Target
from unislu.sequence.vocabulary import END, NER, SA, TRANSCRIPT_END, Vocabulary, closer, opener


@dataclass(frozen=True)
class _Listed:
    """An entity of the list: the indices of its delimiters, its type and its phrase."""

    opener: int
    closer: int
    type: str
    phrase: str


class SuffixFormat:
    """`suffix` with atomic tokens. A branch for each task follows the transcript's end."""

    name = "suffix"

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        self._vocabulary = vocabulary
        self._tail = SentimentTail(vocabulary)
        types = vocabulary.labels.entity_types
        self._openers = {type_: vocabulary[opener(type_)] for type_ in types}
        self._closers = {type_: vocabulary[closer(type_)] for type_ in types}
        self._opened = {id_: type_ for type_, id_ in self._openers.items()}
        self._closed = {id_: type_ for type_, id_ in self._closers.items()}
        self._end, self._transcript_end = vocabulary[END], vocabulary[TRANSCRIPT_END]
        self._ner, self._sa = vocabulary[NER], vocabulary[SA]

    def prefix(self, prompt: Prompt) -> list[int]:
        """Whisper's prefix; the tasks are chosen after the transcript."""
        closed_types(self._vocabulary, prompt)
        return whisper_prefix(self._vocabulary, prompt)

    def canonical(self, target: Target, prompt: Prompt, which: str | None = None) -> Target:
        """Resolved, with the closed set's tags, and with entities where their phrases are found again.

        `which`: keep the annotation of this task only (`ner` or `sa`).
        Raises `RecordError` for a label outside the label set.
        """
        target = self._asked(target, prompt, which)
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

    def render(self, target: Target, prompt: Prompt, which: str | None = None) -> Rendered:
        """The ids after the prefix. Raises `RecordError` for a label outside the label set.

        `which`: the one task to write (`ner` or `sa`), as UniSLU trains; None writes a branch for
        every task that is annotated and asked for, entities first.
        """
        target = self._asked(target, prompt, which)
        encode = self._vocabulary.tokenizer.encode
        pieces = [(encode(piece), span) for piece, span in segments(target)]
        out = Writer()
        for words, _ in pieces:
            out.add(ASR_PART, *words)
        if target.entities is None and target.sentiment is None:
            out.add(ASR_PART, self._end)
            return out.rendered()
        out.add(ASR_PART, self._transcript_end)
        if target.entities is not None:
            out.add(ASR_PART, self._ner)
            for words, span in pieces:
                if span is not None:
                    out.add(TASK_PART, self._openers[span.type], *words, self._closers[span.type])
        if target.sentiment is not None:
            out.add(ASR_PART, self._sa)
            out.add(TASK_PART, *encode(target.sentiment))
        out.add(TASK_PART, self._end)
        return out.rendered()

    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Read any ids; never raises. The branches may follow in any order, or joined after a fork."""
        reader = Reader(len(ids))
        index = self._transcript(reader, ids)
        listed: list[_Listed] | None = None
        sentiment: str | None = None
        label_at: int | None = None
        while index < len(ids) and ids[index] != self._end:
            task = ids[index]
            if task == self._ner and prompt.ner and listed is None:
                listed = []
                index = self._entities(reader, ids, index + 1, listed)
            elif task == self._sa and prompt.sa and label_at is None:
                sentiment, label_at, index = read_label(self._vocabulary, reader, ids, index)
            else:
                reader.repair(index, f"unexpected {self._name(task)}, ignored")
                index += 1
        found = self._find(reader, listed or (), prompt)
        return reader.finish(listed is not None, sentiment, label_at, found)

    def _transcript(self, reader: Reader, ids: Sequence[int]) -> int:
        """Read up to the transcript's end; the index after `[T/L]`, or of what stands in its place."""
        text = self._vocabulary.tokenizer.text_bytes
        for index, id_ in enumerate(ids):
            if (content := text.get(id_)) is not None:
                reader.text(index, content)
            elif id_ == self._transcript_end:
                return index + 1
            elif id_ in self._tail.stops or id_ == self._ner:
                return index
            else:
                reader.repair(index, f"unexpected {self._name(id_)}, ignored")
        return len(ids)

    def _entities(self, reader: Reader, ids: Sequence[int], index: int, listed: list[_Listed]) -> int:
        """Read the branch that starts at `index` into `listed`; the index of the first id after it."""
        text = self._vocabulary.text_ids
        start, entity_type = -1, ""  # of the open entity
        while index < len(ids):
            id_ = ids[index]
            if id_ in self._opened:
                if entity_type:
                    reader.repair(start, f"{entity_type} is never closed, dropped")
                start, entity_type = index, self._opened[id_]
            elif id_ in self._closed:
                if entity_type and entity_type == self._closed[id_]:
                    listed.append(_Listed(start, index, entity_type, self._phrase(ids[start + 1 : index])))
                else:
                    reader.repair(index, f"{self._name(id_)} closes nothing, dropped")
                entity_type = ""
            elif id_ not in text:
                break
            elif not entity_type:
                reader.repair(index, "words outside an entity, ignored")
            index += 1
        if entity_type:
            reader.repair(start, f"{entity_type} is never closed, dropped")
        return index

    def _phrase(self, ids: Sequence[int]) -> str:
        return " ".join(self._vocabulary.tokenizer.decode(ids).split())

    def _find(
        self, reader: Reader, listed: Sequence[_Listed], prompt: Prompt
    ) -> list[tuple[Span, tuple[int, int]]]:
        """The places of the listed entities in the transcript."""
        types = frozenset(asked(self._vocabulary, prompt))
        wanted = []
        for entity in listed:
            if entity.type not in types:
                reader.repair(entity.opener, f"{entity.type} was not asked for, dropped")
            elif not entity.phrase:
                reader.repair(entity.opener, f"{entity.type} without words, dropped")
            else:
                wanted.append(entity)
        found = []
        places = locate(reader.transcript(), [entity.phrase for entity in wanted])
        for entity, place in zip(wanted, places, strict=True):
            if place.repair:
                reader.repair(entity.opener, f"{entity.type} {entity.phrase!r} {place.repair}")
            if place.start is not None:
                span = Span(place.start, place.start + len(entity.phrase), entity.type)
                found.append((span, (entity.opener, entity.closer)))
        return found

    def _name(self, id_: int) -> str:
        return self._vocabulary.names.get(id_, f"token {id_}")

    def _asked(self, target: Target, prompt: Prompt, which: str | None) -> Target:
        if which is not None:
            prompt = replace(prompt, tasks=prompt.tasks & {which})
        check_closed(self._vocabulary, target, prompt)
        names = {normalize_type(tag): tag for tag in closed_types(self._vocabulary, prompt)}
        return expressible(target, prompt, names, self._tail)
