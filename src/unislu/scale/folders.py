"""Recursive search of a local folder: links are followed, and skipped files are reported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from .inputs import LeftOut, is_sound

_COMPANION = "._"  # attributes of another file, which macOS writes to disks that cannot store them


def sound_files(folder: str, left_out: LeftOut) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, size and time) of every audio file, in the order of paths.

    A folder with several links to it is searched once, under its own path if that is inside `folder`.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for place in _folders(folder, left_out):
        for entry in _entries(place, LeftOut()):
            if entry.is_dir():
                continue
            if not is_sound(entry.name):
                if not entry.name.startswith("."):
                    left_out.add("of unknown type", entry.path)
            elif not is_companion(entry.name, left_out, entry.path):
                found[entry.path] = _info(entry.path)
    yield from sorted(found.items())


def is_companion(name: str, left_out: LeftOut, path: str) -> bool:
    """Whether a file only contains what macOS stores beside another; such files are counted."""
    if not name.startswith(_COMPANION):
        return False
    left_out.add("that macOS stores beside other files (._…)", path)
    return True


def _folders(folder: str, left_out: LeftOut) -> Iterator[str]:
    """The folder and all below it, each once: first real folders, then linked ones."""
    seen: set[str] = set()
    waiting = [folder]
    links: list[str] = []
    while waiting or links:
        linked = not waiting
        place = waiting.pop() if waiting else links.pop(0)
        real = os.path.realpath(place)
        if real in seen:
            continue
        if linked and os.path.commonpath([real, os.path.realpath(folder)]) == real:
            left_out.add("links to a parent of the searched folder", place)
            continue
        seen.add(real)
        yield place
        for entry in _entries(place, left_out):
            if entry.is_dir():
                (links if entry.is_symlink() else waiting).append(entry.path)


def _entries(folder: str, left_out: LeftOut) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.path)
    except OSError as error:
        left_out.add(f"folders that cannot be read ({error.strerror})", folder)
        return []


def _info(path: str) -> Mapping[str, Any]:
    """In the form that storage reports; empty for a broken link, which becomes an error row that names it."""
    try:
        status = os.stat(path)
    except OSError:
        return {}
    return {"size": status.st_size, "mtime": status.st_mtime}
