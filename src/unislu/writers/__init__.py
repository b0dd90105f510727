"""An `Analysis` as text for people, programs and players. Each format is one module with `render`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from ..errors import OptionError
from ..result import Analysis
from . import conll, docbin, elan, html, label_studio, parquet, rttm, subtitles, terminal, textgrid
from .spans import stretches
from .subtitles import SubtitleStyle


@dataclass(frozen=True)
class WriteOptions:
    """Options of how results are written."""

    subtitles: SubtitleStyle = field(default_factory=SubtitleStyle)
    """Line lengths and reading speed of srt and vtt."""
    audio: str | None = None
    """Where a page's player, ELAN or Label Studio find the recording: a relative path or a URL. None = no
    player, and for the others the recording's name.
    """


@dataclass(frozen=True)
class Writer:
    """How one format is written."""

    render: Callable[[Analysis], str]
    """Gives the whole content for one file, ending in a newline; raises `OptionError` for a binary format."""
    suffix: str
    """Of the files, e.g. `.txt`."""
    needs_text: bool = False
    """It shows only the transcript."""
    needs_speakers: bool = False
    """It shows who speaks, and nothing else."""
    one_file: bool = False
    """The contents of several files cannot be concatenated."""
    binary: Callable[[Analysis], bytes] | None = None
    """Gives the bytes of a binary format."""

    def content(self, analysis: Analysis) -> bytes:
        """The bytes of a file of this format. Raises `MissingDependencyError` if it needs an extra."""
        if self.binary is not None:
            return self.binary(analysis)
        return self.render(analysis).encode("utf-8", "replace")


def _transcript(analysis: Analysis) -> str:
    lines = [
        segment.text if speaker is None else f"{speaker}: {segment.text}"
        for speaker, segment in stretches(analysis)
    ]
    return "\n".join(lines or [analysis.text or ""]) + "\n"


def _binary(name: str, suffix: str, render: Callable[[Analysis], bytes]) -> Writer:
    def refuse(analysis: Analysis) -> str:
        raise OptionError(f"{name} is a binary format: write it to a file")

    return Writer(refuse, suffix, needs_text=name == "docbin", one_file=True, binary=render)


def _formats(options: WriteOptions) -> Mapping[str, Writer]:
    style = options.subtitles
    srt, vtt = partial(subtitles.render_srt, style=style), partial(subtitles.render_vtt, style=style)
    return {
        "text": Writer(terminal.render, ".txt"),
        "json": Writer(lambda analysis: analysis.to_json(indent=2) + "\n", ".json"),
        "jsonl": Writer(lambda analysis: analysis.to_json() + "\n", ".jsonl"),
        "txt": Writer(_transcript, ".txt", needs_text=True),
        "srt": Writer(srt, ".srt", needs_text=True, one_file=True),
        "vtt": Writer(vtt, ".vtt", needs_text=True, one_file=True),
        "html": Writer(partial(html.render, audio=options.audio), ".html", one_file=True),
        "rttm": Writer(rttm.render, ".rttm", needs_text=True, needs_speakers=True),
        "conll": Writer(conll.render, ".conll", needs_text=True),
        "textgrid": Writer(textgrid.render, ".TextGrid", needs_text=True, one_file=True),
        "elan": Writer(partial(elan.render, audio=options.audio), ".eaf", needs_text=True, one_file=True),
        "label-studio": Writer(
            partial(label_studio.render, audio=options.audio), ".tasks.json", needs_text=True, one_file=True
        ),
        "docbin": _binary("docbin", ".spacy", docbin.render),
        "parquet": _binary("parquet", ".parquet", parquet.render),
    }


FORMATS: Mapping[str, Writer] = MappingProxyType(_formats(WriteOptions()))


def get_writer(name: str, options: WriteOptions | None = None) -> Writer:
    """The writer of a format. Raises `OptionError` for an unknown name."""
    try:
        return FORMATS[name] if options is None else _formats(options)[name]
    except KeyError:
        raise OptionError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}") from None


__all__ = ["FORMATS", "SubtitleStyle", "WriteOptions", "Writer", "get_writer"]
