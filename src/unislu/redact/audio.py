"""The redacted recording: same container, codec, sample rate, channels and length, with some seconds
covered.

One pass decodes and encodes the first audio track, frame by frame, and changes only the samples that are
covered: a lossless file keeps every other sample to the last bit. It reads, decodes and counts time as
transcription does (`unislu.audio.container`), so that what is covered is what was transcribed; gaps in the
time codes are silence in the copy too. Video is copied. Whatever else could contain the words (other audio
tracks, subtitles, captions inside the picture, chapters, tags, cover pictures) is left out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..audio.container import ContainerClock, audio_track, decoded, open_container, packets
from ..audio.media import Media, open_media
from ..errors import AudioError, OptionError, RedactionError, UnisluError
from ..files import replacing
from .cover import Cover
from .formats import muxer, set_up_encoder
from .pictures import Pictures

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer

AUDIO_HOWS = ("beep", "silence")
DEFAULT_GUARD = 0.15
MAX_GUARD = 10.0
SAME_SECONDS = 0.01
"""The copy and the transcribed audio may differ by this much, because results round the duration to
milliseconds.
"""

_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
_CENTRE = 0x80  # of unsigned 8-bit samples


@dataclass(frozen=True)
class RedactedAudio:
    """A copy that was written."""

    format: str
    """FFmpeg's name of its container."""
    seconds: float
    """Length of its audio."""
    notes: tuple[str, ...]
    """What else was left out, as sentences; e.g. subtitles."""


def redact_audio(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    target: str | os.PathLike[str],
    spans: Iterable[tuple[float, float]],
    how: str = "beep",
    guard: float = DEFAULT_GUARD,
    *,
    duration: float | None = None,
    name: str | None = None,
) -> RedactedAudio:
    """Write `source` to `target` with the sound of `spans` covered.

    Args:
        source: an audio or video file: its path, its bytes, or a binary file object.
        target: the file to write; it appears once it is complete, and never replaces `source`.
        spans: (start, end) in seconds as `Model.analyze` gives them; anything past the end is ignored.
        how: "beep" or "silence".
        guard: additional seconds covered before and after every span.
        duration: `Analysis.duration` of the transcription that the spans come from. A copy of another length
            is rejected, because its times would differ.
        name: as for `unislu.audio.read_audio`.

    Raises:
        OptionError: an invalid option.
        AudioError: the source cannot be read.
        RedactionError: its codec or container, or the target, cannot be written, or the copy differs in
            length from the transcribed audio.
    """
    checked = _checked(spans, how, guard)
    path = Path(target)
    if isinstance(source, str | os.PathLike) and os.path.realpath(source) == os.path.realpath(path):
        raise OptionError(f"{path}: is the recording itself; choose another target")
    try:
        with replacing(path) as partial:
            partial.touch(exist_ok=False)  # a target that cannot be written is refused before the work
            with open_media(source, name) as media:
                copy = _copied(media, path, partial, checked, how, guard)
            if duration is not None and abs(copy.seconds - duration) > SAME_SECONDS:
                raise RedactionError(
                    f"{media.name}: {duration:.3f} s were transcribed, but a copy has {copy.seconds:.3f} s, "
                    "so its words are elsewhere; nothing was written: convert it first, e.g. to FLAC"
                )
    except OSError as error:
        if isinstance(error, UnisluError):
            raise
        raise RedactionError(
            f"{path}: cannot be written ({error.strerror}); choose another target"
        ) from error
    return copy


def _copied(
    media: Media, path: Path, partial: Path, spans: list[tuple[float, float]], how: str, guard: float
) -> RedactedAudio:
    import av

    try:
        with open_container(media) as container:
            return _Copy(container, media, path.suffix).write(partial, spans, how, guard)
    except av.FFmpegError as error:
        raise AudioError(f"{media.name}: cannot be copied ({error.strerror}); check file and disk") from None


def _checked(spans: Iterable[tuple[float, float]], how: str, guard: float) -> list[tuple[float, float]]:
    if how not in AUDIO_HOWS:
        raise OptionError(f"unknown cover {how!r}: choose from {', '.join(AUDIO_HOWS)}")
    check_guard(guard)
    found = [(float(start), float(end)) for start, end in spans]
    for start, end in found:
        if not 0 <= start <= end < math.inf:
            raise OptionError(f"span {start}…{end} s: give 0 ≤ start ≤ end")
    return found


def check_guard(guard: float) -> None:
    """Raises `OptionError` for a guard outside 0 to `MAX_GUARD` seconds."""
    if not 0 <= guard <= MAX_GUARD:
        raise OptionError(f"guard is {guard}: give seconds from 0 to {MAX_GUARD:.0f}")


