"""PCM and float WAV: the most common format needs no decoder library, and so no start-up time.

Recorders, streaming writers and editors write headers that are wrong in known ways. What counts as samples is
decided here once, for transcription and redaction alike: `Wav.file` is the same recording with a correct
header, so that no other reader finds more or fewer samples in it.
"""

from __future__ import annotations

import io
import os
import struct
import wave
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from .samples import Blocks, Float32, Report, block_frames, check_kind, cut_off, to_float
from .stream import SAMPLE_RATE

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_DTYPES = {_PCM: {8: "u1", 16: "<i2", 24: "s24", 32: "<i4"}, _FLOAT: {32: "<f4", 64: "<f8"}}
_NEAR = 1 << 16
_MOST_CHUNKS = 4096
_LEAST_SECONDS = 0.05
"""A size that is wrong by less includes a header, or a few foreign bytes at the end."""

_Extent = tuple[int, int]  # (position, bytes) in a file


@dataclass(frozen=True)
class Wav:
    """A PCM or float WAV."""

    dtype: str
    """Of its samples; "s24" is packed 24 bits."""
    channels: int
    """How many."""
    rate: int
    """Samples a second."""
    file: BinaryIO
    """The recording as a plain WAV with one `data` chunk, from its start."""
    begin: int
    """Where the samples begin in `file`."""
    size: int
    """Bytes of all samples."""

    @property
    def width(self) -> int:
        """Bytes of one sample in all channels."""
        return self.channels * (3 if self.dtype == "s24" else np.dtype(self.dtype).itemsize)

    def blocks(self) -> Blocks:
        """Pairs of (rate, [channels, n] float32)."""
        self.file.seek(self.begin)
        left = self.size // self.width
        while left:
            data = self.file.read(min(left, block_frames(self.rate, self.channels)) * self.width)
            frames = len(data) // self.width
            if not frames:
                return
            yield self.rate, self._samples(data, frames)
            left -= frames

    def _samples(self, data: bytes, frames: int) -> Float32:
        if self.dtype == "s24":
            packed = np.frombuffer(data, np.uint8, frames * self.width).reshape(-1, 3)
            wide = np.zeros((len(packed), 4), np.uint8)
            wide[:, 1:] = packed
            return to_float(wide.view("<i4").reshape(frames, self.channels)).T
        values = np.frombuffer(data, self.dtype, frames * self.channels)
        return to_float(values.reshape(frames, self.channels)).T


def find_wav(file: BinaryIO, name: str, report: Report) -> Wav | None:
    """The WAV in `file`; for anything else None, and the file is rewound.

    Raises `AudioError` for a header that contradicts itself, or for an impossible rate or number of channels.
    """
    start = file.tell()
    found = _format(file)
    if found is None:
        file.seek(start)
        return None
    body, position, declared = found
    tag, channels, rate, _, align, bits = struct.unpack("<HHIIHH", body[:16])
    check_kind(rate, channels, name)
    if tag == _EXTENSIBLE:
        tag = struct.unpack("<H", body[24:26])[0]
    dtype = _DTYPES[tag].get(bits, "")
    wav = Wav(dtype, channels, rate, file, 0, 0) if dtype else None
    if wav is None or align not in (0, wav.width):
        raise AudioError(
            f"{name}: its WAV header contradicts itself: {bits} bits in blocks of {align} bytes for "
            f"{channels} channel(s); export it again, e.g. as 16-bit PCM"
        )
    body = body[:12] + struct.pack("<H", wav.width) + body[14:]
    extents = _extents(file, position, declared, rate * wav.width, name, report)
    size = sum(count for _, count in extents) // wav.width * wav.width
    report.seconds = size / wav.width / rate
    head = _head(body, size)
    view = _Joined(file, name, head, extents, size)
    return Wav(dtype, channels, rate, view, len(head), size)  # type: ignore[arg-type]


