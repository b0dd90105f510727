"""From any source to samples: open it, and decode it at once or as a stream."""

from __future__ import annotations

import io
import os
import stat
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError, AudioNotFoundError
from .container import container_blocks
from .stream import MIN_SECONDS, SAMPLE_RATE, AudioStream
from .wav import Blocks, Float32, Report, mixed, to_float, wav_blocks

__all__ = [
    "MIN_SECONDS",
    "SAMPLE_RATE",
    "Audio",
    "AudioSource",
    "AudioWarning",
    "Readable",
    "load_audio",
    "open_audio",
    "read_audio",
]


class Readable(Protocol):
    """A binary file object, as far as it is used: all of it is read at once."""

    def read(self) -> bytes: ...


AudioSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | NDArray[Any]"


class AudioWarning(UserWarning):
    """Part of the audio could not be read; the message names the file and what was lost."""


@dataclass(frozen=True)
class Audio:
    """Decoded audio: `samples` is [n] float32, mono, 16 kHz, finite, nominally -1…1."""

    samples: Float32
    name: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def load_audio(source: AudioSource, sample_rate: int | None = None) -> Float32:
    """Like `read_audio`, but returns the samples alone and issues `AudioWarning` for damage."""
    audio = read_audio(source, sample_rate)
    for message in audio.warnings:
        warnings.warn(message, AudioWarning, stacklevel=2)
    return audio.samples


def read_audio(source: AudioSource, sample_rate: int | None = None, *, name: str | None = None) -> Audio:
    """Decode a path, bytes, a binary file object or an array.

    Args:
        source: a path to any audio or video container; its bytes; a binary file object, read from
            its position to its end; or an array [n] or [n, channels] or [channels, n] (the
            shorter axis is the channels) of float samples in -1…1 or of integers.
        sample_rate: samples a second of an array; required for arrays, refused otherwise.
        name: what messages call the source; by default the path.

    Raises:
        AudioNotFoundError: the path is missing, a directory or unreadable.
        AudioError: nothing can be decoded, no audio track, too short, or samples not finite.
    """
    with open_audio(source, sample_rate, name=name) as stream:
        blocks = [block[0] for block in stream]
        samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return Audio(np.ascontiguousarray(samples, np.float32), stream.name, stream.warnings)


def open_audio(
    source: AudioSource, sample_rate: int | None = None, *, name: str | None = None, split: bool = False
) -> AudioStream:
    """Like `read_audio`, but decodes while it is iterated over, in blocks of some seconds.

    Args:
        source, sample_rate, name: as for `read_audio`.
        split: keep the channels apart instead of mixing them.

    Raises:
        AudioNotFoundError: the path is missing, a directory or unreadable.
        AudioError: the source is empty or no audio; what is wrong inside is raised while iterating.
    """
    report = Report()
    if isinstance(source, np.ndarray):
        name = name or "array"
        blocks = _array_blocks(source, sample_rate, name, mix=not split)
        return AudioStream(blocks, name, report, lambda: None)
    if sample_rate is not None:
        raise AudioError(f"sample_rate={sample_rate} is only for arrays; files say their own: leave it out")
    file, name = _open(source, name)
    try:
        found = wav_blocks(file, name, report, mix=not split)
    except BaseException:  # nobody else has the file yet
        file.close()
        raise
    blocks = found if found is not None else container_blocks(file, name, report, mix=not split)
    return AudioStream(blocks, name, report, file.close)


def _open(source: Any, name: str | None) -> tuple[BinaryIO, str]:
    """A seekable binary file over any source but arrays, and what to call it."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), name or "bytes")
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fspath(source), name)
    if hasattr(source, "read"):
        name = name or str(getattr(source, "name", "stream"))
        data = source.read()
        if not isinstance(data, bytes):
            raise AudioError(f"{name}: gives {type(data).__name__} instead of bytes; open it with mode 'rb'")
        return _from_bytes(data, name)
    raise AudioError(
        f"cannot read audio from {type(source).__name__}; "
        "pass a path, bytes, a binary file object or a numpy array; several go to analyze_many"
    )


def _open_path(path: str, name: str | None) -> tuple[BinaryIO, str]:
    name = name or path
    if "://" in path and not os.path.exists(path):
        raise AudioNotFoundError(f"{name}: only local files are read; download it first and pass its path")
    try:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        remedy = "no file matches the pattern" if any(c in path for c in "*?[") else "check the path"
        raise AudioNotFoundError(f"{name or repr(name)}: no such file; {remedy}") from None
    except IsADirectoryError:
        raise AudioNotFoundError(f"{name}: is a directory; pass the audio files in it") from None
    except PermissionError:
        raise AudioNotFoundError(f"{name}: permission denied; make it readable (chmod +r)") from None
    except (OSError, ValueError) as error:
        raise AudioNotFoundError(f"{name}: cannot be opened ({error}); check the path") from None
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode):
        if status.st_size == 0:
            file.close()
            raise _empty(name)
        return file, name
    with file:
        if not (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)):
            raise AudioError(f"{name}: is a device, not a file; pass a file or a pipe")
        return _from_bytes(file.read(), name)


def _from_bytes(data: bytes, name: str) -> tuple[BinaryIO, str]:
    if not data:
        raise _empty(name)
    return io.BytesIO(data), name


def _empty(name: str) -> AudioError:
    return AudioError(f"{name}: is empty (0 bytes); record or copy it again")


def _array_blocks(array: NDArray[Any], rate: int | None, name: str, mix: bool) -> Blocks:
    if rate is None:
        raise AudioError(f"{name}: an array does not say its sample rate; pass sample_rate=, e.g. 16000")
    if not isinstance(rate, int | np.integer) or isinstance(rate, bool) or not 1_000 <= rate <= 1_000_000:
        raise AudioError(f"{name}: sample_rate={rate!r} is not a whole number of Hz between 1000 and 1000000")
    if array.dtype.kind not in "fi" and array.dtype != np.uint8:
        raise AudioError(f"{name}: dtype {array.dtype} is not audio; pass float32 in -1…1 or int16")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name}: shape {array.shape} is not audio; pass [n] or [n, channels]")
    samples = to_float(array)
    if samples.ndim == 1:
        samples = samples[None]
    elif samples.shape[1] <= samples.shape[0]:
        samples = samples.T
    if samples.size:
        yield int(rate), mixed(samples) if mix else samples
