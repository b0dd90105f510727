"""The recogniser: windows of audio in, hypotheses out. All recognition goes through it.

Serving, evaluation, tuning, calibration and the choice of a checkpoint share it, so that what is measured is
what is served. Retries of windows that went wrong are in `recover`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE
from unislu.audio.features import frame_count, log_mel, loudness, padded_log_mel, with_end
from unislu.bundle import Bundle, Manifest, open_bundle
from unislu.decoding import Decoded, Decoder, TaggingDecoder
from unislu.decoding.processors import Suppression
from unislu.engines.protocol import EncoderState, Engine, Tagger
from unislu.errors import BundleError, EngineError, OptionError, UnisluError
from unislu.sequence import Alphabet, Target, Vocabulary, WhisperTokenizer, get_format
from unislu.sequence.vocabulary import END, TRANSCRIPT_END

from .hypothesis import Hypothesis, merge_passes, parsed_entities
from .plan import Pass, Plan, resolve
from .request import Request
from .words import words_of

Samples = NDArray[np.float32]

STOPS = {
    "repetition": "the model began to repeat itself",
    "length": "the model wrote more than fits the audio",
}


@dataclass(frozen=True)
class Encoded:
    """Encoded windows: the encoder state, the length of each in seconds, and the level of each 10 ms in
    dB.
    """

    state: EncoderState
    seconds: tuple[float, ...]
    levels: tuple[NDArray[np.float32], ...]


@dataclass
class StageTimer:
    """Adds up the seconds of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


