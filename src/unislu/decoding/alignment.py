"""Word positions from cross-attention: where the alignment heads attended when each token was chosen.

The recipe starts from OpenAI's (whisper/timing.py): every head's weights are standardised over the tokens,
so that what all tokens look at (the first position) does not count; the heads' mean, cleaned by a median
filter, says how well each token fits each position; dynamic time warping finds the best monotone path.

By itself that stretches words over silence, runs ahead of the sound, and gives the end of a long word to the
short one after it. So the same search also has rows for the pauses between words, based on the level of the
audio; a constant lead is subtracted; and where no head attends to anything, a position costs a word less the
longer the word takes to say. benchmarks/word_times.py measures the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS = 0.02
"""Length of one audio position: two mel frames of 10 ms."""
LEAD = 3
"""Positions by which the heads run ahead of the token they choose."""
PAUSE_WEIGHT = 8.0
"""Weight of the level against the attention, whose standardised values lie mostly within -1…4."""
PAUSE_BONUS = 2.0
"""In doubt, a quiet position is a pause."""
PAUSE_SHARE = 0.2
"""A position is quiet below this share of the way from the noise to the speech, in dB."""
LENGTH_COST = 2.0
"""Cost of a position in a word of one letter; half of it with two letters, and so on."""
DEVIATION_FLOOR = 0.01
"""Added to the standard deviation, so that positions that no token attends to do not count in full."""
_SOFTNESS_DB = 10.0
_DEEPEST_DB = 60.0
_LEAST_DB = 12.0
_LOUD_FRAMES = 20
_QUIET_PERCENT = 5.0
_STEADY_PERCENT = 15.0
_STEADY_DB = 4.0
_BELOW_SPEECH_DB = 20.0
_STEADIEST_DB = 2.5
_NEVER = -1e6


def alignment_matrix(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """How well each token fits each audio position: larger is better.

    Args:
        weights: softmax attention `[heads, tokens, audio]`.

    Returns:
        `[tokens, audio]` float32.
    """
    mean = weights.mean(axis=1, keepdims=True)
    deviation = weights.std(axis=1, keepdims=True)
    joined = ((weights - mean) / (deviation + DEVIATION_FLOOR)).mean(axis=0)
    return _median(np.asarray(joined))


def quietness(level: NDArray[np.float32], positions: int) -> NDArray[np.float32] | None:
    """How likely each position is a pause: from -1 (sound) to 1 (quiet), `[positions]` float32.

    Args:
        level: dB of each 10 ms, `[frames]`.
        positions: audio positions of 20 ms.

    Returns:
        None if speech does not stand out from its surroundings, so that the level is of no use.
    """
    count = 2 * positions
    padded = np.pad(level[:count], (0, max(0, count - len(level))), mode="edge")
    loud = float(np.sort(level)[-min(_LOUD_FRAMES, len(level))])
    quiet = _noise(level, loud)
    if loud - quiet < _LEAST_DB:
        return None
    edge = quiet + PAUSE_SHARE * (loud - quiet)
    mean = padded.reshape(positions, 2).mean(axis=1)
    return np.asarray(np.clip((edge - mean) / _SOFTNESS_DB, -1.0, 1.0), np.float32)


def _noise(level: NDArray[np.float32], loud: float) -> float:
    """The level of pauses in dB.

    Digital silence (a late start, a jump of the time codes, a muted microphone) says nothing about the noise
    of the room beside it: where the quietest of the rest is steady, as noise is, and far below the speech,
    that is the level of pauses. Nearer to the speech, where weak sounds are too, it must be steadier still.
    """
    deepest = loud - _DEEPEST_DB
    quiet, steady = np.percentile(level[level > deepest], (_QUIET_PERCENT, _STEADY_PERCENT))
    far, spread = loud - quiet, steady - quiet
    if far >= _LEAST_DB and spread <= (_STEADY_DB if far >= _BELOW_SPEECH_DB else _STEADIEST_DB):
        return float(quiet)
    return max(float(np.percentile(level, _QUIET_PERCENT)), deepest)


def word_positions(
    matrix: NDArray[np.float32],
    words: Sequence[Sequence[int]],
    lengths: Sequence[int],
    quiet: NDArray[np.float32] | None,
) -> list[tuple[int, int]]:
    """The audio positions of each word: (first, end), in order, overlapping by one position at most.

    Args:
        matrix: `[tokens, audio]` of `alignment_matrix`. A last row that belongs to no word is the end of the
            text; without a level it takes what follows the last word.
        words: for each word its tokens, in ascending order over all words; only these rows are used.
        lengths: how long each word is when spoken, in letters, at least 1.
        quiet: of `quietness`.
    """
    lead = min(LEAD, matrix.shape[1] - 1)
    moved = np.concatenate(
        [np.repeat(matrix[:, :1], lead, axis=1), matrix[:, : matrix.shape[1] - lead]], axis=1
    )
    pause = np.full(matrix.shape[1], _NEVER) if quiet is None else PAUSE_WEIGHT * quiet + PAUSE_BONUS
    penalty = 0.0 if quiet is None else PAUSE_WEIGHT * np.maximum(quiet, 0.0)
    rows: list[NDArray[Any]] = []
    owners: list[int] = []
    for number, tokens in enumerate(words):
        cost = penalty + LENGTH_COST / lengths[number]
        rows += [pause, *(moved[token] - cost for token in tokens)]
        owners += [-1, *[number] * len(tokens)]
    ends = quiet is None and len(matrix) - 1 > words[-1][-1]
    rows.append(moved[-1].astype(np.float64) if ends else pause)
    found = _best_path(rows, [owner < 0 for owner in owners] + [True])
    places: list[tuple[int, int]] = []
    for owner, (first, end) in zip(owners, found, strict=False):
        if owner == len(places):
            places.append((first, end))
        elif owner >= 0:
            places[owner] = (places[owner][0], end)
    return places


def _best_path(rows: Sequence[NDArray[Any]], optional: Sequence[bool]) -> list[tuple[int, int]]:
    """The columns (first, end) of each row on the monotone path with the largest sum; (0, 0) if left out.

    Every row starts in the column in which the previous row ended, or one after it; optional rows may be left
    out, and share no column. Within a row the sum is a prefix sum and the best place to enter it a running
    maximum, so that a row takes a handful of numpy operations whatever its length.
    """
    columns = len(rows[0])
    places = np.arange(columns)
    start = np.concatenate([[0.0], np.full(columns - 1, -np.inf)])  # before[0] of a row entered from nowhere
    sums: list[NDArray[np.float64]] = []
    enters: list[NDArray[np.int64]] = []
    origins: list[NDArray[np.int64]] = []  # 2 * (rows back) + (1 if the column before)
    for row, cells in enumerate(rows):
        total = np.cumsum(cells)
        gains = np.full(columns, -np.inf)
        origin = np.zeros(columns, np.int64)
        for back in (1, 2) if row and optional[row - 1] else (1,):
            last = sums[row - back] if row >= back else None
            before = start if last is None else np.concatenate([[-np.inf], last[:-1]])
            options = [(before, 2 * back + 1)]
            if last is not None and not optional[row] and not optional[row - back]:
                options.append((last, 2 * back))
            for score, code in options:
                better = score > gains
                gains[better], origin[better] = score[better], code
        gains -= np.concatenate([[0.0], total[:-1]])
        reached = np.maximum.accumulate(gains)
        enters.append(np.maximum.accumulate(np.where(gains == reached, places, 0)))
        origins.append(origin)
        sums.append(total + reached)
    return _trace(sums, enters, origins, optional)


def _trace(
    sums: Sequence[NDArray[np.float64]],
    enters: Sequence[NDArray[np.int64]],
    origins: Sequence[NDArray[np.int64]],
    optional: Sequence[bool],
) -> list[tuple[int, int]]:
    """Back from the last column."""
    found = [(0, 0)] * len(sums)
    row, column = len(sums) - 1, len(sums[0]) - 1
    if optional[row] and row and sums[row - 1][column] > sums[row][column]:
        row -= 1
    while row >= 0:
        first = int(enters[row][column])
        found[row] = (first, column + 1)
        code = int(origins[row][first])
        row, column = row - code // 2, first - code % 2
    return found


def _median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of three over the last axis; the ends are kept."""
    if values.shape[-1] < 3:
        return values
    left, middle, right = values[:, :-2], values[:, 1:-1], values[:, 2:]
    cleaned = values.copy()
    cleaned[:, 1:-1] = np.maximum(np.minimum(left, middle), np.minimum(np.maximum(left, middle), right))
    return cleaned
