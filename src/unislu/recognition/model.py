"""The public API: a loaded model that turns files into results."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, AudioSource, open_audio
from unislu.bundle import Manifest
from unislu.bundle.calibration import Calibration
from unislu.engines.protocol import Engine
from unislu.errors import OptionError, UnisluError
from unislu.result import Analysis
from unislu.sequence import Target, Vocabulary

from .batches import Workers
from .longform import Recording, RecordingsRun, Watch
from .plan import Plan
from .recognizer import Recognizer
from .request import Request, RequestOptions


def load(
    bundle: str | os.PathLike[str] | None = None,
    *,
    engine: Literal["onnx"] | Engine = "onnx",
    threads: int | None = None,
    device: str = "cpu",
) -> Model:
    """Load a model bundle.

    Args:
        bundle: None for the embedded default, `name[@version]` of an installed model (`unislu models`),
            a folder, or `hf:owner/name[@revision]` of the hub, as `unislu download`
            brought it to this machine; nothing is downloaded here.
        engine: "onnx", or an object that satisfies `unislu.engines.protocol.Engine`.
        threads: threads of one operator; None = one for each core.
        device: "cpu", "cuda", "coreml", "directml" or "auto"; all but the CPU need a bundle in float16.

    Raises:
        BundleError: the bundle is missing, incomplete, damaged or of another schema.
        EngineError: the engine cannot run it.
        OptionError: a bad `engine`, `threads` or `device`.
    """
    start = time.perf_counter()
    found = Recognizer.open(bundle, engine=engine, threads=threads, device=device)
    seconds = time.perf_counter() - start
    return Model(found.engine, found.vocabulary, found.manifest, load_seconds=seconds)


class Model:
    """A loaded model. Use it from one thread at a time; `load` another one for a second thread.

    What to recognise is given as a `Request`, or by its fields as keyword arguments: tasks, entities, bias, …
    """

    def __init__(
        self, engine: Engine, vocabulary: Vocabulary, manifest: Manifest, *, load_seconds: float = 0.0
    ) -> None:
        """Raises `EngineError` or `BundleError` if engine, vocabulary and formats do not match."""
        self.recognizer = Recognizer(engine, vocabulary, manifest)
        self.load_seconds = load_seconds
        self._calibration = Calibration.from_manifest(manifest.calibration)
        self._workers = Workers(self.recognizer)

    @property
    def manifest(self) -> Manifest:
        """The manifest of its bundle."""
        return self.recognizer.manifest

    @property
    def vocabulary(self) -> Vocabulary:
        """Its tokenizer and control tokens."""
        return self.recognizer.vocabulary

    @property
    def name(self) -> str:
        """Its name in results: name and version of the bundle."""
        return f"{self.manifest.name} {self.manifest.version}"

    @property
    def entity_types(self) -> tuple[str, ...]:
        """The built-in entity types (the closed set)."""
        return self.vocabulary.labels.entity_types

    @property
    def open_types(self) -> bool:
        """Whether entity types of any name can be requested."""
        return any(fmt.open for fmt in self.recognizer.formats)

    def analyze(
        self,
        source: AudioSource,
        request: Request | None = None,
        *,
        sample_rate: int | None = None,
        name: str | None = None,
        watch: Watch | None = None,
        **options: Unpack[RequestOptions],
    ) -> Analysis:
        """Transcribe one file, however long it is, and find its entities and its sentiment.

        Args:
            source: path, bytes, binary file object, array, or `{"array", "sampling_rate"}` of the library
                `datasets`; see `unislu.audio.read_audio`.
            request: what to recognise; by default the transcript, entities of the closed set and the
                sentiment.
            sample_rate: of an array, in Hz.
            name: the source's name in the result and in messages; by default its path.
            watch: called with the progress; if it returns a true value, the result is what was recognised so
                far.
            options: the fields of a `Request`, in place of one.

        Raises:
            OptionError: before any audio is read, for a request that is invalid or that this model cannot
                fulfil.
            AudioError: the audio cannot be read.
            EngineError: no part of it could be recognised.
        """
        return self._one(source, sample_rate, name, self._plan(request, options, self.analyze), watch)

    def partial(
        self,
        samples: NDArray[np.float32],
        begin: Target,
        request: Request | None = None,
        **options: Unpack[RequestOptions],
    ) -> Analysis:
        """Transcribe a window that is still growing and whose beginning is already known.

        Only what follows `begin` is decoded, so it takes less time than `analyze`; a loop is cut off without
        a retry.

        Args:
            samples: [n] float32, mono, 16 kHz; not longer than a window.
            begin: the first words and their entities, as in an earlier result in the style "cased"; may be
                empty. Their confidence in the result is 1.
            request: as for `analyze`.
            options: as for `analyze`.

        Raises:
            OptionError: as for `analyze`.
            RecordError: `begin` has entities of types that were not requested.
        """
        plan = replace(self._plan(request, options, self.partial), begin=begin)
        return self._one(samples, SAMPLE_RATE, None, plan, None)

    @overload
    def analyze_many(
        self,
        sources: Iterable[AudioSource],
        request: Request | None = None,
        *,
        names: Sequence[str] | None = None,
        on_error: Literal["raise"] = "raise",
        progress: Callable[[int], None] | None = None,
        watch: Watch | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[Analysis]: ...

    @overload
    def analyze_many(
        self,
        sources: Iterable[AudioSource],
        request: Request | None = None,
        *,
        names: Sequence[str] | None = None,
        on_error: Literal["yield"],
        progress: Callable[[int], None] | None = None,
        watch: Watch | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[Analysis | UnisluError]: ...

    def analyze_many(
        self,
        sources: Iterable[AudioSource],
        request: Request | None = None,
        *,
        names: Sequence[str] | None = None,
        on_error: Literal["raise", "yield"] = "raise",
        progress: Callable[[int], None] | None = None,
        watch: Watch | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[Analysis | UnisluError]:
        """Analyse many files, with windows of several files in one batch; results come in the files'
        order.

        Args:
            sources: as for `analyze`; an array needs its rate: `{"array": …, "sampling_rate": …}`.
            request: as for `analyze`.
            names: each source's name in results and messages; by default its path.
            on_error: "raise" stops at the first file that cannot be read; "yield" yields the error in place
                of its result and continues.
            progress: called with the number of each file before it is read.
            watch: called with the progress of the first unfinished file; if it returns a true value, what
                was recognised of that file so far is the last result.
            options: as for `analyze`.

        Raises:
            OptionError: immediately, before any audio is read.
            AudioError: with `on_error="raise"`.
        """
        if on_error not in ("raise", "yield"):
            raise OptionError(f"on_error is {on_error!r}: give 'raise' or 'yield'")
        if isinstance(sources, str | bytes | os.PathLike | Mapping):
            raise OptionError(f"sources is {sources!r:.80}: give a sequence, e.g. ['a.wav', 'b.wav']")
        plan = self._plan(request, options, self.analyze_many)
        results = self._results(self._open_all(sources, names, plan, progress), plan, watch)
        return results if on_error == "yield" else _raising(results)

    def check(self, request: Request) -> None:
        """Raises `OptionError` if this model cannot fulfil the request."""
        self.recognizer.resolve(request)

    def _plan(self, request: Request | None, options: RequestOptions, caller: Callable[..., object]) -> Plan:
        return self.recognizer.resolve(Request.of(request, options, caller))

    def _one(
        self, source: AudioSource, rate: int | None, name: str | None, plan: Plan, watch: Watch | None
    ) -> Analysis:
        result = next(self._results(iter([self._open(source, rate, name, plan, 0)]), plan, watch))
        if isinstance(result, UnisluError):
            raise result
        return result

    def _open_all(
        self,
        sources: Iterable[AudioSource],
        names: Sequence[str] | None,
        plan: Plan,
        progress: Callable[[int], None] | None,
    ) -> Iterator[Recording | UnisluError]:
        for number, source in enumerate(sources):
            if progress is not None:
                progress(number)
            try:
                yield self._open(source, None, None if names is None else names[number], plan, number)
            except UnisluError as error:
                yield error

    def _open(
        self, source: AudioSource, rate: int | None, name: str | None, plan: Plan, number: int
    ) -> Recording:
        unnamed = name is None and (
            isinstance(source, bytes | bytearray | memoryview | np.ndarray)
            or (isinstance(source, Mapping) and not source.get("path"))
        )
        stream = open_audio(source, rate, name=name, split=plan.request.channels == "split")
        return Recording(stream, plan, self.manifest.audio, number=number, named=not unnamed)

    def _results(
        self, opened: Iterator[Recording | UnisluError], plan: Plan, watch: Watch | None
    ) -> Generator[Analysis | UnisluError]:
        """Results in the files' order, each as soon as it and all earlier ones are complete."""
        for file in RecordingsRun(opened, self._workers, plan, watch).files():
            if isinstance(file, UnisluError):
                yield file
                continue
            try:
                result: Analysis | UnisluError = file.result(
                    self.name, self.manifest.languages[0], self.load_seconds, self._calibration
                )
            except UnisluError as error:
                result = error
            yield result


def _raising(results: Generator[Analysis | UnisluError]) -> Iterator[Analysis]:
    """The results; the first error is raised in its place, once running work has ended."""
    with closing(results):
        for result in results:
            if isinstance(result, UnisluError):
                raise result
            yield result