class _Copy:
    """Copies one container to another."""

    def __init__(self, container: InputContainer, media: Media, suffix: str) -> None:
        self._input, self._media, self._name = container, media, media.name
        self._audio = audio_track(container, media)
        self._format = muxer(container, media, suffix)
        self._clock = ContainerClock(container, self._audio)
        self._pictures = Pictures(container)
        self._position = 0
        self._rate = 0

    def write(
        self, path: Path, spans: Sequence[tuple[float, float]], how: str, guard: float
    ) -> RedactedAudio:
        import av

        options = {"rf64": "auto"} if self._format == "wav" else {}
        with av.open(str(path), "w", format=self._format, options=options) as output:
            self._transfer(output, spans, how, guard)
        if not self._position:
            raise AudioError(f"{self._name}: nothing in its audio track can be decoded; export it again")
        notes = tuple(f"{self._name}: {note}" for note in self._left_out())
        return RedactedAudio(self._format, self._position / self._rate, notes)

    def _transfer(
        self, output: OutputContainer, spans: Sequence[tuple[float, float]], how: str, guard: float
    ) -> None:
        self._pictures.add_to(output)
        # Pictures before the first sound: all tracks must be known before one is written.
        waiting: list[Any] = []
        encoder = cover = None
        first = 0
        for packet in packets(self._input, [self._audio, *self._pictures.tracks], self._media.report):
            if packet.stream.index != self._audio.index:
                waiting += self._pictures.cleaned(packet)
            else:
                for frame in self._frames(packet):
                    if encoder is None or cover is None:
                        encoder = set_up_encoder(output, self._input, self._audio, frame, self._name)
                        cover = Cover(spans, frame.sample_rate, how, guard)
                        first = round(self._clock.origin * frame.sample_rate) if self._pictures.tracks else 0
                        output.start_encoding()
                    self._cover(frame, cover)
                    frame.pts, frame.time_base = first + self._position, Fraction(1, frame.sample_rate)
                    self._position += frame.samples
                    output.mux(encoder.encode(frame))
            if encoder is not None:
                output.mux(waiting)
                waiting.clear()
        if encoder is not None:
            output.mux(encoder.encode(None))

    def _frames(self, packet: av.Packet[Any]) -> Iterator[av.AudioFrame]:
        """The audio of a packet, preceded by silence for a gap in the time codes."""
        for frame in decoded(packet, self._media.report):
            if self._rate and frame.sample_rate != self._rate:
                raise RedactionError(
                    f"{self._name}: its sample rate changes from {self._rate} to {frame.sample_rate} Hz in "
                    "the middle; convert it first, e.g. to FLAC"
                )
            self._rate = frame.sample_rate
            missing = self._clock.silence_before(frame)
            for done in range(0, missing, self._rate):
                yield _silence(frame, min(self._rate, missing - done))
            yield frame

    def _cover(self, frame: av.AudioFrame, cover: Cover) -> None:
        if not cover.touches(self._position, frame.samples):
            return
        frame.make_writable()
        kind = frame.format.name.removesuffix("p")
        dtype = np.dtype(_DTYPES[kind])
        channels = 1 if frame.format.is_planar else frame.layout.nb_channels
        for plane in frame.planes:
            samples = np.frombuffer(memoryview(plane), dtype, frame.samples * channels).reshape(
                frame.samples, channels
            )
            cover.apply(samples, self._position)

    def _left_out(self) -> Iterator[str]:
        kept = {self._audio.index, *(track.index for track in self._pictures.tracks)}
        lost = [_kind(stream) for stream in self._input.streams if stream.index not in kept]
        if lost:
            kinds = ", ".join(sorted(set(lost)))
            yield f"{kinds} left out of the redacted copy: the words may be in them"
        if self._pictures.captions:
            yield "captions inside the picture left out of the redacted copy: the words may be in them"
        if self._media.report.damaged:
            yield f"{self._media.report.damaged} damaged packets are missing in the redacted copy"


def _silence(like: av.AudioFrame, samples: int) -> av.AudioFrame:
    import av

    frame = av.AudioFrame(like.format.name, like.layout, samples)
    frame.sample_rate = like.sample_rate
    value = _CENTRE if like.format.name.startswith("u8") else 0
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = value
    return frame


def _kind(stream: av.stream.Stream) -> str:
    return {"audio": "further audio tracks", "subtitle": "subtitles", "video": "pictures"}.get(
        stream.type, f"{stream.type} tracks"
    )
