"""Which seconds of a recording, and thus which words, are covered: one answer for sound and text.

`covers` are the only intervals: the sound is covered there and nowhere else, and `masked` reads from them
which words are not to be read either. So a word that is masked is covered from its first moment to its last,
and a word of which no sound is left is masked, whether it belongs to a name, lies within the guard
beside one, was said in another channel meanwhile, or where a later transcription of the copy found something.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..result import Analysis, Word, covered, spoken_words
from .cover import FADE
from .matches import Match, Span, times
from .phrases import letters

UNRECOGNISED = "part that was not understood"
EDGE = 0.1
"""Seconds covered around a word that is masked only because of what stands beside it, at most the guard: word
times are so inexact."""
_LEAST_LEFT = 3 * FADE
"""Seconds between two covers that are covered as well: the fades of both leave no word."""


@dataclass(frozen=True)
class Hidden:
    """A place that is covered: the words said there, the type of their entity, and when.

    `words` are what must not be recognised near it: none where only the time is known.
    """

    words: str
    type: str
    span: Span


def hidden_in(analysis: Analysis, matches: Iterable[Match], untimed: str) -> list[Hidden]:
    """Where `matches`, found in `analysis`, are said, and the segments that the model failed on.

    Raises as `audio_spans` does.
    """
    text = analysis.text or ""
    found = [
        Hidden(f"{match.phrase} {text[match.start_char : match.end_char]}", match.type, span)
        for match in matches
        for span in times(analysis, match, untimed)
    ]
    return [*found, *(Hidden("", UNRECOGNISED, (s.start, s.end)) for s in analysis.segments if s.failed)]


def at(analysis: Analysis, span: Span, wide: Span, type_: str) -> Hidden:
    """The place `wide`, with the words of `analysis` of which more than half is said in `span`.

    They are covered whole: what another pass took for something else may be what is to be hidden.
    """
    said = [
        (word, segment.words is not None and type_ != UNRECOGNISED)
        for segment in analysis.segments
        for word in spoken_words(segment)
        if min(word.end, span[1]) - max(word.start, span[0]) > (word.end - word.start) / 2
    ]
    words = " ".join(word.text for word, is_known in said if is_known)
    start, end = min([wide[0], *(word.start for word, _ in said)]), max([wide[1], *(w.end for w, _ in said)])
    return Hidden(words, type_, (start, end))


def covers_of(analysis: Analysis, places: Iterable[Hidden], guard: float) -> tuple[Span, ...]:
    """The covered seconds: the places with `guard` around each, and gaps too short for a word.

    No word of `analysis` ends right at the edge of a cover that holds it: there it might still be audible.
    """
    edge = min(EDGE, guard)
    words = [(word.start, word.end) for segment in analysis.segments for word in spoken_words(segment)]
    covers = _joined(_wider(place.span, guard) for place in places)
    while True:
        inside = [_wider(word, edge) for word in words if is_covered(*word, covers)]
        more = [span for span in inside if not is_covered(*span, covers)]
        if not more:
            return covers
        covers = _joined([*covers, *more])


def _wider(span: Span, seconds: float) -> Span:
    return max(0.0, span[0] - seconds), span[1] + seconds


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] <= _LEAST_LEFT:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def is_covered(start: float, end: float, covers: Sequence[Span]) -> bool:
    """Whether nothing is left of the time from `start` to `end`; `covers` as `covers_of` gives them."""
    number = bisect_right(covers, start, key=lambda cover: cover[0]) - 1
    return number >= 0 and end <= covers[number][1]


def masked(
    analysis: Analysis, matches: Sequence[Match], places: Sequence[Hidden], covers: Sequence[Span]
) -> tuple[Match, ...]:
    """The matches to mask in the text when the sound has `covers`: exactly the covered words.

    A covered word beside a match becomes part of its replacement; where no match is, the words get one of
    their own, of the type of the place that covers them.

    Args:
        analysis: what `matches` were found in, in the order of its text and without overlaps.
        places: why there are covers.
    """
    found = list(matches)
    for segment in analysis.segments:
        run: list[Word] = []  # covered words in a row that belong to no match yet
        before: int | None = None  # number of the match that they follow
        for word in (*spoken_words(segment), None):
            inside = range(0) if word is None else covered(matches, word.start_char, word.end_char)
            if word is not None and not inside and is_covered(word.start, word.end, covers):
                run.append(word)
                continue
            if run and before is not None:
                found[before] = replace(found[before], end_char=_end(run[-1]))
            elif run and inside:
                found[inside[0]] = replace(found[inside[0]], start_char=run[0].start_char)
            elif run:
                found.append(_alone(analysis, run, places))
            run, before = [], inside[-1] if inside else None
    return tuple(sorted(found, key=lambda match: match.start_char))


def _alone(analysis: Analysis, run: Sequence[Word], places: Iterable[Hidden]) -> Match:
    start, end = min(word.start for word in run), max(word.end for word in run)
    nearest = max(places, key=lambda place: min(place.span[1], end) - max(place.span[0], start))
    first, last = run[0].start_char, _end(run[-1])
    return Match(first, last, nearest.type, (analysis.text or "")[first:last], None)


def _end(word: Word) -> int:
    """Where its last letter ends: the comma after it stays, as it does after a name."""
    kept = len(word.text)
    while kept > 1 and not letters(word.text[kept - 1]):
        kept -= 1
    return word.start_char + kept
