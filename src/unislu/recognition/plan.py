"""From a request to a plan for every window: passes, each with a format, a prompt and options.

If all types are tags of the closed set, the closed format is used, which knows them best; otherwise the open
one, in several passes if they do not fit one prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unislu.bundle import Manifest
from unislu.decoding import DecodeOptions
from unislu.decoding.phrase_tags import tags_phrases
from unislu.errors import OptionError
from unislu.sequence import Format, LabelSet, Prompt, Target, Vocabulary, normalize_type
from unislu.sequence.format import tags_transcript
from unislu.sequence.prompt import DESCRIBED

from .presets import meant
from .request import Request

TYPES_PER_PASS = 24
"""Prompts in the training data are at most this long; more types need several passes."""
NAMED = 5
"""Phrases that a note names."""


@dataclass(frozen=True)
class Pass:
    """One decoding pass over every window."""

    format: Format
    prompt: Prompt
    options: DecodeOptions


@dataclass(frozen=True)
class Plan:
    """What is done with every window."""

    request: Request
    """The request that it fulfils."""
    passes: tuple[Pass, ...]
    """The decoding passes."""
    names: Mapping[str, str]
    """The spelling of each entity type in results."""
    notes: tuple[str, ...] = ()
    """What a reader of the result must know."""
    untrained: tuple[str, ...] = ()
    """Requested types, as spelled, that the model was not trained on."""
    begin: Target | None = None
    """The known beginning of windows that are still growing. The model continues from there, and output that
    goes wrong is not retried, because the window will come again.
    """


@dataclass(frozen=True)
class EntityPlan:
    """How the requested types become passes over the audio."""

    closed: bool
    """Whether the closed format is used."""
    passes: tuple[tuple[str, ...] | None, ...]
    """The types of each pass, normalised and sorted, so that neither order nor case changes the result; None
    = the whole closed set; no pass = entities were not requested.
    """
    names: Mapping[str, str]
    """The spelling of each type in results."""
    bias: Mapping[str, float]
    """For each type the bias on its opener's logit."""


def resolve(
    request: Request,
    manifest: Manifest,
    vocabulary: Vocabulary,
    formats: Sequence[Format],
    max_tokens: int | None = None,
) -> Plan:
    """How a bundle fulfils a request.

    Args:
        request: what to recognise.
        manifest: of the bundle.
        vocabulary: of the bundle.
        formats: those that the bundle writes, the default first.
        max_tokens: positions of the engine's decoder.

    Raises:
        OptionError: the bundle has no format for the types, was not trained to mask, or has no such operating
            point, or one for other types.
    """
    settings, points = manifest.decoder, manifest.operating_points
    room = settings.max_positions if max_tokens is None else min(settings.max_positions, max_tokens)
    encode, described = vocabulary.tokenizer.encode, dict(request.descriptions)
    entities = plan_entities(
        request,
        vocabulary.labels,
        closed=any(fmt.closed for fmt in formats),
        opened=any(fmt.open for fmt in formats),
        default_bias=default_bias(request, settings.bias, points),
        cost=lambda name: len(encode(f" {name}: {described[name]}," if name in described else f" {name},")),
        budget=room // 2,
    )
    _check_point(request, entities, points)
    _check_mask(request, manifest.masking, entities)
    decode = DecodeOptions(
        beam=request.beam,
        # Neither the openers nor the grammar know what a masked entity looks like.
        bias={} if request.mask else entities.bias,
        label_bias=settings.sentiment_bias,
        phrases=request.phrases,
        constrained=request.constrained and not request.mask,
        align=request.words and request.wants_text,
    )
    fmt = _format(request, entities, formats)
    always = settings.tag_always and tags_transcript(formats[0])
    passes = tuple(
        Pass(fmt, _prompt(request, manifest, vocabulary.labels, types, always, first=number == 0), decode)
        for number, types in enumerate(entities.passes or (None,))
    )
    notes = []
    for name, first in request.merged:
        notes.append(f"the entity type {name!r} is listed twice: as {first!r} before")
    if len(passes) > 1:
        count = len(entities.names)
        notes.append(f"{count} entity types do not fit one prompt: decoded in {len(passes)} passes")
    untrained = _untrained(entities, manifest, vocabulary.labels)
    if untrained:
        named = ", ".join(map(repr, untrained))
        note = f"the model was not trained on the entity types {named}: it may miss most of them"
        close = [(name, preset) for name in untrained if (preset := meant(name)) is not None]
        hints = [f"{name!r}: did you mean the preset {preset}?" for name, preset in close]
        notes.append("; ".join([note, *hints]))
    notes += _phrase_notes(request, entities, fmt, vocabulary)
    return Plan(request, passes, entities.names, tuple(notes), untrained)


def _untrained(entities: EntityPlan, manifest: Manifest, labels: LabelSet) -> tuple[str, ...]:
    """The requested types that were not in the training data; none if the bundle does not list them."""
    if entities.closed or not manifest.types_seen:
        return ()
    seen = {*manifest.types_seen, *map(normalize_type, labels.entity_types)}
    return tuple(sorted(name for normal, name in entities.names.items() if normal not in seen))


def _phrase_notes(
    request: Request, entities: EntityPlan, fmt: Format, vocabulary: Vocabulary
) -> Iterator[str]:
    """Which phrases of the vocabulary, or their types, have no effect."""
    strange = [
        phrase.text for phrase in request.phrases if vocabulary.characters.isdisjoint(_letters(phrase.text))
    ]
    if strange:
        yield (
            f"vocabulary: the model has no letters for {_some(list(map(repr, strange)))}: it was not made "
            "for that script and will hardly write it"
        )
    typed = {phrase.type for phrase in request.phrases if phrase.type}
    types = [name for name in typed if normalize_type(name) in entities.names]
    if types and not tags_phrases(fmt):
        yield (
            f"vocabulary: the types of phrases ({_some(sorted(types))}) have no effect: this bundle's format "
            f"{fmt.name} cannot put tags around them"
        )


