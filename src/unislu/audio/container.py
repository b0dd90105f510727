"""All containers that FFmpeg reads, through PyAV: MP3, MP4 and M4A, Ogg, Opus, FLAC, WebM, video, …

Transcription and redaction (`unislu.redact`) both open, decode and count time with this module, so that the
second that is transcribed is the second that is covered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError
from .media import Media
from .samples import BLOCK_SECONDS, Blocks, Float32, Report, block_frames, check_kind, cut_off, to_float

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_ENDS = ("", "le", "be")
_CONTAINERS = (
    "3g2", "3gp", "aac", "ac3", "aea", "aiff", "alaw", "amr", "amrnb", "amrwb", "ape", "aptx", "aptx_hd",
    "asf", "ast", "au", "avi", "avr", "bfstm", "brstm", "caf", "daud", "dsf", "dss", "dts", "dtshd", "dv",
    "eac3", "flac", "flv", "g722", "g726", "g726le", "gsm", "gxf", "iff", "ilbc", "ircam", "latm", "loas",
    "m4a", "matroska", "mj2", "mlp", "mmf", "mov", "mp3", "mp4", "mpc", "mpc8", "mpeg", "mpegts", "mulaw",
    "mxf", "nistsphere", "nut", "ogg", "oma", "pvf", "qcp", "rm", "rso", "sbc", "sln", "sox", "spdif",
    "swf", "tak", "truehd", "tta", "voc", "w64", "wav", "webm", "wsaud", "wsd", "wtv", "wv", "xa", "xwma",
)  # fmt: skip
"""FFmpeg's names of audio and video containers. It has others, which open further files (playlists), draw
pictures or read devices.
"""
_RAW = tuple(f"{kind}{bits}{end}" for kind in "suf" for bits in (8, 16, 24, 32, 64) for end in _ENDS)
"""Samples without a header, which are refused with a message of their own."""
_MAX_LOST_SECONDS = 0.5
_MAX_LOST_SHARE = 0.02
_JITTER_SECONDS = 0.05  # time codes of some containers are whole milliseconds; smaller gaps are rounding
_MAX_LEAP_SECONDS = 60.0  # where the length is not known
_MAX_LEAPS_SECONDS = 4 * 3600.0  # all together

_TELEPHONE = dict.fromkeys((".ul", ".ulaw", ".mulaw", ".pcmu"), "mulaw") | dict.fromkeys(
    (".al", ".alaw", ".pcma"), "alaw"
)
"""G.711 without a header is telephone sound, at 8 kHz; FFmpeg would guess 44.1 kHz."""
_NO_HEADER = re.compile(r"[suf](8|16|24|32|64)(le|be)?|vidc")
"""FFmpeg's names of samples without a header; nothing says their rate."""


def container_blocks(media: Media) -> Blocks:
    """Decode the first audio track with PyAV, in blocks of a few seconds.

    Times are those of the container, as players show them: a gap in its time codes becomes silence, be it
    before a track that begins after the picture or where packets are lost.
    """
    report, name = media.report, media.name
    with open_container(media) as container:
        track = audio_track(container, media)
        if len(container.streams.audio) > 1:
            report.notes.append(
                f"{name}: has {len(container.streams.audio)} audio tracks; only the first was transcribed"
            )
        expected = _declared_seconds(container, track)
        report.seconds = expected or None
        present = 0.0
        clock = ContainerClock(container, track)
        frames = (
            frame for packet in packets(container, [track], report) for frame in decoded(packet, report)
        )
        for rate, block in _grouped(_timed(frames, clock, name)):
            present += block.shape[1] / rate
            yield rate, block
        if not present:
            raise AudioError(
                f"{name}: nothing in its audio track can be decoded "
                f"({container.format.name}, {track.codec_context.name}); export it again, e.g. as WAV"
            )
        if expected - present > max(_MAX_LOST_SECONDS, _MAX_LOST_SHARE * expected):
            report.notes.append(cut_off(name, present, expected))
        elif report.damaged:
            report.notes.append(
                f"{name}: {report.damaged} damaged packets were skipped; copy or export it again"
            )


def open_container(media: Media) -> InputContainer:
    """Open it with PyAV; close it before `media`. Raises `AudioError` if it is not audio."""
    import av

    file, suffix = media.file, PurePath(media.name).suffix.lower()
    file.seek(0)
    head = file.read(12)
    # The file is already open; a playlist inside it must not make FFmpeg open others.
    options = {"protocol_whitelist": "none", "format_whitelist": ",".join((*_CONTAINERS, *_RAW, "vidc"))}
    if suffix in _TELEPHONE:
        options["sample_rate"] = "8000"
    formats = [None, *([_TELEPHONE[suffix]] if suffix in _TELEPHONE else [])]
    for format_ in formats:
        file.seek(0)
        try:
            container: InputContainer = av.open(
                file, "r", format=format_, options=options, metadata_errors="replace"
            )
        except av.FFmpegError as error:
            failure: Exception = error
            continue
        if _NO_HEADER.fullmatch(container.format.name):
            container.close()
            raise AudioError(
                f"{media.name}: raw samples without a header, so the sample rate is unknown; convert it to "
                "WAV first"
            )
        return container
    raise AudioError(_not_audio(media.name, head, failure)) from None


