"""Writing a sequence: greedy and sampled for a batch of rows, and beam search for one.

Everything that varies (what is masked or biased, where to stop, how a token is picked) is composed into
`Rules` and a `Picker` before the loop starts; the loop itself has no options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.decoding.options import Stop
from unislu.decoding.processors import Processor, Scores
from unislu.decoding.repetition import loop_start
from unislu.engines.protocol import DecoderState, Engine

Picker = Callable[[Scores], int]
Turn = Callable[["Written", Scores, "Rules"], None]
"""Writes the next token of a row, whose logits `[vocab]` it gets; it may cut the row back before."""
LoopFinder = Callable[[Sequence[int]], "int | None"]


@dataclass(frozen=True)
class Rules:
    """The rules of a sequence."""

    processors: tuple[Processor, ...]
    """Applied to the scores in this order."""
    stops: frozenset[int]
    """Tokens that end the sequence; they stay in it as its last token."""
    find_loop: LoopFinder = loop_start

    def start(self, written: Sequence[int] = ()) -> tuple[Any, ...]:
        """The processors' states after `written`."""
        states = tuple(processor.start() for processor in self.processors)
        for token in written:
            states = self.advance(states, token)
        return states

    def advance(self, states: tuple[Any, ...], token: int) -> tuple[Any, ...]:
        """The processors' states after one more token."""
        pairs = zip(self.processors, states, strict=True)
        return tuple(processor.advance(state, token) for processor, state in pairs)

    def scores(self, logits: Scores, states: tuple[Any, ...]) -> Scores:
        """A copy of `logits` `[vocab]`, modified by the processors."""
        scores = logits.copy()
        for processor, state in zip(self.processors, states, strict=True):
            processor.apply(scores, state)
        return scores


@dataclass
class Written:
    """A sequence that is being written."""

    states: tuple[Any, ...]
    limit: int
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    stop: Stop | None = None

    def append(self, token: int, logprob: float, rules: Rules) -> None:
        """Add a token and determine whether it was the last."""
        self.ids.append(token)
        self.logprobs.append(logprob)
        if token in rules.stops:
            self.stop = "eot"
            return
        cut = rules.find_loop(self.ids)
        if cut is not None:
            del self.ids[cut:], self.logprobs[cut:]
            self.stop = "repetition"
        elif len(self.ids) >= self.limit:
            self.stop = "length"
        else:
            self.states = rules.advance(self.states, token)


@dataclass(frozen=True)
class Anchor:
    """Where a finished sequence's caches are: a decoder state and a row of it."""

    state: DecoderState
    row: int


def write_batch(
    engine: Engine,
    state: DecoderState,
    logits: NDArray[np.float32],
    rows: Sequence[Written],
    rules: Rules,
    turns: Sequence[Turn],
) -> list[Anchor]:
    """Complete all `rows`, one token of each at a time.

    Args:
        engine: runs the steps.
        state: a decoder state with one row for each of `rows`; consumed.
        logits: of the next token of each row, float32 `[batch, vocab]`.
        rows: the sequences, extended in place; finished ones are left alone.
        rules: the rules that apply to all rows.
        turns: how each row's token is chosen and written.

    Returns:
        For each row the state with its caches; cut it back to the row's length before use.
    """
    anchors: dict[int, Anchor] = {}
    batch = list(range(len(rows)))
    tokens = np.zeros((len(rows), 1), np.int64)
    while True:
        taken_back = [0] * len(batch)
        for place, index in enumerate(batch):
            row = rows[index]
            if row.stop is None:
                before = len(row.ids)
                turns[index](row, logits[place], rules)
                tokens[place, 0] = row.ids[-1]
                taken_back[place] = before + 1 - len(row.ids)
        active = [place for place, index in enumerate(batch) if rows[index].stop is None]
        cut = any(taken_back[place] for place in active)
        if cut or 2 * len(active) <= len(batch):
            for place, index in enumerate(batch):
                if rows[index].stop is not None:
                    anchors[index] = Anchor(state, place)
            if not active:
                return [anchors[index] for index in range(len(rows))]
            written = engine.lengths(state)
            kept = [written[place] - taken_back[place] for place in active]
            state = engine.select(state, active, kept if cut else None)
            batch = [batch[place] for place in active]
            tokens = tokens[active]
        logits, state = engine.step(tokens, state)


