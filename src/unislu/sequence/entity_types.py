"""The entity types that a prompt requests, and their names in a sequence."""

from __future__ import annotations

from dataclasses import replace

from unislu.errors import OptionError, RecordError
from unislu.sequence.labels import LabelSet, normalize_type
from unislu.sequence.prompt import Prompt
from unislu.sequence.target import Span, Target


class ClosedTypes:
    """The types that a closed format can write: the tags of a label set. A prompt's types pick from them."""

    def __init__(self, labels: LabelSet) -> None:
        self._labels = labels

    def asked(self, prompt: Prompt) -> tuple[str, ...]:
        """The types that a prompt requests, as the format writes them; none without the task.

        Raises `OptionError` for a type that the format cannot write.
        """
        labels = self._labels
        if not prompt.ner:
            return ()
        if prompt.types is None:
            return labels.entity_types
        tags = []
        for name in prompt.types:
            tag = labels.entity_type(name)
            if tag is None:
                known = ", ".join(labels.entity_types)
                raise OptionError(f"entity type {name!r} is not one of {known}: use an open format")
            tags.append(tag)
        return tuple(tags)

    def readable(self, prompt: Prompt) -> frozenset[str]:
        """As `asked`, but skips what the format cannot write: for parsers, which never raise."""
        if prompt.types is None:
            return frozenset(self.asked(prompt))
        tags = [self._labels.entity_type(name) for name in prompt.types if prompt.ner]
        return frozenset(tag for tag in tags if tag is not None)

    def entities(self, target: Target, prompt: Prompt) -> tuple[Span, ...] | None:
        """The target's entities of the requested types, under the format's names; None without the task.

        Raises `RecordError` for a type that is unknown to the format, and `OptionError` as `asked` does.
        """
        asked = frozenset(self.asked(prompt))
        if target.entities is None or not prompt.ner:
            return None
        tags = [self._tag(span.type) for span in target.entities]
        pairs = zip(target.entities, tags, strict=True)
        return tuple(replace(span, type=tag) for span, tag in pairs if tag in asked)

    def _tag(self, name: str) -> str:
        tag = self._labels.entity_type(name)
        if tag is None:
            known = ", ".join(self._labels.entity_types)
            raise RecordError(f"entity type {name!r} is not one of {known}: map it or drop it")
        return tag


class OpenTypes:
    """As `ClosedTypes`: any normalised name. Without types in the prompt, the names of the label set."""

    def __init__(self, labels: LabelSet) -> None:
        self._default = tuple(normalize_type(tag) for tag in labels.entity_types)

    def asked(self, prompt: Prompt) -> tuple[str, ...]:
        if not prompt.ner:
            return ()
        return self._default if prompt.types is None else prompt.types

    def readable(self, prompt: Prompt) -> frozenset[str]:
        return frozenset(self.asked(prompt))

    def entities(self, target: Target, prompt: Prompt) -> tuple[Span, ...] | None:
        if target.entities is None or not prompt.ner:
            return None
        asked = frozenset(self.asked(prompt))
        named = (replace(span, type=normalize_type(span.type) or span.type) for span in target.entities)
        return tuple(span for span in named if span.type in asked)


EntityTypes = ClosedTypes | OpenTypes


def expressible(target: Target, prompt: Prompt, types: EntityTypes, labels: LabelSet) -> Target:
    """The target, resolved and reduced to what the prompt requests.

    Entities of types that are not requested are left out before overlaps are resolved. Raises `RecordError`
    for an entity type or a sentiment that is unknown to the format.
    """
    sentiment = None
    if prompt.sa and target.sentiment is not None:
        sentiment = labels.sentiment(target.sentiment)
        if sentiment is None:
            known = ", ".join(labels.sentiments)
            raise RecordError(f"sentiment {target.sentiment!r} is not one of {known}: map it or drop it")
    return Target(target.text, types.entities(target, prompt), sentiment).resolved()


def check_annotated(target: Target, prompt: Prompt) -> None:
    """Raises `RecordError` if entities are requested but not annotated in the target.

    A format that marks entities inside the transcript would write "not annotated" as "none present".
    """
    if prompt.ner and target.entities is None:
        raise RecordError("entities are not annotated: render this target with a prompt without the task ner")
