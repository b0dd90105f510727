"""An `Analysis` as text for people, programs and players. Each format is one module with `render`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import OptionError
from ..result import Analysis
from . import html, subtitles, terminal


@dataclass(frozen=True)
class Writer:
    """How one format is written.

    `render` gives the whole content for one file, ending in a newline. `needs_text`: it shows the
    transcript and nothing else. `one_file`: the contents of several files cannot follow one another.
    """

    render: Callable[[Analysis], str]
    suffix: str
    needs_text: bool = False
    one_file: bool = False


def _json(analysis: Analysis) -> str:
    return analysis.to_json(indent=2) + "\n"


def _json_line(analysis: Analysis) -> str:
    return analysis.to_json() + "\n"


def _transcript(analysis: Analysis) -> str:
    return (analysis.text or "") + "\n"


FORMATS: Mapping[str, Writer] = MappingProxyType(
    {
        "text": Writer(terminal.render, ".txt"),
        "json": Writer(_json, ".json"),
        "jsonl": Writer(_json_line, ".jsonl"),
        "txt": Writer(_transcript, ".txt", needs_text=True),
        "srt": Writer(subtitles.render_srt, ".srt", needs_text=True, one_file=True),
        "vtt": Writer(subtitles.render_vtt, ".vtt", needs_text=True, one_file=True),
        "html": Writer(html.render, ".html", one_file=True),
    }
)


def get_writer(name: str) -> Writer:
    """The writer of a format. Raises `OptionError` for an unknown name."""
    try:
        return FORMATS[name]
    except KeyError:
        raise OptionError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}") from None


__all__ = ["FORMATS", "Writer", "get_writer"]