def picking(pick: Picker) -> Turn:
    """A turn that appends the token that is picked."""

    def turn(row: Written, logits: Scores, rules: Rules) -> None:
        token = pick(rules.scores(logits, row.states))
        row.append(token, float(logits[token]) - log_sum_exp(logits), rules)

    return turn


def log_sum_exp(logits: Scores) -> float:
    """log of the sum of the exponentials, `[vocab]` -> number."""
    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum()))


def greedy(scores: Scores) -> int:
    """The likeliest token."""
    return int(scores.argmax())


def sampler(temperature: float, top_p: float, generator: np.random.Generator) -> Picker:
    """Draw from softmax(scores / temperature), cut to the likeliest tokens that hold `top_p` of it."""

    def pick(scores: Scores) -> int:
        scaled = scores.astype(np.float64) / temperature
        weights = np.exp(scaled - scaled.max())
        order = np.argsort(-weights, kind="stable")
        shares = np.cumsum(weights[order]) / weights.sum()
        kept = order[: int(np.searchsorted(shares, top_p)) + 1]
        total = np.cumsum(weights[kept])
        place = int(np.searchsorted(total, generator.random() * total[-1], side="right"))
        return int(kept[min(place, len(kept) - 1)])

    return pick


@dataclass(frozen=True)
class _Candidate:
    """One extension of one beam."""

    score: float
    beam: int
    token: int
    logprob: float


def write_beam(
    engine: Engine,
    state: DecoderState,
    logits: NDArray[np.float32],
    first: Written,
    rules: Rules,
    width: int,
    length_penalty: float,
) -> Written:
    """The best sequence that a beam search with `width` hypotheses finds.

    The score of a hypothesis is the sum of its processed log-probabilities: a bias counts as a reward, and
    masked tokens are excluded. `state` has one row, `logits` is `[1, vocab]`, `first` is what is written so
    far.
    """
    beams = [(first, 0.0)]
    finished: list[tuple[Written, float]] = []
    while True:
        candidates = _extend(beams, logits, rules, width)
        kept: list[tuple[Written, float]] = []
        origins: list[int] = []
        for candidate in candidates:
            parent = beams[candidate.beam][0]
            child = replace(parent, ids=list(parent.ids), logprobs=list(parent.logprobs))
            child.append(candidate.token, candidate.logprob, rules)
            if child.stop is not None:
                finished.append((child, candidate.score))
            else:
                kept.append((child, candidate.score))
                origins.append(candidate.beam)
            if len(kept) == width:
                break
        if not kept or len(finished) >= width:
            return max(finished, key=lambda pair: final_score(pair[0], pair[1], length_penalty))[0]
        if origins != list(range(len(beams))):
            state = engine.select(state, origins)
        beams = kept
        logits, state = engine.step(np.array([[child.ids[-1]] for child, _ in kept]), state)


def final_score(written: Written, score: float, length_penalty: float) -> float:
    """The score by which finished hypotheses are compared."""
    return score / float(max(len(written.ids), 1) ** length_penalty)


def _extend(
    beams: Sequence[tuple[Written, float]], logits: NDArray[np.float32], rules: Rules, width: int
) -> list[_Candidate]:
    """The best extensions of all beams, best first: enough to fill the beam even if `width` of them stop."""
    candidates = []
    for beam, (written, score) in enumerate(beams):
        total = log_sum_exp(logits[beam])
        scores = rules.scores(logits[beam], written.states)
        for token in top(scores, 2 * width):
            if np.isfinite(scores[token]):
                gained = float(scores[token]) - total
                own = float(logits[beam, token]) - total
                candidates.append(_Candidate(score + gained, beam, int(token), own))
    candidates.sort(key=lambda candidate: -candidate.score)
    return candidates


def top(scores: Scores, count: int) -> NDArray[np.intp]:
    """The indices of the `count` largest scores (or all), largest first."""
    count = min(count, len(scores))
    chosen = np.argpartition(scores, -count)[-count:]
    return chosen[np.argsort(-scores[chosen], kind="stable")]
