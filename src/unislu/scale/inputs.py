"""An input of a batch run: a file or a part of one, with what is known before it is read."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Bytes of a second, guessed from a file's name: good enough to pack batches and to estimate the time left.
BYTES_PER_SECOND = {
    ".wav": 32_000, ".w64": 32_000, ".flac": 18_000, ".aiff": 88_000, ".aif": 88_000, ".aifc": 88_000,
    ".caf": 32_000, ".au": 16_000, ".snd": 16_000, ".sph": 16_000, ".wv": 18_000, ".ape": 18_000,
    ".tta": 18_000, ".mp3": 8_000, ".mp2": 16_000, ".mpga": 8_000, ".m4a": 8_000, ".m4b": 8_000,
    ".aac": 8_000, ".ac3": 24_000, ".eac3": 16_000, ".wma": 8_000, ".mka": 8_000, ".weba": 5_000,
    ".amr": 1_600, ".awb": 2_000, ".gsm": 1_650, ".g722": 8_000, ".ul": 8_000, ".al": 8_000, ".3ga": 1_600,
    ".ogg": 5_000, ".oga": 5_000, ".opus": 4_000, ".spx": 3_000,
    ".mp4": 20_000, ".m4v": 20_000, ".webm": 20_000, ".mkv": 100_000, ".mov": 100_000, ".avi": 100_000,
    ".ogv": 100_000, ".flv": 50_000, ".wmv": 100_000, ".3gp": 20_000, ".3g2": 20_000, ".ts": 200_000,
    ".mts": 1_000_000, ".m2ts": 1_000_000, ".mpg": 200_000, ".mpeg": 200_000, ".vob": 500_000,
}  # fmt: skip
"""For every type of file that a folder is searched for, by its suffix."""
UNKNOWN_SECONDS = 60.0
_STAMP_KEYS = (
    "ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created",
)  # fmt: skip


@dataclass(frozen=True)
class FileStretch:
    """A stretch of a file in seconds, from `start` to `end` or to the file's end."""

    start: float
    end: float | None = None

    def __str__(self) -> str:
        """In the form of media fragments of URLs: `#t=2.5,5`."""
        return f"#t={self.start:.10g}" + ("" if self.end is None else f",{self.end:.10g}")


@dataclass(frozen=True)
class Input:
    """One file to transcribe, or a part of one."""

    id: str
    """Unique in the run: a manifest's id, or the URI. Printable; a name that is not UTF-8 is escaped."""
    uri: str
    """A local path or a URL that every worker can open."""
    stamp: str | None
    """Changes if the file does; None if the file was not found."""
    seconds: float
    """Its length, from the manifest or estimated from its size."""
    part: FileStretch | None = None
    """The part of the file; None = all of it."""

    @property
    def place(self) -> str:
        """The URI with the part, in printable form, for rows and messages."""
        return printable(self.uri) + self.fragment

    @property
    def fragment(self) -> str:
        """The part as text, empty for a whole file; also used in the content key."""
        return "" if self.part is None else str(self.part)


@dataclass
class LeftOut:
    """Files that are skipped: counted by reason, with the first of each."""

    cases: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, path: str) -> None:
        """Add a file."""
        self.cases.setdefault(reason, []).append(path)

    def notes(self) -> tuple[str, ...]:
        """A line for each reason."""
        return tuple(
            f"left out: {len(paths)} {reason}, {'the first' if len(paths) > 1 else 'it'} is "
            f"{printable(min(paths))}"
            for reason, paths in self.cases.items()
        )


def printable(name: str) -> str:
    """A file's name as printable text: bytes that are not UTF-8 become `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace") if not name.isascii() else name


def is_sound(path: str) -> bool:
    """Whether a file's suffix is one that a folder is searched for."""
    return _suffix(path) in BYTES_PER_SECOND


def stamp_of(info: Mapping[str, Any]) -> str:
    """Size and ETag or time, as storage reports them without reading the file."""
    changed = next((info[key] for key in _STAMP_KEYS if info.get(key) is not None), "")
    return f"{info.get('size')}:{changed}"


def estimated_seconds(path: str, info: Mapping[str, Any]) -> float:
    """The length of a file, estimated from its name and size."""
    rate, size = BYTES_PER_SECOND.get(_suffix(path)), info.get("size")
    return size / rate if rate and size is not None else UNKNOWN_SECONDS


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()
