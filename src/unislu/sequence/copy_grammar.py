"""The grammar of `copy`: after the question the transcript again, token by token, with tags between words."""

from __future__ import annotations

import codecs
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from unislu.sequence.grammar import Allowed, Automaton, Machine, State, Symbols, add_ends
from unislu.sequence.locate import is_boundary
from unislu.sequence.vocabulary import SA, Vocabulary


class Copied:
    """A finished transcript to copy: its tokens, and the positions between them where a tag may stand.

    A tag may not split a character or a word. Position i is before token i, the last position is the end.
    """

    def __init__(self, vocabulary: Vocabulary, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        starts, whole, pieces, length = [], [], [], 0
        for token in self.ids:
            whole.append(not decoder.getstate()[0])
            starts.append(length)
            pieces.append(decoder.decode(vocabulary.tokenizer.text_bytes.get(token, b"")))
            length += len(pieces[-1])
        pieces.append(decoder.decode(b"", True))
        self.text = "".join(pieces)
        """The text of the tokens, with the blank before the first word."""
        self.starts = (*starts, len(self.text))
        """The characters of `text` where each position is."""
        self.edges = tuple(
            position
            for position, (start, aligned) in enumerate(zip(self.starts, (*whole, True), strict=True))
            if aligned and is_boundary(self.text, start)
        )

    @cached_property
    def _edges(self) -> frozenset[int]:
        return frozenset(self.edges)

    def is_edge(self, position: int) -> bool:
        """Whether a tag may stand at a position."""
        return position in self._edges

    def visible(self, first: int, last: int) -> bool:
        """Whether the tokens from position `first` to `last` write something besides whitespace."""
        return bool(self.text[self.starts[first] : self.starts[last]].strip())

    def around(self, start: int, end: int) -> tuple[int, int]:
        """The closest edges around the characters `start` to `end` of `text`."""
        places = [self.starts[edge] for edge in self.edges]
        first = self.edges[bisect_right(places, start) - 1]
        last = self.edges[min(bisect_left(places, end), len(places) - 1)]
        return first, last


class CopyState(NamedTuple):
    """A node of the automaton; the transcript `written` so far, or the transcript `copied` and the `cursor`
    in it.
    """

    node: int
    written: tuple[int, ...] = ()
    copied: Copied | None = None
    cursor: int = 0
    opened: int = 0
    """The position where the open entity began."""


class CopyMachine(Machine):
    """A transcript; then, if there is a `question`, it and the tagged copy; a sentiment if `sa`.

    It is the automaton of the template, with the words of the copy bound to the transcript.
    """

    def __init__(
        self,
        symbols: Symbols,
        vocabulary: Vocabulary,
        types: tuple[str, ...],
        question: tuple[int, ...],
        sa: bool = False,
    ) -> None:
        """`question`: the tokens between the transcript and its copy; empty = none, only `begin`."""
        self._vocabulary, self._symbols = vocabulary, symbols
        self._automaton = automaton = Automaton(symbols)
        self._text, self._end, self._outside, self._done = (automaton.node() for _ in range(4))
        automaton.starts = [self._outside]
        automaton.free_text(self._text, self._text, self._text)
        add_ends(automaton, self._text, self._end, sa)
        self._inside: set[int] = set()
        if question:
            automaton.path(self._text, question, self._outside)
        automaton.path(self._done, (symbols.end,), self._end)
        for label in symbols.labels if sa else ():
            automaton.path(self._done, (*symbols.section(SA), *label, symbols.end), self._end)
        for entity_type in types:
            inside = automaton.node()
            automaton.path(self._outside, symbols.opener(entity_type), inside, entity_type)
            automaton.path(inside, symbols.closer(entity_type), self._outside)
            self._inside.add(inside)
        self._interned: dict[Allowed, Allowed] = {}

    def start(self) -> State:
        return CopyState(self._text)

    def begin(self, ids: Sequence[int]) -> CopyState:
        """The state before the copy of a given transcript."""
        return self._settled(CopyState(self._outside, (), Copied(self._vocabulary, ids)))

    def allowed(self, state: State) -> Allowed:
        at: CopyState = state
        copied = at.copied
        if copied is None or at.node not in (self._outside, *self._inside):
            return self._automaton.allowed(at.node)
        ids = set(copied.ids[at.cursor : at.cursor + 1])
        if self._may_tag(at, copied):
            ids |= self._automaton.nodes[at.node].ids.keys()
        found = Allowed(False, frozenset(ids))
        return self._interned.setdefault(found, found)

    def step(self, state: State, symbol: int) -> State | None:
        at: CopyState = state
        copied = at.copied
        if copied is not None and at.node in (self._outside, *self._inside):
            if symbol in copied.ids[at.cursor : at.cursor + 1]:
                return self._settled(at._replace(cursor=at.cursor + 1))
            if not self._may_tag(at, copied):
                return None
        node = self._automaton.step(at.node, symbol)
        if node is None:
            return None
        if node == self._text:
            return CopyState(node, (*at.written, symbol))
        if node == self._outside and copied is None:
            copied = Copied(self._vocabulary, at.written)
            return self._settled(CopyState(node, (), copied))
        if node in self._inside:
            return at._replace(node=node, opened=at.cursor)
        return self._settled(at._replace(node=node))

    def outside(self, state: State) -> bool:
        at: CopyState = state
        return at.node == self._outside and at.copied is not None and self._may_tag(at, at.copied)

    def inside(self, state: State) -> bool:
        """Whether an entity is open."""
        return state.node in self._inside

    def expected(self, state: State) -> int | None:
        """The next token if no tag comes; None if only the model can tell."""
        at: CopyState = state
        if (
            at.copied is not None
            and at.cursor < len(at.copied.ids)
            and at.node in (self._outside, *self._inside)
        ):
            return at.copied.ids[at.cursor]
        allowed = self._automaton.allowed(at.node).ids
        return next(iter(allowed)) if len(allowed) == 1 and at.node != self._end else None

    def copied_place(self, state: State, token: int) -> int | None:
        """The position of the word that `token` copies; None if it is part of a tag, or the end."""
        at: CopyState = state
        if at.copied is None or at.node not in (self._outside, *self._inside):
            return None
        return at.cursor if token in at.copied.ids[at.cursor : at.cursor + 1] else None

    def symbols_after(self, state: State) -> frozenset[int]:
        """All symbols that can follow in the copy: the words, the tags and the end."""
        copied: Copied | None = state.copied
        words = () if copied is None else copied.ids
        tags = (symbol for node in self._automaton.nodes for symbol in node.ids)
        return frozenset((*words, *tags))

    def opening(self) -> tuple[Automaton, Iterable[int]]:
        return self._automaton, self._automaton.starts

    def _may_tag(self, at: CopyState, copied: Copied) -> bool:
        """Whether a delimiter may come next: an opener before words, a closer after some."""
        if not copied.is_edge(at.cursor):
            return False
        if at.node in self._inside:
            return copied.visible(at.opened, at.cursor)
        return copied.visible(at.cursor, len(copied.ids))

    def _settled(self, at: CopyState) -> CopyState:
        """The state, or the end of the copy if nothing is left to copy."""
        if at.node == self._outside and at.copied is not None and at.cursor == len(at.copied.ids):
            return CopyState(self._done)
        return at
