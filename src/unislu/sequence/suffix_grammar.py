"""The grammar of `suffix`: an entity of the list is a piece of the transcript, from left to right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from unislu.sequence.grammar import Allowed, Automaton, Machine, State, Symbols
from unislu.sequence.vocabulary import NER, SA, TRANSCRIPT_END


class Words:
    """A finished transcript: its symbols, and where a phrase may start and end in it."""

    def __init__(self, symbols: Symbols, content: tuple[int, ...]) -> None:
        self.content = content
        escaped = False
        self._edge = []
        self._last_visible = -1
        for position, symbol in enumerate(content):
            self._edge.append(not escaped and symbol not in symbols.inner)
            escaped = not escaped and symbol == symbols.escape
            if symbol not in symbols.blank:
                self._last_visible = position
        self._edge.append(True)

    def is_edge(self, position: int) -> bool:
        """Whether a phrase may start or end before the symbol at `position`, which must not be within a
        character.
        """
        return self._edge[position]

    def starts(self, cursor: int) -> tuple[int, ...]:
        """The places from `cursor` on where a phrase with a visible character may start."""
        return tuple(p for p in range(cursor, self._last_visible + 1) if self._edge[p])


class SuffixState(NamedTuple):
    """A node of the automaton, and what else a phrase must fit."""

    node: int
    written: tuple[int, ...] = ()
    """The transcript so far."""
    words: Words | None = None
    """The finished transcript."""
    cursor: int = 0
    """Its first symbol that may be listed next."""
    places: tuple[int, ...] = ()
    """Where the open phrase may continue."""
    visible: bool = False
    """Whether the open phrase has a visible character."""


class SuffixMachine(Machine):
    """A transcript, then the requested branches: `[NER]` and its list, `[SA]` and its label, or both.

    It is the automaton of the template, with the phrases of the list bound to the transcript.
    A phrase must stand at or after the end of the previous one, which counts at its first place; so a list
    always ends, and the parser finds every phrase.
    """

    def __init__(self, symbols: Symbols, types: tuple[str, ...], ner: bool, sa: bool) -> None:
        self._symbols = symbols
        self._automaton = automaton = Automaton(symbols)
        text, self._end, self._list, self._listed = (automaton.node() for _ in range(4))
        automaton.free_text(text, text, text)
        self._text = {text, automaton.nodes[text].ids.get(symbols.escape or -1, text)}
        automaton.path(text, (symbols.end,), self._end)
        fork, automaton.starts = symbols.section(TRANSCRIPT_END), [self._list]
        if ner:
            automaton.path(text, (*fork, *symbols.section(NER)), self._list)
        if sa:
            self._add_labels(text, fork)
        for node in (self._list, self._listed):
            automaton.path(node, (symbols.end,), self._end)
            if sa:
                self._add_labels(node, ())
        self._phrases = set()
        for entity_type in types if ner else ():
            phrase = automaton.node()
            automaton.path(self._list, symbols.opener(entity_type), phrase, entity_type)
            automaton.path(phrase, symbols.closer(entity_type), self._list)
            self._phrases.add(phrase)
        self._interned: dict[frozenset[int], Allowed] = {}

    def start(self) -> State:
        return SuffixState(0)

    def allowed(self, state: State) -> Allowed:
        at: SuffixState = state
        if at.words is None or at.node not in self._phrases:
            return self._automaton.allowed(at.node)
        content = at.words.content
        ids = frozenset(content[place] for place in at.places if place < len(content))
        if self._ends(at):
            ids |= frozenset(self._automaton.nodes[at.node].ids)
        return self._interned.setdefault(ids, Allowed(False, ids))

    def step(self, state: State, symbol: int) -> State | None:
        at: SuffixState = state
        if at.words is not None and at.node in self._phrases:
            return self._in_phrase(at, at.words, symbol)
        node = self._automaton.step(at.node, symbol)
        if node is None:
            return None
        if node in self._text:
            return SuffixState(node, (*at.written, symbol))
        if node == self._list:
            words = Words(self._symbols, at.written) if at.words is None else at.words
            return self._between(words, at.cursor)
        places = at.words.starts(at.cursor) if at.words is not None and node in self._phrases else ()
        return SuffixState(node, at.written, at.words, at.cursor, places)

    def key(self, state: State) -> State:
        at: SuffixState = state
        return SuffixState(at.node) if at.node in self._text else at

    def outside(self, state: State) -> bool:
        return bool(state.node == self._list)

    def opening(self) -> tuple[Automaton, Iterable[int]]:
        return self._automaton, self._automaton.starts

    def _add_labels(self, node: int, fork: tuple[int, ...]) -> None:
        for label in self._symbols.labels:
            path = (*fork, *self._symbols.section(SA), *label, self._symbols.end)
            self._automaton.path(node, path, self._end)

    def _in_phrase(self, at: SuffixState, words: Words, symbol: int) -> SuffixState | None:
        content = words.content
        places = tuple(p + 1 for p in at.places if p < len(content) and content[p] == symbol)
        if places:
            return at._replace(places=places, visible=at.visible or symbol not in self._symbols.blank)
        node = self._automaton.step(at.node, symbol) if self._ends(at) else None
        if node is None:
            return None
        cursor = min(place for place in at.places if words.is_edge(place))
        if node == self._list:
            return self._between(words, cursor)
        return SuffixState(node, at.written, words, cursor)

    def _between(self, words: Words, cursor: int) -> SuffixState:
        """The state between two entities; without openers if nothing is left to list."""
        return SuffixState(self._list if words.starts(cursor) else self._listed, (), words, cursor)

    def _ends(self, at: SuffixState) -> bool:
        words = at.words
        return at.visible and words is not None and any(words.is_edge(place) for place in at.places)
