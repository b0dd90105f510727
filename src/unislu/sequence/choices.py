"""The choices that remain if the words of a transcript are given: its tags, their types, the sentiment.

A decoder that tags a transcript (see `unislu.decoding.tagging`) writes forced words; between them it chooses
whether a tag comes, and which one. Training learns only these choices, among the allowed ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from unislu.errors import VocabularyError
from unislu.sequence.copying import copied_text, widened, with_tags
from unislu.sequence.grammar import State
from unislu.sequence.inline import InlineFormat
from unislu.sequence.notation import AtomicNotation, Style
from unislu.sequence.prompt import Prompt, whisper_prefix
from unislu.sequence.target import Target
from unislu.sequence.vocabulary import END, SA, TRANSCRIPT_END, Vocabulary


@dataclass(frozen=True)
class Choices:
    """A sequence of which only some tokens are chosen."""

    prefix: tuple[int, ...]
    """What is fed before `ids`."""
    ids: tuple[int, ...]
    """The sequence."""
    allowed: tuple[tuple[int, ...], ...]
    """For each id the sorted ids that could stand in its place, including itself; empty if there was no
    choice.
    """


def tag_choices(fmt: InlineFormat, vocabulary: Vocabulary, target: Target, prompt: Prompt) -> Choices:
    """The choices of tagging a transcript.

    Entities are widened to whole words and whole tokens, where tags may stand.

    Raises:
        OptionError: a type outside the closed set.
        RecordError: entities are requested but not annotated.
        VocabularyError: the format's tags are not tokens of their own.
    """
    style = Style.OPEN if fmt.open else Style.CLOSED
    copied = copied_text(target.text, vocabulary)
    target = widened(fmt.canonical(replace(target, sentiment=None), prompt), copied)
    machine = fmt.tags_around(prompt)
    state: State = machine.begin(copied.ids)
    ids, allowed = [*with_tags(target, copied, AtomicNotation(vocabulary, style)), vocabulary[END]], []
    for token in ids:
        found = machine.allowed(state).ids
        allowed.append(tuple(sorted(found)) if len(found) > 1 else ())
        state = machine.advance(state, token)
    return Choices(tuple(fmt.prefix(prompt)), tuple(ids), tuple(allowed))


def sentiment_choice(vocabulary: Vocabulary, text: str, sentiment: str) -> Choices:
    """The choice of the sentiment after the words of a transcript, by the first token of its label.

    Raises `VocabularyError` for a label that is not in the vocabulary.
    """
    encode = vocabulary.tokenizer.encode
    labels = vocabulary.labels.sentiments
    if sentiment not in labels:
        raise VocabularyError(f"sentiment {sentiment!r} is none of {', '.join(labels)}")
    words = encode(f" {text}") if text else []
    prefix = [*whisper_prefix(vocabulary, Prompt(frozenset({"sa"}))), *words]
    prefix += [vocabulary[TRANSCRIPT_END], vocabulary[SA]]
    firsts = tuple(sorted({encode(label)[0] for label in labels}))
    return Choices(tuple(prefix), (encode(sentiment)[0],), (firsts,))
