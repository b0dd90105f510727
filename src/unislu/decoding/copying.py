"""Writing a tagged copy: nearly all of its tokens are known beforehand, so many are fed in one step.

The words of a copy are the transcript's. A draft takes every word and no tag; the model scores the whole
draft in one step, and where a tag is likelier than the drafted word the rest is taken back. The result is
exactly what one token at a time would give, in about two steps an entity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unislu.decoding.search import Picker, Rules, Written
from unislu.engines.protocol import DecoderState, Tagger
from unislu.sequence.copy_grammar import CopyMachine
from unislu.sequence.grammar import State

OUTSIDE, INSIDE = 24, 4
"""Tokens drafted at most outside an entity, and inside one, where a closer is soon to come."""


def write_copy(
    tagger: Tagger,
    state: DecoderState,
    question: Sequence[int],
    grammar: CopyMachine,
    row: Written,
    at: State,
    rules: Rules,
    pick: Picker,
) -> None:
    """Write the copy of one transcript.

    Args:
        tagger: scores drafts.
        state: one row that holds the transcript's caches, used up.
        question: what is fed first, up to the token `[NER]`.
        grammar: of the format and prompt.
        row: the sequence, of which nothing is written yet; extended in place to its end.
        at: the grammar's state after the question.
        rules: what the copy obeys; the grammar's mask is one of them.
        pick: how a tag or the next word is chosen.
    """
    wanted = np.array(sorted(grammar.symbols_after(at)), np.int64)
    dense = np.full(tagger.vocab_size, -np.inf, np.float32)
    length = tagger.lengths(state)[0]
    pending = [int(token) for token in question]
    while row.stop is None:
        draft = _draft(grammar, at, INSIDE if grammar.inside(at) else OUTSIDE)
        scores = tagger.score(np.array([*pending, *draft], np.int64), state, wanted)
        kept = 0
        for place in range(len(draft) + 1):
            dense[wanted] = scores[len(pending) - 1 + place]
            token = pick(rules.scores(dense, row.states))
            row.append(token, _logprob(dense, grammar, at, token), rules)
            if row.stop is not None:
                return
            at = grammar.advance(at, token)
            if place == len(draft) or token != draft[place]:
                break
            kept = place + 1
        length += len(pending) + kept
        tagger.cut(state, length)
        pending = [token]


def _draft(grammar: CopyMachine, at: State, most: int) -> list[int]:
    """The words that come next if no tag does."""
    draft: list[int] = []
    while len(draft) < most and (token := grammar.expected(at)) is not None:
        draft.append(token)
        at = grammar.advance(at, token)
    return draft


def _logprob(scores: NDArray[np.float32], grammar: CopyMachine, at: State, token: int) -> float:
    """Log-probability of a token among those that the grammar allows; a forced one has 0."""
    allowed = list(grammar.allowed(at).ids)
    if len(allowed) == 1:
        return 0.0
    values = scores[allowed].astype(np.float64)
    top = values.max()
    return float(scores[token] - top) - math.log(float(np.exp(values - top).sum()))
