"""The one place where the stages meet: audio → windows → features → engine → decoding → result."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, AudioSource, open_audio
from unislu.bundle import Bundle, Manifest, open_bundle
from unislu.bundle.calibration import Calibration
from unislu.decoding import DecodeOptions
from unislu.engines.protocol import Engine
from unislu.errors import BundleError, EngineError, OptionError, UnisluError
from unislu.result import Analysis
from unislu.sequence import Alphabet, Format, Prompt, Target, Vocabulary, WhisperTokenizer, get_format
from unislu.vad import Cutting

from .batches import Schedule, Workers
from .longform import Progress, Recording, WindowJob
from .operating_point import check_fit, default_bias
from .recognizer import Hearer, Pass, Plan
from .request import TASKS, AnalyzeOptions, EntityPlan, check_mask, plan_entities

Watch = Callable[[Progress], object]
"""Called in the caller's thread whenever more was heard or read; something true ends the work early."""

_Opened = Recording | UnisluError
_CLOSED, _OPEN = ("inline", "suffix", "bio"), ("inline-open", "bio")


def load(
    bundle: str | os.PathLike[str] | None = None,
    *,
    engine: Literal["onnx"] | Engine = "onnx",
    threads: int | None = None,
) -> Model:
    """Load a model bundle.

    Args:
        bundle: None for the embedded default, a folder, or `owner/name[@revision]` on the hub.
        engine: "onnx", or an object that satisfies `unislu.engines.protocol.Engine`.
        threads: threads of one operator; None = one for each core.

    Raises:
        BundleError: the bundle is missing, incomplete, damaged or of another schema.
        EngineError: the engine cannot run it.
        OptionError: a bad `engine` or `threads`.
    """
    start = time.perf_counter()
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise OptionError(f"threads is {threads!r}: give a whole number from 1, or None for all cores")
    if isinstance(engine, str) and engine != "onnx":
        raise OptionError(f"unknown engine {engine!r}: give 'onnx' or an engine object")
    found = open_bundle(bundle)
    # Hashing runs beside loading: both release Python's lock, so the check costs almost no time.
    with ThreadPoolExecutor(max_workers=1) as pool:
        check = pool.submit(found.verify)
        try:
            loaded = _onnx(found, threads) if isinstance(engine, str) else engine
            vocabulary = _vocabulary(found)
        except UnisluError:
            check.result()  # a damaged file explains whatever went wrong above
            raise
        check.result()
    return Model(loaded, vocabulary, found.manifest, load_seconds=time.perf_counter() - start)


def _onnx(bundle: Bundle, threads: int | None) -> Engine:
    from unislu.engines.onnx import OnnxEngine

    return OnnxEngine(bundle.encoder, bundle.decoder, threads)


def _vocabulary(bundle: Bundle) -> Vocabulary:
    return Vocabulary.from_manifest(WhisperTokenizer.from_file(bundle.tokenizer), bundle.manifest.vocabulary)


