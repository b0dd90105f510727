"""Serve tools for language models over stdin and stdout, by the Model Context Protocol (MCP).

A client can list and analyse the recordings in the folders that are named here, and in no others; search the
results of `unislu batch`; and, with --output, have redacted copies written.

examples:
  unislu mcp --folder calls
  unislu mcp --folder calls --folder meetings --results results --output redacted
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, require
from . import request_options

if TYPE_CHECKING:
    from ..recognition.model import Model


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--folder", action="append", default=[], metavar="DIR", help="recordings that may be read; repeatable"
    )
    parser.add_argument("--results", metavar="DIR", help="results of `unislu batch` that may be searched")
    parser.add_argument("--output", metavar="DIR", help="folder that redacted copies may be written to")
    request_options.configure_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client closes stdin."""
    if not arguments.folder and arguments.results is None:
        raise OptionError("nothing to serve: name a --folder of recordings, or --results of `unislu batch`")
    for option, folder in (("--results", arguments.results), ("--output", arguments.output)):
        if folder is not None and not Path(folder).is_dir():
            raise OptionError(f"{option} {folder}: is not a folder; create it first")
    require("mcp", "mcp", "mcp_types")
    if arguments.results is not None:
        require("scale", "pyarrow")

    from ..server.mcp.folders import Folders
    from ..server.mcp.server import make_server
    from ..server.mcp.tools import Places

    places = Places(
        Folders(arguments.folder),
        None if arguments.results is None else Path(arguments.results).resolve(),
        None if arguments.output is None else Path(arguments.output).resolve(),
    )

    def load() -> Model:
        from ..recognition.model import load as load_model

        return load_model(arguments.bundle, threads=arguments.threads)

    make_server(places, load).run("stdio")
    return 0
