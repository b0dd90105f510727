"""ONNX Runtime: the default engine.

Every buffer is a numpy array bound by address: the encoder writes its keys and values where the decoder
reads them, and the decoder appends to its caches in place, so nothing is copied between steps. Windows
are encoded one at a time: the matrix products are large enough to fill the cores, no frame is padding,
and the result of a window does not depend on its neighbours in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.engines.device_array import Array, DeviceArray, bind, on_host
from unislu.engines.devices import CPU, MEMORY, load_libraries
from unislu.engines.heads import read_heads
from unislu.engines.onnx_state import SCALES, OnnxEncoded, OnnxState, ScoreGraph, StepBinding
from unislu.engines.session import cores, open_session
from unislu.errors import EngineError

BATCH, DEVICE_BATCH = 16, 64
"""Windows to decode together (`recognition.batches`): on the CPU, and on a device with memory of its own,
where it is not measured.
"""
ROOM = 128
"""Positions that a new cache has room for; it grows when they are full. Most windows need no more, and
clearing large memory takes time.
"""
SMALL = 8
"""Tokens in one numpy product: BLAS computes products this small on one thread. Several threads would wait
for the cores on which the decoder's are still spinning.
"""
DTYPES: dict[str, type[Any]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}


class OnnxEngine:
    """`Engine` over an encoder and a decoder graph of one bundle."""

    def __init__(
        self,
        encoder: Path,
        decoder: Path,
        threads: int | None = None,
        spin: bool = True,
        tagger: Path | None = None,
        providers: Sequence[str] = (CPU,),
    ) -> None:
        """Load the graphs.

        Args:
            encoder: the encoder graph's file.
            decoder: the decoder graph's file.
            threads: threads for one operator; `None` is one for each core.
            spin: let idle threads spin: faster on an idle machine, slower beside other work.
            tagger: the graph of the second decoder (`engines.protocol.Tagger`), if the bundle has one.
            providers: execution providers in order of preference; one that cannot start is left out.

        Raises:
            BundleNotFoundError: a file is missing.
            EngineError: ONNX Runtime cannot load a graph.
        """
        self._files, self._threads, self._tagger_file = (encoder, decoder), threads or cores(), tagger
        load_libraries(providers)
        self._encoder = open_session(encoder, threads, spin, providers)
        self._decoder = open_session(decoder, threads, spin, providers)
        self._outputs = {item.name: item for item in self._encoder.get_outputs()}
        self._inputs = {item.name: item for item in self._decoder.get_inputs()}
        self._caches = [name for name in self._inputs if name.startswith(("self_key", "self_value"))]
        metadata = self._decoder.get_modelmeta().custom_metadata_map
        self.vocab_size = int(metadata["vocabulary"])
        self.max_tokens = int(metadata["text_positions"])
        self._audio_positions = int(metadata["audio_positions"])
        self._heads = read_heads(metadata.get("alignment_heads", ""))
        self._head = int(metadata["width"]) // int(metadata["decoder_heads"])
        self.aligns = bool(self._heads)
        self.provider = str(self._decoder.get_providers()[0])
        self._memory = MEMORY.get(self.provider)
        self._rebinds = self.provider != CPU
        self.batch = BATCH if self._memory is None else DEVICE_BATCH
        self._tagger = None if tagger is None else ScoreGraph(open_session(tagger, threads, spin, providers))
        self.tags = self._tagger is not None

    def divided(self) -> list[OnnxEngine]:
        """One engine for each thread of this one, to be used side by side.

        Two batches side by side on one thread each take less time than one after the other on two threads.
        All share one pair of graphs; a run keeps its state to itself.
        """
        if self._threads == 1 or self.provider != CPU:
            return [self]
        return [OnnxEngine(*self._files, threads=1, tagger=self._tagger_file)] * self._threads

    def encode(self, mel: NDArray[np.float32], frames: NDArray[np.int64]) -> OnnxEncoded:
        """See `Engine.encode`."""
        lengths = np.asarray(frames) // 2
        if len(lengths) == 0 or lengths.min() < 1 or lengths.max() > self._audio_positions:
            raise EngineError(
                f"cannot encode windows of {list(map(int, frames))} frames; "
                f"give 2 to {2 * self._audio_positions} frames of 10 ms each"
            )
        rows = [self._encode_row(mel[row, :, : 2 * length]) for row, length in enumerate(lengths)]
        caches = rows[0] if len(rows) == 1 else _stack(rows, int(lengths.max()))
        return OnnxEncoded(caches, lengths.astype(np.int32), self._placed(caches))

    def start(self, encoded: OnnxEncoded) -> OnnxState:
        """See `Engine.start`."""
        batch, room = len(encoded.lengths), min(ROOM, self.max_tokens)
        caches = self._placed({name: self._cache(name, batch, room) for name in self._caches})
        queries = self._queries(batch, room)
        return OnnxState(encoded, tuple(range(batch)), caches, np.zeros(batch, np.int64), queries)

    def step(self, tokens: NDArray[np.int64], state: OnnxState) -> tuple[NDArray[np.float32], OnnxState]:
        """See `Engine.step`."""
        batch, count = tokens.shape
        self._check_room(int(state.lengths.max()), count)
        self._make_room(state, int(state.lengths.max()) + count)
        if batch > 1 and 1 < count <= batch:
            for column in range(count):
                logits, state = self.step(tokens[:, column : column + 1], state)
            return logits, state
        if count == 1:
            state.step = state.step or self._binding(state, slice(None), 1)
            logits = state.step.run(tokens, state.lengths)
            state.step.keep_queries(state.queries, state.lengths)
        else:
            # The attention kernel takes several new tokens for one row only.
            logits = np.concatenate([self._write_row(tokens[row], state, row) for row in range(batch)])
        state.lengths += count
        return logits, state

    def score(
        self, tokens: NDArray[np.int64], state: OnnxState, wanted: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """See `Tagger.score`."""
        if self._tagger is None:
            raise EngineError("this bundle has no tagger: its only decoder writes the tags")
        end = int(state.lengths[0]) + len(tokens)
        self._check_room(int(state.lengths[0]), len(tokens))
        self._make_room(state, end)
        return self._tagger.score(tokens, state, wanted)

    def cut(self, state: OnnxState, length: int) -> None:
        """See `Tagger.cut`."""
        state.lengths[:] = length

    def select(
        self, state: OnnxState, rows: Sequence[int], lengths: Sequence[int] | None = None
    ) -> OnnxState:
        """See `Engine.select`."""
        index = np.asarray(rows, np.int64)
        kept = state.lengths[index] if lengths is None else np.asarray(lengths, np.int64)
        caches, queries = self._copied(state, index, kept, state.queries.shape[1])
        sources = tuple(state.sources[row] for row in index)
        encoded = state.encoded if sources == state.sources else self._taken(state.encoded, index)
        return OnnxState(encoded, sources, caches, kept.copy(), queries)

    def lengths(self, state: OnnxState) -> list[int]:
        """See `Engine.lengths`."""
        return [int(length) for length in state.lengths]

    def attention(self, state: OnnxState, row: int, start: int, stop: int) -> NDArray[np.float32]:
        """See `Aligner.attention`."""
        length = int(state.encoded.lengths[row])
        # For int8 keys the queries already contain the scales of the channels.
        queries = state.queries[row, start:stop].reshape(stop - start, len(self._heads), self._head)
        scores = np.empty((len(self._heads), stop - start, length), np.float32)
        for place, (layer, head) in enumerate(self._heads):
            keys = state.encoded.caches[f"cross_key_{layer}"][row, head, :length].astype(np.float32)
            for first in range(0, stop - start, SMALL):
                few = slice(first, first + SMALL)
                np.matmul(queries[few, place], keys.T, out=scores[place, few])
        scores *= np.float32(self._head**-0.5)
        scores -= scores.max(axis=2, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=2, keepdims=True)
        return scores

    def _taken(self, encoded: OnnxEncoded, index: NDArray[np.int64]) -> OnnxEncoded:
        """Rows of an encoder state: views if they are neighbours."""
        first = int(index[0])
        if np.array_equal(index, np.arange(first, first + len(index))):
            return encoded.rows(slice(first, first + len(index)))
        caches = {name: np.ascontiguousarray(cache[index]) for name, cache in encoded.caches.items()}
        return OnnxEncoded(caches, encoded.lengths[index], self._placed(caches))

    def _placed(self, caches: dict[str, NDArray[Any]]) -> Mapping[str, Array]:
        """Caches where the decoder runs."""
        if self._memory is None:
            return caches
        return {name: DeviceArray.of(cache, self._memory) for name, cache in caches.items()}

    def _check_room(self, written: int, count: int) -> None:
        if written + count > self.max_tokens:
            raise EngineError(
                f"cannot write {count} tokens after {written}: the model has "
                f"{self.max_tokens} positions; shorten the prompt or the window"
            )

    def _make_room(self, state: OnnxState, needed: int) -> None:
        """Copy caches that are too small for `needed` positions into larger ones."""
        room = state.queries.shape[1]
        if needed > room:
            room = min(self.max_tokens, max(needed, 2 * room))
            rows = np.arange(len(state.lengths))
            state.caches, state.queries = self._copied(state, rows, state.lengths, room)
            state.step = state.scores = None  # they are bound to the old addresses

    def _copied(
        self, state: OnnxState, rows: NDArray[np.int64], lengths: NDArray[np.int64], room: int
    ) -> tuple[Mapping[str, Array], NDArray[np.float32]]:
        """Caches and queries of `rows`, each cut to its entry in `lengths`, in arrays of `room` positions."""
        caches = {name: self._cache(name, len(rows), room) for name in state.caches}
        queries = self._queries(len(rows), room)
        written = {name: on_host(cache) for name, cache in state.caches.items()} if lengths.any() else {}
        # Row by row: indexing all at once would copy everything twice, and to the longest row's end.
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            for name, old in written.items():
                caches[name][place, :, :length] = old[row, :, :length]
            queries[place, :length] = state.queries[row, :length]
        return self._placed(caches), queries

    def _write_row(self, tokens: NDArray[np.int64], state: OnnxState, row: int) -> NDArray[np.float32]:
        """Append `tokens` `[n]` to one row, in steps of at most as many as it has audio positions (the
        kernel's limit).
        """
        rows = slice(row, row + 1)
        most = int(state.encoded.lengths[row])
        for start in range(0, len(tokens), most):
            piece = tokens[start : start + most]
            binding = self._binding(state, rows, len(piece))
            logits = binding.run(piece, state.lengths[rows] + start)
            binding.keep_queries(state.queries[rows], state.lengths[rows] + start)
        return logits

    def _encode_row(self, mel: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Run the encoder on one window `[mels, frames]`, writing into fresh arrays."""
        row = np.ascontiguousarray(mel[None], np.float32)
        binding = self._encoder.io_binding()
        bind(binding.bind_input, "mel", row)
        caches: dict[str, NDArray[Any]] = {}
        for name, item in self._outputs.items():
            shape: list[int] = [1, *item.shape[1:]]
            if name != SCALES:
                shape[2] = row.shape[2] // 2
            caches[name] = np.empty(tuple(shape), DTYPES[item.type])
            bind(binding.bind_output, name, caches[name])
        self._encoder.run_with_iobinding(binding)
        return caches

    def _binding(self, state: OnnxState, rows: slice, count: int) -> StepBinding:
        return StepBinding(self._decoder, self.vocab_size, state, rows, count, self._rebinds)

    def _queries(self, batch: int, room: int) -> NDArray[np.float32]:
        return np.empty((batch, room, len(self._heads) * self._head), np.float32)

    def _cache(self, name: str, batch: int, room: int) -> NDArray[Any]:
        item = self._inputs[name]
        _, heads, _, head = item.shape
        # Kernels of other devices may multiply what lies behind a row's end by nought: no NaN may lie there.
        make = np.empty if self._memory is None else np.zeros
        return make((batch, heads, room, head), DTYPES[item.type])


def _stack(rows: Sequence[dict[str, NDArray[Any]]], longest: int) -> dict[str, NDArray[Any]]:
    """Put the caches of single windows into one batch, rows padded at the end (never read there)."""
    stacked = {}
    for name, first in rows[0].items():
        if name == SCALES:
            stacked[name] = np.concatenate([row[name] for row in rows])
            continue
        stacked[name] = np.zeros((len(rows), first.shape[1], longest, first.shape[3]), first.dtype)
        for index, row in enumerate(rows):
            stacked[name][index, :, : row[name].shape[2]] = row[name][0]
    return stacked
