"""SubRip and WebVTT: readable cues, timed by their words.

A cue ends when it is full, after a sentence, at a pause, or after `LONGEST` seconds. It stays on long enough
to be read, if the next one leaves time for that. Without word times a segment's words share its duration by
their lengths, and only the first two of these rules apply.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

from ..errors import OptionError
from ..result import Analysis, Entity, Segment, Word, covered
from ..sequence.labels import normalize_type
from .spans import apart, stretches

LONGEST = 7.0
SHORTEST = 1.0
PAUSE = 0.8
"""Seconds without a word after which a new cue begins."""

_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.?!…][\"'”’)]*$")


@dataclass(frozen=True)
class SubtitleStyle:
    """How subtitles are laid out. Raises `OptionError` for unreadable values."""

    line: int = 42
    """Maximum characters of a line, unless a single word is longer."""
    lines: int = 2
    """Maximum lines of a cue."""
    speed: float = 20.0
    """Characters a second that viewers can read; faster cues stay on longer if the next one leaves time for
    that.
    """

    def __post_init__(self) -> None:
        for name, value, low, high in (("line", self.line, 8, 200), ("lines", self.lines, 1, 5)):
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise OptionError(f"subtitle {name} is {value!r}: give a whole number from {low} to {high}")
        if not 1 <= self.speed <= 100:
            raise OptionError(f"subtitle speed is {self.speed!r}: give 1 to 100 characters a second")


@dataclass(frozen=True)
class _TimedWord:
    """A word between blanks: its characters in the transcript and its times (an estimate unless `timed`)."""

    start_char: int
    end_char: int
    start: float
    end: float

    timed: bool = True

    @property
    def length(self) -> int:
        return self.end_char - self.start_char


@dataclass(frozen=True)
class Cue:
    """Lines of words, shown from `start` to `end` seconds."""

    start: float
    end: float
    lines: tuple[tuple[_TimedWord, ...], ...]
    speaker: str | None = None
    """The speaker or the channel, if several speak."""

    @property
    def length(self) -> int:
        """The number of characters."""
        return sum(_width(line) for line in self.lines)


def cues(analysis: Analysis, style: SubtitleStyle = SubtitleStyle()) -> list[Cue]:
    """The cues of a result, by their starts; those of one speaker do not overlap."""
    found: list[Cue] = []
    said = stretches(analysis)
    for speaker in dict.fromkeys(label for label, _ in said):
        found += _cues([segment for label, segment in said if label == speaker], analysis, style, speaker)
    return sorted(found, key=lambda cue: cue.start)


def _cues(
    segments: Sequence[Segment], analysis: Analysis, style: SubtitleStyle, speaker: str | None
) -> list[Cue]:
    """The cues of what one speaker says, who has a name if several speak."""
    text = analysis.text or ""
    found: list[Cue] = []
    if speaker is not None:
        style = replace(style, line=max(8, style.line - len(f"{speaker}: ")))
    for segment in segments:
        words, first = _words(segment), 0
        while first < len(words):
            shown = words[first : first + _fill(words, first, text, style)]
            lines = tuple(map(tuple, _wrap(shown, style.line)))
            found.append(Cue(shown[0].start, shown[-1].end, lines, speaker))
            first += len(shown)
    # A cue must end when the next one of its channel begins.
    limits = [*(cue.start for cue in found[1:]), *(max(analysis.duration, cue.end) for cue in found[-1:])]
    return [_readable(cue, limit, style) for cue, limit in zip(found, limits, strict=True)]


def render_srt(analysis: Analysis, style: SubtitleStyle = SubtitleStyle()) -> str:
    """SubRip: numbered cues, comma before the milliseconds."""
    text = analysis.text or ""
    shown = [
        f"{number}\n{_times(cue, ',')}\n{_plain(cue, text).replace('-->', '->')}\n"
        for number, cue in enumerate(cues(analysis, style), start=1)
    ]
    return "\n".join(shown) or "\n"


def render_vtt(analysis: Analysis, style: SubtitleStyle = SubtitleStyle()) -> str:
    """WebVTT, entities as `<c.type>` with a colour for each type, `&`, `<` and `>` escaped."""
    text = analysis.text or ""
    entities = apart(analysis.entities or ())
    shown = "".join(
        f"\n{_times(cue, '.')}\n{_marked(cue, text, entities)}\n" for cue in cues(analysis, style)
    )
    return "WEBVTT\n" + _style_block(entities) + shown


def timestamp(seconds: float, comma: str = ".") -> str:
    """`hh:mm:ss.mmm`; hours grow beyond two digits when needed."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{comma}{rest % 1000:03d}"


def hue(name: str) -> int:
    """The hue of an entity type, the same everywhere: degrees."""
    return zlib.crc32(name.lower().encode()) % 360


