"""What there is to choose when the words of a transcript are given: its tags, their types, the sentiment.

A decoder that tags a transcript (see `unislu.decoding.tagging`) writes forced words; between them the grammar
leaves open whether a tag comes, and which. Training learns these choices alone, among what may be chosen.
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
    """A sequence of which only some tokens were chosen.

    prefix, ids: what is fed, and what follows it. allowed: for each id the ids that could stand in its place,
    itself among them, sorted; empty where there was no choice.
    """

    prefix: tuple[int, ...]
    ids: tuple[int, ...]
    allowed: tuple[tuple[int, ...], ...]


def tag_choices(fmt: InlineFormat, vocabulary: Vocabulary, target: Target, prompt: Prompt) -> Choices:
    """The choices of tagging a transcript.

    Entities are widened to where a tag may stand: to whole words and whole tokens.

    Raises:
        OptionError: a type outside the closed set.
        RecordError: entities are asked for but not annotated.
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
    """The one choice of the sentiment after the words of a transcript, by the first token of its label.

    Raises `VocabularyError` for a label that the vocabulary does not have.
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
