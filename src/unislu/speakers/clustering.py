"""Embeddings → speakers: agglomerative clustering by average linkage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .embedding import unit

THRESHOLD = 0.38
"""Clusters are joined up to this mean cosine distance; tuned in benchmarks/results/2026-11-28-speakers."""
SHARE = 0.08
"""A speaker has at least this share of the windows; voices in less belong to others …"""
LEAST, ENOUGH = 3, 14
"""… but in any case this many, and never has to have more than so many, some twelve seconds."""
MANY = 1500
"""Windows that are clustered at once: the table of their distances has that many rows."""
FINE = 10
"""Clusters of each part of a long recording, at least."""


def cluster(
    embeddings: NDArray[np.float32], count: int | None = None, *, threshold: float = THRESHOLD
) -> NDArray[np.float32]:
    """The voices of the speakers, those who have most windows first.

    Args:
        embeddings: [n, d] float32, of length 1, in order of time.
        count: number of speakers, if known: where more are found, the nearest become one. Fewer are returned
            where fewer can be told apart, since one voice is not to become two people.
        threshold: mean cosine distance up to which clusters are one speaker.

    Returns:
        [speakers, d] float32, of length 1; [0, d] without windows.
    """
    if not len(embeddings):
        return embeddings
    points, weights = _summed_up(embeddings)
    labels = linked(points, weights, 1, threshold)
    sizes = np.bincount(labels, weights=weights)
    least = min(max(LEAST, SHARE * len(embeddings)), ENOUGH, sizes.max())
    large = sizes[labels] >= least
    points, weights, labels = points[large], weights[large], labels[large]
    if count is not None and len(set(labels)) > count:
        labels = linked(points, weights, count, np.inf)
    sizes = np.bincount(labels, weights=weights)
    return np.stack(
        [
            unit(np.average(points[labels == label], axis=0, weights=weights[labels == label]))
            for label in np.argsort(-sizes, kind="stable")
            if sizes[label]
        ]
    )


def _summed_up(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Points and their weights, few enough that a table of distances stays small.

    The windows of a long recording are first clustered part by part, into many more clusters than people
    speak: neighbours in time may be different speakers, neighbours in voice are not.
    """
    if len(embeddings) <= MANY:
        return embeddings, np.ones(len(embeddings))
    parts = np.array_split(embeddings, -(-len(embeddings) // MANY))
    each = max(FINE, MANY // len(parts))
    points, weights = [], []
    for part in parts:
        labels = linked(part, np.ones(len(part)), each, np.inf)
        for label in range(labels.max() + 1):
            inside = part[labels == label]
            points.append(unit(inside.mean(axis=0)))
            weights.append(len(inside))
    return np.stack(points), np.array(weights, np.float64)


def linked(
    points: NDArray[np.float32], weights: NDArray[np.float64], count: int, threshold: float
) -> NDArray[np.int64]:
    """Average linkage: the cluster [n] of each point, until `count` are left or the nearest are too far."""
    distances = (1.0 - points @ points.T).astype(np.float64)
    np.fill_diagonal(distances, np.inf)
    sizes = weights.copy()
    members = {place: [place] for place in range(len(points))}
    nearest = distances.argmin(axis=1)
    least = distances[np.arange(len(points)), nearest]
    while len(members) > count:
        one = int(least.argmin())
        if least[one] > threshold:
            break
        other = int(nearest[one])
        _join(distances, sizes, one, other)
        members[one] += members.pop(other)
        least[other] = np.inf
        # Rows whose nearest was one of the two, and the joined row, are looked through again.
        stale = np.flatnonzero((nearest == one) | (nearest == other))
        for row in {one, *(int(row) for row in stale)} - {other}:
            if row in members:
                nearest[row] = int(distances[row].argmin())
                least[row] = distances[row, nearest[row]]
    labels = np.zeros(len(points), np.int64)
    for label, places in enumerate(members.values()):
        labels[places] = label
    return labels


def _join(distances: NDArray[np.float64], sizes: NDArray[np.float64], one: int, other: int) -> None:
    """Make `one` the union of both; `other` is far from everything from then on."""
    total = sizes[one] + sizes[other]
    mean = (sizes[one] * distances[one] + sizes[other] * distances[other]) / total
    mean[[one, other]] = np.inf
    distances[one], distances[:, one] = mean, mean
    distances[other], distances[:, other] = np.inf, np.inf
    sizes[one] = total


def nearest_names(
    speakers: NDArray[np.float32], voices: Sequence[tuple[str, NDArray[np.float32]]], least: float = 0.6
) -> list[str | None]:
    """For each speaker [n, d] the enrolled name of the most similar voice, each name once; None if none is
    near.
    """
    names: list[str | None] = [None] * len(speakers)
    if not len(speakers) or not voices:
        return names
    table = speakers @ np.stack([voice for _, voice in voices]).T
    for _ in range(min(table.shape)):
        row, column = np.unravel_index(int(table.argmax()), table.shape)
        if table[row, column] < least:
            break
        names[int(row)] = voices[int(column)][0]
        table[row], table[:, column] = -1.0, -1.0
    return names
