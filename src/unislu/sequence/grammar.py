"""The tokens that may come next, as a function of those written so far.

A grammar belongs to one prompt. Its states are small hashable values; `Grammar.allowed` returns the same
object for equal answers, so that a decoder can cache one mask for each.

The rules are written once, over *symbols*: the tokens themselves in the atomic alphabet, bytes in
the plain one, where `plain_grammar` lifts them to tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from unislu.errors import VocabularyError
from unislu.sequence.notation import Kind
from unislu.sequence.vocabulary import SA, TRANSCRIPT_END

State = Any
"""A small hashable value; only its grammar looks inside."""


@dataclass(frozen=True)
class Allowed:
    """The ids allowed next: `ids`, and with `text` every id of `Vocabulary.text_ids` as well."""

    text: bool
    ids: frozenset[int]


class Grammar(Protocol):
    """The sequences that parse without repairs, for one format and one prompt."""

    def start(self) -> State:
        """The state after the prefix."""
        ...

    def allowed(self, state: State) -> Allowed:
        """The ids that may follow; none only after `<|endoftext|>`. Equal answers are one object."""
        ...

    def advance(self, state: State, token: int) -> State:
        """The state after `token`. Raises `VocabularyError` if the token is not allowed."""
        ...

    def outside(self, state: State) -> bool:
        """Whether an entity may start here, so that a bias on openers applies."""
        ...

    def biased_openers(self) -> Mapping[str, tuple[int, ...]]:
        """For each requested type the ids that begin its opener (shared between the types of an open set)."""
        ...


@dataclass(frozen=True)
class Symbols:
    """How an alphabet spells the parts of a grammar, as sequences of symbols."""

    text: frozenset[int]
    blank: frozenset[int]
    """The part of `text` that writes only whitespace."""
    inner: frozenset[int]
    """Text that continues within a character."""
    end: int
    opener: Callable[[str], tuple[int, ...]]
    closer: Callable[[str], tuple[int, ...]]
    tag: Callable[[Kind, str], tuple[int, ...]]
    section: Callable[[str], tuple[int, ...]]
    labels: tuple[tuple[int, ...], ...]
    escape: int | None = None
    """A symbol and those that may follow it as text."""
    escapable: frozenset[int] = frozenset()
    not_first: frozenset[int] = frozenset()
    """Text that may not directly follow an opener."""
    lift: Callable[[Machine], Grammar] | None = None

    def grammar(self, machine: Machine) -> Grammar:
        """The grammar over tokens of a machine over these symbols."""
        return machine if self.lift is None else self.lift(machine)


class Machine(Grammar, Protocol):
    """A grammar over symbols."""

    def advance(self, state: State, token: int) -> State:
        """See `Grammar.advance`."""
        following = self.step(state, token)
        if following is None:
            raise VocabularyError(f"the grammar does not allow token {token} here: mask it")
        return following

    def step(self, state: State, symbol: int) -> State | None:
        """As `advance`, but None for a symbol that is not allowed."""
        ...

    def key(self, state: State) -> State:
        """A representative of the states that allow the same, as far as that is cheap to determine."""
        return state

    def opening(self) -> tuple[Automaton, Iterable[int]]:
        """The automaton that holds the openers, and its nodes where an entity may start."""
        ...

    def biased_openers(self) -> Mapping[str, tuple[int, ...]]:
        """See `Grammar.biased_openers`."""
        return openers(*self.opening())


class TextNodes(NamedTuple):
    """The nodes that free text leads to; `blank` if only whitespace follows."""

    visible: int
    blank: int
    without: frozenset[int] = frozenset()


@dataclass
class Node:
    """One state of an automaton: explicit transitions, and those of free text."""

    ids: dict[int, int] = field(default_factory=dict)
    text: TextNodes | None = None
    types: set[str] = field(default_factory=set)
    """The entity types whose opener this node is part of."""


class Automaton(Machine):
    """A finite-state machine; its states are the numbers of its nodes. Built once, then only read."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.nodes: list[Node] = []
        self.starts: list[int] = []
        """The nodes where an entity may start."""
        self._allowed: list[Allowed] = []

    def node(self) -> int:
        self.nodes.append(Node())
        return len(self.nodes) - 1

    def free_text(self, node: int, visible: int, blank: int, first: bool = False) -> None:
        """Let free text follow `node`, escapes included; `first`: it follows an opener."""
        symbols = self.symbols
        self.nodes[node].text = TextNodes(visible, blank, symbols.not_first if first else frozenset())
        if symbols.escape is not None:
            escaped = self.nodes[node].ids[symbols.escape] = self.node()
            self.nodes[escaped].ids = dict.fromkeys(symbols.escapable, visible)

    def path(
        self, node: int, symbols: Iterable[int], target: int, entity_type: str = "", copy: bool = False
    ) -> None:
        """Add the path `symbols` from `node` to `target`, sharing the beginnings of other paths.

        `entity_type`: mark the path as its opener. `copy`: share nothing below `node` by identity.
        """
        *head, last = symbols
        for symbol in head:
            following = self.nodes[node].ids.get(symbol)
            if following is None:
                following = self.nodes[node].ids[symbol] = self.node()
            elif copy:
                shared = self.nodes[following]
                following = self.nodes[node].ids[symbol] = self.node()
                self.nodes[following] = Node(dict(shared.ids), shared.text, set(shared.types))
            node = following
            if entity_type:
                self.nodes[node].types.add(entity_type)
        self.nodes[node].ids[last] = target
        if entity_type:
            self.nodes[target].types.add(entity_type)

    def start(self) -> State:
        return 0

    def allowed(self, state: State) -> Allowed:
        if not self._allowed:
            interned: dict[Allowed, Allowed] = {}
            for node in self.nodes:
                allowed = Allowed(node.text is not None, frozenset(node.ids))
                self._allowed.append(interned.setdefault(allowed, allowed))
        return self._allowed[state]

    def step(self, state: State, symbol: int) -> int | None:
        node = self.nodes[state]
        following = node.ids.get(symbol)
        if following is not None:
            return following
        text = node.text
        if text is None or symbol not in self.symbols.text or symbol in text.without:
            return None
        return text.blank if symbol in self.symbols.blank else text.visible

    def outside(self, state: State) -> bool:
        return state in self.starts

    def opening(self) -> tuple[Automaton, Iterable[int]]:
        return self, self.starts


