"""The checkpoint folders of a training run: a kill at any moment loses only the steps since the last one.

    checkpoint-400/   weights that learn, optimiser, schedule and random states, to go on from
    best/, last/      the model alone, as `unislu export` reads it

A checkpoint counts from the moment its `state.json` is there, which is written last, in one step, and knows
the sha256 of every other file. The two newest are kept: one that is damaged falls back to the one before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unislu.bundle import file_digest
from unislu.errors import BundleError
from unislu.files import write_whole

STATE = "state.json"
KEPT = 2
_PREFIX = "checkpoint-"
_OLD = ".old"
_PARTIAL = ".partial"


class Checkpoints:
    """The checkpoints of one run's folder."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def folder(self, step: int) -> Path:
        """Where the files of a step's checkpoint are written, before `complete`."""
        return self._out / f"{_PREFIX}{step}"

    def complete(self, step: int, state: Mapping[str, Any]) -> None:
        """Complete a checkpoint whose other files are written, and remove all but the newest ones."""
        folder = self.folder(step)
        files = {
            path.relative_to(folder).as_posix(): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != STATE
        }
        write_json(folder / STATE, {**state, "step": step, "files": files})
        for old in self._all()[:-KEPT]:
            (old / STATE).unlink(missing_ok=True)  # first: half of a checkpoint must not count
            shutil.rmtree(old)

    def newest(self, say: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
        """The newest whole checkpoint and its state; `say` is told of each that is damaged."""
        for folder in reversed(self._all()):
            try:
                state = json.loads((folder / STATE).read_text(encoding="utf-8"))
                files = state.get("files", {})
                damaged = [name for name, digest in files.items() if file_digest(folder / name) != digest]
            except (OSError, ValueError, AttributeError, BundleError) as error:
                say(f"{folder}: is damaged ({error}); going back to the checkpoint before")
                continue
            if not damaged:
                return folder, state
            say(f"{folder}: {damaged[0]} is damaged; going back to the checkpoint before")
        return None

    def _all(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        found = [path.parent for path in self._out.glob(f"{_PREFIX}*/{STATE}")]
        return sorted(found, key=lambda path: int(path.name.removeprefix(_PREFIX)))


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside the old one, which stays until the new one is complete.

    A kill between the two renames leaves the old one under another name; see `restore_folder`.
    """
    partial, old = folder.with_name(folder.name + _PARTIAL), folder.with_name(folder.name + _OLD)
    restore_folder(folder)
    shutil.rmtree(partial, ignore_errors=True)
    write(partial)
    if folder.exists():
        os.rename(folder, old)
    os.rename(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(folder: Path) -> None:
    """Restore a folder's name, and remove what a kill left of writing or replacing it."""
    old = folder.with_name(folder.name + _OLD)
    if old.exists() and not folder.exists():
        os.rename(old, folder)
    for left in (old, folder.with_name(folder.name + _PARTIAL)):
        shutil.rmtree(left, ignore_errors=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file in one step: whoever reads sees the old content or the new one."""
    write_whole(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n", durable=True)
