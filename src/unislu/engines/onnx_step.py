"""A decoder graph that writes: the arrays of one step, bound by address and kept between steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unislu.engines.device_array import Array, bind

if TYPE_CHECKING:
    import onnxruntime

    from unislu.engines.onnx import OnnxState

SCALES = "cross_scales"


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
