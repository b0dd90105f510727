"""One recording as the page shows it."""

from __future__ import annotations

from typing import Any

from ..errors import AudioError
from ..writers.spans import speaker
from .filters import Filter
from .index import Index
from .queries import name_of
from .recording import read_recording, source_of
from .sound import locate


def show_recording(index: Index, identity: str, asked: Filter, root: str | None) -> dict[str, Any]:
    """The row of a recording as JSON can hold it, with what matches in it and whether it can be heard.

    Adds `name`, `day`, `matches` (pairs of characters), `speakers` (of each segment, or null) and `audio`.

    Raises `GoneError`.
    """
    row = read_recording(index, identity)
    segments = row.get("segments") or []
    speakers = [_speaker(segment) for segment in segments]
    parts = None
    if asked.speaker is not None:
        said = (one for one, who in zip(segments, speakers, strict=True) if who == asked.speaker)
        parts = [(one["start_char"], one["end_char"]) for one in said]
    day = row.pop("finished_at", None)
    with index.snapshot() as db:
        found = db.execute("SELECT day FROM recordings WHERE id = ? AND shown", [identity]).fetchone()
        day = day.date() if found is None else found[0]
    for piece in (row, *segments):
        if piece.get("sentiment") is not None:
            piece["sentiment"]["scores"] = dict(piece["sentiment"]["scores"] or ())
    return {
        **row,
        "timings": dict(row.get("timings") or ()),
        "name": name_of(identity),
        "day": None if day is None else day.isoformat(),
        "matches": asked.text.spans(row["text"] or "", parts),
        "speakers": speakers,
        "audio": _audio(index, identity, root),
    }


def _speaker(segment: dict[str, Any]) -> str | None:
    if segment.get("speaker") is not None:
        return str(segment["speaker"])
    return None if segment.get("channel") is None else speaker(segment["channel"])


def _audio(index: Index, identity: str, root: str | None) -> dict[str, Any]:
    """Whether the recording can be heard, and where its result begins in the file."""
    source = source_of(index, identity)
    offset = 0.0 if source.part is None else source.part.start
    try:
        locate(source, root)
    except AudioError as error:
        return {"offset": offset, "problem": str(error)}
    return {"offset": offset, "problem": None}
