"""A speaker for every word, segment and entity of a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unislu.result import Analysis, Entity, Segment, SentimentMean, Speaker, Word, covered

from .clustering import cluster, nearest_names
from .embedding import Voice

REACH = 0.8
"""Seconds around the middle of a window in which it says something about a word."""
SHARPNESS = 12.0
"""How much a difference in cosine similarity counts against a change of speaker."""
CHANGE = 1.6
"""What a change of speaker costs inside running speech …"""
PAUSED = 0.5
"""… and after a pause …"""
PAUSE = 0.25
"""… of so many seconds."""


def with_speakers(
    result: Analysis,
    voices: Sequence[Voice],
    count: int | None = None,
    names: Sequence[str] = (),
    enrolled: Mapping[str, NDArray[np.float32]] | None = None,
) -> Analysis:
    """The result with speakers: of every word, and so of every segment and entity.

    Where channels were transcribed separately, each channel is one speaker.

    Args:
        result: with times of words, or with segments alone: then each segment has one speaker.
        voices: the embeddings of its audio.
        count: number of speakers, if known; fewer where fewer can be told apart.
        names: of the speakers in the order in which they begin to speak.
        enrolled: known voices by name, see `unislu.speakers.profile`; they come before `names`.
    """
    spoken = [place for place, segment in enumerate(result.segments) if segment.text]
    if any(result.segments[place].channel is not None for place in spoken):
        owners = [[segment.channel or 0] * _units(segment) for segment in result.segments]
        found: list[str | None] = [None] * (1 + max(max(own, default=0) for own in owners))
    else:
        speakers = cluster(_stack(voices), count)
        owners = _assigned(result.segments, voices, speakers)
        found = nearest_names(speakers, list((enrolled or {}).items())) or [None]  # too short for a voice
    order = list(dict.fromkeys(owner for own in owners for owner in own))
    ids = {owner: f"S{number}" for number, owner in enumerate(order, start=1)}
    segments = tuple(
        _labelled(segment, [ids[owner] for owner in own]) if segment.text else segment
        for segment, own in zip(result.segments, owners, strict=True)
    )
    entities = result.entities and tuple(_of_words(entity, segments) for entity in result.entities)
    known = dict(zip(ids.values(), _named([found[owner] for owner in order], names), strict=True))
    return replace(result, segments=segments, entities=entities, speakers=_summaries(segments, known))


def unmet(result: Analysis, count: int | None, names: Sequence[str], enrolled: Iterable[str]) -> list[str]:
    """The requests about speakers that the result does not meet, a sentence each."""
    speakers = result.speakers or ()
    found = f"{len(speakers)} {'voice' if len(speakers) == 1 else 'voices'} can be told apart"
    used = {speaker.name for speaker in speakers}
    notes = []
    if count is not None and len(speakers) < count:
        notes.append(f"{count} speakers were asked for; {found}")
    if unused := [name for name in names if name not in used]:
        notes.append(f"speaker names that nobody got: {', '.join(unused)}; {found}")
    if silent := [name for name in enrolled if name not in used]:
        notes.append(f"known voices that nobody sounds like: {', '.join(silent)}")
    return notes


def _units(segment: Segment) -> int:
    """The units that get a speaker: words, or the segment if its words have no times."""
    if not segment.text:
        return 0
    return len(segment.words) if segment.words else 1


def _stack(voices: Sequence[Voice]) -> NDArray[np.float32]:
    return np.stack([voice.embedding for voice in voices]) if voices else np.zeros((0, 256), np.float32)


def _assigned(
    segments: Sequence[Segment], voices: Sequence[Voice], speakers: NDArray[np.float32]
) -> list[list[int]]:
    """The number of the speaker of each unit of each segment."""
    units: list[tuple[float, float]] = []
    for segment in segments:
        if segment.text:
            units += [(word.start, word.end) for word in segment.words or ()] or [
                (segment.start, segment.end)
            ]
    rest = iter(speak(units, voices, speakers))
    return [[next(rest) for _ in range(_units(segment))] for segment in segments]


def speak(
    units: Sequence[tuple[float, float]], voices: Sequence[Voice], speakers: NDArray[np.float32]
) -> list[int]:
    """The number of the speaker of each unit (a word, or what else changes its speaker as a whole).

    Args:
        units: start and end in seconds, in order.
        voices: the embeddings of the audio around them.
        speakers: their voices, [speakers, 256] float32.
    """
    if len(speakers) < 2 or not units:
        return [0] * len(units)
    return _path(units, _evidence(units, voices, speakers))


def _evidence(
    units: Sequence[tuple[float, float]], voices: Sequence[Voice], speakers: NDArray[np.float32]
) -> NDArray[np.float64]:
    """How similar each speaker is to the voice at each unit: [units, speakers] mean cosine similarity."""
    likeness = _stack(voices) @ speakers.T
    middles = np.array([(voice.start + voice.end) / 2 for voice in voices])
    order = np.argsort(middles, kind="stable")
    middles, likeness = middles[order], likeness[order]
    starts, ends = np.array(units).T
    centres, halves = (starts + ends) / 2, (ends - starts) / 2
    firsts, lasts = np.searchsorted(middles, starts - REACH), np.searchsorted(middles, ends + REACH)
    alone = firsts == lasts  # no window near: the nearest one
    firsts[alone] = np.searchsorted(middles, centres[alone]).clip(0, len(middles) - 1)
    lasts[alone] = firsts[alone] + 1
    found = np.zeros((len(units), len(speakers)))
    for row, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        distance = np.abs(middles[first:last] - centres[row]) - halves[row]
        weights = np.maximum(1e-3, 1.0 - np.maximum(0.0, distance) / REACH)
        found[row] = weights @ likeness[first:last] / weights.sum()
    return found


def _path(units: Sequence[tuple[float, float]], evidence: NDArray[np.float64]) -> list[int]:
    """The likeliest sequence of speakers (Viterbi): a change costs less after a pause."""
    scores = SHARPNESS * evidence
    best = scores[0]
    backs = []
    for row in range(1, len(units)):
        paused = units[row][0] - units[row - 1][1] >= PAUSE
        change = best.max() - (PAUSED if paused else CHANGE)
        source = int(best.argmax())
        backs.append(np.where(best >= change, np.arange(len(best)), source))
        best = np.maximum(best, change) + scores[row]
    path = [int(best.argmax())]
    for back in reversed(backs):
        path.append(int(back[path[-1]]))
    return path[::-1]


def _named(voices: Sequence[str | None], names: Sequence[str]) -> list[str | None]:
    """The name of each speaker, in the order in which they begin: a known voice's, or the next of `names`."""
    free = iter(name for name in names if name not in voices)
    return [name or next(free, None) for name in voices]


