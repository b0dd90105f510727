"""From what was heard in single windows and passes to one `Analysis`: text joined, offsets moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from unislu.bundle.calibration import UNCALIBRATED, Calibration
from unislu.result import Analysis, Entity, Segment, Sentiment, Word, covered
from unislu.sequence.labels import normalize_type
from unislu.sequence.reader import Parsed
from unislu.sequence.target import Span

from .style import normalize
from .words import respelled, shifted

DIGITS = 4


@dataclass(frozen=True)
class Found:
    """An entity of one window: its characters and type, and how sure the model was (0…1)."""

    span: Span
    confidence: float


@dataclass(frozen=True)
class Heard:
    """What one window gave.

    `entities`, `scores`: None = not asked for (or no speech). `logprob`: mean over its tokens.
    """

    text: str
    entities: tuple[Found, ...] | None = None
    scores: Mapping[str, float] | None = None
    logprob: float | None = None
    words: tuple[Word, ...] | None = None
    """Times from the window's start, characters of `text`; None = not known."""


@dataclass(frozen=True)
class Window:
    """A stretch of the audio in seconds, and what was heard in it: None = silence, or it `failed`."""

    start: float
    end: float
    heard: Heard | None
    failed: str | None = None
    channel: int | None = None


def from_parsed(
    parsed: Parsed,
    logprobs: Sequence[float],
    scores: Mapping[str, float] | None,
    length: int,
    words: tuple[Word, ...] | None = None,
) -> Heard:
    """One pass over one window, from the parsed ids and the log-probability of each.

    `length`: number of ids up to the end of the transcript, over which the mean is taken.
    `words`: those of the transcript, see `words_of`.
    """
    target = parsed.target
    found = None
    if target.entities is not None:
        pairs = zip(target.entities, parsed.entity_tokens, strict=True)
        found = tuple(Found(span, entity_confidence(logprobs, *tokens)) for span, tokens in pairs)
    mean = math.fsum(logprobs[:length]) / length if length else None
    return Heard(target.text, found, scores if target.text else None, mean, words)


def entity_confidence(logprobs: Sequence[float], opener: int, closer: int) -> float:
    """Geometric mean of the probabilities of an entity's opener, its type and its words."""
    tokens = logprobs[opener:closer]
    return min(1.0, math.exp(math.fsum(tokens) / len(tokens))) if tokens else 0.0


def merge_passes(passes: Sequence[Heard]) -> Heard:
    """Several passes over one window, each for other entity types, as one.

    The likeliest transcript is kept; entities of the others are moved to it, or dropped when their
    words are not in it. Of overlapping entities the surest is kept.
    """
    if len(passes) == 1:
        return passes[0]
    best = max(passes, key=lambda heard: -math.inf if heard.logprob is None else heard.logprob)
    found = [
        replace(entity, span=span)
        for heard in passes
        for entity in heard.entities or ()
        if (span := moved(entity.span, heard.text, best.text)) is not None
    ]
    found.sort(key=lambda e: (-e.confidence, e.span.start - e.span.end, e.span))
    kept: list[Found] = []
    for entity in found:
        if all(entity.span.end <= k.span.start or entity.span.start >= k.span.end for k in kept):
            kept.append(entity)
    scores = next((heard.scores for heard in passes if heard.scores is not None), None)
    return replace(best, entities=tuple(sorted(kept, key=lambda e: e.span)), scores=scores)


def moved(span: Span, source: str, target: str) -> Span | None:
    """The span of `source` in another transcript of the same audio; None if its words differ there."""
    if source == target:
        return span
    blocks = SequenceMatcher(None, source.lower(), target.lower(), autojunk=False).get_matching_blocks()
    for start, other, size in blocks:
        if start <= span.start and span.end <= start + size:
            shift = other - start
            return replace(span, start=span.start + shift, end=span.end + shift)
    return None


def normalized(heard: Heard) -> Heard:
    """The same in the `normalized` style."""
    entities = heard.entities or ()
    text, spans, kept = normalize(heard.text, [entity.span for entity in entities])
    if heard.words is not None:
        heard = replace(heard, words=respelled(heard.words, heard.text))
    if heard.entities is None:
        return replace(heard, text=text)
    found = tuple(replace(entities[k], span=span) for k, span in zip(kept, spans, strict=True))
    return replace(heard, text=text, entities=found)


