"""From plain YAML values to checked dataclasses: every mistake is a `RecipeError` that names its key."""

from __future__ import annotations

import dataclasses
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from unislu.errors import RecipeError

_T = TypeVar("_T")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        RecipeError: the file cannot be read, is not YAML, or holds something else.
    """
    import yaml

    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"cannot read the recipe {str(path)!r}: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"the recipe {str(path)!r} is not a mapping of keys to values")
    return raw


def override(raw: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set the values of `key=value` strings with dotted keys (`optimizer.lr=1e-4`, `corpora.0.weight=2`)."""
    import yaml

    for line in overrides:
        key, equals, value = line.partition("=")
        if not equals or not key:
            raise RecipeError(f"override {line!r} is not of the form key=value")
        _assign(raw, key.split("."), yaml.safe_load(value), line)


def merge(base: Any, changes: Any) -> Any:
    """`base` with the values of `changes`, mapping by mapping; anything else is replaced."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    return {**base, **{key: merge(base.get(key), value) for key, value in changes.items()}}


def build(kind: type[_T], value: Any) -> _T:
    """An instance of the dataclass `kind`; names and types are checked on the way.

    A union of dataclasses is told apart by their field `kind`, whose default is each one's name; without
    it the first is meant. `${NAME}` in a string is replaced by the environment variable.
    """
    built: _T = _build(kind, value, "")
    return built


def _assign(raw: Any, keys: list[str], value: Any, line: str) -> None:
    *parents, last = keys
    node = raw
    for key in parents:
        if isinstance(node, list):
            if not key.isdigit() or int(key) >= len(node):
                raise RecipeError(f"override {line!r}: no item {key!r} in a list of {len(node)}")
            node = node[int(key)]
        else:
            if node.get(key) is None:
                node[key] = {}
            node = node[key]
        if not isinstance(node, dict | list):
            raise RecipeError(f"override {line!r}: {key!r} holds a value, not keys")
    if not isinstance(node, list):
        node[last] = value
    elif last.isdigit() and int(last) < len(node):
        node[int(last)] = value
    else:
        raise RecipeError(f"override {line!r}: no item {last!r} in a list of {len(node)}")


def _build(kind: Any, value: Any, place: str) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, place)
    if origin is Literal:
        if value not in get_args(kind):
            raise RecipeError(
                f"recipe key {place!r}: {value!r} is none of {', '.join(map(repr, get_args(kind)))}"
            )
        return value
    if origin is tuple:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise RecipeError(f"recipe key {place!r}: expected a list, got {value!r}")
        return tuple(_build(get_args(kind)[0], item, f"{place}.{i}") for i, item in enumerate(items))
    if origin in (typing.Union, types.UnionType):
        options = [option for option in get_args(kind) if option is not type(None)]
        if value is None and len(options) < len(get_args(kind)):
            return None
        return _build(_chosen(options, value, place) if len(options) > 1 else options[0], value, place)
    return _scalar(kind, value, place)


def _dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise RecipeError(f"recipe key {place or 'top level'!r}: expected keys, got {value!r}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(map(str, set(value) - set(hints)))
    if unknown:
        raise RecipeError(
            f"recipe key {_join(place, unknown[0])!r} is unknown; known here: {', '.join(hints)}"
        )
    try:
        return kind(**{k: _build(hints[k], v, _join(place, k)) for k, v in value.items()})
    except TypeError as error:
        raise RecipeError(f"recipe key {place or 'top level'!r}: {error}") from error


def _chosen(options: Sequence[Any], value: Any, place: str) -> Any:
    """The dataclass of a union that `value` names by its key `kind`."""
    names = {str(next(f.default for f in dataclasses.fields(o) if f.name == "kind")): o for o in options}
    name = value.get("kind", next(iter(names))) if isinstance(value, dict) else next(iter(names))
    if name not in names:
        known = ", ".join(names)
        raise RecipeError(f"recipe key {_join(place, 'kind')!r}: {name!r} is none of {known}")
    return names[name]


def _scalar(kind: type, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 5e-5 as a string
        except ValueError:
            pass
    if kind is str and isinstance(value, str):
        expanded = os.path.expandvars(value)
        unset = re.search(r"\$\{(\w+)\}", expanded)
        if unset:
            raise RecipeError(
                f"recipe key {place!r}: the environment variable {unset[1]} of {value!r} is not set"
            )
        return expanded
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise RecipeError(f"recipe key {place!r}: expected {kind.__name__}, got {value!r}")


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
