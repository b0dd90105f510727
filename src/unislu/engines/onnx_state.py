"""What a decoder's graphs work on: caches of the audio and of the tokens, and runs whose arrays are bound to
them by address and kept between steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unislu.engines.device_array import Array, bind

if TYPE_CHECKING:
    import onnxruntime

SCALES = "cross_scales"


@dataclass(frozen=True)
class OnnxEncoded:
    """Cross-attention caches of a batch of windows."""

    caches: dict[str, NDArray[Any]]
    """`cross_*` -> `[batch, heads, audio, head]`, and `cross_scales` where the caches are int8."""
    lengths: NDArray[np.int32]
    """True audio positions of each row, `[batch]`."""
    bound: Mapping[str, Array]
    """What the decoder reads: `caches` themselves, or copies of them on its device."""

    def rows(self, rows: slice) -> OnnxEncoded:
        """Views of some rows; nobody writes into these caches."""
        caches = {name: cache[rows] for name, cache in self.caches.items()}
        bound: dict[str, Array] = {name: cache[rows] for name, cache in self.bound.items()}
        return OnnxEncoded(caches, self.lengths[rows], bound)


@dataclass
class OnnxState:
    """A decoder's caches, one row per hypothesis."""

    encoded: OnnxEncoded
    sources: tuple[int, ...]
    """For each row an object that is shared by rows with the same audio."""
    caches: Mapping[str, Array]
    """`self_*` -> `[batch, heads, room, head]`, where the decoder runs."""
    lengths: NDArray[np.int64]
    """Tokens written, `[batch]`."""
    queries: NDArray[np.float32]
    """Cross-attention queries of the alignment heads, `[batch, room, heads * head]`."""
    step: StepBinding | None = field(default=None, repr=False)
    """The binding for one token per row, kept between steps."""
    scores: ScoreBinding | None = field(default=None, repr=False)
    """The binding of the tagger, kept likewise."""


class StepBinding:
    """A decoder run over some rows of a state: arrays are bound once, and small ones are rewritten at each
    step.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        vocabulary: int,
        state: OnnxState,
        rows: slice,
        count: int,
        rebinds: bool,
    ) -> None:
        """`rebinds`: the session copies a host's array when it is bound, not when it runs."""
        cross_lengths = state.encoded.lengths[rows]
        batch = len(cross_lengths)
        self._session, self._rebinds = session, rebinds
        self._tokens = np.empty((batch, count), np.int64)
        self._positions = np.empty((batch, count), np.int64)
        self._last = np.empty(batch, np.int32)
        self._total = np.empty((), np.int32)
        self._offsets = np.arange(count)
        self._logits = np.empty((batch, vocabulary), np.float32)
        self._queries = np.empty((batch, count, state.queries.shape[2]), np.float32)
        cross = {name: cache[rows] for name, cache in state.encoded.bound.items()}
        audio = next(cache for name, cache in cross.items() if name != SCALES).shape[2]
        self._changing: dict[str, Array] = {
            "tokens": self._tokens,
            "positions": self._positions,
            "self_last": self._last,
            "self_total": self._total,
        }
        # The binding stores addresses only; these references keep the memory alive.
        self._inputs: dict[str, Array] = {
            **self._changing,
            "cross_last": cross_lengths - 1,
            "cross_total": np.array(audio, np.int32),
            **cross,
        }
        updated = {name: cache[rows] for name, cache in state.caches.items()}
        self._updated = updated | {name: cache for name, cache in cross.items() if name != SCALES}
        self._binding = session.io_binding()
        for name, array in (self._inputs | updated).items():
            bind(self._binding.bind_input, name, array)
        for name, array in self._updated.items():
            bind(self._binding.bind_output, f"new_{name}", array)
        bind(self._binding.bind_output, "logits", self._logits)
        if self._queries.size:
            bind(self._binding.bind_output, "align_query", self._queries)

    def run(self, tokens: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Append `tokens` `[batch, count]` after `lengths` `[batch]` and return the logits' buffer."""
        self._tokens[:] = tokens
        self._positions[:] = lengths[:, None] + self._offsets
        self._last[:] = self._positions[:, -1]
        self._total[...] = self._last.max() + 1
        if self._rebinds:
            for name, array in self._changing.items():
                bind(self._binding.bind_input, name, array)
        self._session.run_with_iobinding(self._binding)
        return self._logits

    def keep_queries(self, queries: NDArray[np.float32], lengths: NDArray[np.int64]) -> None:
        """Store the last run's queries after the first `lengths` `[batch]` of `queries` `[batch, capacity,
        width]`.
        """
        # Row by row: slices are copied much faster than indices are looked up.
        for row, length in enumerate(lengths):
            queries[row, length : length + len(self._offsets)] = self._queries[row]


class ScoreBinding:
    """Runs over the only row of a state: its caches are bound once, what a run is given each time."""

    def __init__(self, session: onnxruntime.InferenceSession, state: OnnxState) -> None:
        self._session, self._binding = session, session.io_binding()
        cross = state.encoded.bound
        audio = next(cache for name, cache in cross.items() if name.startswith("cross_key")).shape[2]
        caches = {**cross, **state.caches}
        # The binding stores addresses only; these references keep the memory alive.
        self._inputs: dict[str, Array] = {
            "cross_last": state.encoded.lengths - 1,
            "cross_total": np.array(audio, np.int32),
            **caches,
        }
        # Graphs in int8 only read the audio's caches; others, and older ones, name them as outputs too.
        takes = {item.name for item in session.get_inputs()}
        gives = {item.name for item in session.get_outputs()}
        for name in takes & set(self._inputs):
            bind(self._binding.bind_input, name, self._inputs[name])
        for name in caches:
            if f"new_{name}" in gives:
                bind(self._binding.bind_output, f"new_{name}", caches[name])

    def run(self, tokens: NDArray[np.int64], start: int, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        """Append `tokens` `[n]` at position `start`; scores of `wanted` `[c]` after each, `[n, c]`."""
        count = len(tokens)
        given: dict[str, Array] = {
            "tokens": np.ascontiguousarray(tokens[None], np.int64),
            "positions": np.arange(start, start + count, dtype=np.int64)[None],
            "self_last": np.array([start + count - 1], np.int32),
            "self_total": np.array(start + count, np.int32),
            "wanted": np.ascontiguousarray(wanted, np.int64),
        }
        scores: NDArray[np.float32] = np.empty((1, count, len(wanted)), np.float32)
        for name, array in given.items():
            bind(self._binding.bind_input, name, array)
        bind(self._binding.bind_output, "scores", scores)
        self._session.run_with_iobinding(self._binding)
        return scores.reshape(count, len(wanted))


class ScoreGraph:
    """The second decoder of a bundle; its caches have the first one's shape."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def score(
        self, tokens: NDArray[np.int64], state: OnnxState, wanted: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """See `Tagger.score`; the state's caches have room for the tokens."""
        state.scores = state.scores or ScoreBinding(self._session, state)
        # The attention kernel of older graphs takes at most as many new tokens as there are audio positions.
        most = int(state.encoded.lengths[0])
        pieces = []
        for first in range(0, len(tokens), most):
            piece = tokens[first : first + most]
            pieces.append(state.scores.run(piece, int(state.lengths[0]), wanted))
            state.lengths += len(piece)
        return np.concatenate(pieces)
