"""List models: those of this machine, and those that can be downloaded by name.

examples:
  unislu models
  unislu models --json
  unislu models --index shared/models
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import complain

if TYPE_CHECKING:
    from ..models import Entry

_HEAD = ("NAME", "VERSION", "SIZE", "WER", "F1", "LICENCE", "WHERE")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument(
        "--index",
        type=Path,
        metavar="FOLDER",
        help="write FOLDER/index.json for the bundles in FOLDER/NAME/VERSION, to be hosted",
    )


def run(arguments: argparse.Namespace) -> int:
    """List them, or write a list."""
    from ..models import catalog, write_index

    if arguments.index is not None:
        print(write_index(arguments.index))
        return 0
    unreachable: list[str] = []
    entries = catalog(unreachable.append)
    if arguments.json:
        print(json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
    else:
        print("\n".join(table(entries)))
    for reason in (*unreachable, *(entry.problem for entry in entries if entry.installed and entry.problem)):
        complain(reason)
    return 1 if unreachable else 0


def table(entries: list[Entry]) -> list[str]:
    """One line for each model; figures are those that its maker measured."""
    rows = [_HEAD, *(_row(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def _row(entry: Entry) -> tuple[str, ...]:
    if entry.problem:
        where = f"{entry.where}, unusable"
    elif entry.installed:
        where = f"installed ({entry.where})"
    else:
        where = f"unislu download {entry.name}@{entry.version}"
    size = "" if entry.bytes is None else f"{entry.bytes / 1e6:.0f} MB"
    return (
        entry.name, entry.version, size, _percent(entry.wer), _percent(entry.f1),
        entry.licence or "not stated", where,
    )  # fmt: skip


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