def openers(automaton: Automaton, starts: Iterable[int]) -> dict[str, tuple[int, ...]]:
    """For each type the symbols that lead from one of `starts` into its opener."""
    found: dict[str, set[int]] = {}
    for start in starts:
        for symbol, target in automaton.nodes[start].ids.items():
            for entity_type in automaton.nodes[target].types:
                found.setdefault(entity_type, set()).add(symbol)
    return {entity_type: tuple(sorted(ids)) for entity_type, ids in found.items()}


def inline_grammar(symbols: Symbols, types: tuple[str, ...], sa: bool) -> Grammar:
    """Delimiters around the words of entities, at least one of which is not blank; then a sentiment.

    The sentiment may be missing: training data without it teaches the model to end after the transcript, and
    a decoder that needs the sentiment forks at either end.
    """
    automaton = Automaton(symbols)
    text, end = automaton.node(), automaton.node()
    automaton.starts = [text]
    automaton.free_text(text, text, text)
    add_ends(automaton, text, end, sa)
    for entity_type in types:
        blank, words = automaton.node(), automaton.node()
        automaton.free_text(blank, words, blank, first=True)
        automaton.free_text(words, words, words)
        automaton.path(text, symbols.opener(entity_type), blank, entity_type)
        automaton.path(words, symbols.closer(entity_type), text)
    return symbols.grammar(automaton)


def bio_grammar(symbols: Symbols, types: tuple[str, ...], sa: bool) -> Grammar:
    """Words, each followed by a tag; an inside tag only after a tag of the same type."""
    automaton = Automaton(symbols)
    begin = {entity_type: automaton.node() for entity_type in ("", *types)}  # after a tag of that type
    end, tags = automaton.node(), automaton.node()
    automaton.path(tags, symbols.tag(Kind.OUTSIDE, ""), begin[""])
    for entity_type in types:
        automaton.path(tags, symbols.tag(Kind.BEGIN, entity_type), begin[entity_type], entity_type)
    for entity_type, node in begin.items():
        blank, word = automaton.node(), automaton.node()
        automaton.starts.append(word)
        for source in (node, blank):
            automaton.free_text(source, word, blank)
        automaton.nodes[word].ids.update(automaton.nodes[tags].ids)
        automaton.free_text(word, word, word)
        if entity_type:
            automaton.path(word, symbols.tag(Kind.INSIDE, entity_type), node, copy=True)
        add_ends(automaton, node, end, sa)
    return symbols.grammar(automaton)


def add_ends(automaton: Automaton, node: int, end: int, sa: bool) -> None:
    """Let `node` end the transcript: with `end`, or with every sentiment before it."""
    symbols = automaton.symbols
    automaton.path(node, (symbols.end,), end)
    if sa:
        fork = (*symbols.section(TRANSCRIPT_END), *symbols.section(SA))
        for label in symbols.labels:
            automaton.path(node, (*fork, *label, symbols.end), end)
