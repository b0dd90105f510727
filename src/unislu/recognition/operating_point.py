"""Operating points: named opener biases that dev data has shown to reach wanted precisions or recalls.

A bundle keeps them in its manifest (`operating_points`); `unislu tune` solves and stores them, the option
`operating_point` of an analysis uses one in place of the bundle's default biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unislu.errors import OptionError
from unislu.sequence.labels import normalize_type

from .request import AnalyzeOptions, EntityPlan


def default_bias(
    options: AnalyzeOptions, default: Mapping[str, float], points: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, float]:
    """The biases an analysis starts from: the bundle's, replaced by those of the operating point asked for.

    Raises:
        OptionError: the bundle has no such point.
    """
    if options.operating_point is None:
        return default
    point = points.get(options.operating_point)
    if point is None:
        known = ", ".join(sorted(points)) or "none"
        raise OptionError(
            f"operating point {options.operating_point!r}: this bundle has {known}; "
            "tune one with `unislu tune`"
        )
    return {normalize_type(key) if key != "*" else key: value for key, value in default.items()} | {
        normalize_type(key): value for key, value in point["bias"].items()
    }


def check_fit(options: AnalyzeOptions, plan: EntityPlan, points: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `OptionError` where a point says nothing about what is asked.

    The same number means another strength in another format, so a point tuned on the closed set does not
    hold for open types, nor the reverse; and none of its types may be asked for.
    """
    name = options.operating_point
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
