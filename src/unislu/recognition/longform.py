"""Files of any length: read as streams, cut into windows, and joined to results once everything is
recognised.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, AudioStream
from unislu.bundle import AudioSettings
from unislu.bundle.calibration import UNCALIBRATED, Calibration
from unislu.errors import EngineError, UnisluError
from unislu.result import Analysis
from unislu.speakers import VoiceTrack, unmet, with_speakers
from unislu.vad import Cutter, Cutting, EnergyCutter, SpeechCutter, Window, has_speech, is_silent

from .assemble import assemble
from .batches import Batches, Workers
from .hypothesis import Hypothesis
from .plan import Plan

STAGES = ("audio", "features", "encode", "decode")
INTERRUPTED = "interrupted before it was transcribed"
DIGITS = 4
"""Decimals of seconds of computation."""


@dataclass(frozen=True)
class FileProgress:
    """The progress of one file.

    `text()` is the transcript of what is done. The transcript of the whole file begins with it, unless its
    channels are transcribed separately.
    """

    file: int
    """Number of the file."""
    seconds: float
    """Seconds of its audio that are done."""
    total: float | None
    """Length of its audio, if known."""
    text: Callable[[], str] = field(default=str, repr=False, compare=False)


Watch = Callable[[FileProgress], object]
"""Called in the caller's thread whenever more was done or read; if it returns a true value, the work ends
early.
"""


class Recording:
    """One file: supplies its windows, collects their hypotheses, and becomes a result."""

    def __init__(
        self, stream: AudioStream, plan: Plan, audio: AudioSettings, *, number: int = 0, named: bool = True
    ) -> None:
        """`audio`: the bundle's settings. `named`: whether results have the file's name."""
        self.number = number
        self.read = False
        """Whether all its windows were supplied."""
        self._stream, self._plan, self._audio, self._named = stream, plan, audio, named
        self._blocks: Iterator[NDArray[np.float32]] | None = None
        self._held: list[NDArray[np.float32]] = []  # blocks read while it may still fit into one window
        self._cutters: list[Cutter] | None = None
        self._ready: deque[Window] = deque()
        self._pending: list[Window] = []  # supplied but not yet recognised
        self._hypotheses: list[Hypothesis] = []
        self._notes = list(plan.notes)
        self._silent = True  # so far
        self._timings = dict.fromkeys(STAGES, 0.0)
        self._error: UnisluError | None = None
        self._broken: Exception | None = None
        self._ended = self._stopped = False
        self._voices = VoiceTrack() if plan.request.diarizes else None

    @property
    def complete(self) -> bool:
        """Whether everything is read and recognised."""
        return self.read and not self._pending

    @property
    def begun(self) -> bool:
        """Whether anything was recognised."""
        return bool(self._hypotheses)

    @property
    def progress(self) -> FileProgress:
        """How far it is."""
        done = min((window.start for window in self._pending), default=self._stream.read_seconds)
        return FileProgress(self.number, done, self._stream.seconds, lambda: self._text_before(done))

    def _text_before(self, seconds: float) -> str:
        known = sorted(self._hypotheses, key=lambda one: one.start)
        return " ".join(one.text for one in known if one.start < seconds and one.text)

    def next_window(self, tick: Callable[[], bool]) -> Window | None:
        """The next window, None at the end. `tick` is called often; if it returns True, reading stops."""
        mark = time.perf_counter()
        try:
            while not self._ready and not self._ended:
                self._advance(tick)
        except UnisluError as error:
            self._error = error
            self._ended = True
        except BaseException:
            self.close()
            raise
        self._timings["audio"] += time.perf_counter() - mark
        if self._ready:
            window = self._ready.popleft()
            self._pending.append(window)
            self._describe_voices(window)
            return window
        self.read = True
        self.close()
        return None

    def _describe_voices(self, window: Window) -> None:
        """In the order of reading: rows of an encoder's batch are not wholly independent, and results must
        not depend on which thread is done first.
        """
        if self._voices is not None:
            with self._timed("speakers"):
                self._voices.add(window.samples, window.start)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        mark = time.perf_counter()
        yield
        self._timings[stage] = self._timings.get(stage, 0.0) + time.perf_counter() - mark

    def _advance(self, tick: Callable[[], bool]) -> None:
        """Read one more block."""
        if self._blocks is None:
            self._blocks = iter(self._stream)
        block = next(self._blocks, None)
        blocks = [] if block is None else [block]
        self._silent = self._silent and (block is None or all(map(is_silent, block)))
        if self._cutters is None:
            # The length is unknown until the end, or until more than a window was read.
            self._held += blocks
            if block is not None:
                if sum(part.shape[1] for part in self._held) <= self._audio.max_seconds * SAMPLE_RATE:
                    return
            elif self._plan.request.vad == "auto":
                for channel, samples in enumerate(np.concatenate(self._held, axis=1)):
                    self._add([Window(0, samples)], channel, self._audio.min_speech)
                self._ended = True
                return
            self._cutters = [self._cutter() for _ in self._held[0]]
            blocks, self._held = self._held, []
        for part in blocks:
            for channel, cutter in enumerate(self._cutters):
                self._add(cutter.feed(part[channel]), channel)
            if tick():
                self._ended = self._stopped = True
                return
        if block is None:
            for channel, cutter in enumerate(self._cutters):
                self._add(cutter.finish(), channel)
            self._ended = True

    def _cutter(self) -> Cutter:
        request, longest = self._plan.request, self._audio.max_seconds
        window = min(longest, request.window or longest)
        if request.vad == "energy":
            return EnergyCutter(window)
        return SpeechCutter(Cutting(window=window, pad=request.pad, merge=request.merge))

    def _add(self, windows: Sequence[Window], channel: int, min_speech: float = 0.0) -> None:
        """Queue windows to recognise; silence, and what the VAD is sure is not speech, needs no model."""
        number = channel if self._plan.request.channels == "split" else None
        for window in windows:
            samples = window.samples
            if is_silent(samples) or (min_speech and not has_speech(samples, min_speech)):
                self._hypotheses.append(Hypothesis(window.start, window.end, channel=number))
            else:
                self._ready.append(replace(window, channel=number))

    def take(self, window: Window, hypotheses: Sequence[Hypothesis]) -> None:
        """Keep the hypotheses of a window and drop its audio."""
        self._pending.remove(window)
        for one in hypotheses:
            for stage, seconds in one.timings.items():
                self._timings[stage] += seconds
            self._broken = one.error or self._broken
            start, end = window.start + one.start, window.start + one.end
            self._hypotheses.append(replace(one, start=start, end=end, channel=window.channel))
            if one.failure is not None:
                decoded = one.text is not None
                remedy = "was stopped; check that part" if decoded else "this part was not transcribed"
                joint = "and " if decoded else ": "
                where = f"at {start:.1f}–{end:.1f} s"
                self._notes.append(
                    f"{self._stream.name}: {one.failure} {where} {joint}{remedy}".replace(" : ", ": ")
                )

    def stop(self) -> None:
        """Stop: nothing more will be recognised."""
        self._stopped = True
        self.close()
        for window in (*self._pending, *self._ready):
            self._hypotheses.append(
                Hypothesis(window.start, window.end, failure=INTERRUPTED, channel=window.channel)
            )
        self._pending.clear()
        self._ready.clear()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def result(
        self,
        model: str,
        language: str | None,
        load_seconds: float,
        calibration: Calibration = UNCALIBRATED,
    ) -> Analysis:
        """All hypotheses joined. Raises the error that kept the file from being read or recognised."""
        if self._error is not None:
            raise self._error
        decoded = [one for one in self._hypotheses if one.text is not None]
        if self._broken is not None and not decoded:
            if isinstance(self._broken, UnisluError):
                raise self._broken
            message = (
                f"{self._stream.name}: the engine failed ({type(self._broken).__name__}: {self._broken})"
            )
            raise EngineError(f"{message}; load the bundle again, or export it again") from self._broken
        duration = self._stream.read_seconds
        if self._stopped:
            duration = max(duration, self._stream.seconds or 0.0)
        result = assemble(
            sorted(self._hypotheses, key=lambda one: (one.start, one.channel or 0))
            or [Hypothesis(0.0, duration)],
            self._plan,
            calibration,
            file=self._stream.name if self._named else None,
            duration=round(duration, 3),
            model=model,
            language=language,
            warnings=tuple(dict.fromkeys(self._all_notes(decoded, duration))),
            untrained_types=self._plan.untrained,
        )
        result = self._enriched(result)
        timings = {"load": load_seconds, **self._timings, "total": sum(self._timings.values())}
        return replace(result, timings={stage: round(seconds, DIGITS) for stage, seconds in timings.items()})

    def _enriched(self, result: Analysis) -> Analysis:
        """The result with what is read from it, as far as requested: values of entities, speakers."""
        request = self._plan.request
        if request.values:
            from unislu.values import add_values

            result = add_values(result, request.reading())
        if request.speakers is None:
            return result
        with self._timed("speakers"):
            return self._with_speakers(result)

    def _with_speakers(self, result: Analysis) -> Analysis:
        request = self._plan.request
        count = request.speakers if isinstance(request.speakers, int) else None
        known = {name: np.array(values, np.float32) for name, values in dict(request.voices).items()}
        voices = self._voices.voices if self._voices is not None else ()
        found = with_speakers(result, voices, count, request.speaker_names, known)
        if result.no_speech:
            return found
        notes = [f"{self._stream.name}: {note}" for note in unmet(found, count, request.speaker_names, known)]
        return replace(found, warnings=(*found.warnings, *notes))

    def _all_notes(self, decoded: Sequence[Hypothesis], duration: float) -> list[str]:
        name = self._stream.name
        notes = [*self._stream.warnings, *self._notes]
        if self._plan.request.channels == "split" and self._stream.channels == 1:
            notes.append(f"{name}: has only one channel; nothing to split")
        if self._stopped:
            until = min(
                (one.start for one in self._hypotheses if one.failure == INTERRUPTED),
                default=self._stream.read_seconds,
            )
            notes.append(f"{name}: interrupted: only {until:.1f} s of {duration:.1f} s were transcribed")
        elif not any(one.text for one in decoded):
            note = f"{name}: no speech was found in {duration:.1f} s"
            hint = "; quiet or whispered speech may have been left out: --vad energy transcribes everything"
            notes.append(note if self._plan.request.vad == "energy" or self._silent else note + hint)
        return notes


class RecordingsRun:
    """Several files at once: windows of different files share batches, and results come in the files'
    order.
    """

    def __init__(
        self,
        opened: Iterator[Recording | UnisluError],
        workers: Workers,
        plan: Plan,
        watch: Watch | None = None,
    ) -> None:
        """`opened`: each file when its turn comes, or the error that keeps it from being read."""
        self._opened, self._watch = opened, watch
        self._batches: Batches[Recording] = Batches(workers, plan, self._next)
        self._reading: Recording | None = None
        self._files: deque[Recording | UnisluError] = deque()  # begun and not yet returned
        self._stopped = False

    def files(self) -> Iterator[Recording | UnisluError]:
        """The files in their order, each as soon as it and those before it are complete.

        After an early end, those of which anything was recognised.
        """
        try:
            for batch in self._batches.run():
                for recording, window, hypotheses in batch:
                    recording.take(window, hypotheses)
                self._tick()
                while self._files and _complete(self._files[0]):
                    yield self._files.popleft()
                if self._stopped:
                    self._batches.stop()
            first = True
            while self._files:
                file = self._files.popleft()
                kept = first or not isinstance(file, Recording) or file.complete or file.begun
                if isinstance(file, Recording) and not file.complete:
                    file.stop()
                first = False
                if kept:
                    yield file
        finally:
            for file in self._files:
                if isinstance(file, Recording):
                    file.close()

    def _next(self) -> tuple[Recording, Window] | None:
        """The next window of the file that is being read, or of the next file."""
        while True:
            if self._reading is not None:
                window = self._reading.next_window(self._tick)
                if window is not None:
                    return self._reading, window
                self._reading = None
            file = None if self._stopped else next(self._opened, None)
            if file is None:
                return None
            self._files.append(file)
            self._reading = file if isinstance(file, Recording) else None

    def _tick(self) -> bool:
        """Report the progress of the first unfinished file; returns whether to stop."""
        first = next((file for file in self._files if isinstance(file, Recording)), None)
        if self._watch is not None and first is not None and not self._stopped:
            self._stopped = bool(self._watch(first.progress))
        return self._stopped


def _complete(file: Recording | UnisluError) -> bool:
    return not isinstance(file, Recording) or file.complete
