"""Chooses how a format is written: the notation and the grammar's symbols for a style and an alphabet."""

from __future__ import annotations

from unislu.sequence.grammar import Symbols
from unislu.sequence.notation import AtomicNotation, AtomicPen, Style
from unislu.sequence.plain import ESCAPE, SPECIAL, PlainNotation, PlainPen
from unislu.sequence.plain_grammar import END_SYMBOL, PlainGrammar
from unislu.sequence.reader import ASR_PART, TASK_PART, Rendered
from unislu.sequence.vocabulary import ASCII_BLANKS, END, SA, TRANSCRIPT_END, Alphabet, Vocabulary

Notation = AtomicNotation | PlainNotation
Pen = AtomicPen | PlainPen


def notation_of(
    vocabulary: Vocabulary, style: Style, alphabet: Alphabet, leading_blank: bool = True
) -> Notation:
    """Raises `VocabularyError` if the vocabulary lacks a token that the notation needs."""
    if alphabet is Alphabet.ATOMIC:
        return AtomicNotation(vocabulary, style)
    return PlainNotation(vocabulary, style, leading_blank)


def finished(pen: Pen, sentiment: str | None) -> Rendered:
    """The end of a sequence whose only task after the transcript is the sentiment, if there is one."""
    if sentiment is None:
        return pen.end(ASR_PART)
    pen.section(TRANSCRIPT_END)
    pen.section(SA)
    pen.label(sentiment)
    return pen.end(TASK_PART)


def symbols_of(vocabulary: Vocabulary, style: Style, alphabet: Alphabet) -> Symbols:
    """Raises `VocabularyError` as `notation_of` does."""
    return _tokens(vocabulary, style) if alphabet is Alphabet.ATOMIC else _bytes(vocabulary, style)


def _tokens(vocabulary: Vocabulary, style: Style) -> Symbols:
    notation = AtomicNotation(vocabulary, style)
    return Symbols(
        text=vocabulary.text_ids,
        blank=vocabulary.blank_ids,
        inner=vocabulary.inner_ids,
        end=vocabulary[END],
        opener=notation.opener,
        closer=notation.closer,
        tag=notation.tag,
        section=lambda name: (vocabulary[name],),
        labels=tuple(tuple(vocabulary.tokenizer.encode(label)) for label in vocabulary.labels.sentiments),
    )


def _bytes(vocabulary: Vocabulary, style: Style) -> Symbols:
    notation = PlainNotation(vocabulary, style)
    special = frozenset((ESCAPE + SPECIAL[style]).encode())
    not_first = frozenset(b">") if style is Style.OPEN else frozenset()
    return Symbols(
        text=frozenset(range(256)) - special,
        blank=frozenset(ASCII_BLANKS),
        inner=frozenset(range(0x80, 0xC0)),  # the bytes that go on within a character of UTF-8
        end=END_SYMBOL,
        opener=lambda type_: tuple(notation.opener(type_).encode()),
        closer=lambda type_: tuple(notation.closer(type_).encode()),
        tag=lambda kind, type_: tuple(notation.tag(kind, type_).encode()),
        section=lambda name: tuple(name.encode()),
        labels=tuple(tuple(label.encode()) for label in vocabulary.labels.sentiments),
        escape=ord(ESCAPE),
        escapable=special | not_first,
        not_first=not_first,
        lift=lambda machine: PlainGrammar(machine, vocabulary),
    )
