"""What can be asked of a model, checked once, before any audio is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unislu.errors import OptionError
from unislu.sequence.labels import LabelSet, normalize_type
from unislu.vad import Cutting

from .style import STYLES

TASKS = ("asr", "ner", "sa")
VADS = ("auto", "silero", "energy")
CHANNELS = ("mix", "split")
MAX_BEAM = 16
MAX_BIAS = 100.0
MAX_TYPES = 500
MAX_TYPE_LENGTH = 64
TYPES_PER_PASS = 24
"""Prompts of the training data are at most this long; more types are asked for in several passes."""


@dataclass(frozen=True)
class AnalyzeOptions:
    """Options of one analysis; `OptionError` for every value that cannot be meant.

    tasks: any of "asr", "ner", "sa".
    entities: open entity types in any spelling, or None for the model's closed set.
    bias: added to the logit of entity openers, on top of the bundle's default: one number, or one
        for each of some types. More finds more entities, fewer of them right.
    beam: hypotheses kept; 1 is greedy.
    style: "cased" (as spoken, with punctuation) or "normalized" (see `unislu.recognition.style`).
    constrained: let the model write only what parses.
    words: give every word its times; a bundle exported without alignment outputs cannot.
    operating_point: name of biases stored in the bundle (`unislu tune`); they replace its default ones.
    vad: "auto" (Silero VAD for audio that is longer than a window), "silero" (for short audio too), or
        "energy" (nothing is left out; long audio is cut where it is quiet).
    window: longest window in seconds; None = the bundle's best.
    pad, merge: seconds kept around speech, and the longest pause inside a window.
    channels: "mix", or "split" to hear each channel by itself.
    mask: let a model that was trained to (`masking` in its manifest) write `[TYPE]` in place of the words
        of `entities`, so that they are never in its memory.
    """

    tasks: Sequence[str] = TASKS
    entities: Sequence[str] | None = None
    bias: float | Mapping[str, float] = 0.0
    beam: int = 1
    style: str = "cased"
    constrained: bool = True
    words: bool = True
    operating_point: str | None = None
    vad: str = "auto"
    window: float | None = None
    pad: float = Cutting.pad
    merge: float = Cutting.merge
    channels: str = "mix"
    mask: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", _checked_tasks(self.tasks))
        object.__setattr__(self, "bias", _checked_bias(self.bias))
        if self.entities is not None:
            if "ner" not in self.tasks:
                raise OptionError("entities were asked for without the task ner: add it or drop them")
            object.__setattr__(self, "entities", _checked_types(self.entities))
        if self.operating_point is not None:
            _check_point_name(self.operating_point, self.tasks)
        if isinstance(self.beam, bool) or not isinstance(self.beam, int) or not 1 <= self.beam <= MAX_BEAM:
            raise OptionError(f"beam is {self.beam!r}: give a whole number from 1 to {MAX_BEAM}")
        if self.style not in STYLES:
            raise OptionError(f"unknown style {self.style!r}: choose from {', '.join(STYLES)}")
        if self.vad not in VADS:
            raise OptionError(f"unknown vad {self.vad!r}: choose from {', '.join(VADS)}")
        if self.mask and self.entities is None:
            raise OptionError("mask without entities: name the types whose words are masked")
        if self.channels not in CHANNELS:
            raise OptionError(f"unknown channels {self.channels!r}: choose from {', '.join(CHANNELS)}")
        Cutting(Cutting.window if self.window is None else self.window, self.pad, self.merge)

    @property
    def wants_text(self) -> bool:
        """Whether the result holds the transcript; entities need it for their offsets."""
        return "asr" in self.tasks or "ner" in self.tasks


def _check_point_name(name: object, tasks: Sequence[str]) -> None:
    if not isinstance(name, str) or not name.strip():
        raise OptionError(f"operating_point is {name!r}: give the name of one of the bundle's")
    if "ner" not in tasks:
        raise OptionError(f"operating point {name!r} without the task ner: add it or drop the point")


def _checked_tasks(tasks: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tasks, str):
        raise OptionError(f"tasks is the string {tasks!r}: give a sequence, e.g. ('asr', 'ner')")
    for task in tasks:
        if task not in TASKS:
            raise OptionError(f"unknown task {task!r}: choose from {', '.join(TASKS)}")
    if not tasks:
        raise OptionError(f"no tasks: choose from {', '.join(TASKS)}")
    return tuple(task for task in TASKS if task in tasks)


def _checked_types(types: Sequence[str]) -> tuple[str, ...]:
    if isinstance(types, str):
        raise OptionError(f"entities is the string {types!r}: give a sequence, e.g. ['person', 'drug']")
    if not types:
        raise OptionError("entities is empty: name at least one type, or leave it out for the closed set")
    if len(types) > MAX_TYPES:
        raise OptionError(f"{len(types)} entity types: at most {MAX_TYPES} can be asked for at once")
    spelled: dict[str, str] = {}
    for name in types:
        normal = normalize_type(name) if isinstance(name, str) else ""
        if not normal:
            what = "is empty" if isinstance(name, str) else "is no string"
            raise OptionError(f"entity type {name!r} {what}: name it")
        if len(normal) > MAX_TYPE_LENGTH:
            raise OptionError(
                f"entity type {normal[:24]!r}… has {len(normal)} characters: at most {MAX_TYPE_LENGTH} fit"
            )
        if normal in spelled:
            same = "twice" if name == spelled[normal] else f"as {spelled[normal]!r} already"
            raise OptionError(f"duplicate entity type {name!r}: it was given {same}; name it once")
        spelled[normal] = name
    return tuple(name.strip() for name in types)


def _checked_bias(bias: float | Mapping[str, float]) -> float | Mapping[str, float]:
    if not isinstance(bias, Mapping):
        return _checked_number(bias, "bias")
    checked: dict[str, float] = {}
    for name, value in bias.items():
        normal = normalize_type(name) if isinstance(name, str) else ""
        if not normal:
            raise OptionError(f"bias of the entity type {name!r}, which is empty: name it")
        if normal in checked:
            raise OptionError(f"duplicate bias of the entity type {name!r}: give one")
        checked[normal] = _checked_number(value, f"bias of {name!r}")
    return MappingProxyType(checked)


def _checked_number(value: object, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or abs(value) > MAX_BIAS:  # type: ignore[arg-type]
        raise OptionError(f"{what} is {value!r}: give a number from -{MAX_BIAS:.0f} to {MAX_BIAS:.0f}")
    return float(value)  # type: ignore[arg-type]


@dataclass(frozen=True)
class EntityPlan:
    """How the types asked for become passes over the audio.

    `closed`: the closed format is used. `passes`: the types of each pass, normalised and sorted, so
    that neither their order nor their case changes the result; None = all of the closed set; no
    pass at all means that entities were not asked for. `names`: how results spell each type.
    `bias`: for each type what is added to its opener's logit.
    """

    closed: bool
    passes: tuple[tuple[str, ...] | None, ...]
    names: Mapping[str, str]
    bias: Mapping[str, float]


def plan_entities(
    options: AnalyzeOptions,
    labels: LabelSet,
    formats: Sequence[str],
    default_bias: Mapping[str, float],
    cost: Callable[[str], int] = len,
    budget: int = 224,
) -> EntityPlan:
    """Choose the format and split the types over passes.

    `cost`: tokens of a type's name in a prompt; `budget`: tokens that one prompt may have.

    Types that all name tags of the closed set are heard in the closed format, which knows them
    best; anything else in the open one. Raises `OptionError` when the bundle has no format for
    them, or `bias` names a type that is not asked for.
    """
    if "ner" not in options.tasks:
        if isinstance(options.bias, Mapping):
            raise OptionError("bias by entity type without the task ner: add it or drop the bias")
        return EntityPlan(True, (), {}, {})
    tags = {normalize_type(tag): tag for tag in labels.entity_types}
    can_close = any(name in ("inline", "suffix", "bio") for name in formats)
    if options.entities is None:
        names, closed = dict(tags), can_close
    else:
        names = {normalize_type(name): name for name in options.entities}
        closed = can_close and set(names) <= set(tags) and not options.mask
    if not closed and not any(name in ("inline-open", "bio") for name in formats):
        unknown = sorted(set(names) - set(tags)) or sorted(names)
        known = ", ".join(labels.entity_types)
        raise OptionError(f"entity type {unknown[0]!r}: this bundle only knows {known}; use an open one")
    ordered = sorted(names)
    passes: tuple[tuple[str, ...] | None, ...]
    if closed:
        passes = (None if options.entities is None else tuple(ordered),)
    else:
        passes = _split(ordered, cost, budget)
    keys = {normalize_type(key): value for key, value in default_bias.items() if key != "*"}
    base = {name: keys.get(name, default_bias.get("*", 0.0)) for name in names}
    return EntityPlan(closed, passes, names, _total_bias(options.bias, base))


def _split(names: Sequence[str], cost: Callable[[str], int], budget: int) -> tuple[tuple[str, ...], ...]:
    """Passes of nearly equal length, none of them longer than what a prompt holds."""
    count = -(-len(names) // TYPES_PER_PASS)
    while True:
        passes = tuple(tuple(names[number::count]) for number in range(count))
        if count >= len(names) or all(sum(map(cost, types)) <= budget for types in passes):
            return passes
        count += 1


def _total_bias(bias: float | Mapping[str, float], base: Mapping[str, float]) -> Mapping[str, float]:
    if not isinstance(bias, Mapping):
        return {name: value + bias for name, value in base.items()}
    for name in bias:
        if name not in base:
            known = ", ".join(sorted(base))
            raise OptionError(f"bias of {name!r}, which is not asked for: the types are {known}")
    return {name: value + bias.get(name, 0.0) for name, value in base.items()}


def check_mask(options: AnalyzeOptions, masking: bool, plan: EntityPlan) -> None:
    """Raises `OptionError` if masking is asked for and the model or the types do not allow it.

    `masking`: whether the model was trained to.
    """
    if not options.mask:
        return
    if not masking:
        raise OptionError(
            "mask: this bundle was not trained to mask while it writes; redact its result instead "
            "(unislu redact, unislu.redact.redact_analysis)"
        )
    if len(plan.passes) > 1:
        raise OptionError(
            f"mask: {len(plan.names)} types do not fit one prompt, and a second pass would write what the "
            "first one masked: name fewer"
        )
