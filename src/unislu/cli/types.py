"""List the entity types that a model was trained on, with scores and examples where its bundle has them, and
the presets. Models with open types take any other name too, and descriptions: "drug: a medicine's name".

examples:
  unislu types
  unislu types --bundle my-bundle --format json
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..bundle import Manifest

SCORES = "types"
"""Key of a manifest's `scores`: {type: {"recall", "precision", "support", "examples"}}, each optional."""
_METRICS = ("recall", "precision")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--bundle", "--model", metavar="B", help="model bundle, as for analyze (default: embedded)"
    )
    parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="text or json")


def run(arguments: argparse.Namespace) -> int:
    """Print the types."""
    from ..bundle import open_bundle

    found = listed(open_bundle(arguments.bundle).manifest)
    if arguments.format == "json":
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        width = max(60, shutil.get_terminal_size((100, 24)).columns)
        print("\n".join(lines(found, width)))
    return 0


def listed(manifest: Manifest) -> dict[str, Any]:
    """The types of a bundle, and the presets, as plain data."""
    from ..recognition.presets import PRESETS

    about = manifest.scores.get(SCORES)
    about = about if isinstance(about, Mapping) else {}
    opened = any("open" in name for name in manifest.formats)
    return {
        "model": f"{manifest.name} {manifest.version}",
        "closed": [_type(name, about) for name in manifest.vocabulary["entity_types"]],
        "open": [_type(name.replace("-", " "), about) for name in manifest.types_seen] if opened else [],
        "any_name": opened,
        "presets": {
            name: {"about": preset.about, "types": list(preset.types)} for name, preset in PRESETS.items()
        },
    }


def _type(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    known = about.get(name)
    keys = (*_METRICS, "support", "examples")
    return {"type": name, **{key: known[key] for key in keys if isinstance(known, Mapping) and key in known}}


def lines(found: Mapping[str, Any], width: int) -> Iterator[str]:
    """The types for people."""
    yield f"{found['model']}: the closed set, looked for by default"
    yield from _types(found["closed"], width)
    if found["any_name"]:
        yield f"\nopen types it was trained on ({len(found['open'])}; it takes any other name too)"
        yield from _types(found["open"], width)
    yield "\npresets, e.g. --entities pii"
    for name, preset in found["presets"].items():
        yield f"  {name}: {preset['about']}"
        yield from textwrap.wrap(
            ", ".join(preset["types"]), width, initial_indent="    ", subsequent_indent="    "
        )


def _types(types: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Types with scores or examples one a line, the others together."""
    told = [one for one in types if len(one) > 1]
    if told:
        room = max(len(one["type"]) for one in told)
        yield f"  {'type':<{room}}  recall  precision  entities  examples"
    for one in told:
        recall, precision = (f"{one[key]:.1%}" if key in one else "–" for key in _METRICS)
        count, examples = one.get("support", "–"), " · ".join(map(str, one.get("examples", ())))
        yield f"  {one['type']:<{room}}  {recall:>6}  {precision:>9}  {count:>8}  {examples}".rstrip()
    rest = ", ".join(one["type"] for one in types if len(one) == 1)
    yield from textwrap.wrap(rest, width, initial_indent="  ", subsequent_indent="  ")
