"""A recording as the page shows it."""

from __future__ import annotations

from typing import Any

from ..errors import AudioError
from .filters import Filter
from .index import Index
from .queries import name_of
from .recording import read_recording, source_of
from .sound import locate
from .tables import channel_name


def show_recording(index: Index, identity: str, asked: Filter, root: str | None) -> dict[str, Any]:
    """A recording's row as plain JSON, with its matches and whether its audio can be played.

    Adds `name`, `day`, `matches` (pairs of characters), `segment_speakers` (of each, or null) and `audio`.

    Raises `GoneError`.
    """
    row = read_recording(index, identity)
    segments = row.get("segments") or []
    names = {one["id"]: one["name"] for one in row.get("speakers") or ()}
    speakers = [_speaker(segment, names) for segment in segments]
    parts = None
    if asked.speaker is not None:
        said = (one for one, who in zip(segments, speakers, strict=True) if who == asked.speaker)
        parts = [(one["start_char"], one["end_char"]) for one in said]
    day = row.pop("finished_at", None)
    with index.snapshot() as db:
        found = db.execute("SELECT day FROM recordings WHERE id = ? AND shown", [identity]).fetchone()
        day = day.date() if found is None else found[0]
    for piece in (row, *segments, *(row.get("speakers") or ())):
        if piece.get("sentiment") is not None:
            piece["sentiment"]["scores"] = dict(piece["sentiment"]["scores"] or ())
    return {
        **row,
        "timings": dict(row.get("timings") or ()),
        "name": name_of(identity),
        "day": None if day is None else day.isoformat(),
        "matches": asked.text.spans(row["text"] or "", parts),
        "segment_speakers": speakers,
        "audio": _audio(index, identity, root),
    }


def _speaker(segment: dict[str, Any], names: dict[str, str | None]) -> str | None:
    if segment.get("speaker") is not None:
        return names.get(segment["speaker"]) or str(segment["speaker"])
    return None if segment.get("channel") is None else channel_name(segment["channel"])


def _audio(index: Index, identity: str, root: str | None) -> dict[str, Any]:
    """Whether the audio can be played, and where the result begins in the file."""
    source = source_of(index, identity)
    offset = 0.0 if source.part is None else source.part.start
    try:
        locate(source, root)
    except AudioError as error:
        return {"offset": offset, "problem": str(error)}
    return {"offset": offset, "problem": None}
