"""The redacted recording: same container, codec, sample rate, channels and length; some seconds covered.

One pass decodes and encodes the first audio track, frame by frame, and changes only the samples that are
covered: a lossless file keeps every other sample to the last bit. Video is copied as it is. Whatever else
could say the words (other audio tracks, subtitles, chapters, tags, cover pictures) is left out.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import AudioError, AudioNotFoundError, OptionError, RedactionError
from .cover import Cover
from .formats import muxer, set_up_encoder

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer

AUDIO_HOWS = ("beep", "silence")
DEFAULT_GUARD = 0.15
MAX_GUARD = 10.0

_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def redact_audio(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    target: str | os.PathLike[str],
    spans: Iterable[tuple[float, float]],
    how: str = "beep",
    guard: float = DEFAULT_GUARD,
) -> tuple[str, ...]:
    """Write `source` to `target` with the sound of `spans` covered.

    Args:
        source: an audio or video file: its path, its bytes, or a seekable binary file.
        target: the file to write; it appears when it is complete, and never in place of `source`.
        spans: (start, end) in seconds from the first sample; what lies past the end is ignored.
        how: "beep" or "silence".
        guard: seconds covered besides, before and after every span.

    Returns:
        What the copy lacks besides the words, as sentences; e.g. that subtitles were left out.

    Raises:
        OptionError: an option that cannot be meant.
        AudioNotFoundError, AudioError: the source cannot be read.
        RedactionError: its codec or container cannot be written, or the target cannot.
    """
    checked = _checked(spans, how, guard)
    path = Path(target)
    if isinstance(source, str | os.PathLike) and os.path.realpath(source) == os.path.realpath(path):
        raise OptionError(f"{path}: is the recording itself; choose another target")
    import av

    with _replacing(path) as partial, _opened(source) as (file, name):
        try:
            with av.open(file, "r", options={"protocol_whitelist": "none"}) as container:
                return _Copy(container, name, path.suffix).write(partial, checked, how, guard)
        except av.FFmpegError as error:
            raise AudioError(f"{name}: cannot be copied ({error.strerror}); check file and disk") from None


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
    """Raises `OptionError` for a guard that is no number of seconds from 0 to `MAX_GUARD`."""
    if not 0 <= guard <= MAX_GUARD:
        raise OptionError(f"guard is {guard}: give seconds from 0 to {MAX_GUARD:.0f}")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` that becomes it when all went well, and is gone otherwise."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _writing(path):
            partial.touch(exist_ok=False)
        yield partial
        with _writing(path):
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror
        raise RedactionError(f"{path}: cannot be written ({reason}); choose another target") from None


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | bytes | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source), "bytes"
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        try:
            file = open(name, "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise AudioNotFoundError(f"{name}: cannot be opened ({error.strerror}); check the path") from None
        with file:
            yield file, name
    else:
        yield source, str(getattr(source, "name", "stream"))


class _Copy:
    """One container on its way to another."""

    def __init__(self, container: InputContainer, name: str, suffix: str) -> None:
        if not container.streams.audio:
            raise AudioError(f"{name}: has no audio track; pass a file with sound")
        self._input, self._name = container, name
        self._format = muxer(container.format.name, suffix, name)
        self._audio = container.streams.audio[0]
        if self._audio.codec_context is None:
            raise RedactionError(f"{name}: its audio codec is unknown here; convert it first, e.g. to FLAC")
        self._video = [stream for stream in container.streams.video if not _is_picture(stream)]
        self._position = 0
        self._damaged = 0

    def write(
        self, path: Path, spans: Sequence[tuple[float, float]], how: str, guard: float
    ) -> tuple[str, ...]:
        import av

        options = {"rf64": "auto"} if self._format == "wav" else {}
        with av.open(str(path), "w", format=self._format, options=options) as output:
            self._transfer(output, spans, how, guard)
        if not self._position:
            raise AudioError(f"{self._name}: nothing in its audio track can be decoded; export it again")
        return tuple(self._left_out())

    def _transfer(
        self, output: OutputContainer, spans: Sequence[tuple[float, float]], how: str, guard: float
    ) -> None:
        import av

        copies = {stream.index: output.add_stream_from_template(stream) for stream in self._video}
        # Video before the first sound: all tracks must be known before one is written.
        waiting: list[Any] = []
        encoder = cover = None
        first = 0
        for item in self._items():
            if isinstance(item, av.Packet):
                waiting.append(item)
            else:
                if encoder is None or cover is None:
                    encoder = set_up_encoder(output, self._input, self._audio, item, self._name)
                    cover = Cover(spans, item.sample_rate, how, guard)
                    first = _delay(item) if copies else 0
                    output.start_encoding()
                self._cover(item, cover)
                item.pts, item.time_base = first + self._position, Fraction(1, item.sample_rate)
                self._position += item.samples
                output.mux(encoder.encode(item))
            if encoder is not None:
                for packet in waiting:
                    packet.stream = copies[packet.stream.index]
                    output.mux(packet)
                waiting.clear()
        if encoder is not None:
            output.mux(encoder.encode(None))

    def _items(self) -> Iterator[Any]:
        """Decoded frames of the audio and packets of the video; damaged packets are skipped and counted."""
        import av

        packets = self._input.demux(self._audio, *self._video)
        rate = 0
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._damaged += 1
                return
            if packet is None:
                return
            if packet.stream.index != self._audio.index:
                if packet.dts is not None:  # what ends a track has none
                    yield packet
                continue
            try:
                frames: list[Any] = list(packet.decode())
            except av.FFmpegError:
                self._damaged += 1
                continue
            for frame in frames:
                if rate and frame.sample_rate != rate:
                    raise RedactionError(
                        f"{self._name}: its sample rate changes from {rate} to {frame.sample_rate} Hz in the "
                        "middle; convert it first, e.g. to FLAC"
                    )
                rate = frame.sample_rate
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
        kept = {self._audio.index, *(stream.index for stream in self._video)}
        lost = [_kind(stream) for stream in self._input.streams if stream.index not in kept]
        if lost:
            kinds = ", ".join(sorted(set(lost)))
            yield f"{self._name}: {kinds} left out of the redacted copy: the words may be in them"
        if self._damaged:
            yield f"{self._name}: {self._damaged} damaged packets are missing in the redacted copy"


def _delay(frame: av.AudioFrame) -> int:
    """Samples of the sound's start after that of the pictures, which the copy keeps."""
    if frame.pts is None or frame.time_base is None:
        return 0
    return round(float(frame.pts * frame.time_base) * frame.sample_rate)


def _kind(stream: av.stream.Stream) -> str:
    return {"audio": "further audio tracks", "subtitle": "subtitles", "video": "pictures"}.get(
        stream.type, f"{stream.type} tracks"
    )


def _is_picture(stream: av.video.stream.VideoStream) -> bool:
    """Whether a video track is a cover picture."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
