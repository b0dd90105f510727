"""Search the results of `unislu batch` on a local page: filter, count, read, and play the words.

Nothing leaves this machine. The address that is printed has a token, which opens the page.

examples:
  unislu browse results/
  unislu browse results/ --audio-root /mnt/recordings
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import OptionError, require


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "results", metavar="RESULTS", help="output folder of `unislu batch`, or a folder of them"
    )
    parser.add_argument(
        "--audio-root", metavar="FOLDER", help="where the recordings are now, if they have moved since"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="X", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8765,
        metavar="N",
        help="port to listen on; 0 = any free one (default: 8765)",
    )
    parser.add_argument("--hosts", metavar="NAME,…", help="additional host names of this machine")
    parser.add_argument("--no-open", action="store_true", help="print the address, but open no browser")


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until the process is stopped."""
    require("browse", "duckdb", "pyarrow", "fastapi", "uvicorn")
    if not 0 <= arguments.port <= 65_535:
        raise OptionError(f"--port is {arguments.port}: give a number from 0 to 65535")
    if arguments.audio_root is not None and not Path(arguments.audio_root).is_dir():
        raise OptionError(
            f"--audio-root: {arguments.audio_root} is not a folder; give that of the recordings"
        )
    from ..browse.access import Access
    from ..browse.run import browse

    hosts = tuple(name.strip() for name in (arguments.hosts or "").split(",") if name.strip())
    access = Access(arguments.host, hosts)
    opens = not arguments.no_open and sys.stderr.isatty()
    return browse(
        arguments.results, access, port=arguments.port, audio_root=arguments.audio_root, opens=opens
    )
