"""Entity tags around expected phrases of known type, if that type is requested.

A tag may be as much less likely than what the model wrote as the phrase itself. One decoder writes tags and
words together, so tags are put in afterwards, around phrases that it left outside its entities; a tagger
knows the words before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from unislu.decoding.phrase_search import STRENGTH
from unislu.decoding.processors import Scores
from unislu.decoding.search import Anchor, Written, log_sum_exp
from unislu.engines.protocol import Engine
from unislu.errors import VocabularyError
from unislu.sequence.format import Format
from unislu.sequence.labels import normalize_type
from unislu.sequence.phrases import Phrase
from unislu.sequence.prompt import Prompt

Found = tuple[int, int, Phrase]
"""The first token of a phrase, the one after its last, and the phrase; as `PhraseTree.find` gives them."""


class ExpectedEntity(NamedTuple):
    """A phrase in a row of tokens, and the tokens that open an entity of its type."""

    first: int
    end: int
    opener: tuple[int, ...]
    gain: float
    """How much less likely than the likeliest token the opener may be."""


def tags_phrases(fmt: Format) -> bool:
    """Whether tags can be put around phrases: they are tokens around words of the transcript, not text, not
    after every word, and not in a list behind it.
    """
    return fmt.inside and bool(fmt.closers)


def expected_entities(found: Iterable[Found], fmt: Format, prompt: Prompt) -> list[ExpectedEntity]:
    """The phrases of types that are asked for; none in a format in which they cannot be tagged."""
    openers = fmt.openers(prompt) if prompt.ner and tags_phrases(fmt) else None
    by_type = {normalize_type(name): ids for name, ids in (openers or {}).items()}
    return [
        ExpectedEntity(first, end, by_type[normalize_type(phrase.type)], STRENGTH * phrase.weight)
        for first, end, phrase in found
        if phrase.type is not None and normalize_type(phrase.type) in by_type
    ]


@dataclass(frozen=True)
class TagInserter:
    """Puts tags into finished transcripts of one format and prompt."""

    engine: Engine
    fmt: Format
    prompt: Prompt
    before: tuple[int, ...]
    """What is fed before a transcript."""
    known: int = 0
    """Tokens at the beginning of every transcript that are left alone."""

    def insert(self, anchor: Anchor, row: Written, found: Iterable[Found]) -> tuple[Anchor, Written]:
        """The caches and the tokens of a transcript with tags around the phrases of `found` that need them.

        Only a transcript that ended by itself is changed, and only as far as there is room.
        """
        if row.stop != "eot":
            return anchor, row
        new = (entry for entry in found if entry[0] >= self.known)
        entities = expected_entities(new, self.fmt, self.prompt)
        ids, logprobs = list(row.ids), list(row.logprobs)
        changed = len(ids)
        for entity in reversed(self._outside(row.ids, entities)):  # what stands before it does not move
            closer = self._closer(entity, row.ids)
            logprob = self._opener_logprob(anchor, row.ids, entity)
            tags = len(entity.opener) + 1
            if closer is None or logprob is None or len(ids) + tags > row.limit:
                continue
            first, end, changed = entity.first, entity.end, entity.first
            ids[first:end] = [*entity.opener, *ids[first:end], closer]
            rest = [0.0] * (len(entity.opener) - 1)  # fed, not chosen
            logprobs[first:end] = [logprob, *rest, *logprobs[first:end], 0.0]
        if changed == len(row.ids):
            return anchor, row
        state = self._cut(anchor, len(self.before) + changed - 1)
        fed = [*self.before, *ids][len(self.before) + changed - 1 : -1]
        _, state = self.engine.step(np.array([fed], np.int64), state)
        return Anchor(state, 0), replace(row, ids=ids, logprobs=logprobs)

    def _outside(self, ids: Sequence[int], entities: Sequence[ExpectedEntity]) -> list[ExpectedEntity]:
        """The phrases that touch none of the transcript's own entities."""
        openers = self.fmt.openers(self.prompt) or {}
        opening, inside = {opener[0] for opener in openers.values()}, False
        covered = []
        for token in ids:
            inside = (inside or token in opening) and token not in self.fmt.closers
            covered.append(inside)
        return [entity for entity in entities if not any(covered[entity.first : entity.end])]

    def _closer(self, entity: ExpectedEntity, ids: Sequence[int]) -> int | None:
        """The tokens that close it; None if the grammar has no such entity."""
        grammar = self.fmt.grammar(self.prompt)
        at = grammar.start()
        try:
            for token in (*entity.opener, *ids[entity.first : entity.end]):
                at = grammar.advance(at, token)
        except VocabularyError:
            return None
        return next(iter(grammar.allowed(at).ids & self.fmt.closers), None)

    def _opener_logprob(self, anchor: Anchor, ids: Sequence[int], entity: ExpectedEntity) -> float | None:
        """The log-probability of its opener; None if that is too unlikely."""
        length = len(self.before) + entity.first - 1
        last = [*self.before, *ids][length]
        logits, _ = self.engine.step(np.array([[last]], np.int64), self._cut(anchor, length))
        logprob = float(logits[0, entity.opener[0]]) - log_sum_exp(logits[0])
        chosen = float(logits[0].max()) - log_sum_exp(logits[0])
        return logprob if chosen - logprob <= entity.gain else None

    def _cut(self, anchor: Anchor, length: int) -> object:
        return self.engine.select(anchor.state, [anchor.row], [length])


class _Place(NamedTuple):
    """How much of the words is copied, and the entity that is being written."""

    words: int = 0
    opened: int | None = None
    """The words before the open entity."""
    opener: tuple[int, ...] = ()
    """What is written of its opener, if that is not whole."""


class TagReward:
    """A processor for a tagger: rewards tags around the expected phrases of a given transcript."""

    def __init__(self, entities: Iterable[ExpectedEntity], fmt: Format, prompt: Prompt) -> None:
        self._entities = {entity.first: entity for entity in entities}
        openers = (fmt.openers(prompt) or {}).values()
        self._starts = frozenset(opener[0] for opener in openers)
        self._whole = frozenset(openers)
        self._closers = np.array(sorted(fmt.closers), np.int64)
        self._closing = fmt.closers

    def start(self) -> _Place:
        """Before the first word."""
        return _Place()

    def advance(self, state: _Place, token: int) -> _Place:
        """After a word, or after a token of a tag."""
        if token in self._closing:
            return _Place(state.words)
        if state.opener or (state.opened is None and token in self._starts):
            opener = (*state.opener, token)
            return _Place(state.words, state.words, () if opener in self._whole else opener)
        return state._replace(words=state.words + 1)

    def apply(self, scores: Scores, state: _Place) -> None:
        """Reward the opener before a phrase, and what closes it behind one."""
        here = self._entities.get(state.words)
        if state.opened is None or state.opener:
            if here is not None and here.opener[: len(state.opener)] == state.opener:
                scores[here.opener[len(state.opener)]] += np.float32(here.gain)
            return
        entity = self._entities.get(state.opened)
        if entity is not None and entity.end == state.words:
            scores[self._closers] += np.float32(entity.gain)
