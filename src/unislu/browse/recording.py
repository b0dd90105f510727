"""One complete recording: its row as stored in the partition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ..errors import UnisluError
from ..result import covered
from ..scale.inputs import FileStretch
from .index import Index
from .tables import ROWS

_PART = re.compile(r"#t=([\d.]+(?:e[+-]?\d+)?)(?:,([\d.]+(?:e[+-]?\d+)?))?$")


class GoneError(UnisluError, LookupError):
    """The results do not have this recording, or no longer."""


@dataclass(frozen=True)
class Source:
    """Where a recording was read."""

    id: str
    uri: str
    """A path or a URL, without the part."""
    bytes: int | None
    """Its size when it was read, if known."""
    part: FileStretch | None
    """What of the file the recording is; times of the result count from its start."""


def source_of(index: Index, identity: str) -> Source:
    """The source of a recording. Raises `GoneError`."""
    with index.snapshot() as db:
        found = db.execute("SELECT uri, stamp FROM recordings WHERE id = ? AND shown", [identity]).fetchone()
    if found is None:
        raise GoneError(f"{identity}: is not in the results, or no longer; refresh the page")
    return source(identity, found[0], found[1])


def source(identity: str, uri: str, stamp: str | None) -> Source:
    """From the columns of a row."""
    size, part = (stamp or "").partition(":")[0], None
    match = _PART.search(uri)
    # A name may end like a part of a file; then the stamp does not.
    if match is not None and match[0] in (stamp or match[0]):
        uri = uri[: match.start()]
        part = FileStretch(float(match[1]), None if match[2] is None else float(match[2]))
    return Source(identity, uri, int(size) if size.isdigit() else None, part)


def read_recording(index: Index, identity: str) -> dict[str, Any]:
    """The row of a recording, all its columns, with words. Raises `GoneError`."""
    for _ in range(2):  # the partition may have been replaced since the folder was read
        found = _read(index, identity)
        if found is not None:
            return found
        index.refresh()
    raise GoneError(f"{identity}: is not in the results, or no longer; refresh the page")


def _read(index: Index, identity: str) -> dict[str, Any] | None:
    import pyarrow.parquet as pq

    with index.snapshot() as db:
        place = db.execute(
            f"""SELECT path, rec % {ROWS} FROM recordings JOIN partitions ON part = rec // {ROWS}
            WHERE id = ? AND shown""",
            [identity],
        ).fetchone()
    if place is None:
        return None
    path, row = place
    try:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                rows = file.metadata.row_group(number).num_rows
                if row < rows:
                    found: dict[str, Any] = file.read_row_group(number).slice(row, 1).to_pylist()[0]
                    return found if found["id"] == identity else None
                row -= rows
    except OSError:  # gone or replaced this moment
        pass
    return None


def seconds_of(row: dict[str, Any], start: int, end: int) -> tuple[float, float] | None:
    """When characters `start` to `end` of a recording's text are said, by its words, else by its segments."""
    for pieces in (row.get("words") or (), row.get("segments") or ()):
        timed: list[Any] = [SimpleNamespace(**piece) for piece in pieces]
        places = covered(timed, start, end)
        if places:
            return timed[places[0]].start, timed[places[-1]].end
    return None
