"""A file on its way: read as a stream, cut into windows, and joined to a result when they are heard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, AudioStream
from unislu.bundle import AudioSettings
from unislu.bundle.calibration import UNCALIBRATED, Calibration
from unislu.errors import EngineError, UnisluError
from unislu.result import Analysis
from unislu.vad import Cutter, Cutting, EnergyCutter, Span, SpeechCutter, has_speech, is_silent

from .assemble import Frame, Window, join
from .recognizer import Outcome, Plan

STAGES = ("audio", "features", "encode", "decode")
NOT_HEARD = "interrupted before it was heard"


@dataclass(frozen=True)
class Progress:
    """How far the file number `file` is: `seconds` of its audio are done, of `total` if that is known.

    `text()`: the transcript of these seconds. That of the whole file begins with it, unless its channels are
    heard apart.
    """

    file: int
    seconds: float
    total: float | None
    text: Callable[[], str] = field(default=str, repr=False, compare=False)


@dataclass(eq=False)
class WindowJob:
    """A window that waits to be heard."""

    recording: Recording
    span: Span
    channel: int | None

    @property
    def samples(self) -> NDArray[np.float32]:
        """[n] float32 at 16 kHz."""
        return self.span.samples


class Recording:
    """One file. Iterate over `jobs`, hand every outcome to `take`; `complete` says when `result` is due."""

    def __init__(
        self, stream: AudioStream, plan: Plan, audio: AudioSettings, *, number: int = 0, named: bool = True
    ) -> None:
        """`audio`: of the bundle. `named`: whether results say the file's name."""
        self.number = number
        self.read = False
        self._stream = stream
        self._plan = plan
        self._max_seconds = audio.max_seconds
        self._min_speech = audio.min_speech
        self._named = named
        self._pending: list[WindowJob] = []
        self._windows: list[Window] = []
        self._notes = [plan.note] if plan.note is not None else []
        self._timings = dict.fromkeys(STAGES, 0.0)
        self._error: UnisluError | None = None
        self._broken: Exception | None = None
        self._stopped = False

    @property
    def complete(self) -> bool:
        """Whether everything was read and heard."""
        return self.read and not self._pending

    @property
    def begun(self) -> bool:
        """Whether something was heard."""
        return bool(self._windows)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        done = min((job.span.start for job in self._pending), default=self._stream.read_seconds)
        return Progress(self.number, done, self._stream.seconds, lambda: self._text_before(done))

    def _text_before(self, seconds: float) -> str:
        windows = sorted(self._windows, key=lambda window: window.start)
        heard = [window.heard for window in windows if window.start < seconds]
        return " ".join(one.text for one in heard if one is not None and one.text)

    def jobs(self, tick: Callable[[], bool]) -> Iterator[WindowJob]:
        """The windows as they are read, each of them once. `tick` is called often; it says when to stop."""
        mark = time.perf_counter()
        with self._stream:
            windows = self._cut(tick)
            while True:
                try:
                    job = next(windows, None)
                except UnisluError as error:
                    self._error = error
                    job = None
                if job is None:
                    break
                self._timings["audio"] += time.perf_counter() - mark
                self._pending.append(job)
                yield job
                mark = time.perf_counter()
        self._timings["audio"] += time.perf_counter() - mark
        self.read = True

    def _cut(self, tick: Callable[[], bool]) -> Iterator[WindowJob]:
        options, blocks = self._plan.options, iter(self._stream)
        held: list[NDArray[np.float32]] = []
        # Nothing is known of the length until the end or more than a window was read.
        for block in blocks:
            held.append(block)
            if sum(part.shape[1] for part in held) > self._max_seconds * SAMPLE_RATE:
                break
        else:
            if options.vad == "auto":
                for channel, samples in enumerate(np.concatenate(held, axis=1)):
                    yield from self._jobs([Span(0, samples)], channel, self._min_speech)
                return
        cutters = [self._cutter() for _ in held[0]]
        for block in chain(held, blocks):
            for channel, cutter in enumerate(cutters):
                yield from self._jobs(cutter.feed(block[channel]), channel)
            if tick():
                self._stopped = True
                return
        for channel, cutter in enumerate(cutters):
            yield from self._jobs(cutter.finish(), channel)

    def _cutter(self) -> Cutter:
        options = self._plan.options
        window = min(self._max_seconds, options.window or self._max_seconds)
        if options.vad == "energy":
            return EnergyCutter(window)
        return SpeechCutter(Cutting(window, options.pad, options.merge))

    def _jobs(self, spans: list[Span], channel: int, min_speech: float = 0.0) -> Iterator[WindowJob]:
        """Spans as jobs; silence, and what the VAD is sure is no speech, needs nobody to hear it."""
        number = channel if self._plan.options.channels == "split" else None
        for span in spans:
            if is_silent(span.samples) or (min_speech and not has_speech(span.samples, min_speech)):
                self._windows.append(Window(span.start, span.end, None, channel=number))
            else:
                yield WindowJob(self, span, number)

    def take(self, job: WindowJob, outcome: Outcome) -> None:
        """Keep what was heard in a window and let go of its audio."""
        self._pending.remove(job)
        for stage, seconds in outcome.seconds.items():
            self._timings[stage] += seconds
        self._broken = outcome.error or self._broken
        for part in outcome.parts:
            start, end = (job.span.start + place / SAMPLE_RATE for place in (part.first, part.end))
            self._windows.append(Window(start, end, part.heard, part.failed, job.channel))
            if part.failed is not None:
                remedy = "was stopped; check that part" if part.heard else "this part was not heard"
                joint = "and " if part.heard else ": "
                where = f"at {start:.1f}–{end:.1f} s"
                self._notes.append(
                    f"{self._stream.name}: {part.failed} {where} {joint}{remedy}".replace(" : ", ": ")
                )

    def stop(self) -> None:
        """Nothing more will be heard."""
        self._stopped = True
        self._stream.close()
        for job in self._pending:
            self._windows.append(Window(job.span.start, job.span.end, None, NOT_HEARD, job.channel))
        self._pending.clear()

    def result(
        self,
        model: str,
        language: str | None,
        load_seconds: float,
        calibration: Calibration = UNCALIBRATED,
    ) -> Analysis:
        """Everything heard, joined. Raises what reading the file or hearing all of it raised."""
        if self._error is not None:
            raise self._error
        heard = [window for window in self._windows if window.heard is not None]
        if self._broken is not None and not heard:
            if isinstance(self._broken, UnisluError):
                raise self._broken
            message = (
                f"{self._stream.name}: the engine failed ({type(self._broken).__name__}: {self._broken})"
            )
            raise EngineError(f"{message}; load the bundle again, or export it again") from self._broken
        duration = self._stream.read_seconds
        if self._stopped:
            duration = max(duration, self._stream.seconds or 0.0)
        windows = sorted(self._windows, key=lambda window: (window.start, window.channel or 0))
        timings = {"load": load_seconds, **self._timings, "total": sum(self._timings.values())}
        return join(
            windows or [Window(0.0, duration, None)],
            Frame(
                file=self._stream.name if self._named else None,
                duration=duration,
                model=model,
                language=language,
                tasks=tuple(self._plan.options.tasks),
                names=self._plan.names,
                timings=timings,
                warnings=tuple(dict.fromkeys(self._all_notes(heard, duration))),
                calibration=calibration,
            ),
        )

    def _all_notes(self, heard: list[Window], duration: float) -> list[str]:
        name, options = self._stream.name, self._plan.options
        notes = [*self._stream.warnings, *self._notes]
        if options.channels == "split" and self._stream.channels == 1:
            notes.append(f"{name}: has one channel: there was nothing to split")
        if self._stopped:
            until = min(
                (window.start for window in self._windows if window.failed == NOT_HEARD),
                default=self._stream.read_seconds,
            )
            notes.append(f"{name}: interrupted: only {until:.1f} s of {duration:.1f} s were heard to the end")
        elif not any(window.heard is not None and window.heard.text for window in heard):
            notes.append(f"{name}: no speech was found in {duration:.1f} s")
        return notes
