"""The journals of a synthesis run, which make it safe to kill and to resume.

Each worker adds one JSON line to its own file after a clip is in place. A line that a kill cut short is
ignored; its clip is made again. Finished runs keep the same facts in `manifest.jsonl` and `skipped.jsonl`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unislu.files import PARTIAL, Journal, read_journal

MANIFEST = "manifest.jsonl"
SKIPPED = "skipped.jsonl"
_PARTS = "journal-*.jsonl"


@dataclass(frozen=True)
class Entry:
    """The outcome of one clip."""

    key: str
    status: str
    """`ok`, `too_long`, `unspeakable` or `failed`."""
    source_text: str
    record: Mapping[str, Any] | None = None
    """The manifest's line, when `status` is `ok`."""
    reasons: tuple[str, ...] = ()
    """Why voices failed, or why the clip was left out."""
    spoken: str | None = None
    """The record's `spoken`, if it has one."""


def journal_of(out: Path, worker: int) -> Journal:
    """The journal that a worker of this process adds the entries' fields to."""
    return Journal(out / _PARTS.replace("*", f"{worker:02d}-{os.getpid()}"))


def load(out: Path) -> dict[str, Entry]:
    """All known entries of a folder, by key; journals take precedence over the finished manifest."""
    found: dict[str, Entry] = {}
    for values in read_journal(out / MANIFEST):
        reasons = tuple(values.pop("_reasons", ()))
        found[values["id"]] = Entry(values["id"], "ok", values["text"], values, reasons, values.get("spoken"))
    for path in [out / SKIPPED, *sorted(out.glob(_PARTS))]:
        for values in read_journal(path):
            entry = Entry(**{**values, "reasons": tuple(values["reasons"])})
            found[entry.key] = entry
    return found


def remove_parts(out: Path) -> None:
    """Remove the journals once the manifest has their content, and half-written files that kills left."""
    for path in (*out.glob(_PARTS), *out.glob(f"audio/*/.*{PARTIAL}")):
        path.unlink(missing_ok=True)
