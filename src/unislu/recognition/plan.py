"""From a request to what is done with every window: passes, each with a format, a prompt and its options.

Types that all name tags of the closed set are asked for in the closed format, which knows them best; anything
else in the open one, in several passes where they do not fit one prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unislu.bundle import Manifest
from unislu.decoding import DecodeOptions
from unislu.errors import OptionError
from unislu.sequence import Format, LabelSet, Prompt, Target, Vocabulary, normalize_type
from unislu.sequence.format import tags_transcript

from .request import Request

TYPES_PER_PASS = 24
"""Prompts of the training data are at most this long; more types are asked for in several passes."""


@dataclass(frozen=True)
class Pass:
    """One decoding of every window."""

    format: Format
    prompt: Prompt
    options: DecodeOptions


@dataclass(frozen=True)
class Plan:
    """What is done with every window.

    names: how results spell each entity type. notes: what the reader of the result must know. untrained:
    the types, as they were asked for, that the model was not trained on. begin: what the windows, which still
    grow, are known to begin with; the model goes on from there, and output that goes wrong is left at that,
    for there will be another.
    """

    request: Request
    passes: tuple[Pass, ...]
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()
    begin: Target | None = None


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


def resolve(
    request: Request,
    manifest: Manifest,
    vocabulary: Vocabulary,
    formats: Sequence[Format],
    max_tokens: int | None = None,
) -> Plan:
    """What a bundle does for a request.

    Args:
        request: what is asked for.
        manifest: of the bundle.
        vocabulary: of the bundle.
        formats: those that the bundle writes, the default first.
        max_tokens: positions of the engine's decoder.

    Raises:
        OptionError: the bundle has no format for the types, was not trained to mask, or has no such operating
            point, or one for something else.
    """
    settings, points = manifest.decoder, manifest.operating_points
    room = settings.max_positions if max_tokens is None else min(settings.max_positions, max_tokens)
    encode = vocabulary.tokenizer.encode
    entities = plan_entities(
        request,
        vocabulary.labels,
        closed=any(fmt.closed for fmt in formats),
        opened=any(fmt.open for fmt in formats),
        default_bias=default_bias(request, settings.bias, points),
        cost=lambda name: len(encode(f" {name},")),
        budget=room // 2,
    )
    _check_point(request, entities, points)
    _check_mask(request, manifest.masking, entities)
    decode = DecodeOptions(
        beam=request.beam,
        # What a masked entity looks like, neither the openers nor the grammar know.
        bias={} if request.mask else entities.bias,
        label_bias=settings.sentiment_bias,
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
        notes.append(f"the entity type {name!r} is {first!r}, which was asked for already")
    if len(passes) > 1:
        count = len(entities.names)
        notes.append(f"{count} entity types do not fit one prompt: decoded in {len(passes)} passes")
    untrained = _untrained(entities, manifest, vocabulary.labels)
    if untrained:
        named = ", ".join(map(repr, untrained))
        notes.append(f"the model was not trained on the entity types {named}: it may miss most of them")
    return Plan(request, passes, entities.names, tuple(notes), untrained)


def _untrained(entities: EntityPlan, manifest: Manifest, labels: LabelSet) -> tuple[str, ...]:
    """The types asked for that were not in the training data; none where a bundle does not say what was."""
    if entities.closed or not manifest.types_seen:
        return ()
    seen = {*manifest.types_seen, *map(normalize_type, labels.entity_types)}
    return tuple(sorted(name for normal, name in entities.names.items() if normal not in seen))


def _format(request: Request, entities: EntityPlan, formats: Sequence[Format]) -> Format:
    if request.mask:  # only where entities stand in the transcript can their words be left out of it
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
    """`always`: tags are written even when nobody asked; the result leaves them out."""
    tasks = {"ner"} if always or "ner" in request.tasks else set[str]()
    # The sentiment does not depend on the types: it is read once, where the model knows any.
    if first and labels.sentiments:
        tasks |= {"sa"} & set(request.tasks)
    return Prompt(frozenset(tasks), types, manifest.languages[0], request.mask)


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
        request: what is asked for.
        labels: the closed set.
        closed: whether the bundle writes closed types.
        opened: whether it writes open ones.
        default_bias: by closed tag or open type, "*" for the others.
        cost: tokens of a type's name in a prompt.
        budget: tokens that one prompt may have.

    Raises:
        OptionError: the bundle has no format for the types, or `bias` names a type that is not asked for.
    """
    if "ner" not in request.tasks:
        if isinstance(request.biases, Mapping):
            raise OptionError("bias by entity type without the task ner: add it or drop the bias")
        return EntityPlan(True, (), {}, {})
    tags = {normalize_type(tag): tag for tag in labels.entity_types}
    names = tags if request.entities is None else request.names
    known = closed and set(names) <= set(tags) and not request.mask
    if not known and not opened:
        unknown = sorted(set(names) - set(tags)) or sorted(names)
        listed = ", ".join(labels.entity_types)
        raise OptionError(f"entity type {unknown[0]!r}: this bundle only knows {listed}; use an open one")
    ordered = sorted(names)
    passes: tuple[tuple[str, ...] | None, ...]
    if known:
        passes = (None if request.entities is None else tuple(ordered),)
    else:
        passes = _split(ordered, cost, budget)
    keys = {normalize_type(key): value for key, value in default_bias.items() if key != "*"}
    base = {name: keys.get(name, default_bias.get("*", 0.0)) for name in names}
    return EntityPlan(known, passes, names, _total_bias(request.biases, base))


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


def default_bias(
    request: Request, default: Mapping[str, float], points: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, float]:
    """The biases a request starts from: the bundle's, replaced by those of its operating point.

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
    """Raises `OptionError` where a point says nothing about what is asked.

    The same number means another strength in another format, so a point tuned on the closed set does not
    hold for open types, nor the reverse; and none of its types may be asked for.
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
            f"operating point {name!r} was tuned on {tuned} and {asked} asked for: "
            "tune another with `unislu tune --entities`, or give --bias"
        )
    if not set(types) & set(plan.names):
        raise OptionError(
            f"operating point {name!r} was tuned for {', '.join(types)}, none of which is asked for"
        )


def _check_mask(request: Request, masking: bool, plan: EntityPlan) -> None:
    """Raises `OptionError` if masking is asked for and the model or the types do not allow it."""
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
