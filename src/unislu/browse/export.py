"""Export of search results: CSV of recordings or of mentions, and a zip of clips cut at words."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from ..errors import AudioError, AudioNotFoundError
from .filters import Filter
from .index import Index
from .queries import find, in_order, mentions_of, parts_of
from .recording import GoneError, read_recording, seconds_of, source
from .sound import clips, locate

MAX_CLIPS = 200
MAX_SECONDS = 60.0  # of one clip
MAX_AROUND = 30.0
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_RECORDINGS = (
    "id",
    "audio",
    "day",
    "seconds",
    "language",
    "sentiment",
    "sentiment_score",
    "entities",
    "text",
    "error",
)
_MENTIONS = ("id", "audio", "day", "type", "text", "confidence", "speaker", "start", "end", "sentiment")
_CLIPS = ("clip", "id", "day", "start", "end", "match", "note")


def write_csv(index: Index, asked: Filter, *, mentions: bool = False) -> Iterator[str]:
    """CSV of all recordings that fit, or of the entities of them that fit; one snapshot, in pieces.

    A text that a spreadsheet would take for a formula gets a `'` in front.
    """
    yield _line(_MENTIONS if mentions else _RECORDINGS)
    for row, entities in _found(index, asked):
        if mentions:
            yield "".join(_line(_mention(row, entity)) for entity in entities)
        else:
            yield _line(_recording(row, entities))


def _recording(row: dict[str, Any], entities: list[dict[str, Any]]) -> tuple[Any, ...]:
    named = "; ".join(dict.fromkeys(f"{entity['type']}: {entity['text']}" for entity in entities))
    score = None if row["score"] is None else round(row["score"], 4)
    return (
        row["id"], row["uri"], row["day"], row["duration"], row["language"], row["label"], score, named,
        row["text"], row["error_message"],
    )  # fmt: skip


def _mention(row: dict[str, Any], entity: dict[str, Any]) -> tuple[Any, ...]:
    written = row["text"][entity["start_char"] : entity["end_char"]]
    times = (None if entity[key] is None else round(entity[key], 3) for key in ("confidence", "start", "end"))
    confidence, start, end = times
    return (
        row["id"], row["uri"], row["day"], entity["type"], written, confidence, entity["speaker"], start, end,
        row["label"],
    )  # fmt: skip


def _line(values: tuple[Any, ...]) -> str:
    out = io.StringIO()
    safe = (
        f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value for value in values
    )
    csv.writer(out).writerow(safe)
    return out.getvalue()


@dataclass(frozen=True)
class Match:
    """A stretch to play: seconds `start` to `end` of a recording."""

    start: float
    end: float
    text: str


def matches(row: dict[str, Any], asked: Filter, mentions: list[dict[str, Any]], around: float) -> list[Match]:
    """Stretches of a recording to play: the words that were searched for, else the entities that were asked
    for, else all of it; with `around` seconds before and after, up to the next border of a word.

    Args:
        row: all columns of its partition.
        asked: what was asked.
        mentions: its entities that fit.
        around: seconds.
    """
    text = row["text"] or ""
    spans = asked.spans(text, row.get("parts"), mentions)
    if spans is None:
        return [Match(0.0, row["duration"] or 0.0, text)]
    found: list[Match] = []
    for first, last in spans:
        times = seconds_of(row, first, last)
        if times is None:
            continue
        start, end = _at_words(row, times[0] - around, times[1] + around) if around else times
        if found and start < found[-1].end:  # one clip of what lies close together
            found[-1] = Match(found[-1].start, end, f"{found[-1].text} … {text[first:last]}")
        else:
            found.append(Match(start, end, text[first:last]))
    return found


def _at_words(row: dict[str, Any], start: float, end: float) -> tuple[float, float]:
    """A stretch, widened so that it cuts no word."""
    for word in row.get("words") or ():
        if word["start"] < start < word["end"]:
            start = word["start"]
        if word["start"] < end < word["end"]:
            end = word["end"]
    return max(0.0, start), min(end, row["duration"] or end)


def write_clips(index: Index, asked: Filter, root: str | None, around: float) -> IO[bytes]:
    """A zip with a WAV for each match, and `clips.csv`, which says of each where it is from or why it is
    missing. At most `MAX_CLIPS`; what is beyond is named there too.

    Returns the file, open for reading.

    Raises:
        AudioNotFoundError: nothing was found, or no recording of it.
    """
    lines: list[tuple[Any, ...]] = []
    out: IO[bytes] = tempfile.TemporaryFile(prefix="unislu-browse-")  # noqa: SIM115 - the caller closes it
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            written = 0
            for row, mentions in _found(index, asked):
                if written >= MAX_CLIPS:
                    lines.append(_missing(row, f"left out: over {MAX_CLIPS} clips"))
                    continue
                for line in _cut(index, row, mentions, asked, root, around, archive, MAX_CLIPS - written):
                    written += bool(line[0])
                    lines.append(line)
            archive.writestr("clips.csv", "".join(map(_line, [_CLIPS, *lines])))
        if not written:
            raise AudioNotFoundError(lines[0][-1] if lines else "nothing was found, so there are no clips")
        out.seek(0)
        return out
    except BaseException:
        out.close()
        raise


def _found(index: Index, asked: Filter) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    with index.snapshot() as db:
        find(db, asked)
        for rows in in_order(db, asked, limit=None):
            mentions = mentions_of(db, [row["rec"] for row in rows], asked)
            for row in rows:
                yield row, mentions.get(row["rec"], [])


def _cut(
    index: Index,
    row: dict[str, Any],
    mentions: list[dict[str, Any]],
    asked: Filter,
    root: str | None,
    around: float,
    archive: zipfile.ZipFile,
    room: int,
) -> Iterator[tuple[Any, ...]]:
    """A line for each clip of a recording, or one that says why there are none."""
    try:
        columns = {**read_recording(index, row["id"]), "parts": parts_of(row)}
        found = matches(columns, asked, mentions, around)
        origin = source(row["id"], row["uri"], row["stamp"])
        with tempfile.TemporaryDirectory(prefix="unislu-browse-") as folder:
            stretches = [(one.start, min(one.end, one.start + MAX_SECONDS)) for one in found[:room]]
            files = clips(locate(origin, root), origin, stretches, folder) if stretches else []
            for match, (start, end), file in zip(found[:room], stretches, files, strict=True):
                if isinstance(file, AudioError):
                    yield "", row["id"], row["day"], start, end, match.text, str(file)
                    continue
                name = f"{_stem(row['id'])}-{start:07.2f}.wav"
                archive.write(file, name)
                note = (
                    f"the first {MAX_SECONDS:g} s of {match.end - match.start:.0f}" if end < match.end else ""
                )
                yield name, row["id"], row["day"], round(start, 3), round(end, 3), match.text, note
    except (AudioError, GoneError) as error:
        yield _missing(row, str(error))
        return
    if len(found) > room:
        yield _missing(row, f"{len(found) - room} more left out: over {MAX_CLIPS} clips")


def _missing(row: dict[str, Any], note: str) -> tuple[Any, ...]:
    """The line of a clip that is not there."""
    return "", row["id"], row["day"], "", "", "", note


def _stem(identity: str) -> str:
    """A file name from the last part of an id."""
    stem = os.path.splitext(identity.replace("\\", "/").rpartition("/")[2])[0] or "recording"
    return re.sub(r"[^\w.-]+", "_", stem)[:80]