def _labelled(segment: Segment, labels: Sequence[str]) -> Segment:
    """The segment with a speaker a word; its own is who speaks longest in it."""
    if not segment.words:
        return replace(segment, speaker=labels[0])
    words = tuple(replace(word, speaker=label) for word, label in zip(segment.words, labels, strict=True))
    return replace(segment, words=words, speaker=_longest(words))


def _longest(words: Sequence[Word]) -> str | None:
    seconds: dict[str, float] = {}
    for word in words:
        if word.speaker is not None:
            seconds[word.speaker] = seconds.get(word.speaker, 0.0) + word.end - word.start + 1e-6
    return max(seconds, key=lambda name: seconds[name]) if seconds else None


def _of_words(entity: Entity, segments: Sequence[Segment]) -> Entity:
    for segment in segments:
        if segment.start_char <= entity.start_char < segment.end_char:
            words = segment.words or ()
            inside = [words[place] for place in covered(words, entity.start_char, entity.end_char)]
            return replace(entity, speaker=_longest(inside) or segment.speaker)
    return entity


def _summaries(segments: Sequence[Segment], names: Mapping[str, str | None]) -> tuple[Speaker, ...]:
    """Everyone who speaks, in the order of `names` (by id), with seconds and sentiment."""
    seconds = dict.fromkeys(names, 0.0)
    moods = {who: SentimentMean() for who in names}
    for segment in segments:
        shares = dict.fromkeys(seconds, 0.0)
        for word in segment.words or ():
            if word.speaker is not None:
                shares[word.speaker] += word.end - word.start
        if not segment.words and segment.speaker is not None:
            shares[segment.speaker] = segment.end - segment.start
        for who, share in shares.items():
            seconds[who] += share
            if segment.sentiment is not None and share:
                moods[who].add(segment.sentiment.scores, share)
    return tuple(
        Speaker(who, round(total, 3), names[who], moods[who].sentiment()) for who, total in seconds.items()
    )
