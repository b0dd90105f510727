"""The redacted result: all its texts without the redacted phrases, and with correct offsets."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..errors import OptionError
from ..result import Analysis, Entity, Segment, Speaker, Word, covered
from ..sequence.labels import normalize_type
from .matches import Match, find_matches
from .names import Names
from .phrases import MASK, Text, letters
from .places import UNRECOGNISED

HOWS = ("mask", "type", "hash")
MIN_KEY_BYTES = 16
_DIGEST = 12  # hexadecimal digits: 48 bits, so that two phrases of one recording never share them


@dataclass(frozen=True)
class Pseudonyms:
    """How a phrase is replaced.

    Raises `OptionError` for an unknown `how`, a short key, or a key that is not used.
    """

    how: str = "mask"
    """"mask" (`████`), "type" (`[PERSON]`) or "hash" (`[PERSON:1f0c9e4b7a2d]`, an HMAC-SHA256 of the phrase
    or the full name it is a part of: the same one has the same hash under the same key, and without the key
    names cannot be tried out).
    """
    key: bytes | None = field(default=None, repr=False)
    """Of the hashes, at least 16 bytes; None = a random one, kept as long as this object."""
    _secret: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.how not in HOWS:
            raise OptionError(f"unknown replacement {self.how!r}: choose from {', '.join(HOWS)}")
        if self.key is not None and self.how != "hash":
            raise OptionError(f"a key is for hashes, not for {self.how!r}: use 'hash' or leave it out")
        if self.key is not None and len(self.key) < MIN_KEY_BYTES:
            raise OptionError(
                f"the key has {len(self.key)} bytes, which can be guessed: give at least {MIN_KEY_BYTES}"
            )
        object.__setattr__(self, "_secret", self.key or secrets.token_bytes(32))

    def __call__(self, entity_type: str, phrase: str) -> str:
        """The replacement of a phrase; without blanks."""
        if self.how == "mask":
            return MASK
        name = normalize_type(entity_type).upper()
        if self.how == "type":
            return f"[{name}]"
        digest = hmac.new(self._secret, letters(phrase).encode(), hashlib.sha256).hexdigest()
        return f"[{name}:{digest[:_DIGEST]}]"

    def note(self, count: int) -> str:
        """How `count` phrases were replaced, for the warnings of a result."""
        if self.how == "mask":
            return "masked"
        if self.how == "type":
            return "replaced by its type" if count == 1 else "replaced by their types"
        key = "a one-time key" if self.key is None else "the given key"
        return f"hashed with {key} (HMAC-SHA256)"


def redact_analysis(
    analysis: Analysis,
    types: Sequence[str] | None = None,
    how: str | Pseudonyms = "mask",
    key: bytes | None = None,
    *,
    surnames: bool = True,
) -> Analysis:
    """The result without the words of its entities of some types, wherever they are said.

    Text, segments, words, entities and warnings are masked; offsets and indices are adjusted. A speaker whose
    name shares a word with what was redacted has none any more. Words that are
    said again without being tagged are masked as well and become entities. The path of the file is kept. A
    warning tells what was done.

    Args:
        analysis: a result with entities.
        types: names of entity types in any spelling; None = all that were found.
        how: "mask", "type" or "hash"; or a `Pseudonyms`, so that several results share a random key.
        key: of the hashes; None = a random one for this result.
        surnames: as for `find_matches`.

    Raises:
        OptionError: an invalid option, or a result without entities.
    """
    pseudonyms = how if isinstance(how, Pseudonyms) else Pseudonyms(how, key)
    return apply(analysis, find_matches(analysis, types, surnames=surnames), pseudonyms)


def apply(
    analysis: Analysis,
    matches: Sequence[Match],
    pseudonyms: Pseudonyms,
    said: Sequence[Match] | None = None,
) -> Analysis:
    """`analysis` with its `matches` replaced.

    `said`: those whose phrases are not to be in its warnings either; default: all.
    """
    cuts = {place for s in analysis.segments for place in (s.start_char, s.end_char)}
    names = Names(matches if said is None else [*matches, *said])
    edits = _Edits(analysis.text or "", matches, sorted(cuts), pseudonyms, names)
    segments, index = _segments(analysis.segments, edits)
    words = [word for segment in segments for word in segment.words or ()]
    hidden = tuple(dict.fromkeys((m.type, m.phrase) for m in (matches if said is None else said)))
    replaced = [(phrase, pseudonyms(type_, names.known(type_, phrase))) for type_, phrase in hidden]
    warnings = [_masked_note(warning, analysis.file, replaced) for warning in analysis.warnings]
    done = "nothing to redact was found: the text is unchanged"
    if matches:
        types = ", ".join(sorted({match.type for match in matches}))
        count = "1 redaction" if len(matches) == 1 else f"{len(matches)} redactions"
        done = f"{count} ({types}), {pseudonyms.note(len(matches))}"
    return replace(
        analysis,
        text=None if analysis.text is None else edits.text,
        entities=tuple(_entities(analysis.entities or (), matches, edits, index, words)),
        segments=tuple(
            replace(s, failed=_masked_note(s.failed, analysis.file, replaced)) if s.failed else s
            for s in segments
        ),
        warnings=(*warnings, done),
        speakers=analysis.speakers and tuple(_unnamed(one, hidden) for one in analysis.speakers),
    )


def _unnamed(speaker: Speaker, hidden: Iterable[tuple[str, str]]) -> Speaker:
    """The speaker without a name that shares a word with what was redacted: their `id` remains."""
    name = speaker.name or ""
    for _, phrase in hidden:
        said = Text(phrase)
        if any(Text(name).find(phrase)) or any(any(said.find(part)) for part in re.findall(r"\w+", name)):
            return replace(speaker, name=None)
    return speaker


class _Edits:
    """The replacements in a text, and the mapping of positions to the new text."""

    def __init__(
        self,
        text: str,
        matches: Iterable[Match],
        cuts: Sequence[int],
        pseudonyms: Pseudonyms,
        names: Names,
    ) -> None:
        self._old: list[tuple[int, int]] = []
        self._new: list[tuple[int, int]] = []
        pieces: list[str] = []
        position = length = 0
        for match in matches:
            name = names.of(match, text[match.start_char : match.end_char])
            replacement = pseudonyms(match.type, name)
            for start, end in _split(match, cuts, text):
                pieces += [text[position:start], replacement]
                length += start - position
                self._old.append((start, end))
                self._new.append((length, length + len(replacement)))
                length += len(replacement)
                position = end
        self.text = "".join([*pieces, text[position:]])
        self._old_starts = [start for start, _ in self._old]

    def start(self, position: int) -> int:
        """The new start of a piece that begins at `position`: that of the replacement, if it began inside."""
        number = bisect_right(self._old_starts, position) - 1
        if number < 0:
            return position
        (_, end), (new_start, new_end) = self._old[number], self._new[number]
        return new_start if position < end else position + new_end - end

    def end(self, position: int) -> int:
        """The new end of a piece that ends at `position`: that of the replacement, if it ended inside."""
        number = bisect_left(self._old_starts, position) - 1
        if number < 0:
            return position
        (_, end), (_, new_end) = self._old[number], self._new[number]
        return new_end if position < end else position + new_end - end


def _split(match: Match, cuts: Sequence[int], text: str) -> list[tuple[int, int]]:
    """A match split at segment boundaries; blanks between segments are left out."""
    places = [match.start_char, *(c for c in cuts if match.start_char < c < match.end_char), match.end_char]
    return [(start, end) for start, end in pairwise(places) if text[start:end].strip()]


def _segments(old: Sequence[Segment], edits: _Edits) -> tuple[list[Segment], list[int]]:
    """The segments, and for every old word the index of the new one that contains it."""
    segments: list[Segment] = []
    index: list[int] = []
    count = 0
    for segment in old:
        start = edits.start(segment.start_char)
        end = max(start, edits.end(segment.end_char))
        words: list[Word] | None = None
        if segment.words is not None:
            words = []
            for word in segment.words:
                _append(words, word, edits)
                index.append(count + len(words) - 1)
            count += len(words)
        text = edits.text[start:end]
        kept = None if words is None else tuple(words)
        segments.append(replace(segment, text=text, start_char=start, end_char=end, words=kept))
    return segments, index


def _append(words: list[Word], word: Word, edits: _Edits) -> None:
    """Add a word, or merge it with the last one if both are in the same replacement."""
    start, end = edits.start(word.start_char), edits.end(word.end_char)
    if words and start < words[-1].end_char:
        last = words.pop()
        start, end = last.start_char, max(end, last.end_char)
        sure = [c for c in (last.confidence, word.confidence) if c is not None]
        word = replace(
            word,
            start=min(last.start, word.start),
            end=max(last.end, word.end),
            confidence=min(sure, default=None),
        )
    words.append(replace(word, text=edits.text[start:end], start_char=start, end_char=end))


def _entities(
    old: Sequence[Entity],
    matches: Sequence[Match],
    edits: _Edits,
    index: Sequence[int],
    words: Sequence[Word],
) -> list[Entity]:
    """Redacted entities, also of untagged repetitions; of the others those with words left."""
    kept: list[Entity] = []
    swallowed: set[int] = set()  # untagged matches inside an entity that stays
    for entity in old:
        places = covered(matches, entity.start_char, entity.end_char)
        touching = [matches[place] for place in places]
        if any(match.entity is not None for match in touching):
            continue  # redacted, or partly so
        if any(m.start_char <= entity.start_char and entity.end_char <= m.end_char for m in touching):
            continue
        swallowed.update(places)
        kept.append(_moved(entity, edits, index))
    for number, match in enumerate(matches):
        if number not in swallowed and match.type != UNRECOGNISED:
            base = match.entity or Entity(match.type, match.phrase, match.start_char, match.end_char)
            span = edits.start(match.start_char), edits.end(match.end_char)
            kept.append(_timed(_at(base, span, edits), words))
    return sorted(kept, key=lambda e: (e.start_char, e.end_char))


def _at(entity: Entity, span: tuple[int, int], edits: _Edits) -> Entity:
    """The entity at its place in the new text; a value would tell what the old words were."""
    start, end = span
    text = edits.text[start:end]
    value = entity.value if text == entity.text else None
    return replace(entity, text=text, start_char=start, end_char=end, value=value)


def _moved(entity: Entity, edits: _Edits, index: Sequence[int]) -> Entity:
    """An entity that stays, with new offsets."""
    first = last = None
    if entity.start_word is not None and entity.end_word is not None and entity.end_word <= len(index):
        first, last = index[entity.start_word], index[entity.end_word - 1] + 1
    span = edits.start(entity.start_char), edits.end(entity.end_char)
    return replace(_at(entity, span, edits), start_word=first, end_word=last)


def _timed(entity: Entity, words: Sequence[Word]) -> Entity:
    """The entity with the indices and times of its new words."""
    places = covered(words, entity.start_char, entity.end_char)
    if not places:
        return replace(entity, start_word=None, end_word=None)
    start, end = entity.start, entity.end
    if start is None or end is None:
        start, end = words[places[0]].start, max(words[place].end for place in places)
    return replace(entity, start=start, end=end, start_word=places.start, end_word=places.stop)


def _masked_note(note: str | None, file: str | None, replaced: Iterable[tuple[str, str]]) -> str:
    """A message with the replacements of redacted phrases; the name of the file is kept."""
    parts = (note or "").split(file) if file else [note or ""]
    for phrase, replacement in replaced:
        parts = [_without(part, phrase, replacement) for part in parts]
    return (file or "").join(parts)


def _without(text: str, phrase: str, replacement: str) -> str:
    pieces, position = [], 0
    for start, end in Text(text).find(phrase):
        if start >= position:
            pieces += [text[position:start], replacement]
            position = end
    return "".join([*pieces, text[position:]])
