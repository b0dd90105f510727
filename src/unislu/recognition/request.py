"""What can be asked of a model: one value, checked once, that flows from every front end to the decoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, TypedDict

from unislu.errors import OptionError
from unislu.sequence.labels import normalize_type
from unislu.vad import Cutting

from .style import STYLES

TASKS = ("asr", "ner", "sa")
VADS = ("auto", "silero", "energy")
CHANNELS = ("mix", "split")
MAX_BEAM = 16
MAX_BIAS = 100.0
MAX_TYPES = 500
MAX_TYPE_LENGTH = 64


class Options(TypedDict, total=False):
    """The fields of a `Request`, as keyword arguments."""

    tasks: Sequence[str]
    entities: Sequence[str] | None
    bias: float | Mapping[str, float]
    beam: int
    style: str
    constrained: bool
    words: bool
    operating_point: str | None
    vad: str
    window: float | None
    pad: float
    merge: float
    channels: str
    mask: bool


@dataclass(frozen=True)
class Request:
    """What is asked for, checked and in one spelling; hashable, equal for what is asked alike.

    Raises `OptionError` for every value that makes no sense.

    tasks: any of "asr", "ner", "sa".
    entities: open entity types in any spelling, which results keep; None for the model's closed set.
    bias: added to the logit of entity openers, on top of the bundle's default: one number, or one
        for each of some types. More finds more entities, fewer of them right.
    beam: beam size; 1 is greedy.
    style: "cased" (as spoken, with punctuation) or "normalized" (see `unislu.recognition.style`).
    constrained: let the model write only what parses.
    words: give every word its times; a bundle exported without alignment outputs cannot.
    operating_point: name of biases stored in the bundle (`unislu tune`); they replace its default ones.
    vad: "auto" (Silero VAD for audio that is longer than a window), "silero" (for short audio too), or
        "energy" (nothing is left out; long audio is cut where it is quiet).
    window: longest window in seconds; None = the bundle's best.
    pad, merge: seconds kept around speech, and the longest pause inside a window.
    channels: "mix", or "split" to transcribe each channel separately.
    mask: let a model that was trained to (`masking` in its manifest) write `[TYPE]` in place of the words
        of `entities`, so that they are never in its memory.
    """

    tasks: Sequence[str] = TASKS
    entities: Sequence[str] | None = None
    bias: float | Mapping[str, float] | Sequence[tuple[str, float]] = 0.0
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

    _normal: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)
    """The normalised name of each of `entities`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", _checked_tasks(self.tasks))
        object.__setattr__(self, "bias", _checked_bias(self.bias))
        if self.entities is not None:
            if "ner" not in self.tasks:
                raise OptionError("entities were asked for without the task ner: add it or drop them")
            pairs = _checked_types(self.entities)
            object.__setattr__(self, "entities", tuple(name for _, name in pairs))
            object.__setattr__(self, "_normal", tuple(normal for normal, _ in pairs))
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
        window = Cutting.window if self.window is None else self.window
        Cutting(window=window, pad=self.pad, merge=self.merge)  # checks them

    @classmethod
    def of(cls, request: Request | None, options: Options) -> Request:
        """A request given as one value, or by its fields. Raises `OptionError` for both at once."""
        if request is None:
            return cls(**options)
        if options:
            raise OptionError(f"a request and {', '.join(options)} besides: put everything in the request")
        return request

    @cached_property
    def names(self) -> Mapping[str, str]:
        """How results spell each type of `entities`, by its normalised name: as it was given first."""
        names: dict[str, str] = {}
        for normal, name in zip(self._normal, self.entities or (), strict=True):
            names.setdefault(normal, name)
        return names

    @property
    def merged(self) -> tuple[tuple[str, str], ...]:
        """Types that were given more than once: each repetition with the spelling that results use."""
        pairs = enumerate(zip(self._normal, self.entities or (), strict=True))
        repeated = [
            (name, self.names[normal]) for place, (normal, name) in pairs if normal in self._normal[:place]
        ]
        return tuple(dict.fromkeys(repeated))

    @property
    def biases(self) -> float | Mapping[str, float]:
        """`bias` with the numbers by normalised type."""
        return self.bias if isinstance(self.bias, float) else dict(self.bias)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; `Request(**data)` gives the same request back."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return (
            plain
            | {"bias": self.biases, "tasks": list(self.tasks)}
            | ({} if self.entities is None else {"entities": list(self.entities)})
        )

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


def _checked_types(types: Sequence[str]) -> list[tuple[str, str]]:
    """Each type's normalised name and its spelling, in the order given."""
    if isinstance(types, str):
        raise OptionError(f"entities is the string {types!r}: give a sequence, e.g. ['person', 'drug']")
    if not types:
        raise OptionError("entities is empty: name at least one type, or leave it out for the closed set")
    if len(types) > MAX_TYPES:
        raise OptionError(f"{len(types)} entity types: at most {MAX_TYPES} can be asked for at once")
    pairs = []
    for name in types:
        normal = normalize_type(name) if isinstance(name, str) else ""
        if not normal:
            what = "is empty" if isinstance(name, str) else "is no string"
            raise OptionError(f"entity type {name!r} {what}: name it")
        if len(normal) > MAX_TYPE_LENGTH:
            raise OptionError(
                f"entity type {normal[:24]!r}… has {len(normal)} characters: at most {MAX_TYPE_LENGTH} fit"
            )
        pairs.append((normal, name.strip()))
    return pairs


def _checked_bias(
    bias: float | Mapping[str, float] | Sequence[tuple[str, float]],
) -> float | tuple[tuple[str, float], ...]:
    if isinstance(bias, tuple):
        bias = dict(bias)
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
    return tuple(sorted(checked.items()))


def _checked_number(value: object, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or abs(value) > MAX_BIAS:  # type: ignore[arg-type]
        raise OptionError(f"{what} is {value!r}: give a number from -{MAX_BIAS:.0f} to {MAX_BIAS:.0f}")
    return float(value)  # type: ignore[arg-type]
