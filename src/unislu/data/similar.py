"""Similar texts: the pool of hard negatives (WhisperNER, section III-C).

Texts are vectors of character n-grams, weighted by TF-IDF and compared by cosine. No model, no further
package; a sentence-transformers model takes the place of the n-grams where one is named. N-grams that occur
in very many texts tell nothing and make the search slow, so they are left out.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unislu.errors import needs

NGRAMS = (3, 4)
POOL = 16
"""Neighbours of each text among which negatives are drawn."""
_COMMON = 1000
"""An n-gram that occurs in more texts, and in more than a tenth of them, is left out."""
_BLOCK = 1024


def neighbours(texts: Sequence[str], model: str | None = None) -> list[list[int]]:
    """For each text the indices of the `POOL` most similar others, most similar first; fewer where fewer have
    anything in common.

    Args:
        texts: what to compare; the same text twice is its own neighbour's.
        model: name or folder of a sentence-transformers model; None compares character n-grams.

    Raises:
        MissingDependencyError: a model was named and sentence-transformers is not installed.
    """
    return _by_ngrams(texts) if model is None else _by_model(texts, model)


def _ngrams(text: str) -> Counter[str]:
    padded = f" {' '.join(text.lower().split())} "
    return Counter(padded[i : i + n] for n in NGRAMS for i in range(len(padded) - n + 1))


def _by_ngrams(texts: Sequence[str]) -> list[list[int]]:
    counted = [_ngrams(text) for text in texts]
    frequency = Counter(gram for grams in counted for gram in grams)
    most = max(_COMMON, len(texts) // 10)
    idf = {g: math.log((1 + len(texts)) / (1 + n)) + 1 for g, n in frequency.items() if 1 < n <= most}
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    vectors = []
    for number, grams in enumerate(counted):
        vector = {gram: (1 + math.log(n)) * idf[gram] for gram, n in grams.items() if gram in idf}
        norm = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        vectors.append({gram: value / norm for gram, value in vector.items()})
        for gram, value in vectors[-1].items():
            postings[gram].append((number, value))
    tables = {
        gram: (np.array([n for n, _ in pairs]), np.array([v for _, v in pairs], np.float32))
        for gram, pairs in postings.items()
    }
    found = []
    for number, vector in enumerate(vectors):
        scores = np.zeros(len(texts), np.float32)
        for gram, value in vector.items():
            rows, values = tables[gram]
            scores[rows] += np.float32(value) * values
        found.append(_best(scores, number))
    return found


def _by_model(texts: Sequence[str], model: str) -> list[list[int]]:
    with needs(f"comparing texts with {model!r}", install="pip install sentence-transformers"):
        from sentence_transformers import SentenceTransformer
    vectors = SentenceTransformer(model).encode(list(texts), normalize_embeddings=True)
    found: list[list[int]] = []
    for first in range(0, len(texts), _BLOCK):
        block = vectors[first : first + _BLOCK] @ vectors.T
        found += [_best(row, first + offset) for offset, row in enumerate(block)]
    return found


def _best(scores: NDArray[np.float32], own: int) -> list[int]:
    """The indices of the largest positive scores, without `own`; equal ones in their order."""
    scores[own] = 0
    candidates = np.flatnonzero(scores > 0)
    if len(candidates) > POOL:
        candidates = candidates[np.argpartition(-scores[candidates], POOL - 1)[:POOL]]
    return [int(i) for i in sorted(candidates, key=lambda i: (-scores[i], i))]
