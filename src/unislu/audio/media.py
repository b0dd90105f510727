"""Any source of bytes → one seekable file of a known kind, from which transcription and redaction both
read.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TypeAlias

from ..errors import AudioError, AudioNotFoundError
from .samples import Report
from .wav import Wav, find_wav


class Readable(Protocol):
    """The part of a binary file object that is used: all of it is read at once."""

    def read(self) -> bytes: ...


MediaSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Readable"


@dataclass
class Media:
    """An open recording. Close it, or use it in a `with` statement."""

    file: BinaryIO
    """As decoders read it, from its start."""
    name: str
    """What messages call it; its suffix identifies the format of recordings without a header."""
    wav: Wav | None = None
    """Set for PCM and float WAV, whose headers are corrected."""
    report: Report = field(default_factory=Report)
    """What was found wrong so far."""

    def close(self) -> None:
        """Close the file; may be called twice."""
        self.file.close()

    def __enter__(self) -> Media:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_media(source: Any, name: str | None = None) -> Media:
    """Open a path, bytes, or a binary file object; file objects and pipes are read to their end.

    Raises:
        AudioNotFoundError: the path is missing, a directory or unreadable.
        AudioError: it is empty, it is not a file, or its header contradicts itself.
    """
    file, name = _opened(source, name)
    media = Media(file, name)
    try:
        media.wav = find_wav(file, name, media.report)
    except BaseException:  # nobody else has the file yet
        file.close()
        raise
    if media.wav is not None:
        media.file = media.wav.file
    elif getattr(file, "name", None) != name:
        media.file = _Named(file, name)  # type: ignore[assignment]
    return media


class _Named:
    """A file under another name: FFmpeg identifies some formats by their suffix alone."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.read, self.seek, self.tell, self.close = file.read, file.seek, file.tell, file.close


def _opened(source: Any, name: str | None) -> tuple[BinaryIO, str]:
    """A seekable binary file over the source, and its name for messages."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), name or "bytes")
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fspath(source), name)
    if hasattr(source, "read"):
        name = name or str(getattr(source, "name", "stream"))
        return _from_bytes(_read(source, name), name)
    raise AudioError(
        f"cannot read audio from {type(source).__name__}; "
        "pass a path, bytes, a binary file object or a numpy array; several go to analyze_many"
    )


def _read(source: Readable, name: str) -> bytes:
    try:
        data: Any = source.read()
    except UnicodeDecodeError:
        data = ""  # opened as text
    if not isinstance(data, bytes):
        raise AudioError(f"{name}: gives {type(data).__name__} instead of bytes; open it with mode 'rb'")
    return data


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