def _letters(text: str) -> Iterator[str]:
    return filter(str.isalnum, text)


def _some(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _format(request: Request, entities: EntityPlan, formats: Sequence[Format]) -> Format:
    if request.mask:  # only if entities stand in the transcript can their words be left out of it
        return next(fmt for fmt in formats if fmt.open and fmt.inside and not fmt.closed)
    if not entities.passes:
        return formats[0]
    return next(fmt for fmt in formats if (fmt.closed if entities.closed else fmt.open))


def _prompt(
    request: Request,
    manifest: Manifest,
    labels: LabelSet,
    types: tuple[str, ...] | None,
    always: bool,
    first: bool,
) -> Prompt:
    """`always`: tags are written even if they were not requested; the result leaves them out."""
    tasks = {"ner"} if always or "ner" in request.tasks else set[str]()
    # The sentiment does not depend on the types: it is read once, if the model has sentiments.
    if first and labels.sentiments:
        tasks |= {"sa"} & set(request.tasks)
    said = tuple((name, text) for name, text in dict(request.descriptions).items() if name in (types or ()))
    return Prompt(frozenset(tasks), types, manifest.languages[0], request.mask, said)


def plan_entities(
    request: Request,
    labels: LabelSet,
    *,
    closed: bool,
    opened: bool,
    default_bias: Mapping[str, float],
    cost: Callable[[str], int] = len,
    budget: int = 224,
) -> EntityPlan:
    """Choose between closed and open types and split the types over passes.

    Args:
        request: what to recognise.
        labels: the closed set.
        closed: whether the bundle writes closed types.
        opened: whether it writes open types.
        default_bias: by closed tag or open type, "*" for the others.
        cost: tokens of a type's name in a prompt.
        budget: tokens that one prompt may have.

    Raises:
        OptionError: the bundle has no format for the types, or `bias` names a type that is not requested.
    """
    if "ner" not in request.tasks:
        if request.bias:
            raise OptionError("bias without the task ner: it is for entities; add the task or drop the bias")
        return EntityPlan(True, (), {}, {})
    tags = {normalize_type(tag): tag for tag in labels.entity_types}
    names = tags if request.entities is None else request.names
    # The closed format writes tags and reads no descriptions.
    known = closed and set(names) <= set(tags) and not request.mask and not request.descriptions
    if not known and not opened:
        unknown = sorted(set(names) - set(tags)) or sorted(names)
        listed = ", ".join(labels.entity_types)
        raise OptionError(
            f"entity type {unknown[0]!r}: this bundle only has the types {listed}; use a bundle with open "
            "types"
        )
    ordered = sorted(names)
    passes: tuple[tuple[str, ...] | None, ...]
    if known:
        passes = (None if request.entities is None else tuple(ordered),)
    else:
        described = [name for name in ordered if name in dict(request.descriptions)]
        others = [name for name in ordered if name not in described]
        if len(ordered) <= DESCRIBED or not described:
            passes = _split(ordered, cost, budget)
        else:
            passes = _split(described, cost, budget, DESCRIBED) + _split(others, cost, budget)
    keys = {normalize_type(key): value for key, value in default_bias.items() if key != "*"}
    base = {name: keys.get(name, default_bias.get("*", 0.0)) for name in names}
    return EntityPlan(known, passes, names, _total_bias(request.biases, base))


def _split(
    names: Sequence[str], cost: Callable[[str], int], budget: int, most: int = TYPES_PER_PASS
) -> tuple[tuple[str, ...], ...]:
    """Passes of nearly equal length, none of them longer than a prompt may be."""
    if not names:
        return ()
    count = -(-len(names) // most)
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
            raise OptionError(f"bias of {name!r}, which is not among the requested types: {known}")
    return {name: value + bias.get(name, 0.0) for name, value in base.items()}


def default_bias(
    request: Request, default: Mapping[str, float], points: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, float]:
    """The biases that a request starts from: the bundle's, or those of the requested operating point.

    Raises:
        OptionError: the bundle has no such point.
    """
    if request.operating_point is None:
        return default
    point = points.get(request.operating_point)
    if point is None:
        known = ", ".join(sorted(points)) or "none"
        raise OptionError(
            f"operating point {request.operating_point!r}: this bundle has {known}; "
            "tune one with `unislu tune`"
        )
    return {normalize_type(key) if key != "*" else key: value for key, value in default.items()} | {
        normalize_type(key): value for key, value in point["bias"].items()
    }


def _check_point(request: Request, plan: EntityPlan, points: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `OptionError` if an operating point does not apply to the request.

    The same bias has different effects in different formats, so a point tuned on the closed set does not
    apply to open types, nor the reverse; nor does a point whose types are not among those requested.
    """
    name = request.operating_point
    if name is None:
        return
    point = points[name]
    types = sorted(normalize_type(key) for key in point["bias"])
    if (point["entities"] is None) != plan.closed:
        tuned = "the closed set" if point["entities"] is None else "open types"
        asked = "the closed set is" if plan.closed else "open types are"
        raise OptionError(
            f"operating point {name!r} was tuned on {tuned}, but {asked} requested: tune another with "
            "`unislu tune --entities`, or give --bias"
        )
    if not set(types) & set(plan.names):
        raise OptionError(
            f"operating point {name!r} was tuned for {', '.join(types)}, none of which is requested"
        )


def _check_mask(request: Request, masking: bool, plan: EntityPlan) -> None:
    """Raises `OptionError` if masking is requested but the model or the types do not allow it."""
    if not request.mask:
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
