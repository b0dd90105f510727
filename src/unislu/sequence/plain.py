"""Delimiters written as text (`Alphabet.PLAIN`), as the published WhisperNER was trained.

`the <occupation>astronaut<occupation>> explored`, `this [ORG]council[/ORG]`, `astronaut(B-occupation)`. The
whole sequence is one text for the tokenizer, whose tokens may straddle a delimiter's edge. Text that looks
like a delimiter is escaped: `\\<` for `<`, `\\\\` for a backslash.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence

from unislu.sequence.labels import normalize_type
from unislu.sequence.notation import SECTIONS, Kind, ScanEvent, Style
from unislu.sequence.reader import ASR_PART, TASK_PART, Rendered
from unislu.sequence.vocabulary import END, Vocabulary, closer, opener

ESCAPE = "\\"
SPECIAL = {Style.CLOSED: "[", Style.OPEN: "<[", Style.BIO: "(["}
"""The characters that start a delimiter and are escaped in text, as the escape itself is."""
_ESCAPED = r"\\(?P<escaped>[\\<>\[(])"
_SECTION = "|".join(re.escape(name) for name in SECTIONS)


class PlainNotation:
    """Delimiters are text."""

    def __init__(self, vocabulary: Vocabulary, style: Style, leading_blank: bool = True) -> None:
        self.vocabulary, self.style, self.leading_blank = vocabulary, style, leading_blank
        self._escape = re.compile(f"[{re.escape(ESCAPE + SPECIAL[style])}]")
        if style is Style.CLOSED:
            types = "|".join(re.escape(type_) for type_ in vocabulary.labels.entity_types)
            marks = rf"\[(?P<slash>/?)(?P<tag>{types})\]" if types else "(?P<slash>(?!))(?P<tag>)"
        elif style is Style.OPEN:
            marks = r"<(?P<name>[^<>\\]*)>(?P<closes>>?)"
        else:
            marks = r"\((?:O|(?P<bio>[BI])-(?P<name>[^()\\]*))\)"
        self._pattern = re.compile(f"{_ESCAPED}|(?P<section>{_SECTION})|(?P<mark>{marks})")

    def opener(self, entity_type: str) -> str:
        """The text that opens an entity."""
        return opener(entity_type) if self.style is Style.CLOSED else f"<{entity_type}>"

    def closer(self, entity_type: str) -> str:
        """The text that closes an entity."""
        return closer(entity_type) if self.style is Style.CLOSED else f"<{entity_type}>>"

    def tag(self, kind: Kind, entity_type: str) -> str:
        """The text of a BIO tag."""
        return "(O)" if kind is Kind.OUTSIDE else f"({'B' if kind is Kind.BEGIN else 'I'}-{entity_type})"

    def escape(self, piece: str, opened: bool = False) -> str:
        """`piece` with its special characters escaped; `opened`: it follows an opener directly."""
        escaped = self._escape.sub(lambda match: ESCAPE + match[0], piece)
        # `<type>` before a literal `>` would read as the closer `<type>>`.
        return ESCAPE + escaped if opened and self.style is Style.OPEN and escaped[:1] == ">" else escaped

    def pen(self) -> PlainPen:
        return PlainPen(self)

    def scan(self, ids: Sequence[int]) -> Iterator[ScanEvent]:
        """The events of any ids, up to `<|endoftext|>`. Never raises."""
        characters: list[str] = []
        owners: list[int] = []  # for each character the index of the id that completed it
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        table, end = self.vocabulary.tokenizer.text_bytes, self.vocabulary[END]
        for index, id_ in enumerate(ids):
            if (content := table.get(id_)) is not None:
                piece = decode(content)
                characters.append(piece)
                owners.extend([index] * len(piece))
            elif id_ == end:
                break
            else:
                name = self.vocabulary.names.get(id_, f"token {id_}")
                yield ScanEvent(Kind.JUNK, index, index, f"unexpected {name}, ignored")
        rest = decode(b"", True)
        owners.extend([owners[-1] if owners else 0] * len(rest))
        yield from self._events("".join(characters) + rest, owners)

    def _events(self, text: str, owners: list[int]) -> Iterator[ScanEvent]:
        done = 0
        for match in self._pattern.finditer(text):
            event = self._event(match, owners[match.start()], owners[match.end() - 1])
            if event is not None:
                yield from _text(text, owners, done, match.start())
                yield event
                done = match.end()
        yield from _text(text, owners, done, len(text))

    def _event(self, match: re.Match[str], first: int, last: int) -> ScanEvent | None:
        """The event of a match; None if it is text: a delimiter with an empty name."""
        if match["escaped"]:
            return ScanEvent(Kind.TEXT, last, last, "", match["escaped"].encode())
        if match["section"]:
            return ScanEvent(Kind.SECTION, first, last, match["section"])
        if self.style is Style.CLOSED:
            return ScanEvent(Kind.CLOSE if match["slash"] else Kind.OPEN, first, last, match["tag"])
        if self.style is Style.BIO and not match["bio"]:
            return ScanEvent(Kind.OUTSIDE, first, last)
        name = normalize_type(match["name"])
        if not name:
            return None
        if self.style is Style.OPEN:
            return ScanEvent(Kind.CLOSE if match["closes"] else Kind.OPEN, first, last, name)
        return ScanEvent(Kind.BEGIN if match["bio"] == "B" else Kind.INSIDE, first, last, name)


def _text(text: str, owners: list[int], start: int, end: int) -> Iterator[ScanEvent]:
    """The events of the plain text from `start` to `end`: one for each id."""
    while start < end:
        stop = start + 1
        while stop < end and owners[stop] == owners[start]:
            stop += 1
        yield ScanEvent(Kind.TEXT, owners[start], owners[start], "", text[start:stop].encode())
        start = stop


class PlainPen:
    """As `AtomicPen`: collects one text and encodes it at the end."""

    def __init__(self, notation: PlainNotation) -> None:
        self._notation = notation
        self._chunks: list[tuple[int, str]] = []

    def text(self, piece: str) -> None:
        self._add(ASR_PART, self._notation.escape(piece))

    def entity(self, piece: str, entity_type: str) -> None:
        words = piece.removeprefix(" ")
        self._add(ASR_PART, piece[: len(piece) - len(words)])
        self._add(TASK_PART, self._notation.opener(entity_type))
        self._add(ASR_PART, self._notation.escape(words, opened=True))
        self._add(TASK_PART, self._notation.closer(entity_type))

    def masked(self, piece: str, entity_type: str) -> None:
        self._add(ASR_PART, piece[: len(piece) - len(piece.removeprefix(" "))])
        self._add(TASK_PART, self._notation.closer(entity_type))

    def item(self, piece: str, entity_type: str) -> None:
        words = self._notation.escape(piece.removeprefix(" "))
        self._add(TASK_PART, self._notation.opener(entity_type) + words + self._notation.closer(entity_type))

    def word(self, piece: str, kind: Kind, entity_type: str) -> None:
        self._add(ASR_PART, self._notation.escape(piece))
        self._add(TASK_PART, self._notation.tag(kind, entity_type))

    def section(self, name: str) -> None:
        self._add(ASR_PART, name)

    def label(self, words: str) -> None:
        self._add(TASK_PART, words)

    def end(self, part: int) -> Rendered:
        vocabulary = self._notation.vocabulary
        if self._chunks and not self._notation.leading_blank:
            first, chunk = self._chunks[0]
            self._chunks[0] = first, chunk.removeprefix(" ")
        ids = vocabulary.tokenizer.encode("".join(chunk for _, chunk in self._chunks))
        task = b"".join(bytes([chunk_part]) * len(chunk.encode()) for chunk_part, chunk in self._chunks)
        parts, position = [], 0
        for id_ in ids:
            stop = position + len(vocabulary.tokenizer.text_bytes[id_])
            # A token that writes any part of a delimiter belongs to the task.
            parts.append(max(task[position:stop]))
            position = stop
        return Rendered((*ids, vocabulary[END]), (*parts, part))

    def _add(self, part: int, chunk: str) -> None:
        self._chunks.append((part, chunk))
