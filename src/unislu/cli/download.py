"""Download a model into the user's folder; then its name is enough: --bundle NAME.

examples:
  unislu download small
  unislu download https://models.example/small/1.0/
  unislu download hf:owner/name@v1
"""

from __future__ import annotations

import argparse

from ..progress import LiveLine
from . import complain


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "source",
        metavar="MODEL",
        help="a name of `unislu models` (name@version), the address of a bundle's folder, or "
        "hf:owner/name[@revision]",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    """Download it, and print its folder."""
    from ..models import download

    line = LiveLine(not arguments.quiet)

    def say(text: str) -> None:
        line.clear()
        if not arguments.quiet:
            complain(text)

    try:
        bundle = download(arguments.source, say, line.show)
    finally:
        line.clear()
    say(f"use it with --bundle {bundle.manifest.name}")
    print(bundle.path)
    return 0
