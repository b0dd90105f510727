"""The prompt of the model: tasks, entity types, language; and the decoder's prefix for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unislu.errors import OptionError
from unislu.sequence.labels import normalize_type
from unislu.sequence.target import Target
from unislu.sequence.vocabulary import NO_TIMESTAMPS, PREVIOUS, START, TRANSCRIBE, Vocabulary

TASKS = frozenset({"ner", "sa"})
DESCRIBED = 4
"""A prompt that describes types has so many types at most: there is no room for more sentences."""
MASK = "<|mask|>"
"""Makes a model that was trained for it mask entities: text in front of the types."""


@dataclass(frozen=True)
class Prompt:
    """The request to the model.

    In a closed format `types` picks from the label set; in an open one it is the prompt. Raises `OptionError`
    for an unknown task and for an empty or duplicate type.
    """

    tasks: frozenset[str] = TASKS
    """Any of "ner", "sa"."""
    types: tuple[str, ...] | None = None
    """None = the closed set; otherwise these types, in normalised form."""
    language: str = "en"
    """ISO 639-1 code."""
    mask: bool = False
    """Write `<type>>` in place of an entity's words (`inline-open` in the plain alphabet)."""
    descriptions: tuple[tuple[str, str], ...] = ()
    """What some types are, as (type, sentence); formats of open types pass them to the model."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", frozenset(self.tasks))
        for task in sorted(self.tasks - TASKS):
            raise OptionError(f"unknown task {task!r}: choose from {', '.join(sorted(TASKS))}")
        if self.types is None:
            return
        names = tuple(normalize_type(name) for name in self.types)
        for number, name in enumerate(names):
            if not name:
                raise OptionError(f"empty entity type {self.types[number]!r}: name it")
            if name in names[:number]:
                raise OptionError(f"duplicate entity type {self.types[number]!r}: list it once")
        object.__setattr__(self, "types", names)
        described = tuple((normalize_type(name), " ".join(text.split())) for name, text in self.descriptions)
        object.__setattr__(self, "descriptions", described)

    @classmethod
    def of(cls, target: Target, types: tuple[str, ...] | None = None) -> Prompt:
        """The prompt that requests exactly what is annotated in the target."""
        tasks = {"ner": target.entities, "sa": target.sentiment}
        return cls(frozenset(task for task, known in tasks.items() if known is not None), types)

    @property
    def ner(self) -> bool:
        """Whether entities are requested."""
        return "ner" in self.tasks

    @property
    def sa(self) -> bool:
        """Whether the sentiment is requested."""
        return "sa" in self.tasks


def with_descriptions(types: Sequence[str], prompt: Prompt) -> tuple[str, ...]:
    """The types in the form that the model reads: `drug: the name of a medicine`."""
    described = dict(prompt.descriptions)
    return tuple(f"{name}: {described[name]}" if name in described else name for name in types)


def whisper_prefix(vocabulary: Vocabulary, prompt: Prompt, types: tuple[str, ...] = ()) -> list[int]:
    """Whisper's decoder prefix, with `types` as the previous text. Raises `VocabularyError`: language."""
    ids: list[int] = []
    if types:
        mask = MASK if prompt.mask else ""
        ids += [vocabulary[PREVIOUS], *vocabulary.tokenizer.encode(f" {mask}{', '.join(types)}")]
    names = (START, f"<|{prompt.language}|>", TRANSCRIBE, NO_TIMESTAMPS)
    return [*ids, *(vocabulary[name] for name in names)]
