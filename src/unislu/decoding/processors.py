"""Processors change the scores before a token is picked: suppression, entity bias, grammar.

A processor has no state of its own. What it knows about a hypothesis is a small immutable value that `start`
creates and `advance` updates, so hypotheses can be forked and reordered freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unislu.errors import VocabularyError
from unislu.sequence.format import Format
from unislu.sequence.grammar import Allowed, Grammar, State
from unislu.sequence.labels import normalize_type
from unislu.sequence.prompt import Prompt

Scores = NDArray[np.float32]


class Processor(Protocol):
    """Modifies scores in place, given what one hypothesis has written."""

    def start(self) -> Any:
        """The state before anything is written."""
        ...

    def advance(self, state: Any, token: int) -> Any:
        """The state after `token`."""
        ...

    def apply(self, scores: Scores, state: Any) -> None:
        """Modify the `scores` `[vocab]` of the next token in place."""
        ...


class Suppress:
    """Never writes certain tokens."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._ids = np.fromiter(ids, np.int64)

    def start(self) -> None:
        """Nothing to remember."""

    def advance(self, state: None, token: int) -> None:
        """Nothing to remember."""

    def apply(self, scores: Scores, state: None) -> None:
        """Mask the tokens."""
        scores[self._ids] = -np.inf


@dataclass(frozen=True)
class Suppression:
    """Tokens that a checkpoint's own settings forbid, whatever the grammar allows."""

    always: tuple[int, ...] = ()
    first: tuple[int, ...] = ()
    """Only where nothing has been written yet."""

    def processors(self) -> list[Processor]:
        """The processors that forbid them."""
        found: list[Processor] = [Suppress(self.always)] if self.always else []
        return [*found, SuppressFirst(self.first)] if self.first else found


class SuppressFirst:
    """Tokens that are not written first."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._ids = np.fromiter(ids, np.int64)

    def start(self) -> bool:
        """Whether nothing has been written."""
        return True

    def advance(self, state: bool, token: int) -> bool:
        """Something has been written."""
        return False

    def apply(self, scores: Scores, state: bool) -> None:
        """Forbid the tokens at the start."""
        if state:
            scores[self._ids] = -np.inf


class RepetitionPenalty:
    """Makes tokens that were written before less likely: positive scores are divided, others multiplied."""

    def __init__(self, penalty: float) -> None:
        self._penalty = np.float32(penalty)

    def start(self) -> frozenset[int]:
        """The tokens written so far."""
        return frozenset()

    def advance(self, state: frozenset[int], token: int) -> frozenset[int]:
        """Add a token."""
        return state | {token}

    def apply(self, scores: Scores, state: frozenset[int]) -> None:
        """Apply the penalty."""
        ids = np.fromiter(state, np.int64, len(state))
        found = scores[ids]
        scores[ids] = np.where(found > 0, found / self._penalty, found * self._penalty)


class Masks:
    """The boolean arrays of `Allowed` objects: `[vocab]`, True where a token is forbidden."""

    def __init__(self, vocab_size: int, text_ids: Iterable[int]) -> None:
        self._not_text = np.ones(vocab_size, np.bool_)
        self._not_text[np.fromiter(text_ids, np.int64)] = False
        self._blocked: dict[Allowed, NDArray[np.bool_]] = {}

    def blocked(self, allowed: Allowed) -> NDArray[np.bool_]:
        """The mask of an `allowed` with text, built once."""
        mask = self._blocked.get(allowed)
        if mask is None:
            mask = self._not_text.copy()
            mask[list(allowed.ids)] = False
            self._blocked[allowed] = mask
        return mask


class GrammarMask:
    """Masks what the grammar does not allow."""

    def __init__(self, grammar: Grammar, masks: Masks) -> None:
        self._grammar = grammar
        self._masks = masks

    def start(self) -> State:
        """The grammar's own state."""
        return self._grammar.start()

    def advance(self, state: State, token: int) -> State:
        """Follow the grammar."""
        return self._grammar.advance(state, token)

    def apply(self, scores: Scores, state: State) -> None:
        """Mask all but the allowed tokens."""
        allowed = self._grammar.allowed(state)
        if allowed.text:
            np.copyto(scores, -np.inf, where=self._masks.blocked(allowed))
            return
        # A few ids (a tag, a label): cheaper without a mask, and too many different sets to cache.
        ids = np.fromiter(allowed.ids, np.int64, len(allowed.ids))
        kept = scores[ids]
        scores.fill(-np.inf)
        scores[ids] = kept