def _not_audio(name: str, head: bytes, error: Exception) -> str:
    if head[4:8] == b"ftyp":
        return f"{name}: is an MP4 without its index, so it is incomplete; copy or download it again"
    reason = str(getattr(error, "strerror", "")) or str(error)
    text = head.decode("latin-1")
    begins = repr(text) if text.isascii() and text.isprintable() else f"the bytes {head.hex(' ')}"
    what = f"is not an audio or video file (it begins with {begins}: {reason})"
    return f"{name}: {what}; export it again, e.g. as WAV"


def audio_track(container: InputContainer, media: Media) -> AudioStream:
    """The audio track to decode. Raises `AudioError` if there is none, or if its codec is unknown."""
    tracks, name = container.streams.audio, media.name
    if not tracks:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise AudioError(f"{name}: has no audio track (it contains: {kinds}); pass a file with sound")
    if tracks[0].codec_context is None:
        raise AudioError(f"{name}: its audio codec is not supported; convert it first, e.g. to WAV or FLAC")
    return tracks[0]


def packets(container: InputContainer, tracks: list[Any], report: Report) -> Iterator[av.Packet[Any]]:
    """The packets of some tracks as far as they can be read; a premature end is counted as damage."""
    import av

    found = container.demux(*tracks)
    while True:
        try:
            packet = next(found, None)
        except av.FFmpegError:
            report.damaged += 1
            return
        if packet is None:
            return
        yield packet


def decoded(packet: av.Packet[Any], report: Report) -> list[av.AudioFrame]:
    """The frames of an audio packet; none if it is damaged, which is counted."""
    import av

    try:
        return list(packet.decode())  # type: ignore[arg-type]
    except av.FFmpegError:
        report.damaged += 1
        return []


class ContainerClock:
    """Where the frames of a track lie in the container's time, which begins with its first picture or
    sound.
    """

    def __init__(self, container: InputContainer, track: AudioStream) -> None:
        self.position = 0.0
        """Seconds up to which there is sound or silence."""
        self.origin = container.start_time / 1_000_000 if container.start_time is not None else 0.0
        self._end = container.duration / 1_000_000 if container.duration is not None else None
        self._has_times = track.start_time is not None
        self._left = _MAX_LEAPS_SECONDS

    def silence_before(self, frame: av.AudioFrame) -> int:
        """Samples of silence between the previous frame and this one. Call it for every frame, in order.

        A time code that goes back, or beyond the end, is wrong: such a frame follows the previous one
        directly.
        """
        missing = 0
        if frame.time is not None and self._has_times:
            begins = frame.time - self.origin
            end = self.position + _MAX_LEAP_SECONDS if self._end is None else self._end
            leap = begins - self.position
            if _JITTER_SECONDS < leap <= self._left and begins <= end:
                missing = round(leap * frame.sample_rate)
                self._left -= leap
        self.position += (missing + frame.samples) / frame.sample_rate
        return missing


def _timed(
    frames: Iterator[av.AudioFrame], clock: ContainerClock, name: str
) -> Iterator[tuple[int, Float32]]:
    """(samples a second, [channels, n] float32) of each frame, with silence in the gaps between time
    codes.
    """
    for frame in frames:
        rate, samples = frame.sample_rate, _samples(frame)
        check_kind(rate, len(samples), name)
        missing = clock.silence_before(frame)
        for start in range(0, missing, BLOCK_SECONDS * rate):
            yield rate, np.zeros((len(samples), min(BLOCK_SECONDS * rate, missing - start)), np.float32)
        yield rate, samples


def _grouped(frames: Iterator[tuple[int, Float32]]) -> Blocks:
    """Join samples of the same rate and number of channels into blocks of a few seconds."""
    kind, length = (0, 0), 0
    parts: list[Float32] = []
    for rate, samples in frames:
        if parts and ((rate, len(samples)) != kind or length >= block_frames(*kind)):
            yield kind[0], np.concatenate(parts, axis=1)
            parts, length = [], 0
        kind = (rate, len(samples))
        parts.append(samples)
        length += samples.shape[1]
    if length:
        yield kind[0], np.concatenate(parts, axis=1)


def _samples(frame: av.AudioFrame) -> Float32:
    """A frame's samples: [channels, n] float32."""
    samples = frame.to_ndarray()  # planar: [channels, samples]; packed: [1, samples · channels]
    if not frame.format.is_planar:
        samples = samples.reshape(frame.samples, -1).T
    return to_float(samples)


def _declared_seconds(container: InputContainer, track: AudioStream) -> float:
    """The length that the file itself states, or 0 if FFmpeg only estimates it from the size."""
    if container.format.name in ("mp3", "aac") and not track.start_time:
        return 0.0  # no Xing header: the estimate is wrong for variable bit rates
    if track.duration is not None and track.time_base is not None:
        return float(track.duration * track.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration) / 1_000_000
    return 0.0
