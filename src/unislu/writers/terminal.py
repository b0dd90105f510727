"""Output for the terminal: the transcript with its entities marked, and the sentiment in one line."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import partial

from ..result import Analysis, Entity
from .spans import percent, pieces, printable, ranked, turns, written

_RESET, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
# Bright enough on a dark terminal, dark enough on a light one: cyan, magenta, green, yellow, blue, red.
_TYPE_COLORS = (36, 35, 32, 33, 34, 31)
_SENTIMENT_COLORS = {"positive": 32, "negative": 31, "mixed": 33}


def render(analysis: Analysis, color: bool = False, width: int = 100) -> str:
    """The result as a few lines; `color` adds ANSI sequences. `width`: characters a line."""
    paint = partial(_paint, color=color)
    head = printable(analysis.file or "audio")
    lines = [paint(f"{head} · {analysis.duration:.1f} s", _DIM)]
    if analysis.text is not None:
        lines += _transcript(analysis, color, width)
    if analysis.entities is not None:
        count = len(analysis.entities)
        lines.append(paint("entities   ", _DIM) + (str(count) if count else "none"))
        lines += [paint("value      ", _DIM) + line for line in _values(analysis.entities)]
    if analysis.sentiment is not None:
        parts = []
        for name, score in ranked(dict(analysis.sentiment.scores)):
            chosen = name == analysis.sentiment.label
            shade = f"\x1b[{_SENTIMENT_COLORS.get(name, 39)}m{_BOLD}" if chosen else _DIM
            parts.append(paint(f"{name} {percent(score)}", shade))
        lines.append(paint("sentiment  ", _DIM) + " · ".join(parts))
    return "\n".join(lines) + "\n"


def _values(entities: Sequence[Entity]) -> Iterator[str]:
    """The values of entities: `the 23rd of March = 2026-03-23`."""
    for entity in entities:
        if entity.value is not None:
            problem = entity.value.get("problem")
            said = " ".join(filter(None, [written(entity), problem and f"({problem})"]))
            yield printable(f"{entity.text} = {said}")


def _transcript(analysis: Analysis, color: bool, width: int) -> list[str]:
    if not analysis.text:
        return [_paint("(no speech)", _DIM, color)]
    lines: list[str] = []
    for speaker, start, end in turns(analysis):
        label = [] if speaker is None else [(f"{printable(speaker)}:", _DIM if color else ""), (" ", "")]
        lines += _wrapped([*label, *_fragments(analysis, start, end, color)], width)
    return lines


def _fragments(analysis: Analysis, start: int, end: int, color: bool) -> list[tuple[str, str]]:
    """(text, ANSI code) of a stretch of the transcript."""
    fragments: list[tuple[str, str]] = []
    for text, entity in pieces(analysis, start, end):
        if entity is None:
            fragments.append((printable(text), ""))
        elif color:
            shade = f"\x1b[{_type_color(entity.type)}m"
            fragments += [(printable(text), shade + _BOLD), (f"({printable(entity.type)})", shade + _DIM)]
        else:
            fragments.append((f"[{printable(text)}]({printable(entity.type)})", ""))
    return fragments


def _type_color(name: str) -> int:
    """The same colour for a type in every run."""
    return _TYPE_COLORS[zlib.crc32(name.lower().encode()) % len(_TYPE_COLORS)]


def _wrapped(fragments: list[tuple[str, str]], width: int) -> Iterator[str]:
    """Break (text, ANSI code) fragments at blanks into lines of at most `width` visible characters."""
    words: list[list[tuple[str, str]]] = [[]]
    for text, code in fragments:
        for number, part in enumerate(text.split(" ")):
            if number:
                words.append([])
            if part:
                words[-1].append((part, code))
    line, used = "", 0
    for word in words:
        length = sum(len(text) for text, _ in word)
        if used and used + 1 + length > width:
            yield line
            line, used = "", 0
        if used:
            line, used = line + " ", used + 1
        line += "".join(_paint(text, code, bool(code)) for text, code in word)
        used += length
    yield line


def _paint(text: str, code: str, color: bool) -> str:
    return f"{code}{text}{_RESET}" if color else text
