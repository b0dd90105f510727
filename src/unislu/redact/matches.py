"""What to redact in a result: the entities of some types, and other places where their words occur."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import OptionError, RedactionError
from ..recognition.presets import apart
from ..result import Analysis, Entity, Segment, Word
from ..sequence.labels import normalize_type
from .phrases import Text, letters

Span = tuple[float, float]
"""(start, end) in seconds."""

PERSONS = frozenset("person people name full-name person-name first-name last-name patient".split())
"""Normalised types whose phrases are names of people: a surname on its own is one too."""
_LEAST_SURNAME = 3
_NOT_SURNAMES = frozenset("jr junior sr senior ii iii iv phd md esq".split())


@dataclass(frozen=True)
class Match:
    """A stretch of the transcript to redact."""

    start_char: int
    """Offset into `Analysis.text`."""
    end_char: int
    """Offset into `Analysis.text`, exclusive."""
    type: str
    """Of its entity."""
    phrase: str
    """The words of the entity."""
    entity: Entity | None
    """The entity that the model tagged here; None if it wrote the same words without tagging them."""


def find_matches(
    analysis: Analysis, types: Sequence[str] | None = None, *, surnames: bool = True
) -> tuple[Match, ...]:
    """Find everything to redact, in the order of the text, without overlaps.

    Args:
        analysis: a result with entities.
        types: names of entity types in any spelling; None = all that were found.
        surnames: also find the last word of a person's name on its own: `Mrs Lopez` after `Maria Lopez`.

    Raises:
        OptionError: no types, or a result without entities.
    """
    text = Text(analysis.text or "")
    found: list[Match] = []
    for entity in chosen(analysis, types):
        start, end = text.widen(entity.start_char, entity.end_char)
        found.append(Match(start, end, entity.type, text.text[start:end], entity))
    for phrase in phrases_of(found, surnames):
        found += phrase.places(text)
    return merged(found, text.text)


@dataclass(frozen=True)
class Phrase:
    """A phrase that must not remain: `said`, of an entity of `type` whose words are `name`."""

    said: str
    type: str
    name: str

    def places(self, text: Text) -> list[Match]:
        """All places where it is said in a text, overlapping ones included."""
        return [Match(start, end, self.type, self.name, None) for start, end in text.find(self.said)]


def phrases_of(matches: Iterable[Match], surnames: bool = True) -> list[Phrase]:
    """The phrases of matches, each once, and the surnames of full names."""
    found: dict[str, Phrase] = {}
    for match in matches:
        found.setdefault(letters(match.phrase), Phrase(match.phrase, match.type, match.phrase))
    for phrase in list(found.values()):
        surname = _surname(phrase) if surnames else None
        if surname is not None:
            found.setdefault(letters(surname), Phrase(surname, phrase.type, phrase.name))
    return list(found.values())


def _surname(phrase: Phrase) -> str | None:
    """The last word of a person's full name."""
    words = [word for word in phrase.said.split() if letters(word) and letters(word) not in _NOT_SURNAMES]
    if normalize_type(phrase.type) not in PERSONS or len(words) < 2:
        return None
    surname = re.sub(r"['’]s?$", "", words[-1])
    return surname if len(letters(surname)) >= _LEAST_SURNAME else None


def chosen(analysis: Analysis, types: Sequence[str] | None) -> list[Entity]:
    if isinstance(types, str):
        raise OptionError(f"types is the string {types!r}: give a sequence, e.g. ['person']")
    if types is not None and not types:
        raise OptionError("types is empty: name at least one entity type, or give None for all")
    if analysis.entities is None:
        raise OptionError("the result has no entities to redact: analyze with the task ner")
    # A preset's name might be a type's as well: both are redacted.
    wanted = None if types is None else {normalize_type(name) for name in (*types, *apart(types)[0])}
    return [e for e in analysis.entities if wanted is None or normalize_type(e.type) in wanted]


def merged(found: Iterable[Match], text: str) -> tuple[Match, ...]:
    """Merge overlapping matches, named after the tagged one, then the longer."""
    ordered = sorted(found, key=lambda m: (m.start_char, -m.end_char, m.entity is None))
    joined: list[Match] = []
    for match in ordered:
        last = joined[-1] if joined else None
        if last is None or match.start_char >= last.end_char:
            joined.append(match)
            continue
        main = match if last.entity is None and match.entity is not None else last
        end = max(last.end_char, match.end_char)
        grown = end > last.end_char or main is match
        phrase = text[last.start_char : end] if grown else last.phrase
        joined[-1] = Match(last.start_char, end, main.type, phrase, main.entity)
    return tuple(joined)


def audio_spans(analysis: Analysis, matches: Sequence[Match], *, untimed: str = "refuse") -> tuple[Span, ...]:
    """The times of everything to redact.

    Segments on which the model failed are covered completely, because their content is unknown.

    Args:
        analysis: the result in which `matches` were found.
        untimed: what to do with a match whose words have no times: "refuse", or "segment" to cover the whole
            segment.

    Raises:
        OptionError: an unknown `untimed`.
        RedactionError: a match has no times and `untimed` is "refuse".
    """
    check_untimed(untimed)
    failed = [(segment.start, segment.end) for segment in analysis.segments if segment.failed]
    return tuple([*(span for match in matches for span in times(analysis, match, untimed)), *failed])


def check_untimed(untimed: str) -> None:
    """Raises `OptionError` for a value that `audio_spans` does not accept."""
    if untimed not in ("refuse", "segment"):
        raise OptionError(f"untimed is {untimed!r}: give 'refuse' or 'segment'")


def times(analysis: Analysis, match: Match, untimed: str) -> list[Span]:
    """The times of a match, in seconds. Raises as `audio_spans` does."""
    spans = [_segment_times(segment, match) for segment in analysis.segments if _touches(segment, match)]
    known = [span for span in spans if span is not None]
    entity = match.entity
    if entity is not None and entity.start is not None and entity.end is not None:
        known.append((entity.start, entity.end))
        covered = entity.start_char <= match.start_char and match.end_char <= entity.end_char
        if covered:
            return [(min(start for start, _ in known), max(end for _, end in known))]
    if spans and None not in spans:
        return known
    if untimed == "refuse":
        raise RedactionError(
            f"a {match.type} at the characters {match.start_char}…{match.end_char} has no times, so its "
            "sound cannot be found: use a bundle with word times, or cover whole segments "
            '(--untimed segment, untimed="segment")'
        )
    whole = [(s.start, s.end) for s in analysis.segments if _touches(s, match)]
    return whole or [(0.0, analysis.duration)]


def _segment_times(segment: Segment, match: Match) -> Span | None:
    """From the first to the last word of the match in this segment; None if not all of it has words."""
    words = [word for word in segment.words or () if _touches(word, match)]
    if not words:
        return None
    return min(word.start for word in words), max(word.end for word in words)


def _touches(piece: Segment | Word, match: Match) -> bool:
    return piece.start_char < match.end_char and piece.end_char > match.start_char