def _format(file: BinaryIO) -> tuple[bytes, int, int] | None:
    """(format chunk, where the samples begin, their bytes as the header says) of PCM or float, or None."""
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    body = b""
    for _ in range(_MOST_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            return None
        kind, size = struct.unpack("<4sI", chunk)
        if kind == b"data":
            return (body, file.tell(), size) if body else None
        if kind != b"fmt ":
            file.seek(size + size % 2, os.SEEK_CUR)
            continue
        body = file.read(min(size + size % 2, _NEAR))
        if len(body) < 16:
            return None
        tag, channels, rate = struct.unpack("<HHI", body[:8])
        if tag == _EXTENSIBLE and len(body) >= 26:
            tag = struct.unpack("<H", body[24:26])[0]
        if tag not in _DTYPES or not channels or not rate:
            return None
    return None


def _extents(
    file: BinaryIO, position: int, declared: int, per_second: int, name: str, report: Report
) -> list[_Extent]:
    """Where the samples lie."""
    end = file.seek(0, os.SEEK_END)
    present = max(0, end - position)
    if _is_placeholder(declared, present):
        return [(position, present)]
    if declared > present:
        if declared - present > _LEAST_SECONDS * per_second:
            report.notes.append(cut_off(name, present / per_second, declared / per_second))
        return [(position, present)]
    following = _chunks(file, position + declared, declared % 2, end)
    if following is not None:
        return [(position, declared), *following]
    if present - declared > _LEAST_SECONDS * per_second:
        report.notes.append(
            f"{name}: its header says {declared / per_second:.1f} s, but samples go on up to "
            f"{present / per_second:.1f} s: all of them were used"
        )
        return [(position, present)]
    return [(position, declared)]


def _is_placeholder(declared: int, present: int) -> bool:
    """Whether a size is one that programs write when they stream to a pipe: 0, or about 2 or 4 GiB."""
    return declared == 0 or (declared > present and (1 << 32) - declared < _NEAR) or (
        declared > present and 0 < (1 << 31) - declared < _NEAR
    )  # fmt: skip


def _chunks(file: BinaryIO, position: int, padding: int, end: int) -> list[_Extent] | None:
    """The further `data` among the chunks from `position` on; None when there are no chunks but samples."""
    for place in (position + padding, position)[: 1 + padding]:  # some programs leave out the padding
        found: list[_Extent] = []
        for _ in range(_MOST_CHUNKS):
            if end - place < 8:
                return found
            file.seek(place)
            kind, size = struct.unpack("<4sI", file.read(8))
            if not all(0x20 <= byte < 0x7F for byte in kind) or place + 8 + size > end:
                break
            if kind == b"data":
                found.append((place + 8, size))
            place += 8 + size + size % 2
    return None


def _head(body: bytes, size: int) -> bytes:
    """The bytes before the samples. A size that does not fit is written as "to the end of the file"."""
    chunk = b"fmt " + struct.pack("<I", len(body)) + body
    length = size if size + len(chunk) < 0xFFFFFF00 else 0xFFFFFFFF  # "up to the end"
    riff = min(0xFFFFFFFF, 4 + len(chunk) + 8 + size)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVE" + chunk + b"data" + struct.pack("<I", length)


class _Joined(io.RawIOBase):
    """A read-only file made of some bytes and pieces of another file."""

    def __init__(self, file: BinaryIO, name: str, head: bytes, extents: Sequence[_Extent], size: int) -> None:
        self.name = name
        self._file, self._head = file, head
        self._starts, self._places = [], []  # where each piece begins here, and there
        position = len(head)
        for place, count in extents:
            self._starts.append(position)
            self._places.append(place)
            position += count
        self._end = len(head) + size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._position if size < 0 else min(size, self._end - self._position)
        parts = list(self._parts(max(0, left)))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _parts(self, left: int) -> Iterator[bytes]:
        while left > 0:
            number = bisect_right(self._starts, self._position) - 1
            if number < 0:
                part = self._head[self._position : self._position + left]
            else:
                following = [*self._starts, self._end][number + 1]
                self._file.seek(self._places[number] + self._position - self._starts[number])
                part = self._file.read(min(left, following - self._position))
            if not part:
                return
            self._position += len(part)
            left -= len(part)
            yield part

    def close(self) -> None:
        self._file.close()
        super().close()


def write_wav(path: str | os.PathLike[str], blocks: Iterable[Float32]) -> tuple[int, int]:
    """Write blocks, [channels, n] float32 at 16 kHz; returns (channels, samples of one channel).

    Samples beyond full scale are clipped, as every player does.

    Raises `OSError`, and what `blocks` raises.
    """
    samples = channels = 0
    with open(path, "wb") as file:
        file.write(_head(_pcm(1), 0))
        for block in blocks:
            channels = block.shape[0]
            samples += block.shape[1]
            file.write((block.T * 32_768.0).round().clip(-32_768, 32_767).astype("<i2").tobytes())
        file.seek(0)
        file.write(_head(_pcm(max(1, channels)), samples * 2 * max(1, channels)))
    return channels, samples


def write_pcm(target: str | BinaryIO, pcm: NDArray[np.int16], rate: int) -> None:
    """Write samples, `[n]`, as mono 16-bit WAV. Raises `OSError`."""
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm.astype("<i2").tobytes())


def _pcm(channels: int) -> bytes:
    """The format chunk of 16-bit samples at 16 kHz."""
    width = 2 * channels
    return struct.pack("<HHIIHH", _PCM, channels, SAMPLE_RATE, SAMPLE_RATE * width, width, 16)
