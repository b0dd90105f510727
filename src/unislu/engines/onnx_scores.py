"""A decoder graph that scores: many tokens of one row in one step, and the logits of a few after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unislu.engines.device_array import Array, bind

if TYPE_CHECKING:
    import onnxruntime

    from unislu.engines.onnx import OnnxState


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