@dataclass(frozen=True)
class Frame:
    """What an `Analysis` says besides what was heard, and which parts of that were asked for."""

    file: str | None
    duration: float
    model: str
    language: str | None
    tasks: tuple[str, ...]
    names: Mapping[str, str]
    timings: Mapping[str, float]
    warnings: tuple[str, ...]
    calibration: Calibration = UNCALIBRATED


def join(windows: Sequence[Window], frame: Frame) -> Analysis:
    """All windows of a file as one result."""
    text = ""
    wants_text = "asr" in frame.tasks or "ner" in frame.tasks
    entities: list[Entity] = []
    segments: list[Segment] = []
    counted = 0
    for window in windows:
        heard = window.heard or Heard("")
        start = len(text) + 1 if text and heard.text else len(text)
        words = None if heard.words is None else _in_file(heard.words, window, start, frame)
        for found in heard.entities or ():
            entities.append(_timed(_entity(found, heard.text, start, frame), words, counted))
        counted += len(words or ())
        if heard.text:
            text = f"{text} {heard.text}" if text else heard.text
        segments.append(_segment(window, heard, start if wants_text else None, words, frame))
    return Analysis(
        text=text if wants_text else None,
        duration=round(frame.duration, 3),
        model=frame.model,
        file=frame.file,
        language=frame.language,
        entities=tuple(entities) if "ner" in frame.tasks else None,
        sentiment=mean_sentiment(windows, frame.calibration) if "sa" in frame.tasks else None,
        segments=tuple(segments),
        timings={stage: round(seconds, DIGITS) for stage, seconds in frame.timings.items()},
        warnings=frame.warnings,
    )


def _segment(
    window: Window, heard: Heard, start: int | None, words: tuple[Word, ...] | None, frame: Frame
) -> Segment:
    """A window of the result; `start`: of its text in the whole, None when no text was asked for."""
    shown = "" if start is None else heard.text
    first = start or 0
    return Segment(
        start=round(window.start, 3),
        end=round(window.end, 3),
        text=shown,
        start_char=first,
        end_char=first + len(shown),
        no_speech=not heard.text and window.failed is None,
        avg_logprob=None if heard.logprob is None else round(heard.logprob, DIGITS),
        words=None if start is None else words,
        sentiment=mean_sentiment([window], frame.calibration) if "sa" in frame.tasks else None,
        failed=window.failed,
        channel=window.channel,
    )


def _in_file(words: Sequence[Word], window: Window, characters: int, frame: Frame) -> tuple[Word, ...]:
    """A window's words with the file's times and offsets, and calibrated."""
    return tuple(
        word if sure is None else replace(word, confidence=round(sure, DIGITS))
        for word in shifted(words, window.start, window.end, characters)
        for sure in [frame.calibration.word(word.confidence)]
    )


def _entity(found: Found, text: str, shift: int, frame: Frame) -> Entity:
    span = found.span
    return Entity(
        type=frame.names.get(normalize_type(span.type), span.type),
        text=text[span.start : span.end],
        start_char=shift + span.start,
        end_char=shift + span.end,
        confidence=round(frame.calibration.entity(found.confidence), DIGITS),
    )


def _timed(entity: Entity, words: Sequence[Word] | None, counted: int) -> Entity:
    """The entity with the times and indices of its words; `counted`: words of the windows before."""
    places = covered(words or (), entity.start_char, entity.end_char)
    if not words or not places:
        return entity
    first, last = places[0], places[-1]
    return replace(
        entity,
        start=words[first].start,
        end=words[last].end,
        start_word=counted + first,
        end_word=counted + last + 1,
    )


def mean_sentiment(windows: Sequence[Window], calibration: Calibration = UNCALIBRATED) -> Sentiment | None:
    """The mean of the windows' probabilities, weighted by duration; None when nothing was said."""
    total = 0.0
    sums: dict[str, float] = {}
    for window in windows:
        if window.heard is None or not window.heard.scores:
            continue
        weight = window.end - window.start
        total += weight
        for label, score in calibration.sentiment(window.heard.scores).items():
            sums[label.lower()] = sums.get(label.lower(), 0.0) + weight * score
    if not total:
        return None
    scores = {label: round(value / total, DIGITS) for label, value in sums.items()}
    return Sentiment(max(scores, key=lambda label: sums[label]), scores)
