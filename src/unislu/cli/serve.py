"""Serve the model over HTTP: OpenAI's transcription API, unislu's own, and a web page.

examples:
  unislu serve
  unislu serve --port 9000 --bundle my-bundle
  unislu serve --host 0.0.0.0 --key-file keys.txt
  unislu serve --wyoming 0.0.0.0:10300 --insecure
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from ..errors import require
from ..server.settings import PREFIX, ServerSettings, parse


def configure(parser: argparse.ArgumentParser) -> None:
    """One option for each setting."""
    parser.epilog = f"Every option can also be set in the environment: --max-queue 8 is {PREFIX}MAX_QUEUE=8."
    for item in fields(ServerSettings):
        if (
            item.name == "keys"
        ):  # options are visible to every user of the machine, so keys are given otherwise
            continue
        names = ["--" + item.name.replace("_", "-")]
        if item.name == "bundle":
            names.append("--model")  # as for analyze
        help_ = item.metadata["help"]
        if item.type == "bool":
            parser.add_argument(*names, action="store_true", default=None, help=help_)
            continue
        shown = "" if item.default in (None, ()) else f" (default: {_shown(item.default)})"
        parser.add_argument(*names, metavar="X", help=help_ + shown)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the process is stopped."""
    flags: dict[str, Any] = {}
    for item in fields(ServerSettings):
        value = getattr(arguments, item.name, None)
        if value is not None:
            flags[item.name] = (
                value if value is True else parse(item, value, f"--{item.name.replace('_', '-')}")
            )
    settings = ServerSettings.read(flags)
    require("server", "fastapi", "uvicorn", "python_multipart", "prometheus_client", "websockets")
    if settings.wyoming is not None:
        require("wyoming", "wyoming")

    from ..server.run import serve

    return serve(settings)
