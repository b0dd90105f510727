"""From the hypotheses of single windows to one `Analysis`: text joined, offsets moved, times calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from unislu.bundle.calibration import UNCALIBRATED, Calibration
from unislu.result import Analysis, Entity, Segment, Sentiment, SentimentMean, Word, covered
from unislu.sequence import normalize_type

from .hypothesis import Hypothesis
from .plan import Plan
from .words import shifted

DIGITS = 4


def assemble(
    hypotheses: Sequence[Hypothesis], plan: Plan, calibration: Calibration = UNCALIBRATED, **fields: Any
) -> Analysis:
    """All hypotheses of a file as one result.

    Args:
        hypotheses: in the order of the result, in seconds of the file.
        plan: how the file was recognised.
        calibration: of confidences.
        fields: the other fields of `Analysis`.
    """
    request = plan.request
    text = ""
    entities: list[Entity] = []
    segments: list[Segment] = []
    counted = 0
    for one in hypotheses:
        said = one.text or ""
        start = len(text) + 1 if text and said else len(text)
        words = None if one.words is None else _in_file(one, start, calibration)
        for entity in one.entities or ():
            entities.append(_timed(_in_text(entity, start, plan, calibration), words, counted))
        counted += len(words or ())
        if said:
            text = f"{text} {said}" if text else said
        segments.append(_segment(one, start, words, plan, calibration))
    return Analysis(
        text=text if request.wants_text else None,
        entities=tuple(entities) if "ner" in request.tasks else None,
        sentiment=mean_sentiment(hypotheses, calibration) if "sa" in request.tasks else None,
        segments=tuple(segments),
        **fields,
    )


def _segment(
    one: Hypothesis, start: int, words: tuple[Word, ...] | None, plan: Plan, calibration: Calibration
) -> Segment:
    """A hypothesis as a segment of the result; `start`: offset of its text."""
    shown = (one.text or "") if plan.request.wants_text else ""
    first = start if plan.request.wants_text else 0
    return Segment(
        start=round(one.start, 3),
        end=round(one.end, 3),
        text=shown,
        start_char=first,
        end_char=first + len(shown),
        no_speech=not one.text and one.failure is None,
        avg_logprob=None if one.logprob is None else round(one.logprob, DIGITS),
        words=words if plan.request.wants_text else None,
        sentiment=mean_sentiment([one], calibration) if "sa" in plan.request.tasks else None,
        failed=one.failure,
        channel=one.channel,
    )


def _in_file(one: Hypothesis, characters: int, calibration: Calibration) -> tuple[Word, ...]:
    """The words of a hypothesis with the file's times and offsets, calibrated."""
    return tuple(
        word if sure is None else replace(word, confidence=round(sure, DIGITS))
        for word in shifted(one.words or (), one.start, one.end, characters)
        for sure in [calibration.word(word.confidence)]
    )


def _in_text(entity: Entity, shift: int, plan: Plan, calibration: Calibration) -> Entity:
    """An entity with the file's offsets and the requested spelling of its type, calibrated."""
    return replace(
        entity,
        type=plan.names.get(normalize_type(entity.type), entity.type),
        start_char=shift + entity.start_char,
        end_char=shift + entity.end_char,
        confidence=round(calibration.entity(entity.confidence or 0.0), DIGITS),
    )


def _timed(entity: Entity, words: Sequence[Word] | None, counted: int) -> Entity:
    """The entity with the times and indices of its words; `counted`: number of words in earlier windows."""
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


def mean_sentiment(
    hypotheses: Sequence[Hypothesis], calibration: Calibration = UNCALIBRATED
) -> Sentiment | None:
    """The mean of the hypotheses' probabilities, weighted by duration; None without speech."""
    mean = SentimentMean()
    for one in hypotheses:
        if one.sentiment:
            mean.add(calibration.sentiment(one.sentiment), one.end - one.start)
    return mean.sentiment()