class Recognizer:
    """An engine with the vocabulary and the manifest of its model. Use it from one thread at a time."""

    def __init__(self, engine: Engine, vocabulary: Vocabulary, manifest: Manifest) -> None:
        """Raises `EngineError` or `BundleError` if engine, vocabulary and formats do not match."""
        if engine.vocab_size != vocabulary.size:
            raise EngineError(
                f"the engine has {engine.vocab_size} tokens, but the manifest {vocabulary.size}: export the "
                "bundle again"
            )
        self.engine, self.vocabulary, self.manifest = engine, vocabulary, manifest
        suppression = Suppression(manifest.decoder.suppress, manifest.decoder.begin_suppress)
        self._decoder: Decoder | TaggingDecoder = (
            TaggingDecoder(engine, engine, vocabulary, suppression)
            if isinstance(engine, Tagger) and engine.tags
            else Decoder(engine, vocabulary, suppression=suppression)
        )
        self._most_frames = frame_count(round(manifest.audio.max_seconds * SAMPLE_RATE))
        self._padded = manifest.audio.padding == "full"
        self._ends = {vocabulary.ids.get(TRANSCRIPT_END), vocabulary[END]}
        alphabet = Alphabet(manifest.alphabet)
        try:
            blank = manifest.decoder.leading_blank
            self.formats = tuple(get_format(name, vocabulary, alphabet, blank) for name in manifest.formats)
        except OptionError as error:
            raise BundleError(f"{manifest.name}: {error}; install a newer unislu") from None

    @classmethod
    def open(
        cls,
        bundle: str | os.PathLike[str] | None = None,
        *,
        engine: Literal["onnx"] | Engine = "onnx",
        threads: int | None = None,
        device: str = "cpu",
    ) -> Recognizer:
        """Load a bundle; arguments and errors as `unislu.load`."""
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise OptionError(f"threads is {threads!r}: give a whole number from 1, or None for all cores")
        if isinstance(engine, str) and engine != "onnx":
            raise OptionError(f"unknown engine {engine!r}: give 'onnx' or an engine object")
        found = open_bundle(bundle)
        # Loading graphs and hashing release Python's lock, so they take no time from the tokenizer, and two
        # cores share all of it.
        with ThreadPoolExecutor(max_workers=2) as pool:
            loading = pool.submit(_engine, engine, found, threads, device)
            check = pool.submit(found.verify)
            try:
                tokenizer = WhisperTokenizer.from_file(found.tokenizer)
                vocabulary = Vocabulary.from_manifest(tokenizer, found.manifest.vocabulary)
                loaded = loading.result()
            except UnisluError:
                check.result()  # a damaged file explains any error above
                raise
            check.result()
        return cls(loaded, vocabulary, found.manifest)

    def resolve(self, request: Request) -> Plan:
        """How a request becomes decoding passes. Raises `OptionError`."""
        return resolve(request, self.manifest, self.vocabulary, self.formats, self.engine.max_tokens)

    def encode(self, batch: Sequence[Samples], clock: StageTimer | None = None) -> Encoded:
        """Encode windows, each [n] float32 at 16 kHz and no longer than the model's window.

        Silence is appended to a window that breaks off in the middle of sound; with `audio.padding: full` to
        every one, up to the model's window.

        Raises:
            AudioError: a window without samples.
            EngineError: the engine cannot encode it.
        """
        clock = clock or StageTimer()
        mels = [self._mel(samples) for samples in batch]
        frames = np.array([mel.shape[1] for mel in mels], np.int64)
        joined = np.zeros((len(batch), self.manifest.audio.mels, int(frames.max())), np.float32)
        for row, mel in enumerate(mels):
            joined[row, :, : frames[row]] = mel
        clock.lap("features")
        state = self.engine.encode(joined, frames)
        clock.lap("encode")
        seconds = tuple(len(samples) / SAMPLE_RATE for samples in batch)
        kept = mels
        if self._padded:  # what lies behind the clip itself has no words
            kept = [m[:, : frame_count(len(some))] for m, some in zip(mels, batch, strict=True)]
        return Encoded(state, seconds, tuple(loudness(mel) for mel in kept))

    def _mel(self, samples: Samples) -> NDArray[np.float32]:
        """What the model is given of a window."""
        mels = self.manifest.audio.mels
        if self._padded:
            return padded_log_mel(samples, self._most_frames, mels)
        return with_end(log_mel(samples, mels), self._most_frames)

    def decode(self, encoded: Encoded, step: Pass, begin: Target | None = None) -> list[Hypothesis]:
        """One pass over encoded windows; `begin`: the known beginning of their transcripts.

        Raises:
            OptionError: the prompt leaves no room for output.
        """
        known = () if begin is None else self._transcript(step.format.render(begin, step.prompt).ids)
        outputs = self._decoder.decode(
            encoded.state, step.format, step.prompt, encoded.seconds, step.options, known
        )
        return [
            self._hypothesis(decoded, step, seconds, level)
            for decoded, seconds, level in zip(outputs, encoded.seconds, encoded.levels, strict=True)
        ]

    def transcribe(
        self,
        encoded: Encoded,
        passes: Sequence[Pass],
        begin: Target | None = None,
        clock: StageTimer | None = None,
    ) -> list[Hypothesis]:
        """All passes over encoded windows, merged; otherwise as `decode`."""
        clock = clock or StageTimer()
        found = [self.decode(encoded, step, begin) for step in passes]
        clock.lap("decode")
        return [merge_passes(row) for row in zip(*found, strict=True)]

    def _hypothesis(self, decoded: Decoded, step: Pass, seconds: float, level: Samples) -> Hypothesis:
        parsed = step.format.parse(decoded.ids, step.prompt)
        alignment = decoded.alignment
        if alignment is not None and self._padded:
            alignment = alignment[:, : max(1, len(level) // 2)]
        length = min(len(self._transcript(decoded.ids)) + 1, len(decoded.ids))
        return Hypothesis(
            start=0.0,
            end=seconds,
            text=parsed.target.text,
            entities=parsed_entities(parsed, decoded.logprobs),
            words=words_of(parsed, decoded.logprobs, alignment, seconds, level),
            sentiment=decoded.sentiment if parsed.target.text else None,
            logprob=math.fsum(decoded.logprobs[:length]) / length if length else None,
            ids=tuple(decoded.ids),
            failure=STOPS.get(decoded.stop),
        )

    def _transcript(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids before the first that ends a transcript."""
        ends = (place for place, token in enumerate(ids) if token in self._ends)
        return ids[: next(ends, len(ids))]


def _engine(engine: Literal["onnx"] | Engine, bundle: Bundle, threads: int | None, device: str) -> Engine:
    """The given engine, or ONNX Runtime with the bundle's graphs."""
    if not isinstance(engine, str):
        return engine
    from unislu.engines.devices import check_started, providers
    from unislu.engines.onnx import OnnxEngine

    chosen = providers(device, bundle.manifest.quantization)
    loaded = OnnxEngine(bundle.encoder, bundle.decoder, threads, tagger=bundle.tagger, providers=chosen)
    check_started(device, loaded.provider)
    return loaded
