"""The inputs of a run: paths, globs, folders, manifests and object storage → a list of `Input`.

An input has an id, which identifies its row, and a stamp: size and modification time, or the ETag of object
storage. A stamp does not need the file to be read, so unchanged files cost nothing at a restart.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError, RecordError
from .folders import is_companion, sound_files
from .inputs import Input, LeftOut, estimated_seconds, is_sound, printable, stamp_of
from .manifests import MANIFESTS, read_manifest
from .store import full_url, is_local, open_store

_WILD = "*?["


@dataclass(frozen=True)
class Found:
    """The inputs, each once, in order; `notes`: what was left out, one line for each reason."""

    inputs: list[Input]
    notes: tuple[str, ...]


def find_inputs(specs: Sequence[str]) -> Found:
    """Find every input that paths, globs, folders and manifests refer to.

    Raises:
        OptionError: a path or pattern without files, or storage that does not answer.
        RecordError: a bad line of a manifest, or one id for two files.
        MissingDependencyError: the package of a kind of storage is not installed.
    """
    found: dict[str, Input] = {}
    left_out = LeftOut()
    for spec in specs:
        for entry in _from_spec(spec, left_out):
            known = found.setdefault(entry.id, entry)
            if known.place != entry.place:
                raise RecordError(
                    f"{printable(spec)}: two files have the id {entry.id!r}, {known.place} and "
                    f"{entry.place}; give each its own"
                )
    return Found(list(found.values()), left_out.notes())


def _from_spec(spec: str, left_out: LeftOut) -> Iterator[Input]:
    fs, path = open_store(spec)
    name = printable(spec)
    manifests = spec.lower().endswith(MANIFESTS)
    if manifests and not any(character in path for character in _WILD):
        yield from read_manifest(spec, fs, path)
        return
    try:
        files = dict(_listed(fs, path, left_out))
    except FileNotFoundError:
        raise OptionError(f"{name}: no such file; check the path") from None
    except Exception as error:  # storage packages raise any exception, e.g. for missing credentials
        raise OptionError(f"{name}: cannot be listed ({error}); check the address and the rights") from None
    if not files:
        raise OptionError(
            f"{name}: there is no audio file; check the pattern or the folder"
            + "".join(f" ({note})" for note in left_out.notes())
        )
    for file, info in files.items():
        uri = full_url(fs, file)
        if manifests:
            yield from read_manifest(uri, fs, file)
        else:
            stamp = stamp_of(info) if info else None
            yield Input(printable(uri), uri, stamp, estimated_seconds(file, info))


def _listed(fs: Any, path: str, left_out: LeftOut) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, details) of the files that a path refers to; an existing file is itself, whatever characters its
    name has.
    """
    if any(character in path for character in _WILD) and not fs.exists(path):
        details = fs.glob(path, detail=True)
    elif not fs.isdir(path):
        yield path, fs.info(path)
        return
    elif is_local(fs):
        yield from sound_files(path, left_out)
        return
    else:
        details = {}
        for file, info in fs.find(path, detail=True).items():
            if is_sound(file):
                details[file] = info
            elif info.get("size"):  # not what marks a folder
                left_out.add("of unknown type", full_url(fs, file))
    for file, info in sorted(details.items()):
        companion = is_companion(posixpath.basename(file), left_out, full_url(fs, file))
        if info.get("type") != "directory" and not companion:
            yield file, info
