"""SubRip and WebVTT: one cue a segment, its text broken into short lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ..result import Analysis, Segment

LINE_WIDTH = 42  # characters; what subtitle style guides ask for


def render_srt(analysis: Analysis) -> str:
    """SubRip: numbered cues, comma before the milliseconds."""
    cues = [
        f"{number}\n{_times(segment, ',')}\n{_lines(segment.text.replace('-->', '->'))}\n"
        for number, segment in enumerate(_spoken(analysis), start=1)
    ]
    return "\n".join(cues) or "\n"


def render_vtt(analysis: Analysis) -> str:
    """WebVTT, with `&`, `<` and `>` escaped."""
    cues = [f"\n{_times(segment, '.')}\n{_escape(_lines(segment.text))}\n" for segment in _spoken(analysis)]
    return "WEBVTT\n" + "".join(cues)


def _spoken(analysis: Analysis) -> Iterator[Segment]:
    return (segment for segment in analysis.segments if segment.text.strip())


def _lines(text: str) -> str:
    return "\n".join(textwrap.wrap(text, LINE_WIDTH, break_long_words=False, break_on_hyphens=False))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _times(segment: Segment, comma: str) -> str:
    return f"{timestamp(segment.start, comma)} --> {timestamp(segment.end, comma)}"


def timestamp(seconds: float, comma: str = ".") -> str:
    """`hh:mm:ss.mmm`; hours grow beyond two digits when needed."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{comma}{rest % 1000:03d}"
