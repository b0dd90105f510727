"""Wheels of data: a zip archive with a record of its files, as in the packaging specification.

https://packaging.python.org/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unislu.files import replacing
from unislu.version import __version__

_BLOCK = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file: the same bundle gives the same wheel."""
_MODE = 0o644 << 16


@dataclass(frozen=True)
class Span:
    """`size` bytes of a file from `start` on."""

    path: Path
    start: int
    size: int

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, a block at a time. Raises `OSError`."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.size
            while left and (block := file.read(min(_BLOCK, left))):
                left -= len(block)
                yield block


@dataclass
class Wheel:
    """A distribution of data files."""

    name: str
    """Normalised: lower case, with dashes."""
    version: str
    summary: str
    requires: Sequence[str] = ()
    licence: str | None = None
    description: str = ""
    """Markdown."""
    entry_points: str = ""
    files: dict[str, Span | bytes] = field(default_factory=dict)
    """Content by its path in the archive."""

    @property
    def _stem(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    def write(self, folder: Path) -> Path:
        """Write it into a folder, and return its path. Raises `OSError`."""
        path = folder / f"{self._stem}-py3-none-any.whl"
        facts = f"{self._stem}.dist-info"
        content: Mapping[str, Span | bytes] = {
            **self.files,
            f"{facts}/METADATA": self._metadata().encode(),
            f"{facts}/WHEEL": (
                f"Wheel-Version: 1.0\nGenerator: unislu {__version__}\nRoot-Is-Purelib: true\n"
                "Tag: py3-none-any\n"
            ).encode(),
            **({f"{facts}/entry_points.txt": self.entry_points.encode()} if self.entry_points else {}),
        }
        record = io.StringIO()
        rows = csv.writer(record, lineterminator="\n")
        with replacing(path) as written, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                rows.writerow((name, *_add(archive, name, data)))
            rows.writerow((f"{facts}/RECORD", "", ""))
            _add(archive, f"{facts}/RECORD", record.getvalue().encode())
        return path

    def _metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines.append(f"Summary: {' '.join(self.summary.split())}")
        if self.licence:
            lines.append(f"License: {' '.join(self.licence.split())}")
        lines += [f"Requires-Dist: {requirement}" for requirement in self.requires]
        lines.append("Description-Content-Type: text/markdown")
        return "\n".join([*lines, "", self.description])


def _add(archive: zipfile.ZipFile, name: str, data: Span | bytes) -> tuple[str, int]:
    """Add a file; its hash and its size as the record wants them."""
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr, info.compress_type = _MODE, zipfile.ZIP_DEFLATED
    digest, size = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=isinstance(data, Span)) as target:
        for block in [data] if isinstance(data, bytes) else data.blocks():
            target.write(block)
            digest.update(block)
            size += len(block)
    return "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode(), size
