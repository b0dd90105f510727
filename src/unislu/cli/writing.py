"""How results are written: options that commands share, and their effect on one file."""

from __future__ import annotations

import argparse
import base64
import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import OptionError
from .arguments import positive

if TYPE_CHECKING:
    from ..writers import SubtitleStyle, Writer

PLAYERS = ("link", "embed", "none")
MAX_EMBEDDED = 64 << 20
"""Bytes of audio that a page may embed; browsers reject much longer `data:` URLs."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--line-length",
        type=positive,
        metavar="N",
        help="maximum line length of subtitles, in characters (default: 42)",
    )
    parser.add_argument("--lines", type=positive, metavar="N", help="maximum lines per subtitle (default: 2)")
    parser.add_argument(
        "--reading-speed",
        type=float,
        metavar="CPS",
        help="reading speed of subtitles, in characters a second (default: 20)",
    )
    parser.add_argument(
        "--player",
        default="link",
        metavar="P",
        help="for html: link to the audio, embed it, or none (default: link)",
    )
    parser.add_argument(
        "--audio-url",
        metavar="PREFIX",
        help="for label-studio: the URL of the recordings, before the path as given here",
    )


@dataclass(frozen=True)
class Writing:
    """The options, checked."""

    subtitles: SubtitleStyle
    player: str
    audio_url: str | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Writing:
        """Raises `OptionError` for an invalid option."""
        from ..writers import SubtitleStyle

        if arguments.player not in PLAYERS:
            raise OptionError(f"--player is {arguments.player!r}: choose from {', '.join(PLAYERS)}")
        given = {"line": arguments.line_length, "lines": arguments.lines, "speed": arguments.reading_speed}
        style = SubtitleStyle(**{name: value for name, value in given.items() if value is not None})
        return cls(style, arguments.player, arguments.audio_url)

    def writer(self, name: str, audio: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Writer:
        """The writer of the results of one recording.

        `audio`: the file that its page plays; `folder`: the folder of what is written. A recording without a
        file (stdin) gets a page without a player.

        Raises `OptionError` for an unknown format, or audio that is too long to embed.
        """
        from ..writers import WriteOptions, get_writer

        played = None
        if name == "html" and self.player != "none" and os.path.isfile(audio):
            played = link(audio, folder) if self.player == "link" else embedded(audio)
        elif name == "elan" and os.path.isfile(audio):
            played = link(audio, folder)
        elif name == "label-studio" and self.audio_url is not None:
            played = self.audio_url + quote(Path(audio).as_posix())
        return get_writer(name, WriteOptions(subtitles=self.subtitles, audio=played))


def link(audio: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """The file as a URL relative to a page in `folder`."""
    try:
        return quote(Path(os.path.relpath(audio, folder)).as_posix())
    except ValueError:  # on another drive
        return Path(audio).resolve().as_uri()


def embedded(audio: str | os.PathLike[str]) -> str:
    """The file as a `data:` URL. Raises `OptionError` if it is too long."""
    path = Path(audio)
    size = path.stat().st_size
    if size > MAX_EMBEDDED:
        raise OptionError(
            f"{path}: {size >> 20} MB are too much to embed in a page (at most {MAX_EMBEDDED >> 20}): "
            "use --player link"
        )
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
