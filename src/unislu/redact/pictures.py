"""The pictures of a video for the redacted copy, without the captions inside them.

CEA-608 and CEA-708 captions travel in the user data of each picture, in no track of their own. All user data
is removed for codecs that can carry captions; video of unknown codecs is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RedactionError

if TYPE_CHECKING:
    import av
    from av.bitstream import BitStreamFilterContext
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

_USER_DATA = {"h264": "6", "hevc": "39-40", "vvc": "23-24", "mpeg2video": "178", "av1": "5"}
"""By codec: the types of units with user data, as numbered by FFmpeg's `filter_units`."""
_WITHOUT = frozenset(
    "vp8 vp9 mpeg4 msmpeg4v2 msmpeg4v3 wmv1 wmv2 flv1 h263 theora mjpeg prores rawvideo png gif webp".split()
)
_CAPTIONS = (b"GA94", b"CC\x01\xf8", b"DTG1")
"""How captions in user data begin."""


class Pictures:
    """The video tracks of a recording that are copied.

    `tracks`: those. `captions`: whether captions were found, and taken out.
    """

    def __init__(self, container: InputContainer) -> None:
        self.tracks = [track for track in container.streams.video if _is_copied(track)]
        self.captions = False
        self._name = container.name
        self._copies: dict[int, Any] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}

    def add_to(self, output: OutputContainer) -> None:
        """Add the tracks to `output`."""
        from av.bitstream import BitStreamFilterContext

        for track in self.tracks:
            self._copies[track.index] = output.add_stream_from_template(track)
            units = _USER_DATA.get(_codec(track))
            if units is not None:
                description = f"filter_units=remove_types={units}"
                self._filters[track.index] = BitStreamFilterContext(description, in_stream=track)

    def cleaned(self, packet: av.Packet[Any]) -> list[av.Packet[Any]]:
        """The part of a packet to write. Raises `RedactionError` if captions cannot be separated from
        pictures.
        """
        import av

        if packet.dts is None:  # what ends a track
            return []
        index, size = packet.stream.index, packet.size
        found = [packet]
        if index in self._filters:
            before = bytes(packet)
            try:
                found = self._filters[index].filter(packet)
            except av.FFmpegError as error:
                raise RedactionError(
                    f"{self._name}: its pictures may contain captions that cannot be removed "
                    f"({error.strerror}); extract the audio first, e.g. as FLAC"
                ) from None
            if sum(part.size for part in found) != size:
                self.captions = self.captions or any(mark in before for mark in _CAPTIONS)
        for part in found:
            part.stream = self._copies[index]
        return found


def _codec(track: VideoStream) -> str:
    context = track.codec_context
    return str(context.codec.canonical_name) if context is not None else ""


def _is_copied(track: VideoStream) -> bool:
    """Whether a video track has moving pictures in a codec whose captions can be found."""
    from av.stream import Disposition

    codec = _codec(track)
    return not track.disposition & Disposition.attached_pic and (codec in _USER_DATA or codec in _WITHOUT)
