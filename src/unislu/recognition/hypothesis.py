"""Hypotheses: what was recognised in a stretch of audio, from a decoder's output to a segment of a result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from unislu.result import Entity, Word
from unislu.sequence import Span
from unislu.sequence.reader import Parsed

from .style import normalize
from .words import respelled


@dataclass(frozen=True)
class Hypothesis:
    """What was recognised in a stretch of audio.

    The recogniser counts seconds from the window's beginning, a result from the file's.
    """

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    text: str | None = None
    """The transcript; None if nothing was decoded: silence, or a `failure`."""
    entities: tuple[Entity, ...] | None = None
    """With the format's type names and offsets into `text`; None = not requested."""
    words: tuple[Word, ...] | None = None
    """With times from `start` and offsets into `text`; None = not known."""
    sentiment: Mapping[str, float] | None = None
    """The labels' probabilities; None = not requested, or no speech."""
    logprob: float | None = None
    """Mean over the transcript's tokens."""
    ids: tuple[int, ...] = ()
    """All tokens after the prompt, pass by pass."""
    failure: str | None = None
    """Why it is unreliable."""
    error: Exception | None = field(default=None, compare=False)
    """The exception behind `failure`, if there was one."""
    channel: int | None = None
    """Counted from 0, if channels are transcribed separately."""
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Seconds of computation by stage."""


def parsed_entities(parsed: Parsed, logprobs: Sequence[float]) -> tuple[Entity, ...] | None:
    """The entities of a parse, with the confidences that the log-probabilities of its ids give them."""
    target = parsed.target
    if target.entities is None:
        return None
    return tuple(
        Entity(
            span.type,
            target.text[span.start : span.end],
            span.start,
            span.end,
            entity_confidence(logprobs, *tokens),
        )
        for span, tokens in zip(target.entities, parsed.entity_tokens, strict=True)
    )


def entity_confidence(logprobs: Sequence[float], opener: int, closer: int) -> float:
    """Geometric mean of the probabilities of an entity's opener, its type and its words."""
    tokens = logprobs[opener:closer]
    return min(1.0, math.exp(math.fsum(tokens) / len(tokens))) if tokens else 0.0


def merge_passes(passes: Sequence[Hypothesis]) -> Hypothesis:
    """Merge several passes over one window, each for other entity types.

    The likeliest transcript is kept; entities of the others are moved to it, or dropped if their words are
    not in it. Of overlapping entities the likeliest is kept.
    """
    if len(passes) == 1:
        return passes[0]
    best = max(passes, key=lambda one: -math.inf if one.logprob is None else one.logprob)
    found = [
        there
        for one in passes
        for entity in one.entities or ()
        if (there := moved(entity, one.text or "", best.text or "")) is not None
    ]
    found.sort(key=lambda e: (-(e.confidence or 0.0), e.start_char - e.end_char, _place(e)))
    kept: list[Entity] = []
    for entity in found:
        if all(entity.end_char <= k.start_char or entity.start_char >= k.end_char for k in kept):
            kept.append(entity)
    return replace(
        best,
        entities=tuple(sorted(kept, key=_place)),
        sentiment=next((one.sentiment for one in passes if one.sentiment is not None), None),
        ids=tuple(token for one in passes for token in one.ids),
        failure=next((one.failure for one in passes if one.failure is not None), None),
    )


def _place(entity: Entity) -> tuple[int, int, str]:
    return entity.start_char, entity.end_char, entity.type


def moved(entity: Entity, source: str, target: str) -> Entity | None:
    """An entity of `source` moved to another transcript of the same audio; None if its words differ there."""
    if source == target:
        return entity
    blocks = SequenceMatcher(None, source.lower(), target.lower(), autojunk=False).get_matching_blocks()
    for start, other, size in blocks:
        if start <= entity.start_char and entity.end_char <= start + size:
            first, last = entity.start_char + other - start, entity.end_char + other - start
            return replace(entity, text=target[first:last], start_char=first, end_char=last)
    return None


def normalized(hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis in the `normalized` style."""
    if hypothesis.text is None:
        return hypothesis
    entities = hypothesis.entities or ()
    spans = [Span(entity.start_char, entity.end_char, entity.type) for entity in entities]
    text, spans_there, kept = normalize(hypothesis.text, spans)
    words = None if hypothesis.words is None else respelled(hypothesis.words, hypothesis.text)
    if hypothesis.entities is None:
        return replace(hypothesis, text=text, words=words)
    found = tuple(
        replace(entities[k], text=text[span.start : span.end], start_char=span.start, end_char=span.end)
        for k, span in zip(kept, spans_there, strict=True)
    )
    return replace(hypothesis, text=text, words=words, entities=found)