@dataclass(frozen=True)
class _Node:
    """A node of the tree of openers: the bias of each next token, and where it leads."""

    gains: tuple[NDArray[np.int64], Scores]
    children: Mapping[int, _Node]


class EntityBias:
    """Adds to the scores of entity openers, outside a span only.

    An opener may be several tokens long (an open type's name in BPE). Then the first token gets the largest
    bias of the types it can lead to and later tokens the difference, so that the whole opener gets exactly
    its type's bias; with one bias for all types only the first token changes.
    """

    def __init__(self, openers: Mapping[tuple[int, ...], float], closers: Iterable[int]) -> None:
        """`openers`: bias by token sequence, none a prefix of another.

        `closers`: tokens that end a span; none if entities have no closer, as in `bio`.
        """
        self._outside = _tree(openers, 0.0)
        self._closers = frozenset(closers)
        self._opened = None if self._closers else self._outside

    def start(self) -> _Node | None:
        """The node reached in the tree of openers; None inside a span."""
        return self._outside

    def advance(self, state: _Node | None, token: int) -> _Node | None:
        """Follow the tree; its leaves enter a span, a closer leaves it."""
        if state is None:
            return self._outside if token in self._closers else None
        node = state.children.get(token)
        if node is None:
            # Ordinary text stays outside; an incomplete opener returns there.
            return self._outside
        return node if node.children else self._opened

    def apply(self, scores: Scores, state: _Node | None) -> None:
        """Add the gains of the tokens that continue an opener."""
        if state is not None:
            ids, gains = state.gains
            scores[ids] += gains


class GuidedBias:
    """Adds to the scores of the tokens that begin an opener, where the grammar says it may begin.

    For openers written as text, which are not tokens of their own: a token may contain a blank or a word's
    end as well.
    """

    def __init__(self, grammar: Grammar, gains: Mapping[int, float]) -> None:
        self._grammar = grammar
        self._ids = np.fromiter(gains, np.int64, len(gains))
        self._gains = np.fromiter(gains.values(), np.float32, len(gains))

    def start(self) -> State:
        """The grammar's own state."""
        return self._grammar.start()

    def advance(self, state: State, token: int) -> State:
        """Follow the grammar; unconstrained output that leaves it resumes outside a span."""
        try:
            return self._grammar.advance(state, token)
        except VocabularyError:
            return self._grammar.start()

    def apply(self, scores: Scores, state: State) -> None:
        """Add the gains outside a span."""
        if self._grammar.outside(state):
            scores[self._ids] += self._gains


def _tree(openers: Mapping[tuple[int, ...], float], passed: float) -> _Node:
    """The tree of `openers`; the biases on the path to here add up to `passed`."""
    groups: dict[int, dict[tuple[int, ...], float]] = {}
    for path, bias in openers.items():
        if path:
            groups.setdefault(path[0], {})[path[1:]] = bias
    best = {token: max(group.values()) for token, group in groups.items()}
    ids = np.fromiter(groups, np.int64, len(groups))
    gains = np.array([best[token] - passed for token in groups], np.float32)
    children = {token: _tree(group, best[token]) for token, group in groups.items()}
    return _Node((ids, gains), children)


def bias_processors(fmt: Format, prompt: Prompt, bias: float | Mapping[str, float]) -> list[Processor]:
    """The processors that add the bias of each type to its opener; none if every bias is zero.

    `bias`: one number, or one by normalised type, with `*` for the types not listed.
    """
    openers = fmt.openers(prompt)
    if openers is not None:
        biases = {ids: type_bias(bias, entity_type) for entity_type, ids in openers.items()}
        return [EntityBias(biases, fmt.closers)] if any(biases.values()) else []
    grammar = fmt.grammar(prompt)
    gains: dict[int, float] = {}
    for entity_type, tokens in grammar.biased_openers().items():
        gain = type_bias(bias, entity_type)
        gains |= {token: max(gains.get(token, gain), gain) for token in tokens}
    return [GuidedBias(grammar, gains)] if any(gains.values()) else []


def type_bias(bias: float | Mapping[str, float], entity_type: str) -> float:
    """The bias of a type: its own, else that of `*`, else none."""
    if not isinstance(bias, Mapping):
        return float(bias)
    return float(bias.get(normalize_type(entity_type), bias.get("*", 0.0)))
