"""Error analysis of entities: wrong type, wrong boundary, misrecognised words, or all of them.

The scores (`ner.py`) only know right and wrong. Here each gold entity is paired with at most one found
entity, through the word alignment of the two transcripts, and every pair gets a kind:

    correct    type and phrase agree (the only kind that scores)
    misheard   the same type on the same words, but the words were recognised differently
    type       the same phrase under another type
    boundary   the same type on overlapping words
    overlap    another type on overlapping words
    missed     a gold entity without a partner
    spurious   a found entity without a partner
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from unislu.evaluation.ner import Entity
from unislu.evaluation.wer import Edit

Kind = Literal["correct", "misheard", "type", "boundary", "overlap", "missed", "spurious"]
KINDS: tuple[Kind, ...] = ("correct", "misheard", "type", "boundary", "overlap", "missed", "spurious")
Words = tuple[int, int]
"""First word and the one after the last."""


@dataclass(frozen=True)
class PlacedEntity:
    """An entity and where its words stand in its transcript, if they were found there."""

    type: str
    phrase: str
    words: Words | None = None


@dataclass(frozen=True)
class Pair:
    """A gold entity, a found one, or both."""

    kind: Kind
    gold: PlacedEntity | None
    found: PlacedEntity | None


@dataclass(frozen=True)
class EntityErrors:
    """Pairs counted by kind, and by the two types (`None` = no partner)."""

    kinds: Mapping[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    confusion: Mapping[tuple[str | None, str | None], int] = field(default_factory=dict)

    @property
    def partial_f1(self) -> float | None:
        """F1 in percent where an entity of the right type on overlapping words counts half."""
        count = self.kinds
        paired = count["correct"] + count["misheard"] + count["type"] + count["boundary"] + count["overlap"]
        whole = 2 * paired + count["missed"] + count["spurious"]
        credit = count["correct"] + 0.5 * (count["misheard"] + count["boundary"])
        return 100 * 2 * credit / whole if whole else None

    def to_dict(self) -> dict[str, object]:
        return {
            "kinds": dict(self.kinds),
            "partial_f1": self.partial_f1,
            "confusion": [
                {"gold": gold, "predicted": found, "count": number}
                for (gold, found), number in sorted(self.confusion.items(), key=str)
            ],
        }


def count_pairs(pairs: Iterable[Pair]) -> EntityErrors:
    """Counts of the pairs of any number of utterances."""
    kinds = dict.fromkeys(KINDS, 0)
    confusion: Counter[tuple[str | None, str | None]] = Counter()
    for pair in pairs:
        kinds[pair.kind] += 1
        gold = None if pair.gold is None else pair.gold.type
        found = None if pair.found is None else pair.found.type
        confusion[gold, found] += 1
    return EntityErrors(kinds, dict(confusion))


def pair_entities(
    gold: Sequence[Entity],
    found: Sequence[Entity],
    reference: Sequence[str],
    hypothesis: Sequence[str],
    edits: Sequence[Edit],
) -> tuple[Pair, ...]:
    """Pair the entities of one utterance, gold ones in order, then additional ones.

    Args:
        gold, found: (type, phrase), both normalised as the words are.
        reference, hypothesis: words of the two transcripts.
        edits: their alignment.
    """
    left = list(place(reference, gold))
    right = list(place(hypothesis, found))
    aligned = {edit.hypothesis: edit.reference for edit in edits if edit.hypothesis is not None}
    partners: dict[int, tuple[int, Kind]] = {}
    taken: set[int] = set()
    for kind, fits in _RULES:
        for number, one in enumerate(left):
            if number in partners:
                continue
            for other, two in enumerate(right):
                if other not in taken and fits(one, two, aligned):
                    partners[number] = other, kind
                    taken.add(other)
                    break
    pairs = [
        Pair(partners[n][1], one, right[partners[n][0]]) if n in partners else Pair("missed", one, None)
        for n, one in enumerate(left)
    ]
    return (*pairs, *(Pair("spurious", None, two) for n, two in enumerate(right) if n not in taken))


def place(words: Sequence[str], entities: Sequence[Entity]) -> list[PlacedEntity]:
    """Find each phrase in the words: the first free place after the one before, else the first free."""
    taken = [False] * len(words)
    cursor = 0
    placed = []
    for type_, phrase in entities:
        parts = phrase.split()
        starts = [
            start
            for start in range(len(words) - len(parts) + 1)
            if list(words[start : start + len(parts)]) == parts and not any(taken[start : start + len(parts)])
        ]
        if not parts or not starts:
            placed.append(PlacedEntity(type_, phrase))
            continue
        start = next((s for s in starts if s >= cursor), starts[0])
        cursor = start + len(parts)
        taken[start:cursor] = [True] * len(parts)
        placed.append(PlacedEntity(type_, phrase, (start, cursor)))
    return placed


_Aligned = Mapping[int, int | None]


def _misheard(gold: PlacedEntity, found: PlacedEntity, aligned: _Aligned) -> bool:
    if gold.type != found.type or gold.words is None or found.words is None:
        return False
    return _reference_words(found, aligned) == set(range(*gold.words))


def _overlap(gold: PlacedEntity, found: PlacedEntity, aligned: _Aligned) -> bool:
    if gold.words is None or found.words is None:
        # A phrase that its transcript does not hold (numbers may be normalised differently in context).
        return bool(set(gold.phrase.split()) & set(found.phrase.split()))
    return bool(_reference_words(found, aligned) & set(range(*gold.words)))


def _reference_words(found: PlacedEntity, aligned: _Aligned) -> set[int]:
    """The reference words that the found entity's words are aligned with."""
    assert found.words is not None
    places = (aligned.get(word) for word in range(*found.words))
    return {word for word in places if word is not None}


_RULES: tuple[tuple[Kind, Callable[[PlacedEntity, PlacedEntity, _Aligned], bool]], ...] = (
    ("correct", lambda gold, found, _: (gold.type, gold.phrase) == (found.type, found.phrase)),
    ("misheard", _misheard),
    ("type", lambda gold, found, _: gold.phrase == found.phrase),
    ("boundary", lambda gold, found, aligned: gold.type == found.type and _overlap(gold, found, aligned)),
    ("overlap", _overlap),
)
