"""Aligning a recogniser's transcript with the reference: its words corrected, and annotations carried over to
it.

A decoder that is trained on annotated texts must not learn their spelling and punctuation, and a tagger must
see transcripts as the recogniser writes them. Both follow from aligning the two, word by word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from unislu.sequence import Span, Target

#: Spelling, case and figures made equal, as for a word error rate.
Normalizer = Callable[[str], str]
SIMILAR = 0.5
"""Share of words in common below which two texts are not of the same clip."""
_MARKS = ".,?!;:"
_KEPT = "$€£+@#"
_UNIT = "(?:one|two|three|four|five|six|seven|eight|nine)"
_TEEN = "(?:ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen)"
_TENS = "(?:(?:twen|thir|for|fif|six|seven|eigh|nine)ty)"
_WORD = f"(?:{_TEEN}|{_TENS}|{_UNIT}|hundred|thousand)"
_ORDINAL = "(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
_BELOW_100 = f"(?:{_TENS}(?:[ -]{_UNIT})?|{_TEEN}|{_UNIT})"
_BELOW_1000 = f"(?:{_UNIT} hundred(?: (?:and )?{_BELOW_100})?|{_BELOW_100})"
_YEAR = f"(?:eighteen|nineteen|twenty) (?:{_TENS}(?:[ -]{_UNIT})?|{_TEEN})"
_NUMBER = re.compile(
    f"{_BELOW_1000} thousand(?: (?:and )?{_BELOW_1000})?|{_YEAR}|{_BELOW_1000}", re.IGNORECASE
)
#: All number words in a row, so that a part of a row is not taken for a number.
_NUMBER_WORDS = re.compile(
    rf"\b{_WORD}(?:[ -]{_WORD}|(?:(?<=hundred)|(?<=thousand)) and {_WORD})*\b"
    rf"(?![ -](?:{_WORD}|{_ORDINAL})\b)",
    re.IGNORECASE,
)
_PARTED_YEAR = re.compile(r"\b([12])000 and (\d\d?)\b")


@dataclass(frozen=True)
class _KeyedWord:
    start: int
    end: int
    text: str
    key: str


@dataclass(frozen=True)
class _Aligned:
    """Blocks of words of one text and of the other: `same` or not, and `[first, last)` in both."""

    same: bool
    ours: tuple[int, int]
    theirs: tuple[int, int]


def put_right(hypothesis: str, reference: str, normalize: Normalizer) -> str | None:
    """The reference's words in the hypothesis's own spelling, case and punctuation, and numbers in figures.

    Returns None for texts that have too little in common.
    """
    ours, theirs = _words(hypothesis, normalize), _words(reference, normalize)
    blocks = _blocks(ours, theirs, normalize)
    if blocks is None:
        return None
    lower = reference.islower()
    written: list[str] = []
    for block in blocks:
        said = [word.text for word in ours[slice(*block.ours)]]
        if block.same:
            written += said
            continue
        mark = said[-1][-1] if said and said[-1][-1] in _MARKS else ""
        meant = [word.text.strip(f'{_MARKS}"()') or word.text for word in theirs[slice(*block.theirs)]]
        if lower and len(meant) == len(said):  # the reference has no case: take it from what was written
            pairs = zip(meant, said, strict=True)
            meant = [_capital(word) if old[:1].isupper() else word for word, old in pairs]
        if not written and meant:
            meant[0] = _capital(meant[0])
        written += meant
        if mark and written and written[-1][-1] not in _MARKS:
            written[-1] += mark
    return _years_joined(in_figures(" ".join(written), normalize), normalize(reference))


def _years_joined(text: str, reference: str) -> str:
    """`2000 and 19` as `2019`, where the normalised reference has it."""
    meant = set(reference.split())

    def joined(found: re.Match[str]) -> str:
        year = str(1000 * int(found[1]) + int(found[2]))
        return year if year in meant else found[0]

    return _PARTED_YEAR.sub(joined, text)


def in_figures(text: str, normalize: Normalizer) -> str:
    """The text with numbers from ten on in figures, as recognisers write them and references often do not.

    Figures in a row (`five five five`) and `a hundred` or `two million` stay as they are.
    """

    def figures(run: re.Match[str]) -> str:
        number = normalize(run[0]) if _NUMBER.fullmatch(run[0]) else ""
        return number if number.isdecimal() and len(number) > 1 else run[0]

    return _NUMBER_WORDS.sub(figures, text)


def carried_over(target: Target, hypothesis: str, normalize: Normalizer) -> Target | None:
    """The target moved to a hypothesis: each entity on the words aligned with its own.

    Returns None for texts that have too little in common, or if an entity's words are missing.
    """
    theirs, ours = _words(target.text, normalize), _words(hypothesis, normalize)
    blocks = _blocks(theirs, ours, normalize)
    if blocks is None:
        return None
    spans: list[Span] = []
    for span in sorted(target.entities or (), key=lambda span: span.start):
        named = [n for n, word in enumerate(theirs) if word.start < span.end and word.end > span.start]
        places = [p for block in blocks for p in _within(block, named[0], named[-1] + 1)] if named else []
        if not places:
            return None
        start, end = _trimmed(hypothesis, ours[places[0]].start, ours[places[-1]].end)
        possessive = hypothesis[start:end].lower().endswith("'s")
        if possessive and not target.text[span.start : span.end].lower().endswith("s"):
            end -= 2
        if start >= end or (spans and start < spans[-1].end):
            return None
        spans.append(Span(start, end, span.type))
    return replace(target, text=hypothesis, entities=None if target.entities is None else tuple(spans))


def _words(text: str, normalize: Normalizer) -> list[_KeyedWord]:
    found = []
    for match in re.finditer(r"\S+", text):
        bare = re.sub(r"[^\w'$€£%]", "", match.group().lower())
        if bare:
            found.append(_KeyedWord(match.start(), match.end(), match.group(), normalize(bare) or bare))
    return found


def _blocks(ours: list[_KeyedWord], theirs: list[_KeyedWord], normalize: Normalizer) -> list[_Aligned] | None:
    """The alignment of two texts, or None if they are not alike."""
    if not ours or not theirs:
        return None
    matcher = SequenceMatcher(None, [w.key for w in ours], [w.key for w in theirs], autojunk=False)
    if matcher.ratio() < SIMILAR:
        return None
    found = []
    for name, first, last, start, end in matcher.get_opcodes():
        one = " ".join(word.text for word in ours[first:last])
        other = " ".join(word.text for word in theirs[start:end])
        same = name == "equal" or (bool(one and other) and normalize(one) == normalize(other))
        found.append(_Aligned(same, (first, last), (start, end)))
    return found


def _within(block: _Aligned, first: int, last: int) -> Iterator[int]:
    """The words of one block aligned with the words `first` to `last` of the other text, in order.

    Where their numbers differ, a part has its share from its side of the block.
    """
    (start, end), (here, there) = block.ours, block.theirs
    low, high = max(start, first), min(end, last)
    if low >= high or here == there:
        return
    if end - start == there - here:
        yield from range(here + low - start, here + high - start)
    elif 2 * (high - low) > end - start:
        yield from range(here, there)
    else:
        share = max(1, round((high - low) * (there - here) / (end - start)))
        if low == start:
            yield from range(here, here + share)
        elif high == end:
            yield from range(there - share, there)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without punctuation around it."""
    while end > start and not text[end - 1].isalnum():
        end -= 1
    while start < end and not (text[start].isalnum() or text[start] in _KEPT):
        start += 1
    return start, end


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
