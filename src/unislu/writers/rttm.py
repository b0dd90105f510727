"""RTTM: one line for each turn of a speaker, as diarization tools read and write it."""

from __future__ import annotations

import re
from pathlib import PurePath

from ..errors import OptionError
from ..result import Analysis
from .spans import speaker_names

PAD = 0.4
"""Seconds by which a turn may begin before its first word and end after its last, inside its segment."""
PAUSE = 2.0
"""Words of one speaker with a shorter pause between them are one turn."""

Turn = tuple[float, float, str]
"""Start and end in seconds, and the speaker's name, or id where none is known."""


def speaker_turns(analysis: Analysis) -> list[Turn]:
    """The turns in order of time, from the words of a result with speakers, or from its segments
    where words have no times.

    Times of words leave out breath, and words that were not recognised: a turn reaches half-way to the next
    speaker's, but no further than `PAD` seconds.
    """
    found: list[Turn] = []
    names = speaker_names(analysis)
    for segment in analysis.segments:
        if not segment.text:
            continue
        words = segment.words or (segment,)
        own: list[Turn] = []
        for word in words:
            if word.speaker is not None:
                _extend(own, (word.start, word.end, names[word.speaker]))
        for place, (start, end, speaker) in enumerate(own):
            low = (own[place - 1][1] + start) / 2 if place else segment.start
            high = (own[place + 1][0] + end) / 2 if place + 1 < len(own) else segment.end
            start, end = min(start, max(low, start - PAD)), max(end, min(high, end + PAD))
            _extend(found, (start, end, speaker))
    return found


def _extend(turns: list[Turn], turn: Turn) -> None:
    """Add a turn, or extend the last one by it."""
    start, end, speaker = turn
    if turns and turns[-1][2] == speaker and start - turns[-1][1] < PAUSE:
        turns[-1] = (turns[-1][0], max(turns[-1][1], end), speaker)
    else:
        turns.append(turn)


def render(analysis: Analysis) -> str:
    """`SPEAKER file channel start duration <NA> <NA> speaker <NA> <NA>`; blanks in names become underscores.

    Raises `OptionError` for a result without speakers.
    """
    if analysis.speakers is None:
        raise OptionError("rttm is about speakers: ask for them with --speakers auto")
    name = _one_word(PurePath(analysis.file).stem if analysis.file else "audio")
    lines = [
        f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> {_one_word(speaker)} <NA> <NA>"
        for start, end, speaker in speaker_turns(analysis)
    ]
    return "".join(f"{line}\n" for line in lines)


def _one_word(text: str) -> str:
    return re.sub(r"\s+", "_", text.strip()) or "_"
