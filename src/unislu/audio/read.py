"""Read any source into samples, all at once or as a stream."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from .container import container_blocks
from .media import MediaSource, open_media
from .samples import MAX_RATE, MIN_RATE, Blocks, Float32, Report, to_float
from .stream import SAMPLE_RATE, AudioStream

AudioSource: TypeAlias = "MediaSource | NDArray[Any] | Mapping[str, Any]"
"""A mapping is audio as the library `datasets` has it: `{"array", "sampling_rate"}`, or `{"bytes", "path"}`
where it is not decoded.
"""


class AudioWarning(UserWarning):
    """Part of the audio could not be read; the message names the file and what was lost."""


@dataclass(frozen=True)
class Audio:
    """Decoded audio."""

    samples: Float32
    """[n] float32, mono, 16 kHz, finite, nominally -1…1."""
    name: str
    """What messages call it."""
    warnings: tuple[str, ...] = ()
    """What was found damaged."""

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
        source: a path to any audio or video container; its bytes; a binary file object, read from its
            position to its end; an array [n] or [n, channels] or [channels, n] (the shorter axis is the
            channels) of float samples in -1…1 or of integers of 8, 16 or 32 bits; or, as the library
            `datasets` gives it, `{"array": …, "sampling_rate": …}` or `{"bytes": …, "path": …}`.
        sample_rate: samples a second of an array; required for arrays, refused otherwise.
        name: what messages call the source, by default the path; its suffix identifies the format of a
            recording without a header.

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
    """Like `read_audio`, but decodes during iteration, in blocks of a few seconds.

    Args:
        source: as for `read_audio`.
        sample_rate: as for `read_audio`.
        name: as for `read_audio`.
        split: keep the channels apart instead of mixing them.

    Raises:
        AudioNotFoundError: the path is missing, a directory or unreadable.
        AudioError: the source is empty or not audio; errors further inside are raised during iteration.
    """
    if isinstance(source, Mapping):
        source, sample_rate, name = _of_datasets(source, sample_rate, name)
    if isinstance(source, np.ndarray):
        name = name or "array"
        return AudioStream(_array_blocks(source, sample_rate, name), name, Report(), lambda: None, split)
    if sample_rate is not None:
        raise AudioError(f"sample_rate={sample_rate} is only for arrays; files contain theirs: leave it out")
    media = open_media(source, name)
    blocks = container_blocks(media) if media.wav is None else media.wav.blocks()
    return AudioStream(blocks, media.name, media.report, media.close, split)


def count_channels(source: AudioSource) -> int:
    """The number of channels of a recording. Raises what opening and decoding it raise; see `open_audio`."""
    with open_audio(source, split=True) as stream:
        return len(next(iter(stream)))


def _of_datasets(
    row: Mapping[str, Any], sample_rate: int | None, name: str | None
) -> tuple[Any, int | None, str | None]:
    """Source, sample rate and name of an audio of the library `datasets`. Raises `AudioError`."""
    path = row.get("path")
    name = name or (str(path) if path else None)
    if "array" in row or "sampling_rate" in row:
        if missing := [key for key in ("array", "sampling_rate") if row.get(key) is None]:
            raise AudioError(f"{name or 'array'}: has no {missing[0]!r}; pass {_DATASETS}")
        if sample_rate is not None:
            raise AudioError(f"sample_rate={sample_rate}: the mapping has its 'sampling_rate'; leave it out")
        return _as_array(row["array"], name or "array"), row["sampling_rate"], name
    if row.get("bytes") is not None:
        return row["bytes"], sample_rate, name
    if path:
        return path, sample_rate, name
    keys = ", ".join(map(repr, row)) or "none"
    raise AudioError(f"{name or 'mapping'}: has the keys {keys}; pass {_DATASETS}")


_DATASETS = '{"array": …, "sampling_rate": …}, or {"bytes": …, "path": …}'


def _as_array(samples: Any, name: str) -> NDArray[Any]:
    """Samples as an array: tables that were not read as numpy give lists, and torch gives tensors."""
    try:
        return np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(
            f"{name}: 'array' is {type(samples).__name__} that is no array ({error}); pass float32 [n]"
        ) from None


def _array_blocks(array: NDArray[Any], rate: int | None, name: str) -> Blocks:
    if rate is None:
        raise AudioError(f"{name}: an array has no sample rate; pass sample_rate=, e.g. 16000")
    whole = isinstance(rate, int | np.integer) and not isinstance(rate, bool)
    if not whole or not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{name}: sample_rate={rate!r} is not a whole number of Hz between {MIN_RATE} and {MAX_RATE}"
        )
    # 64-bit integers say nothing of full scale, and mostly they are int16 that a list or a table widened.
    if (array.dtype.kind not in "fi" and array.dtype != np.uint8) or array.dtype == np.int64:
        raise AudioError(f"{name}: dtype {array.dtype} is not audio; pass float32 in -1…1 or int16")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name}: shape {array.shape} is not audio; pass [n] or [n, channels]")
    samples = to_float(array)
    if samples.ndim == 1:
        samples = samples[None]
    elif samples.shape[1] <= samples.shape[0]:
        samples = samples.T
    if samples.size:
        yield int(rate), samples
