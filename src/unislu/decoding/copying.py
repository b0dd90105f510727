"""Tags around given words: nearly every token is known in advance, so many are fed in one step.

A draft has every word and no tag. The model scores the whole draft in one step, and where a tag is likelier
than the drafted word, the rest is discarded. The result is exactly that of one token at a time, in about two
steps per entity.
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

OUTSIDE, INSIDE = 12, 4
"""Most tokens drafted outside an entity, and inside one, where a closer will follow soon."""


def write_copy(
    tagger: Tagger,
    state: DecoderState,
    prefix: Sequence[int],
    grammar: CopyMachine,
    at: State,
    row: Written,
    rules: Rules,
    pick: Picker,
) -> list[int | None]:
    """Write the copy of one transcript.

    Args:
        tagger: scores drafts.
        state: one row with what comes before `prefix`; consumed.
        prefix: what is fed first; at least one token.
        grammar: what may be written.
        at: the grammar's state before the copy.
        row: the sequence, empty so far; extended in place to its end.
        rules: biases; the grammar itself is applied here.
        pick: how a tag or the next word is chosen.

    Returns:
        For each token of the row the position in the transcript of the word it copies, None for a tag.
    """
    wanted = np.array(sorted(grammar.symbols_after(at)), np.int64)
    length = tagger.lengths(state)[0]
    pending = [int(token) for token in prefix]
    places: list[int | None] = []
    while True:
        draft = _draft(grammar, at, INSIDE if grammar.inside(at) else OUTSIDE)
        scores = tagger.score(np.array([*pending, *draft], np.int64), state, wanted)
        kept = 0
        for place in range(len(draft) + 1):
            dense = np.full(tagger.vocab_size, -np.inf, np.float32)
            dense[wanted] = scores[len(pending) - 1 + place]
            token, logprob = _chosen(dense, grammar, at, rules, row, pick)
            places.append(grammar.copied_place(at, token))
            row.append(token, logprob, rules)
            if row.stop is not None:
                return places
            at = grammar.advance(at, token)
            if place == len(draft) or token != draft[place]:
                break
            kept = place + 1
        length += len(pending) + kept
        tagger.cut(state, length)
        pending = [token]


def _draft(grammar: CopyMachine, at: State, most: int) -> list[int]:
    """The next words, assuming that no tag comes."""
    draft: list[int] = []
    while len(draft) < most and (token := grammar.expected(at)) is not None:
        draft.append(token)
        at = grammar.advance(at, token)
    return draft


def _chosen(
    scores: NDArray[np.float32], grammar: CopyMachine, at: State, rules: Rules, row: Written, pick: Picker
) -> tuple[int, float]:
    """A token, and its log-probability among those that the grammar allows before any bias."""
    allowed = list(grammar.allowed(at).ids)
    if len(allowed) == 1:
        return allowed[0], 0.0
    masked = np.full_like(scores, -np.inf)
    masked[allowed] = rules.scores(scores, row.states)[allowed]
    token = pick(masked)
    values = scores[allowed].astype(np.float64)
    top = float(values.max())
    return token, float(scores[token]) - top - math.log(float(np.exp(values - top).sum()))
