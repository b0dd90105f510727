"""The muxer and the encoder for a file like the one that was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..audio.media import Media
from ..errors import RedactionError

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

# By FFmpeg's name of the input format: the muxers of that family by file suffix; the first is the default.
_MUXERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": {
        ".mp4": "mp4", ".m4a": "ipod", ".m4b": "ipod", ".m4v": "mp4", ".mov": "mov", ".3gp": "3gp",
    },
    "matroska,webm": {".mkv": "matroska", ".mka": "matroska", ".webm": "webm"},
    "ogg": {".ogg": "ogg", ".oga": "oga", ".opus": "opus", ".ogv": "ogv"},
    "aac": {".aac": "adts"},
    "mp3": {".mp3": "mp3", ".mp2": "mp2"},
    "mpegts": {".ts": "mpegts"},
}  # fmt: skip
# For codecs whose best FFmpeg encoder is not the default one: the names to try.
_ENCODERS = {"opus": ("libopus",), "vorbis": ("libvorbis", "vorbis"), "mp3": ("libmp3lame",)}
_NATIVE_VORBIS_CHANNELS = 2
_KINDS = {
    "wav": {".wav": "audio/wav", ".wave": "audio/wav"},
    "flac": {".flac": "audio/flac"},
    "mp3": {".mp3": "audio/mpeg"},
    "mp2": {".mp2": "audio/mpeg"},
    "ogg": {".ogg": "audio/ogg"},
    "oga": {".oga": "audio/ogg"},
    "ogv": {".ogv": "video/ogg"},
    "opus": {".opus": "audio/ogg"},
    "ipod": {".m4a": "audio/mp4", ".m4b": "audio/mp4"},
    "mp4": {".mp4": "video/mp4", ".m4v": "video/mp4"},
    "mov": {".mov": "video/quicktime"},
    "3gp": {".3gp": "video/3gpp"},
    "webm": {".webm": "audio/webm"},
    "matroska": {".mkv": "video/x-matroska", ".mka": "audio/x-matroska"},
    "adts": {".aac": "audio/aac"},
    "aiff": {".aiff": "audio/aiff", ".aif": "audio/aiff"},
    "mpegts": {".ts": "video/mp2t"},
}
"""The suffixes of each muxer's files, the usual one first, and their media types."""


def muxer(container: InputContainer, media: Media, suffix: str) -> str:
    """FFmpeg's muxer for a file like `container`; `suffix` chooses within a family.

    Raises `RedactionError` if there is none.
    """
    import av

    read = container.format.name
    family = _MUXERS.get(read, {})
    wanted = family.get(suffix.lower()) or next(iter(family.values()), read.split(",")[0])
    if wanted == "matroska" and suffix.lower() not in family and _is_webm(media):
        wanted = "webm"
    try:
        return str(av.ContainerFormat(wanted, "w").name)
    except ValueError:
        raise RedactionError(
            f"{media.name}: {read} files cannot be written; convert it first, e.g. to WAV or FLAC"
        ) from None


def _is_webm(media: Media) -> bool:
    """Whether a Matroska file is declared as WebM."""
    place = media.file.tell()
    media.file.seek(0)
    head = media.file.read(64)
    media.file.seek(place)
    return b"webm" in head


def kind_of(format_name: str, suffix: str) -> tuple[str, str]:
    """(suffix, media type) of a muxer's file; `suffix` is kept if it is valid for the muxer."""
    kinds = _KINDS.get(format_name, {f".{format_name}": "application/octet-stream"})
    fitting = suffix.lower() if suffix.lower() in kinds else next(iter(kinds))
    return fitting, kinds[fitting]


def set_up_encoder(
    output: OutputContainer, container: InputContainer, track: AudioStream, frame: av.AudioFrame, name: str
) -> AudioStream:
    """Add a track to `output` with the encoding of `track`; `frame` is its first.

    Raises `RedactionError` if the codec cannot be written, or not with these channels.
    """
    codec = _encoder(track, frame.layout.nb_channels, name)
    options = {"strict": "experimental"} if codec.experimental else {}
    try:
        stream: AudioStream = output.add_stream(codec.name, rate=frame.sample_rate, options=options)  # type: ignore[assignment]
    except ValueError as error:
        raise RedactionError(f"{name}: cannot be re-encoded ({error}); convert it first") from None
    formats = {format_.name for format_ in codec.audio_formats or ()}
    context = stream.codec_context
    context.layout = {1: "mono", 2: "stereo"}.get(frame.layout.nb_channels, frame.layout.name)
    if frame.format.name in formats or not formats:
        context.format = frame.format.name
    rate = track.bit_rate or (container.bit_rate if len(container.streams) == 1 else None)
    if rate and codec.lossy:
        context.bit_rate = rate
    return stream


def _encoder(track: AudioStream, channels: int, name: str) -> av.Codec:
    import av

    codec = track.codec_context.codec.canonical_name
    for candidate in _ENCODERS.get(codec, (codec,)):
        if candidate == "vorbis" and channels != _NATIVE_VORBIS_CHANNELS:
            continue
        try:
            return av.Codec(candidate, "w")
        except ValueError:
            continue
    raise RedactionError(
        f"{name}: its codec {codec} with {channels} channel(s) cannot be written; convert the file first, "
        "e.g. to FLAC"
    )
