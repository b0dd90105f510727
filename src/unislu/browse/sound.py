"""The audio of a recording: found where the results say, or under `--audio-root`, and cut."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import AudioError, AudioNotFoundError
from ..scale.cutting import cut
from ..scale.inputs import FileStretch
from .recording import Source

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def locate(source: Source, root: str | None) -> Path:
    """The file of a recording on this machine.

    Args:
        source: what the results say of it.
        root: the folder to which recordings have moved. What a path ends with is looked for under it, the
            longest ending first; a file of another size than the transcribed one is not taken.

    Raises:
        AudioNotFoundError: it is not there, has changed, or was read from a URL.
    """
    if "://" not in source.uri and root is None:
        path = _as_named(source.uri)
        if path is not None:
            return _unchanged(path, source)
        raise AudioNotFoundError(
            f"{source.uri}: the recording is no longer there; start `unislu browse` with --audio-root and "
            "the folder where the recordings are now"
        )
    if root is None:
        raise AudioNotFoundError(
            f"{source.uri}: was read from storage elsewhere; copy the recordings to this machine and start "
            "`unislu browse` with --audio-root and their folder"
        )
    parts = [part for part in re.split(r"[/\\]", source.uri.partition("://")[2] or source.uri) if part]
    other: Path | None = None
    for first in range(len(parts)):
        path = _as_named(os.path.join(root, *parts[first:]))
        if path is not None and ".." not in parts:
            if source.bytes in (None, path.stat().st_size):
                return path
            other = other or path
    if other is not None:
        return _unchanged(other, source)
    raise AudioNotFoundError(
        f"{source.uri}: no {parts[-1]} was found for it under {root}; check --audio-root"
    )


def clips(
    path: Path, source: Source, stretches: Sequence[tuple[float, float]], folder: str
) -> list[str | AudioError]:
    """Stretches of a recording, in seconds of its result, as 16-bit WAV files of all its channels.

    What cannot be cut is an error in its place. Raises `AudioError` if the file cannot be read.
    """
    offset = 0.0 if source.part is None else source.part.start
    parts = [FileStretch(offset + start, offset + max(end, start + 0.01)) for start, end in stretches]
    return cut(str(path), parts, folder, source.id)


def _as_named(path: str) -> Path | None:
    """The file of that name; bytes that were no UTF-8 are written `\\xe9` in results."""
    original = os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(path)))
    return next((Path(name) for name in (path, original) if os.path.isfile(name)), None)


def _unchanged(path: Path, source: Source) -> Path:
    size = path.stat().st_size
    if source.bytes not in (None, size):
        raise AudioNotFoundError(
            f"{path}: is not the file that was transcribed ({size} bytes, not {source.bytes}); run "
            "`unislu batch` again, or find the old one and name its folder with --audio-root"
        )
    return path
