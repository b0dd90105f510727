"""A request to a model: one value, checked once, that goes from every front end to the decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from inspect import signature
from typing import TYPE_CHECKING, Any, TypedDict

from unislu.errors import OptionError
from unislu.sequence.labels import normalize_type
from unislu.sequence.phrases import Phrase
from unislu.speakers.options import checked_names, checked_speakers, checked_voices
from unislu.vad import Cutting

from .phrases import PhraseLike, checked_phrases
from .presets import apart
from .style import STYLES

if TYPE_CHECKING:
    from unislu.values import Reading

TASKS = ("asr", "ner", "sa")
VADS = ("auto", "silero", "energy")
CHANNELS = ("mix", "split")
MAX_BEAM = 16
MAX_BIAS = 100.0
MAX_TYPES = 500
MAX_TYPE_LENGTH = 64
MAX_DESCRIPTION = 200


class RequestOptions(TypedDict, total=False):
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
    speakers: int | str | None
    speaker_names: Sequence[str]
    voices: Mapping[str, Sequence[float]] | Sequence[tuple[str, Sequence[float]]]
    vocabulary: Sequence[PhraseLike] | None
    descriptions: Mapping[str, str] | Sequence[tuple[str, str]]
    values: bool
    date: str | None
    region: str | None


@dataclass(frozen=True)
class Request:
    """What to recognise; checked, normalised, hashable, and equal to any other request for the same.

    Raises `OptionError` for invalid values.
    """

    tasks: Sequence[str] = TASKS
    """Any of "asr" (transcript), "ner" (entities), "sa" (sentiment)."""
    entities: Sequence[str] | None = None
    """Entity types of any name, spelled as results shall spell them; None = the model's closed set. Names of
    presets stand for their types (`unislu.recognition.presets`), and `drug: a medicine's name` is the type
    `drug` with a description.
    """
    bias: float | Mapping[str, float] | Sequence[tuple[str, float]] = 0.0
    """Added to the logit of entity openers, on top of the bundle's default: one number, or numbers by type. A
    higher bias finds more entities, and fewer of them are right.
    """
    beam: int = 1
    """Beam size; 1 is greedy."""
    style: str = "cased"
    """"cased" (as spoken, with punctuation) or "normalized" (see `unislu.recognition.style`)."""
    constrained: bool = True
    """Let the model write only what parses."""
    words: bool = True
    """Give every word its times; not possible with a bundle exported without alignment outputs."""
    operating_point: str | None = None
    """Name of biases stored in the bundle (`unislu tune`), which replace its default ones."""
    vad: str = "auto"
    """"auto" (Silero VAD for audio longer than a window), "silero" (for short audio too), or "energy"
    (nothing is left out; long audio is cut where it is quiet).
    """
    window: float | None = None
    """Longest window in seconds; None = the bundle's best."""
    pad: float = Cutting.pad
    """Seconds kept around speech."""
    merge: float = Cutting.merge
    """Longest pause in seconds inside a window."""
    channels: str = "mix"
    """"mix", or "split" to transcribe each channel separately."""
    mask: bool = False
    """Let a model that was trained for it (`masking` in its manifest) write `[TYPE]` in place of the words of
    `entities`, so that they never are in its output.
    """
    speakers: int | str | None = None
    """Who speaks: None or "off"; "auto" finds how many speak, a number says it. With separate channels each
    channel is a speaker.
    """
    speaker_names: Sequence[str] = ()
    """Names of the speakers, in the order in which they begin to speak."""
    voices: Mapping[str, Sequence[float]] | Sequence[tuple[str, Sequence[float]]] = ()
    """Known voices by name: embeddings from `unislu.speakers.profile`; who is near one gets its name."""
    descriptions: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    """What some of `entities` are, by their names; models of open types read it with the name."""
    values: bool = False
    """Give entities the value of their words where they have one (`unislu.values`; the extra `values`)."""
    date: str | None = None
    """With `values`: when it was said, as ISO 8601 date or date and time; None = when it is analysed."""
    region: str | None = None
    """With `values`: the speaker's country, as ISO 3166 code (US, GB)."""

    vocabulary: Sequence[PhraseLike] | None = None
    """Names and words to expect, spelled as in the transcript: each a phrase, (phrase, weight) or
    (phrase, weight, entity type). See docs/how-to/vocabulary.md.
    """

    _normal: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)
    """The normalised name of each of `entities`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", _checked_tasks(self.tasks))
        object.__setattr__(self, "bias", _checked_bias(self.bias))
        if self.entities is not None:
            if "ner" not in self.tasks:
                raise OptionError("entities without the task ner: add the task or drop the entities")
            types, described = apart(self.entities, dict(self.descriptions))
            pairs = _checked_types(types)
            object.__setattr__(self, "entities", tuple(name for _, name in pairs))
            object.__setattr__(self, "_normal", tuple(normal for normal, _ in pairs))
            descriptions = {**dict(self.descriptions), **described}
            object.__setattr__(self, "descriptions", _checked_descriptions(descriptions, self._normal))
        elif self.descriptions:
            raise OptionError("descriptions without entities: name the types that they describe")
        else:
            object.__setattr__(self, "descriptions", ())
        if self.vocabulary is not None:
            object.__setattr__(self, "vocabulary", checked_phrases(self.vocabulary))
            if not self.wants_text:
                raise OptionError("vocabulary without a transcript: add the task asr or ner, or drop it")
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
        self._check_speakers()
        window = Cutting.window if self.window is None else self.window
        Cutting(window=window, pad=self.pad, merge=self.merge)  # checks them
        self._check_values()

    def _check_values(self) -> None:
        """Raises `OptionError`, and `MissingDependencyError` if values need what is not installed."""
        if not self.values:
            for name in ("date", "region"):
                if getattr(self, name) is not None:
                    raise OptionError(f"{name} without values: it is for them; ask for values or drop it")
            return
        if "ner" not in self.tasks:
            raise OptionError("values without the task ner: they are values of entities; add the task")
        self.reading()

    def reading(self) -> Reading:
        """How values are read now. Raises as `unislu.values.Reading.of`."""
        from unislu.values import Reading

        return Reading.of(self.date, self.region)

    def _check_speakers(self) -> None:
        object.__setattr__(self, "speakers", checked_speakers(self.speakers))
        object.__setattr__(self, "speaker_names", checked_names(self.speaker_names))
        object.__setattr__(self, "voices", checked_voices(self.voices))
        if self.speakers is None and (self.speaker_names or self.voices):
            raise OptionError("names or voices of speakers without speakers: ask for them, or drop the names")
        if self.voices and self.channels == "split":
            raise OptionError("voices with split channels, which are one speaker each: drop one of the two")
        if self.speakers is not None and not self.wants_text:
            raise OptionError("speakers without a transcript: add the task asr or ner, or drop the speakers")

    @property
    def diarizes(self) -> bool:
        """Whether voices are compared; separate channels tell the speakers apart by themselves."""
        return self.speakers is not None and self.channels != "split"

    @classmethod
    def of(cls, request: Request | None, options: RequestOptions, caller: Callable[..., object]) -> Request:
        """The request given as one value or by its fields.

        Raises `OptionError` for both at once, and `TypeError` for an option that `caller`, which takes the
        fields as keyword arguments, does not have.
        """
        known = [f.name for f in fields(cls) if f.init]
        for name in options:
            if name not in known:
                raise TypeError(_unexpected(name, known, caller))
        if request is None:
            return cls(**options)
        if options:
            raise OptionError(f"a request and {', '.join(options)} as well: put everything into the request")
        return request

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The spelling of each type in results, by its normalised name: the first one given."""
        names: dict[str, str] = {}
        for normal, name in zip(self._normal, self.entities or (), strict=True):
            names.setdefault(normal, name)
        return names

    @property
    def merged(self) -> tuple[tuple[str, str], ...]:
        """Types that were listed more than once: each repetition with the spelling that results use."""
        pairs = enumerate(zip(self._normal, self.entities or (), strict=True))
        repeated = [
            (name, self.names[normal]) for place, (normal, name) in pairs if normal in self._normal[:place]
        ]
        return tuple(dict.fromkeys(repeated))

    @property
    def biases(self) -> float | Mapping[str, float]:
        """`bias`, with the keys normalised."""
        return self.bias if isinstance(self.bias, float) else dict(self.bias)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; `Request(**data)` gives the same request back."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        if self.vocabulary is None:  # settings of earlier runs do not have it
            del plain["vocabulary"]
        return (
            plain
            | {"bias": self.biases, "tasks": list(self.tasks)}
            | ({} if self.entities is None else {"entities": list(self.entities)})
            | {"speaker_names": list(self.speaker_names)}
            | {"voices": {name: list(voice) for name, voice in dict(self.voices).items()}}
            | ({} if self.vocabulary is None else {"vocabulary": [list(entry) for entry in self.phrases]})
            | {"descriptions": dict(self.descriptions)}
        )

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """`vocabulary`, checked."""
        return () if self.vocabulary is None else tuple(self.vocabulary)  # type: ignore[arg-type]

    @property
    def wants_text(self) -> bool:
        """Whether the result holds the transcript; entities need it for their offsets."""
        return "asr" in self.tasks or "ner" in self.tasks


