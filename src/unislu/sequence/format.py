"""What formats are, and what their implementations share.

No other module needs to know which formats exist: a format itself tells whether it writes closed or open
types, what follows its transcript and what opens its entities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from unislu.sequence.entity_types import ClosedTypes, EntityTypes, OpenTypes, check_annotated, expressible
from unislu.sequence.grammar import Grammar, Symbols
from unislu.sequence.notation import AtomicNotation, Kind, Style
from unislu.sequence.prompt import Prompt, whisper_prefix, with_descriptions
from unislu.sequence.reader import Parsed, Rendered
from unislu.sequence.target import Target
from unislu.sequence.vocabulary import NER, SA, TRANSCRIPT_END, Alphabet, Vocabulary
from unislu.sequence.writing import Notation, notation_of, symbols_of


@dataclass(frozen=True)
class Branch:
    """A task that follows a finished transcript and is decoded from its caches."""

    task: str
    """The task's token."""
    ids: tuple[int, ...]
    """What is fed after the transcript, from `[T/L]` to the task's token."""
    kind: Literal["listed", "copied", "read"]
    """"listed" = decoded under the grammar; "copied" = the same with few choices among many forced words;
    "read" = the probabilities of the labels are read.
    """


class Format(ABC):
    """Renders a target into ids and parses ids back: a style in an alphabet, with its types."""

    inside = True
    """Whether entities stand inside the transcript rather than after it."""

    def __init__(
        self,
        name: str,
        vocabulary: Vocabulary,
        style: Style,
        alphabet: Alphabet,
        leading_blank: bool = True,
    ) -> None:
        """Raises `VocabularyError` if the vocabulary lacks a token of this format."""
        self.name = name
        self._vocabulary, self._style, self._alphabet = vocabulary, style, alphabet
        self._types: EntityTypes = (ClosedTypes if style is Style.CLOSED else OpenTypes)(vocabulary.labels)
        self._notation: Notation = notation_of(vocabulary, style, alphabet, leading_blank)
        self._grammars = lru_cache(maxsize=16)(self._grammar)

    @property
    def closed(self) -> bool:
        """Whether it writes the closed set of types, which a prompt without types requests."""
        return self._style is not Style.OPEN

    @property
    def open(self) -> bool:
        """Whether it writes types of any name."""
        return self._style is not Style.CLOSED

    @property
    def open_name(self) -> str:
        """The format in which a model of this one writes types of any name."""
        return self.name if self.open else "inline-open"

    @property
    def length_factor(self) -> float:
        """How much longer its output may be than that of a format with tags around entities: a tag after each
        word takes as many tokens as three more words.
        """
        return 4.0 if self._style is Style.BIO else 1.0

    @property
    def closers(self) -> frozenset[int]:
        """The tokens that end an entity; none if tags stand alone or are text."""
        if not isinstance(self._notation, AtomicNotation) or self._style is Style.BIO:
            return frozenset()
        tags = self._vocabulary.labels.entity_types if self._style is Style.CLOSED else ("",)
        return frozenset(token for tag in tags for token in self._notation.closer(tag))

    def prefix(self, prompt: Prompt) -> list[int]:
        """The decoder's input before the first id of `render`: open types as previous text, Whisper's prefix,
        and `[NER]` if entities stand in the transcript.

        In the plain alphabet there is no `[NER]`: the published checkpoint has no such token. Raises
        `OptionError` for a type outside the closed set.
        """
        types = self._types.asked(prompt)
        ids = whisper_prefix(self._vocabulary, prompt, with_descriptions(types, prompt) if self.open else ())
        atomic = self._alphabet is Alphabet.ATOMIC
        return [*ids, self._vocabulary[NER]] if atomic and prompt.ner and self.inside else ids

    def branches(self, prompt: Prompt) -> tuple[Branch, ...]:
        """The branches after the transcript, in the order in which they are written: here the sentiment, if
        the vocabulary has its token.
        """
        return (self._branch(SA, "read"),) if prompt.sa and SA in self._vocabulary else ()

    def openers(self, prompt: Prompt) -> Mapping[str, tuple[int, ...]] | None:
        """For each requested type the ids that open an entity.

        None if openers are text: then the grammar tells where they may begin.
        """
        notation = self._notation
        if not isinstance(notation, AtomicNotation):
            return None
        if self._style is Style.BIO:
            return {name: notation.tag(Kind.BEGIN, name) for name in self._types.asked(prompt)}
        return {name: notation.opener(name) for name in self._types.asked(prompt)}

    def canonical(self, target: Target, prompt: Prompt) -> Target:
        """The part of a target that the format can express: `parse(render(t)).target == canonical(t)`;
        idempotent.

        Resolved, with the types that the prompt requests, under the format's names. Raises `RecordError` for
        a label outside the label set, and if entities are requested but not annotated.
        """
        check_annotated(target, prompt)
        return expressible(target, prompt, self._types, self._vocabulary.labels)

    @abstractmethod
    def render(self, target: Target, prompt: Prompt) -> Rendered:
        """The ids after the prefix, ending in `<|endoftext|>`. Raises as `canonical` does."""

    @abstractmethod
    def parse(self, ids: Sequence[int], prompt: Prompt) -> Parsed:
        """Parse any ids after the prefix. Never raises."""

    def grammar(self, prompt: Prompt) -> Grammar:
        """The grammar of ids after the prefix that parse without repairs. Cached for the most recent prompts.

        Raises `OptionError` for a type outside the closed set.
        """
        return self._grammars(prompt)

    @abstractmethod
    def _grammar(self, prompt: Prompt) -> Grammar:
        """The grammar of one prompt."""

    def _symbols(self) -> Symbols:
        return symbols_of(self._vocabulary, self._style, self._alphabet)

    def _branch(self, task: str, kind: Literal["listed", "read"]) -> Branch:
        return Branch(task, (self._vocabulary[TRANSCRIPT_END], self._vocabulary[task]), kind)


def tags_transcript(fmt: Format) -> bool:
    """Whether the format writes only tags of the closed set, inside the transcript."""
    return fmt.closed and fmt.inside and not fmt.open
