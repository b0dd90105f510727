"""Manifests → inputs: JSON lines or a JSON list, records of a corpus and NeMo's segments alike."""

from __future__ import annotations

import gzip
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ..data.lines import json_objects
from ..data.records import identity
from ..errors import OptionError, RecordError
from .inputs import FileStretch, Input, estimated_seconds, printable, stamp_of
from .store import full_url, is_local, open_store

MANIFESTS = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
_AUDIO_KEYS = ("audio", "uri", "path", "audio_filepath")
_LISTING_PAYS = 3  # a folder with this many inputs is listed once instead of querying each
_ASKERS = 32
_LONGEST = 1e9


def read_manifest(spec: str, fs: Any, path: str) -> Iterator[Input]:
    """The inputs of a manifest in their order; missing files have no stamp.

    Raises:
        OptionError: it cannot be read, or is empty.
        RecordError: a bad line, or an id that is used twice; names the line.
    """
    spec = printable(spec)
    found: dict[str, Input] = {}
    places: dict[str, str] = {}
    for place, values in json_objects(_text(spec, fs, path), spec):
        try:
            entry = _entry(values, path.rpartition("/")[0], fs)
        except RecordError as error:
            raise RecordError(f"{place}: {error}") from None
        if entry.id in found:
            raise RecordError(f"{place}: the id {entry.id!r} was already used in {places[entry.id]}")
        number = place.rpartition(":")[2].strip()
        found[entry.id], places[entry.id] = entry, f"line {number}" if number.isdigit() else number
    if not found:
        raise OptionError(f"{spec}: the manifest is empty; give one JSON object a line with an `audio`")
    details = _details(list(dict.fromkeys(entry.uri for entry in found.values())))
    for entry in found.values():
        info = details.get(entry.uri)
        stamp = None if info is None else stamp_of(info) + entry.fragment
        seconds = entry.seconds if entry.seconds >= 0 else estimated_seconds(entry.uri, info or {})
        yield Input(entry.id, entry.uri, stamp, seconds, entry.part)


def _text(spec: str, fs: Any, path: str) -> str:
    try:
        data = fs.cat_file(path)
        return (gzip.decompress(data) if path.lower().endswith(".gz") else data).decode("utf-8-sig")
    except FileNotFoundError:
        raise OptionError(f"{spec}: no such manifest; check the path") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{spec}: not UTF-8 text ({error}); save it as UTF-8") from None
    except Exception as error:  # storage packages raise what they like
        raise OptionError(f"{spec}: cannot be read ({error}); check the address and the rights") from None


def _entry(values: Mapping[str, Any], folder: str, fs: Any) -> Input:
    """One line, without a stamp yet, and with -1 seconds if the length is not given."""
    key = next((key for key in _AUDIO_KEYS if isinstance(values.get(key), str) and values[key]), None)
    if key is None:
        raise RecordError("has no file; give its path or URL as `audio`")
    uri = values[key]
    if "\0" in uri:
        raise RecordError(f"field `{key}`: {uri!r} is not a path")
    if "://" not in uri:
        uri = full_url(fs, uri if posixpath.isabs(uri) else f"{folder or '.'}/{uri}")
    if "::" not in uri or "://" not in uri:  # a chained URL has no simpler form
        try:
            uri = full_url(*open_store(uri))
        except OptionError as error:
            raise RecordError(f"field `{key}`: {error}") from None
    duration, offset = _seconds(values, "duration"), _seconds(values, "offset")
    part = None
    if offset is not None:
        if duration == 0:
            raise RecordError("field `duration`: a part of 0 seconds is empty")
        part = FileStretch(offset, None if duration is None else offset + duration)
    name = identity(values) or printable(uri) + ("" if part is None else str(part))
    return Input(name, uri, None, -1.0 if duration is None else duration, part)


def _seconds(values: Mapping[str, Any], name: str) -> float | None:
    found = values.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < _LONGEST:
        raise RecordError(f"field `{name}`: {found!r} is not a length in seconds")
    return float(found)


def _details(uris: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The storage details of each existing file; folders with several of them are listed once."""
    folders: dict[str, list[str]] = {}
    for uri in uris:
        folders.setdefault(uri.rpartition("/")[0], []).append(uri)
    found: dict[str, Mapping[str, Any]] = {}
    with ThreadPoolExecutor(_ASKERS) as pool:
        for part in pool.map(_folder_details, folders.items()):
            found |= part
    return found


def _folder_details(folder: tuple[str, Iterable[str]]) -> dict[str, Mapping[str, Any]]:
    """The details of the files of one folder, without missing ones.

    Raises:
        OptionError: the storage does not answer at all.
    """
    name, uris = folder[0], list(folder[1])
    fs, _ = open_store(uris[0])
    found: dict[str, Mapping[str, Any]] = {}
    if len(uris) >= _LISTING_PAYS and not is_local(fs):
        # Storage packages raise any exception. Folders that must not be listed are common (a web server, a
        # narrow policy) while their files are readable: those are queried, and their errors reported, below.
        with suppress(Exception):
            listed = {full_url(fs, info["name"]): info for info in fs.ls(open_store(name)[1], detail=True)}
            found = {uri: listed[uri] for uri in uris if uri in listed}
    for uri in uris:
        if uri in found:
            continue
        try:
            found[uri] = fs.info(open_store(uri)[1])
        except OSError:
            continue  # missing or forbidden: it becomes an error row of its own, with the reason
        except Exception as error:  # not of this file, e.g. no credentials
            raise OptionError(
                f"{uri}: cannot be queried ({error}); check the address and the rights"
            ) from None
    return found