def _unexpected(name: str, known: Sequence[str], caller: Callable[..., object]) -> str:
    """The message for a keyword argument that is no field of a request: the nearest one, or all there are."""
    own = [p.name for p in signature(caller).parameters.values() if p.kind is p.KEYWORD_ONLY]
    close = get_close_matches(name, [*own, *known], n=1)
    remedy = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join([*own, *known])}"
    return f"{caller.__name__}() got an unexpected keyword argument {name!r}: {remedy}"


def _check_point_name(name: object, tasks: Sequence[str]) -> None:
    if not isinstance(name, str) or not name.strip():
        raise OptionError(f"operating_point is {name!r}: give the name of an operating point of the bundle")
    if "ner" not in tasks:
        raise OptionError(f"operating point {name!r} without the task ner: add the task or drop the point")


def _checked_tasks(tasks: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tasks, str):
        raise OptionError(f"tasks is the string {tasks!r}: give a sequence, e.g. ('asr', 'ner')")
    for task in tasks:
        if task not in TASKS:
            raise OptionError(f"unknown task {task!r}: choose from {', '.join(TASKS)}")
    if not tasks:
        raise OptionError(f"no tasks: choose from {', '.join(TASKS)}")
    return tuple(task for task in TASKS if task in tasks)


def _checked_descriptions(
    descriptions: Mapping[str, str], types: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """(normalised type, sentence), sorted."""
    checked = {}
    for name, text in descriptions.items():
        normal = normalize_type(name) if isinstance(name, str) else ""
        if normal not in types:
            raise OptionError(f"description of {name!r}, which is not among the entities: {', '.join(types)}")
        sentence = " ".join(text.split()) if isinstance(text, str) else ""
        if not sentence:
            raise OptionError(f"the description of the entity type {name!r} is empty: write one, or drop it")
        if len(sentence) > MAX_DESCRIPTION or not sentence.isprintable():
            long = len(sentence) > MAX_DESCRIPTION
            what = f"{len(sentence)} characters" if long else "unprintable characters"
            raise OptionError(
                f"the description of the entity type {name!r} has {what}: give a sentence of at most "
                f"{MAX_DESCRIPTION}"
            )
        checked[normal] = sentence
    return tuple(sorted(checked.items()))


def _checked_types(types: Sequence[str]) -> list[tuple[str, str]]:
    """Each type's normalised name and its spelling, in the order given."""
    if isinstance(types, str):
        raise OptionError(f"entities is the string {types!r}: give a sequence, e.g. ['person', 'drug']")
    if not types:
        raise OptionError("entities is empty: list at least one type, or leave it out for the closed set")
    if len(types) > MAX_TYPES:
        raise OptionError(f"{len(types)} entity types: at most {MAX_TYPES} are allowed at once")
    pairs = []
    for name in types:
        normal = normalize_type(name) if isinstance(name, str) else ""
        if not normal:
            what = "is empty" if isinstance(name, str) else "is no string"
            raise OptionError(f"entity type {name!r} {what}: name it")
        if len(normal) > MAX_TYPE_LENGTH:
            raise OptionError(
                f"entity type {normal[:24]!r}… has {len(normal)} characters: at most {MAX_TYPE_LENGTH} are "
                "allowed"
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
