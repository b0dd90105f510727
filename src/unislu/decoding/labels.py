"""Classification by reading probabilities: each label gets its share; no label is decoded as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unislu.engines.protocol import DecoderState, Engine


def label_probabilities(
    engine: Engine,
    state: DecoderState,
    rows: Sequence[int],
    logits: NDArray[np.float32],
    labels: Mapping[str, Sequence[int]],
) -> list[dict[str, float]]:
    """The probability of each label in each of `rows`, given that one of them follows.

    The labels' tokens form a tree. At each of its branchings the logits of the tokens that continue
    some label are normalised among themselves; a label's probability is the product along its path.
    Tokens after which only one label is left need no step of the model: for labels with different
    first tokens the logits given here decide.

    Args:
        engine: takes the further steps where labels share their first tokens.
        state: a decoder state, not consumed.
        rows: the rows of `state` to read.
        logits: of the next token in those rows, float32 `[len(rows), vocab]`.
        labels: the tokens of each label, ending in the same end token, so that none is a prefix of another.
    """
    shares = _shares(engine, state, rows, logits, {name: tuple(ids) for name, ids in labels.items()})
    return [{name: float(shares[name][place]) for name in labels} for place in range(len(rows))]


def reweighed(probabilities: Mapping[str, float], bias: Mapping[str, float]) -> dict[str, float]:
    """Probabilities with `bias` added to the logarithms of some labels, adding up to 1 again.

    A model trained on data in which one label is common prefers it in doubt; a bias compensates for that.
    """
    weights = {name: share * math.exp(bias.get(name, 0.0)) for name, share in probabilities.items()}
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _shares(
    engine: Engine,
    state: DecoderState,
    rows: Sequence[int],
    logits: NDArray[np.float32],
    labels: Mapping[str, tuple[int, ...]],
) -> dict[str, NDArray[np.float64]]:
    """For each label its probability in every row, `[len(rows)]`."""
    groups: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, ids in labels.items():
        groups.setdefault(ids[0], {})[name] = ids[1:]
    tokens = list(groups)
    shares = _softmax(logits[:, tokens])
    result = {}
    for column, group in enumerate(groups.values()):
        if len(group) == 1:
            result[next(iter(group))] = shares[:, column]
            continue
        path = _common([*group.values()])
        fed = np.tile(np.array([[tokens[column], *path]], np.int64), (len(rows), 1))
        next_logits, deeper = engine.step(fed, engine.select(state, rows))
        rest = {name: ids[len(path) :] for name, ids in group.items()}
        for name, share in _shares(engine, deeper, range(len(rows)), next_logits, rest).items():
            result[name] = shares[:, column] * share
    return result


def _common(paths: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The longest common beginning."""
    length = 0
    while len({path[length : length + 1] for path in paths}) == 1:
        length += 1
    return paths[0][:length]


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Along the last axis."""
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
