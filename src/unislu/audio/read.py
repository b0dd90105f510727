"""From any source to samples: open, decode, resample, and refuse what no model can hear."""

from __future__ import annotations

import io
import os
import stat
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError, AudioNotFoundError
from .container import container_blocks
from .wav import Blocks, Float32, to_float, wav_blocks

if TYPE_CHECKING:
    import av

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.1
"""Shorter clips hold no word; they are refused instead of answered with nothing."""


class Readable(Protocol):
    """A binary file object, as far as it is used: all of it is read at once."""

    def read(self) -> bytes: ...


AudioSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | NDArray[Any]"

_MAX_PEAK = 32.0  # float audio far beyond ±1 is integer samples that nobody scaled


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
    notes: list[str] = []
    if isinstance(source, np.ndarray):
        name = name or "array"
        blocks = _array_blocks(source, sample_rate, name)
        samples = _join(blocks, name)
    elif sample_rate is not None:
        raise AudioError(f"sample_rate={sample_rate} is only for arrays; files say their own: leave it out")
    else:
        file, name = _open(source, name)
        with file:
            blocks = wav_blocks(file, name, notes) or container_blocks(file, name, notes)
            samples = _join(blocks, name)
    return Audio(_checked(samples, name), name, tuple(notes))


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
        "pass a path, bytes, a binary file object or a numpy array"
    )


def _open_path(path: str, name: str | None) -> tuple[BinaryIO, str]:
    name = name or path
    if "://" in path and not os.path.exists(path):
        raise AudioNotFoundError(f"{name}: only local files are read; download it first and pass its path")
    try:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        raise AudioNotFoundError(f"{name}: no such file; check the path") from None
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


def _checked(samples: Float32, name: str) -> Float32:
    """Refuse what no model can hear, with the reason."""
    seconds = len(samples) / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise AudioError(
            f"{name}: holds {seconds * 1000:.3g} ms of audio; at least {MIN_SECONDS * 1000:.0f} ms are needed"
        )
    peak = max(float(samples.max()), -float(samples.min()))
    if peak > _MAX_PEAK:
        raise AudioError(
            f"{name}: float samples reach {peak:.6g} where -1…1 is expected; "
            "divide them by full scale (32768 for 16 bits) or store integers"
        )
    return samples


def _join(blocks: Blocks, name: str) -> Float32:
    """Resample blocks to 16 kHz and concatenate: [n] float32. Refuses nan and inf."""
    out: list[Float32] = []
    resampler: _Resampler | None = None
    seconds = 0.0
    for rate, block in blocks:
        finite = np.isfinite(block)
        if not finite.all():
            first = int(np.argmin(finite))
            raise AudioError(
                f"{name}: holds samples that are not numbers: {block[first]} "
                f"at {seconds + first / rate:.3f} s and {np.count_nonzero(~finite) - 1} more; "
                "export it again, e.g. as 16-bit PCM"
            )
        seconds += len(block) / rate
        if resampler is not None and resampler.rate != rate:
            out += resampler.flush()
            resampler = None
        if rate == SAMPLE_RATE:
            out.append(block)
            continue
        resampler = resampler or _Resampler(rate)
        out += resampler.push(block)
    if resampler is not None:
        out += resampler.flush()
    if len(out) == 1:
        return np.ascontiguousarray(out[0], np.float32)
    return np.concatenate(out) if out else np.zeros(0, np.float32)


class _Resampler:
    """One stream of mono float32 from `rate` to 16 kHz, keeping the filter's state between blocks."""

    def __init__(self, rate: int) -> None:
        import av

        self.rate = rate
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._position = 0

    def push(self, block: Float32) -> list[Float32]:
        import av

        frame = av.AudioFrame.from_ndarray(block[None, :], format="flt", layout="mono")
        frame.sample_rate = self.rate
        frame.pts = self._position
        self._position += len(block)
        return self._arrays(self._resampler.resample(frame))

    def flush(self) -> list[Float32]:
        return self._arrays(self._resampler.resample(None)) if self._position else []

    @staticmethod
    def _arrays(frames: list[av.AudioFrame]) -> list[Float32]:
        return [frame.to_ndarray().reshape(-1).astype(np.float32) for frame in frames]


def _array_blocks(array: NDArray[Any], rate: int | None, name: str) -> Blocks:
    if rate is None:
        raise AudioError(f"{name}: an array does not say its sample rate; pass sample_rate=, e.g. 16000")
    if not isinstance(rate, int | np.integer) or not 1_000 <= rate <= 1_000_000:
        raise AudioError(f"{name}: sample_rate={rate!r} is not a rate in Hz between 1000 and 1000000")
    if array.dtype.kind not in "fi" and array.dtype != np.uint8:
        raise AudioError(f"{name}: dtype {array.dtype} is not audio; pass float32 in -1…1 or int16")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name}: shape {array.shape} is not audio; pass [n] or [n, channels]")
    samples = to_float(array)
    if samples.ndim == 2:
        samples = samples.mean(axis=1 if samples.shape[1] <= samples.shape[0] else 0)
    if samples.size:
        yield int(rate), samples
