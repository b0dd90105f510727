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
        # The attention kernel takes at most as many new tokens as there are audio positions.
        most = int(state.encoded.lengths[0])
        pieces = []
        for first in range(0, len(tokens), most):
            piece = tokens[first : first + most]
            pieces.append(self._run(piece, state, wanted))
            state.lengths += len(piece)
        return np.concatenate(pieces)

    def _run(
        self, tokens: NDArray[np.int64], state: OnnxState, wanted: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        count, start = len(tokens), int(state.lengths[0])
        cross = state.encoded.bound
        audio = next(cache for name, cache in cross.items() if name.startswith("cross_key")).shape[2]
        inputs: dict[str, Array] = {
            "tokens": np.ascontiguousarray(tokens[None], np.int64),
            "positions": np.arange(start, start + count, dtype=np.int64)[None],
            "self_last": np.array([start + count - 1], np.int32),
            "self_total": np.array(start + count, np.int32),
            "cross_last": state.encoded.lengths - 1,
            "cross_total": np.array(audio, np.int32),
            "wanted": np.ascontiguousarray(wanted, np.int64),
            **cross,
            **state.caches,
        }
        scores: NDArray[np.float32] = np.empty((1, count, len(wanted)), np.float32)
        outputs = {name: cache for name, cache in {**cross, **state.caches}.items() if name != "cross_scales"}
        binding = self._session.io_binding()
        for name, array in inputs.items():
            bind(binding.bind_input, name, array)
        for name, array in outputs.items():
            bind(binding.bind_output, f"new_{name}", array)
        bind(binding.bind_output, "scores", scores)
        self._session.run_with_iobinding(binding)
        return scores.reshape(count, len(wanted))