def _words(segment: Segment) -> list[_TimedWord]:
    """The words of a segment with their times; if one has none, they share its duration by their lengths."""
    found = [
        (match.start() + segment.start_char, match.end() + segment.start_char)
        for match in _WORD.finditer(segment.text)
    ]
    timed = [_timed(segment.words or (), start, end) for start, end in found]
    known = [word for word in timed if word is not None]
    if len(known) == len(found):
        return known
    share = (segment.end - segment.start) / sum(end - start for start, end in found)
    words, time = [], segment.start
    for start, end in found:
        words.append(_TimedWord(start, end, time, time + share * (end - start), timed=False))
        time = words[-1].end
    return words


def _timed(words: Sequence[Word], start: int, end: int) -> _TimedWord | None:
    """The characters `start…end` with the times of the words in them."""
    inside = [words[place] for place in covered(words, start, end)]
    return _TimedWord(start, end, inside[0].start, max(word.end for word in inside)) if inside else None


def _fill(words: Sequence[_TimedWord], first: int, text: str, style: SubtitleStyle) -> int:
    """How many words, from number `first` on, go into the next cue."""
    for end in range(first + 1, len(words)):
        last, following = words[end - 1], words[end]
        apart = following.start - last.end >= PAUSE or following.end - words[first].start > LONGEST
        if apart and last.timed:
            return end - first
        if len(_wrap(words[first : end + 1], style.line)) > style.lines:
            return end - first
        ends = _SENTENCE_END.search(text, last.start_char, last.end_char)
        if ends and _width(words[first:end]) >= style.line / 2:
            return end - first
    return len(words) - first


def _wrap(words: Sequence[_TimedWord], width: int) -> list[list[_TimedWord]]:
    lines: list[list[_TimedWord]] = [[]]
    for word in words:
        if lines[-1] and _width([*lines[-1], word]) > width:
            lines.append([])
        lines[-1].append(word)
    return lines


def _width(words: Sequence[_TimedWord]) -> int:
    return sum(word.length for word in words) + max(0, len(words) - 1)


def _readable(cue: Cue, limit: float, style: SubtitleStyle) -> Cue:
    wanted = cue.start + max(SHORTEST, cue.length / style.speed)
    return replace(cue, end=max(cue.end, min(wanted, limit)))


def _times(cue: Cue, comma: str) -> str:
    return f"{timestamp(cue.start, comma)} --> {timestamp(cue.end, comma)}"


def _plain(cue: Cue, text: str) -> str:
    label = "" if cue.speaker is None else f"{cue.speaker}: "
    return label + "\n".join(" ".join(text[w.start_char : w.end_char] for w in line) for line in cue.lines)


def _marked(cue: Cue, text: str, entities: Sequence[Entity]) -> str:
    label = "" if cue.speaker is None else f"<v {escape(cue.speaker, quote=False)}>"
    return label + "\n".join(_marked_line(line, text, entities) for line in cue.lines)


def _marked_line(line: Sequence[_TimedWord], text: str, entities: Sequence[Entity]) -> str:
    """The line with each stretch of one entity in a span."""
    owners: list[tuple[str, int | None]] = []
    for index, word in enumerate(line):
        inside = _owned(word, text, entities)
        if index:  # the blank between two words of an entity belongs to it
            owners.append((" ", inside[0][1] if inside[0][1] == owners[-1][1] else None))
        owners += inside
    shown = []
    for owner, run in groupby(owners, key=lambda item: item[1]):
        piece = escape("".join(character for character, _ in run), quote=False)
        shown.append(piece if owner is None else f"<c.{_class(entities[owner].type)}>{piece}</c>")
    return "".join(shown)


def _owned(word: _TimedWord, text: str, entities: Sequence[Entity]) -> list[tuple[str, int | None]]:
    """Each character of a word, with the number of the entity it belongs to."""
    owners: list[int | None] = [None] * word.length
    for number in covered(entities, word.start_char, word.end_char):
        first = max(entities[number].start_char - word.start_char, 0)
        last = min(entities[number].end_char - word.start_char, word.length)
        owners[first:last] = [number] * (last - first)
    return list(zip(text[word.start_char : word.end_char], owners, strict=True))


def _class(name: str) -> str:
    """The type as a class that WebVTT and CSS take."""
    plain = re.sub(r"[^\w-]", "-", normalize_type(name))
    return plain if plain[:1].isalpha() else f"type-{plain}"


def _style_block(entities: Sequence[Entity]) -> str:
    types = {_class(entity.type): entity.type for entity in entities}
    if not types:
        return ""
    # Light enough for the dark background of subtitles.
    rules = "".join(
        f"::cue(.{name}) {{ color: hsl({hue(types[name])} 90% 75%); }}\n" for name in sorted(types)
    )
    return f"\nSTYLE\n{rules}"