class Model:
    """A loaded model. Use one from one thread at a time; `load` another for a second thread."""

    def __init__(
        self, engine: Engine, vocabulary: Vocabulary, manifest: Manifest, *, load_seconds: float = 0.0
    ) -> None:
        """Raises `EngineError` or `BundleError` when engine, vocabulary and formats do not fit together."""
        if engine.vocab_size != vocabulary.size:
            raise EngineError(
                f"the engine has {engine.vocab_size} tokens and the manifest {vocabulary.size}: "
                "export the bundle again"
            )
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.load_seconds = load_seconds
        self._calibration = Calibration.from_manifest(manifest.calibration)
        self._engine = engine
        self._workers = Workers(engine, lambda one: Hearer(one, vocabulary, manifest.audio))
        alphabet = Alphabet(manifest.alphabet)
        try:
            self._formats = {name: get_format(name, vocabulary, alphabet) for name in manifest.formats}
        except OptionError as error:
            raise BundleError(f"{manifest.name}: {error}; install a newer unislu") from None

    @property
    def name(self) -> str:
        """What results call the model."""
        return f"{self.manifest.name} {self.manifest.version}"

    @property
    def entity_types(self) -> tuple[str, ...]:
        """The closed set."""
        return self.vocabulary.labels.entity_types

    def analyze(
        self,
        source: AudioSource,
        *,
        sample_rate: int | None = None,
        name: str | None = None,
        tasks: Sequence[str] = TASKS,
        entities: Sequence[str] | None = None,
        bias: float | Mapping[str, float] = 0.0,
        beam: int = 1,
        style: str = "cased",
        constrained: bool = True,
        words: bool = True,
        operating_point: str | None = None,
        vad: str = "auto",
        window: float | None = None,
        pad: float = Cutting.pad,
        merge: float = Cutting.merge,
        channels: str = "mix",
        mask: bool = False,
        watch: Watch | None = None,
    ) -> Analysis:
        """Hear one file, however long it is.

        Args:
            source: path, bytes, binary file object or array; see `unislu.audio.read_audio`.
            sample_rate: of an array, in Hz.
            name: what the result and messages call the source; by default its path.
            tasks: any of "asr", "ner", "sa".
            entities: types to look for, of any name; None = the closed set.
            bias: above 0 finds more entities, below 0 surer ones; one number or one by type.
            beam: hypotheses kept; 1 is greedy.
            style: "cased" or "normalized" (lower case, no punctuation).
            constrained: let the model write only what parses.
            words: give every word its times.
            operating_point: a name of biases stored in the bundle, used in place of its default ones.
            vad: "auto": long audio is cut where Silero VAD hears speech; "silero": short audio too;
                "energy": nothing is left out.
            window: longest window in seconds; None = the best for the bundle.
            pad: seconds kept before and after speech.
            merge: the longest pause inside a window, in seconds.
            channels: "mix", or "split" to hear each channel by itself.
            mask: write `[TYPE]` in place of entities' words, by a model that was trained to.
            watch: told how far it is; answers something true to end early with what was heard so far.

        Raises:
            OptionError: an option that cannot be meant; before any audio is read.
            AudioError: the audio cannot be read.
            EngineError: no part of it could be heard.
        """
        options = AnalyzeOptions(
            tasks, entities, bias, beam, style, constrained, words, operating_point, vad, window, pad, merge,
            channels, mask,
        )  # fmt: skip
        return self._one(source, sample_rate, name, self._plan(options), watch)

    def partial(self, samples: NDArray[np.float32], begin: Target, **options: Any) -> Analysis:
        """Hear a window that is still growing, and whose beginning was heard before.

        Only what follows `begin` is written anew, so that it takes less time than `analyze`, and a loop is
        cut off without another try.

        Args:
            samples: [n] float32, mono, 16 kHz; not longer than a window.
            begin: the first words and their entities as an earlier result has them, in the style "cased";
                or no words. Their confidence in the result is 1.
            options: as for `analyze`.

        Raises:
            OptionError, EngineError: as `analyze`.
            RecordError: `begin` has entities of types that were not asked for.
        """
        plan = replace(self._plan(AnalyzeOptions(**options)), begin=begin)
        return self._one(samples, SAMPLE_RATE, None, plan, None)

    def _one(
        self, source: AudioSource, rate: int | None, name: str | None, plan: Plan, watch: Watch | None
    ) -> Analysis:
        result = next(self._hear(iter([self._open(source, rate, name, plan, 0)]), plan, watch))
        if isinstance(result, UnisluError):
            raise result
        return result

    def analyze_many(
        self,
        sources: Iterable[AudioSource],
        *,
        on_error: Literal["raise", "yield"] = "raise",
        progress: Callable[[int], None] | None = None,
        watch: Watch | None = None,
        **options: Any,
    ) -> Iterator[Analysis | UnisluError]:
        """Hear many files, windows of several of them together; results come in the files' order.

        Args:
            sources: as for `analyze`, without arrays.
            on_error: "raise" ends at the first file that cannot be read; "yield" gives its error
                in its place and goes on.
            progress: called with the number of each file before it is read.
            watch: told how far the first unfinished file is; answers something true to end early: what
                was heard of it is then the last result.
            options: as for `analyze`.

        Raises:
            OptionError: at the call, before any audio is read.
            AudioError: with `on_error="raise"`.
        """
        if on_error not in ("raise", "yield"):
            raise OptionError(f"on_error is {on_error!r}: give 'raise' or 'yield'")
        if isinstance(sources, str | bytes | os.PathLike):
            raise OptionError(f"sources is {sources!r}: give a sequence, e.g. ['a.wav', 'b.wav']")
        plan = self._plan(AnalyzeOptions(**options))
        results = self._hear(self._open_all(sources, plan, progress), plan, watch)
        return results if on_error == "yield" else _raising(results)

    def check(self, options: AnalyzeOptions) -> None:
        """Raises `OptionError` if this model cannot do what the options ask for."""
        self._plan(options)

    def _open_all(
        self, sources: Iterable[AudioSource], plan: Plan, progress: Callable[[int], None] | None
    ) -> Iterator[_Opened]:
        for number, source in enumerate(sources):
            if progress is not None:
                progress(number)
            try:
                yield self._open(source, None, None, plan, number)
            except UnisluError as error:
                yield error

    def _open(
        self, source: AudioSource, rate: int | None, name: str | None, plan: Plan, number: int
    ) -> Recording:
        unnamed = isinstance(source, bytes | bytearray | memoryview | np.ndarray) and name is None
        stream = open_audio(source, rate, name=name, split=plan.options.channels == "split")
        return Recording(stream, plan, self.manifest.audio, number=number, named=not unnamed)

    def _hear(
        self, opened: Iterator[_Opened], plan: Plan, watch: Watch | None
    ) -> Generator[Analysis | UnisluError]:
        """Results in the files' order, each as soon as it and those before it are complete."""
        waiting: deque[_Opened] = deque()
        stopped = False

        def tick() -> bool:
            nonlocal stopped
            first = next((file for file in waiting if isinstance(file, Recording)), None)
            if watch is not None and first is not None and not stopped:
                stopped = bool(watch(first.progress))
            return stopped

        def jobs() -> Iterator[WindowJob]:
            for file in opened:
                waiting.append(file)
                if isinstance(file, Recording):
                    yield from file.jobs(tick)
                if stopped:
                    return

        schedule: Schedule[WindowJob] = Schedule(self._workers, plan)
        for batch in schedule.run(jobs()):
            for job, outcome in batch:
                job.recording.take(job, outcome)
            tick()
            while waiting and (not isinstance(waiting[0], Recording) or waiting[0].complete):
                yield self._result(waiting.popleft())
            if stopped:
                schedule.stop()
        for place, file in enumerate(waiting):
            if isinstance(file, Recording) and not file.complete:
                if place and not file.begun:
                    continue
                file.stop()
            yield self._result(file)

    def _result(self, file: _Opened) -> Analysis | UnisluError:
        if not isinstance(file, Recording):
            return file
        try:
            return file.result(self.name, self.manifest.languages[0], self.load_seconds, self._calibration)
        except UnisluError as error:
            return error

    def _plan(self, options: AnalyzeOptions) -> Plan:
        """How the options become decoding passes. Raises `OptionError`."""
        settings, points = self.manifest.decoder, self.manifest.operating_points
        encode = self.vocabulary.tokenizer.encode
        entities = plan_entities(
            options,
            self.vocabulary.labels,
            self.manifest.formats,
            default_bias(options, settings.bias, points),
            lambda name: len(encode(f" {name},")),
            min(settings.max_positions, self._engine.max_tokens) // 2,
        )
        check_fit(options, entities, points)
        check_mask(options, self.manifest.masking, entities)
        align = options.words and options.wants_text
        decode = DecodeOptions(
            beam=options.beam,
            # What a masked entity looks like, neither the openers nor the grammar know.
            bias={} if options.mask else entities.bias,
            label_bias=settings.sentiment_bias,
            constrained=options.constrained and not options.mask,
            align=align,
        )
        passes = tuple(
            Pass(self._format(entities, options.mask), self._prompt(options, types, number), decode)
            for number, types in enumerate(entities.passes)
        ) or (Pass(self._format(None), self._prompt(options, None, 0), decode),)
        note = None
        if len(passes) > 1:
            note = f"{len(entities.names)} entity types do not fit one prompt: heard in {len(passes)} passes"
        return Plan(options, passes, entities.names, note)

    def _format(self, entities: EntityPlan | None, mask: bool = False) -> Format:
        if mask:
            return self._formats["inline-open"]
        wanted = self.manifest.formats
        if entities is not None and entities.passes:
            wanted = tuple(name for name in wanted if name in (_CLOSED if entities.closed else _OPEN))
        return self._formats[wanted[0]]

    def _prompt(self, options: AnalyzeOptions, types: tuple[str, ...] | None, number: int) -> Prompt:
        tasks = {"ner"} & set(options.tasks)
        if self.manifest.decoder.tag_always and self._format(None).name == "inline":
            tasks.add("ner")  # the result leaves out what was not asked for
        # The sentiment does not depend on the types: it is read once, where the model knows any.
        if number == 0 and self.vocabulary.labels.sentiments:
            tasks |= {"sa"} & set(options.tasks)
        return Prompt(frozenset(tasks), types, self.manifest.languages[0], options.mask)


def _raising(results: Generator[Analysis | UnisluError]) -> Iterator[Analysis]:
    """The results; raises the first error in its place, when what is under way has ended."""
    with closing(results):
        for result in results:
            if isinstance(result, UnisluError):
                raise result
            yield result
