"""What is to be heard: paths, globs, folders, manifests and object storage → a list of `Input`.

An input has an id, by which its row is known, and a stamp: size and modification time, or the ETag of
object storage. A stamp is had without reading the file, so an unchanged one costs a restart nothing.
"""

from __future__ import annotations

import gzip
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError, RecordError
from .store import full_url, is_local, open_store

MANIFESTS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_AUDIO_KEYS = ("audio", "uri", "path", "audio_filepath")
# Bytes of a second, as far as a file's name says: good enough to pack batches and to tell the time left.
_BYTES_PER_SECOND = {
    ".wav": 32_000, ".flac": 18_000, ".aiff": 88_000, ".aif": 88_000, ".caf": 32_000, ".au": 16_000,
    ".mp3": 8_000, ".m4a": 8_000, ".m4b": 8_000, ".aac": 8_000, ".wma": 8_000, ".amr": 1_600,
    ".ogg": 5_000, ".oga": 5_000, ".opus": 4_000,
    ".mp4": 20_000, ".m4v": 20_000, ".webm": 20_000, ".mkv": 100_000, ".mov": 100_000, ".avi": 100_000,
}  # fmt: skip
_UNKNOWN_SECONDS = 60.0
_STAMP_KEYS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
_LISTING_PAYS = 3  # a folder with this many inputs is listed once instead of asking for each
_ASKERS = 32


@dataclass(frozen=True)
class Input:
    """One file to be heard.

    id: unique in the run; a manifest's id, or the uri.
    uri: a local path or a URL that every worker can open.
    stamp: changes when the file does; None when the file was not found.
    seconds: its length, from the manifest or estimated from its size.
    """

    id: str
    uri: str
    stamp: str | None
    seconds: float


def find_inputs(specs: Sequence[str]) -> list[Input]:
    """Every input that paths, globs, folders and JSON-lines manifests name, each once, in their order.

    Raises:
        OptionError: a path or pattern that names nothing, or storage that does not answer.
        RecordError: a bad line of a manifest, or one id for two files.
        MissingDependencyError: the package of a kind of storage is not installed.
    """
    found: dict[str, Input] = {}
    for spec in specs:
        for entry in _from_spec(spec):
            known = found.setdefault(entry.id, entry)
            if known.uri != entry.uri:
                raise RecordError(
                    f"{spec}: the id {entry.id!r} is of two files, {known.uri} and {entry.uri}; "
                    "give each its own"
                )
    return list(found.values())


def _from_spec(spec: str) -> Iterator[Input]:
    fs, path = open_store(spec)
    if spec.lower().endswith(MANIFESTS):
        yield from _from_manifest(spec, fs, path)
        return
    try:
        if any(character in path for character in "*?["):
            details = fs.glob(path, detail=True)
        elif fs.isdir(path):
            details = {p: i for p, i in fs.find(path, detail=True).items() if _suffix(p) in _BYTES_PER_SECOND}
        else:
            details = {path: fs.info(path)}
    except FileNotFoundError:
        raise OptionError(f"{spec}: no such file; check the path") from None
    except Exception as error:  # storage packages raise what they like, e.g. for missing credentials
        raise OptionError(f"{spec}: cannot be listed ({error}); check the address and the rights") from None
    files = {p: info for p, info in sorted(details.items()) if info.get("type") != "directory"}
    if not files:
        raise OptionError(f"{spec}: names no sound file; check the pattern or the folder")
    for file, info in files.items():
        uri = full_url(fs, file)
        yield Input(uri, uri, _stamp(info), _estimate(file, info))


@dataclass(frozen=True)
class _Line:
    id: str
    uri: str
    seconds: float | None


def _from_manifest(spec: str, fs: Any, path: str) -> Iterator[Input]:
    try:
        data = fs.cat_file(path)
        text = (gzip.decompress(data) if path.endswith(".gz") else data).decode("utf-8-sig")
    except FileNotFoundError:
        raise OptionError(f"{spec}: no such manifest; check the path") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{spec}: not UTF-8 text ({error}); save it as UTF-8") from None
    except Exception as error:  # storage packages raise what they like
        raise OptionError(f"{spec}: cannot be read ({error}); check the address and the rights") from None
    lines: list[_Line] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            read = _line(line, f"{spec}:{number}", spec.rpartition("/")[0])
            if (first := seen.setdefault(read.id, number)) != number:
                raise RecordError(f"{spec}:{number}: the id {read.id!r} was already used in line {first}")
            lines.append(read)
    if not lines:
        raise OptionError(f"{spec}: the manifest is empty; give one JSON object a line with an `audio`")
    details = _details([line.uri for line in lines])
    for entry in lines:
        info = details.get(entry.uri)
        seconds = entry.seconds if entry.seconds is not None else _estimate(entry.uri, info or {})
        yield Input(entry.id, entry.uri, None if info is None else _stamp(info), seconds)


def _line(line: str, where: str, folder: str) -> _Line:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise RecordError(f"{where}: is not JSON ({error}); give one object a line") from None
    if not isinstance(values, Mapping):
        raise RecordError(f"{where}: is {type(values).__name__}, not an object")
    key = next((key for key in _AUDIO_KEYS if isinstance(values.get(key), str) and values[key]), None)
    if key is None:
        raise RecordError(f"{where}: names no file; give its path or URL as `audio`")
    uri = values[key]
    if "://" not in uri:
        base = folder or "."
        uri = uri if posixpath.isabs(uri) else f"{base}/{uri}"
    if "::" not in uri:  # a chained URL has no simpler form
        uri = full_url(*open_store(uri))
    seconds = values.get("duration")
    if seconds is not None and (
        isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9
    ):
        raise RecordError(f"{where}: field `duration`: {seconds!r} is not a length in seconds")
    return _Line(str(values.get("id") or uri), uri, seconds)


def _details(uris: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """What storage says of each file that exists; folders with several of them are listed once."""
    folders: dict[str, list[str]] = {}
    for uri in uris:
        folders.setdefault(uri.rpartition("/")[0], []).append(uri)
    found: dict[str, Mapping[str, Any]] = {}
    with ThreadPoolExecutor(_ASKERS) as pool:
        for part in pool.map(_folder_details, folders.items()):
            found |= part
    return found


def _folder_details(folder: tuple[str, Iterable[str]]) -> dict[str, Mapping[str, Any]]:
    """The details of the files of one folder, without those that are not there.

    Raises:
        OptionError: the storage does not answer at all.
    """
    name, uris = folder[0], list(folder[1])
    fs, _ = open_store(uris[0])
    found: dict[str, Mapping[str, Any]] = {}
    if len(uris) >= _LISTING_PAYS and not is_local(fs):
        # Storage packages raise what they like. A folder that must not be listed is common (a web server, a
        # narrow policy) and says nothing of its files: what fails here is asked for, and told, below.
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
            raise OptionError(f"{uri}: cannot be asked for ({error}); check address and rights") from None
    return found


def _stamp(info: Mapping[str, Any]) -> str:
    changed = next((info[key] for key in _STAMP_KEYS if info.get(key) is not None), "")
    return f"{info.get('size')}:{changed}"


def _estimate(path: str, info: Mapping[str, Any]) -> float:
    rate = _BYTES_PER_SECOND.get(_suffix(path))
    size = info.get("size")
    return size / rate if rate and size is not None else _UNKNOWN_SECONDS


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()
