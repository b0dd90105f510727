"""Searching with expected phrases, which may be less likely than what the model would write.

While a phrase is written, each of its tokens costs the difference to the likeliest one; a phrase may cost as
much in all as its weight allows. What cannot be completed for that is taken back: greedy writing discards
everything since the first token that the model would not have chosen, as if it had never been tried; a beam
search loses the reward that the phrase brought. So a transcript holds whole phrases and the model's own
words, and no half of a phrase.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from unislu.decoding.phrase_tree import Cursor, PhraseTree
from unislu.decoding.processors import Scores
from unislu.decoding.search import Rules, Written, log_sum_exp
from unislu.sequence.phrases import Phrase

STRENGTH = 16.0
"""What a rare phrase of weight 1 may cost in all, in log-probability (chosen by benchmarks/vocabulary.py)."""
LEAP = 8.0
"""What the first token of a word may cost at most: a misrecognised name stands in the place of a word of
which the model is not sure, and one that was not said would have to go before a certain one.
"""
ATTEMPTS = 3
"""Phrases that are tried from one place."""


@dataclass
class _Detour:
    """A place where a phrase was preferred to the model's choice, and what is needed to choose again."""

    ids: list[int]
    logprobs: list[float]
    states: tuple[Any, ...]
    at: Cursor
    scores: Scores
    logits: Scores
    after: Phrase | None
    """The phrase that ends here: it is not said twice on end because the list has it."""
    refused: list[int] = field(default_factory=list)


class PhraseWriter:
    """Writes one row greedily; a `search.Turn`."""

    def __init__(self, tree: PhraseTree, known: Iterable[int] = ()) -> None:
        """`known`: the tokens before the row's first, whose phrases it may go on with."""
        self._tree = tree
        self._at = Cursor()
        for token in known:
            self._at = tree.advance(self._at, token)
        self._spent = 0.0
        self._detour: _Detour | None = None

    def __call__(self, row: Written, logits: Scores, rules: Rules) -> None:
        """Write the next token, which may stand further back than the last one."""
        scores = rules.scores(logits, row.states)
        plain = int(scores.argmax())
        whole = None
        if self._tree.completes(self._at, plain):
            assert self._at.node is not None
            whole = self._at.node.phrase
        again = self._detour is not None and whole is not None and self._detour.after == whole
        if whole is not None and not again:
            self._spent, self._detour = 0.0, None
        token = self._chosen(scores, plain, ())
        if self._detour is not None and (again or self._fails(token)):
            self._write_again(row, rules, self._detour)
        else:
            if token != plain and self._detour is None:
                self._detour = _Detour(
                    [*row.ids], [*row.logprobs], row.states, self._at, scores, logits.copy(), whole, [token]
                )
            self._write(row, token, float(scores[plain] - scores[token]), logits, rules)
        while self._detour is not None and row.stop is not None:  # cut off in the middle of a phrase
            self._write_again(row, rules, self._detour)

    def _write_again(self, row: Written, rules: Rules, detour: _Detour) -> None:
        """Write something else where a detour began."""
        row.ids[:], row.logprobs[:] = detour.ids, detour.logprobs
        row.states, row.stop, self._at, self._spent = detour.states, None, detour.at, 0.0
        scores = detour.scores
        token = plain = int(scores.argmax())
        if len(detour.refused) < ATTEMPTS:
            token = self._chosen(scores, plain, detour.refused)
        detour.refused.append(token)
        if token == plain:
            self._detour = None
        self._write(row, token, float(scores[plain] - scores[token]), detour.logits, rules)

    def _write(self, row: Written, token: int, cost: float, logits: Scores, rules: Rules) -> None:
        self._at = self._tree.advance(self._at, token)
        self._spent = 0.0 if self._detour is None else self._spent + cost
        row.append(token, float(logits[token]) - log_sum_exp(logits), rules)

    def _fails(self, token: int) -> bool:
        """Whether the phrase that is being tried does not go on with `token`."""
        node = self._at.node
        leaves = node is not None and token in self._tree.text and token not in node.steps.nodes
        return leaves or token in self._tree.ends

    def _chosen(self, scores: Scores, plain: int, refused: Sequence[int]) -> int:
        """The model's choice, or the best token of a phrase that does not cost too much."""
        at, tree = self._at, self._tree
        between = at.node is None or at.node.phrase is not None
        if at.naming or (between and plain not in tree.text):
            return plain
        options = [] if at.node is None else [at.node.steps]
        if (self._detour is None or refused) and plain not in tree.marks:
            options.append(tree.begins(at))
        if any(plain in steps.nodes for steps in options):
            return plain
        least = float(scores[plain]) + self._spent
        best = plain
        for steps in options:
            gains = np.float32(STRENGTH) * steps.weights
            gains[steps.words] = np.minimum(gains[steps.words], np.float32(LEAP + self._spent))
            values = scores[steps.ids] + gains
            if refused:
                values[np.isin(steps.ids, refused)] = -np.inf
            if len(values) and values[place := int(values.argmax())] >= least:
                least, best = float(values[place]), int(steps.ids[place])
        return best


class _Reward(NamedTuple):
    """Where a hypothesis is, and the reward that it keeps if it leaves its phrase: that of a shorter one."""

    at: Cursor = Cursor()
    kept: float = 0.0


class PhraseReward:
    """A processor for beam search: beginning a phrase is rewarded, and leaving it takes the reward back."""

    def __init__(self, tree: PhraseTree) -> None:
        self._tree = tree

    def start(self) -> _Reward:
        """Outside a phrase."""
        return _Reward()

    def advance(self, state: _Reward, token: int) -> _Reward:
        """Follow the tree."""
        at = self._tree.advance(state.at, token)
        node = state.at.node
        if token not in self._tree.text:
            return _Reward(at, state.kept)
        if at.node is None or node is None or at.node is not node.steps.nodes.get(token):
            return _Reward(at)
        return _Reward(at, self._whole(state, token))

    def apply(self, scores: Scores, state: _Reward) -> None:
        """Reward what begins or goes on with a phrase; take back what it got from everything else."""
        at, tree = state.at, self._tree
        if at.naming:
            return
        begins = tree.begins(at)
        if at.node is None:
            scores[begins.ids] += np.float32(STRENGTH) * begins.shares
            return
        node = at.node
        kept = scores[node.steps.ids]
        held = STRENGTH * node.share
        scores[tree.leaving] -= np.float32(held - state.kept)
        if node.phrase is not None:
            gained = np.float32(STRENGTH * node.own - state.kept)
            scores[tree.leaving if node.open_ended else tree.parting] += gained
        scores[begins.ids] += np.float32(STRENGTH) * begins.shares
        scores[node.steps.ids] = kept + np.float32(STRENGTH) * (node.steps.shares - np.float32(node.share))

    def _whole(self, state: _Reward, token: int) -> float:
        """The reward that stays, whatever becomes of the longer phrase that `token` goes on with."""
        node = state.at.node
        if node is None or node.phrase is None or not self._tree.completes(state.at, token):
            return state.kept
        return STRENGTH * node.own
