"""Prompts of open entity types: positives, negatives, dropout, shuffling (WhisperNER, section II-C).

Everything is drawn from a generator that belongs to the example, so that a run can be repeated, resumed and
split over workers without changing a prompt. A dropped type vanishes from the prompt *and* the target, and no
negative may bring it back: that would teach that a type which is present is absent.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unislu.data.type_names import TypeTable
from unislu.sequence import Target, normalize_type
from unislu.sequence.prompt import DESCRIBED

RENAMED = 0.5
"""Share of types that are requested under any name of the table; the rest keep the name of their corpus."""


@dataclass(frozen=True)
class OpenPrompt:
    """Types to prompt with, and the target that answers them."""

    types: tuple[str, ...]
    target: Target
    descriptions: tuple[tuple[str, str], ...] = ()
    """What some of the types are, as `unislu.sequence.Prompt` takes it."""


@dataclass(frozen=True)
class PromptMix:
    """Shares of examples that are not prompted with all of their types."""

    alone: float = 0.0
    """With only one of the present types."""
    absent: float = 0.0
    """With one absent type, so that nothing is found."""
    described: float = 0.0
    """Of prompts with few types, those that describe some of them."""


def open_prompt(
    target: Target,
    others: Sequence[Sequence[str]],
    generator: random.Random,
    *,
    negatives: int = 2,
    dropout: float = 0.1,
    shuffle: bool = True,
    max_types: int = 24,
    never: frozenset[str] = frozenset(),
    universe: Sequence[str] = (),
    table: TypeTable | None = None,
    mix: PromptMix | None = None,
    described: Mapping[str, str] | None = None,
) -> OpenPrompt:
    """Draw the prompt of one example.

    Args:
        target: text and entities (annotated); types are normalised here.
        others: type sets of other examples, from which `negatives` are drawn: of all ("random sample"), or of
            similar ones ("hard").
        generator: the example's own generator.
        negatives: how many other examples give their types as negatives.
        dropout: probability with which each present type is dropped, from prompt and target alike.
        shuffle: shuffle the prompt; otherwise types are sorted.
        max_types: upper limit of types in the prompt; positives are kept first.
        never: normalised names that may not be negatives, since they are other names of what is present.
        universe: draw from these types one by one instead, as many as the drawn example has ("random type").
        table: other names of types, and which may not be told apart: those are no negatives.
        mix: shares of examples that are prompted otherwise than with all of their types.
        described: the record's own descriptions of its types, by normalised name.
    """
    spans = [(span, normalize_type(span.type)) for span in target.entities or ()]
    present = sorted({name for _, name in spans})
    dropped = {name for name in present if generator.random() < dropout}
    kept = [name for name in present if name not in dropped]
    added: set[str] = set()
    for _ in range(negatives if others else 0):
        names = others[generator.randrange(len(others))]
        if universe:
            names = generator.sample(universe, min(len(names), len(universe)))
        added.update(normalize_type(name) for name in names)
    absent = sorted(added - set(present) - never)
    if table is not None:
        absent = [name for name in absent if not any(table.overlap(name, other) for other in present)]
    if mix is not None:
        draw = generator.random()
        if kept and draw < mix.alone:
            kept, absent = [generator.choice(kept)], []
        elif absent and mix.alone <= draw < mix.alone + mix.absent:
            kept, absent = [], [generator.choice(absent)]
    if not kept and not absent:  # nothing left to request: request what was dropped after all
        kept = present
    generator.shuffle(absent)
    types = kept[:max_types] + absent[: max(0, max_types - len(kept))]
    if shuffle:
        generator.shuffle(types)
    else:
        types.sort()
    named = {name: name for name in types} if table is None else _renamed(types, table, generator)
    entities = tuple(type(span)(span.start, span.end, named[name]) for span, name in spans if name in named)
    sentences: tuple[tuple[str, str], ...] = ()
    if mix is not None and len(types) <= DESCRIBED and generator.random() < mix.described:
        sentences = _described(named, described or {}, table, generator)
    asked = tuple(named[name] for name in types)
    return OpenPrompt(asked, Target(target.text, entities, target.sentiment), sentences)


def _renamed(types: Sequence[str], table: TypeTable, generator: random.Random) -> dict[str, str]:
    """A distinct name for each type."""
    names: dict[str, str] = {}
    for type_ in types:
        other = generator.choice(table.names(type_)) if generator.random() < RENAMED else type_
        taken = other in names.values() or (other != type_ and other in types)
        names[type_] = type_ if taken else other
    return names


def _described(
    names: Mapping[str, str], own: Mapping[str, str], table: TypeTable | None, generator: random.Random
) -> tuple[tuple[str, str], ...]:
    """A description of each type that has one."""
    found = []
    for type_, name in names.items():
        known = [own[type_]] if type_ in own else list(table.descriptions(type_)) if table is not None else []
        if known:
            found.append((name, generator.choice(known)))
    return tuple(found)
