"""Rendered and parsed sequences, and the code that formats share for both.

`segments` splits a text at its entities for rendering; `Reader` assembles a text with entities while a parser
walks over the ids.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unislu.sequence.target import Span, Target, positions, resolve, trimmed
from unislu.sequence.vocabulary import ASCII_BLANKS

ASR_PART, TASK_PART, GIVEN_PART = 0, 1, 2
"""Of the transcript, of a task's answer, and what is fed, so that nothing is learned from it."""


@dataclass(frozen=True)
class Rendered:
    """A target as the ids after the prefix."""

    ids: tuple[int, ...]
    """Ending in `<|endoftext|>`."""
    parts: tuple[int, ...]
    """For each id 0 = transcript, 1 = task (UniSLU eq. 4-5)."""


@dataclass(frozen=True)
class Parsed:
    """The result of a parser."""

    target: Target
    """Resolved."""
    repairs: tuple[str, ...] = ()
    """One message for everything that had to be ignored or guessed."""
    entity_tokens: tuple[tuple[int, int], ...] = ()
    """For each entity the indices in the ids of its opener and its closer."""
    sentiment_index: int | None = None
    """Index of the first token of the sentiment's label."""
    token_spans: tuple[tuple[int, int] | None, ...] = ()
    """For each id the characters of `target.text` that it wrote in the transcript, or None. A character made
    of several tokens belongs to the last of them; the others have an empty span.
    """
    listed: tuple[tuple[str, str], ...] | None = None
    """(type, phrase) as written in a list after the transcript, including phrases that are not in the
    transcript; None for formats without such a list.
    """


def segments(target: Target) -> Iterator[tuple[str, Span | None]]:
    """A resolved target's text, with one leading blank, split at its entities: (piece, entity or None).

    The blank before an entity goes inside it, so that the pieces' tokens are those of plain text.
    """
    text = " " + target.text if target.text else ""
    position = 0
    for span in target.entities or ():
        start = span.start if text[span.start] == " " else span.start + 1
        if position < start:
            yield text[position:start], None
        yield text[start : span.end + 1], span
        position = span.end + 1
    if position < len(text):
        yield text[position:], None


@dataclass(frozen=True)
class _Open:
    type: str
    start: int
    token: int


class Reader:
    """Builds a transcript with flat entities from the events of a parse, in one pass."""

    def __init__(self, count: int) -> None:
        """`count`: number of ids."""
        self.repairs: list[str] = []
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pieces: list[str] = []
        self._length = 0
        self._spans: list[Span] = []
        self._tokens: list[tuple[int, int]] = []
        self._token_spans: list[tuple[int, int] | None] = [None] * count
        self._open: _Open | None = None
        self.visible = False
        """Whether something besides ASCII whitespace was written since the last `mark`."""

    def text(self, index: int, content: bytes) -> None:
        """The id at `index` wrote `content` in the transcript."""
        piece = self._decode(content)
        start, self._length = self._length, self._length + len(piece)
        self._pieces.append(piece)
        before = self._token_spans[index]
        self._token_spans[index] = (start if before is None else before[0], self._length)
        if not self.visible and content.strip(ASCII_BLANKS):
            self.visible = True

    def mark(self) -> int:
        """The number of characters so far; `visible` counts from here on."""
        self._flush()
        self.visible = False
        return self._length

    def open(self, index: int, entity_type: str) -> None:
        """An entity starts; one that is still open is discarded."""
        self.discard(index)
        self._open = _Open(entity_type, self.mark(), index)

    @property
    def opened(self) -> str | None:
        """The type of the open entity."""
        return None if self._open is None else self._open.type

    def close(self, index: int, entity_type: str = "") -> None:
        """The open entity ends; without a type, whatever its type is."""
        self._flush()
        entity, self._open = self._open, None
        if entity is None:
            self.repair(index, "closer without opener")
        elif entity_type and entity_type != entity.type:
            self.repair(index, f"{entity.type} closed as {entity_type}, dropped")
        elif not self.visible:
            self.repair(index, f"{entity.type} without words, dropped")
        else:
            self.add(Span(entity.start, self._length, entity.type), (entity.token, index))

    def add(self, span: Span, tokens: tuple[int, int]) -> None:
        """An entity at known characters of the text read so far."""
        self._spans.append(span)
        self._tokens.append(tokens)

    def discard(self, index: int) -> None:
        """Discard the open entity, if any; its words stay in the transcript."""
        if self._open is not None:
            self.repair(index, f"{self._open.type} opened at {self._open.token} is never closed, dropped")
            self._open = None

    def repair(self, index: int, message: str) -> None:
        self.repairs.append(f"{index}: {message}")

    def transcript(self) -> str:
        """The text so far, with whitespace collapsed."""
        self._flush()
        return " ".join("".join(self._pieces).split())

    def finish(
        self,
        annotated: bool,
        sentiment: str | None,
        sentiment_index: int | None,
        found: Sequence[tuple[Span, tuple[int, int]]] = (),
    ) -> Parsed:
        """The result; `annotated` False gives `entities=None`.

        `found`: entities as spans of `transcript()` and their tokens; then none may have been opened in the
        transcript.
        """
        self._flush()
        raw = "".join(self._pieces)
        text, spans, kept = resolve(raw, self._spans)
        tokens = tuple(self._tokens[index] for index in kept)
        if found:
            spans, tokens = (tuple(column) for column in zip(*sorted(found), strict=True))
        return Parsed(
            Target(text, spans if annotated else None, sentiment),
            tuple(self.repairs),
            tokens if annotated else (),
            sentiment_index,
            self._moved(raw, text),
        )

    def _flush(self) -> None:
        """End a run of text: a character does not continue on the other side of a delimiter."""
        piece = self._decode(b"", True)
        self._pieces.append(piece)
        self._length += len(piece)

    def _moved(self, raw: str, text: str) -> tuple[tuple[int, int] | None, ...]:
        """The token spans without outer whitespace, in `text` = `raw` with whitespace collapsed."""
        new = [*positions(raw), len(text)]
        spans: list[tuple[int, int] | None] = []
        for span in self._token_spans:
            if span is None:
                spans.append(None)
                continue
            start, end = trimmed(raw, *span)
            spans.append((new[start], new[end - 1] + 1) if start < end else (new[start], new[start]))
        return tuple(spans)
