"""Lifts a grammar over bytes to one over tokens, for delimiters written as text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from unislu.errors import VocabularyError
from unislu.sequence.grammar import Allowed, Machine, State
from unislu.sequence.vocabulary import END, Vocabulary

END_SYMBOL = 256
"""The symbol of `<|endoftext|>`: past all bytes."""
_TOKEN = -1  # in the trie: the key of the ids that end there


class PlainGrammar:
    """A token is allowed if all its bytes are, one after the other."""

    def __init__(self, machine: Machine, vocabulary: Vocabulary) -> None:
        self._machine, self._trie = machine, vocabulary.byte_trie
        self._bytes, self._end = vocabulary.tokenizer.text_bytes, vocabulary[END]
        self._search = lru_cache(maxsize=256)(self._find)
        self._interned: dict[frozenset[int], Allowed] = {}

    def start(self) -> State:
        return self._machine.start()

    def allowed(self, state: State) -> Allowed:
        return self._search(self._machine.key(state))

    def advance(self, state: State, token: int) -> State:
        symbols = (END_SYMBOL,) if token == self._end else tuple(self._bytes.get(token, ()))
        following: State | None = state if symbols else None
        for symbol in symbols:
            following = None if following is None else self._machine.step(following, symbol)
        if following is None:
            raise VocabularyError(f"the grammar does not allow token {token} here: mask it")
        return following

    def outside(self, state: State) -> bool:
        return self._machine.outside(state)

    def biased_openers(self) -> Mapping[str, tuple[int, ...]]:
        """The tokens that lead from outside into an opener, also those that start with a blank: ` <`."""
        automaton, starts = self._machine.opening()
        found: dict[str, set[int]] = {}
        for start in starts:
            for token, node in self._reachable(automaton, start):
                for entity_type in automaton.nodes[node].types:
                    found.setdefault(entity_type, set()).add(token)
        return {entity_type: tuple(sorted(ids)) for entity_type, ids in found.items()}

    def _find(self, state: State) -> Allowed:
        ids = frozenset(token for token, _ in self._reachable(self._machine, state))
        if self._machine.step(state, END_SYMBOL) is not None:
            ids |= {self._end}
        return self._interned.setdefault(ids, Allowed(False, ids))

    def _reachable(self, machine: Machine, state: State) -> list[tuple[int, State]]:
        """Every token whose bytes `machine` takes from `state`, and where it leads."""
        found: list[tuple[int, State]] = []
        stack: list[tuple[Mapping[int, Any], State]] = [(self._trie, state)]
        while stack:
            node, at = stack.pop()
            for byte, below in node.items():
                if byte == _TOKEN:
                    found.extend((token, at) for token in below)
                    continue
                following = machine.step(at, byte)
                if following is not None:
                    stack.append((below, following))
        return found
