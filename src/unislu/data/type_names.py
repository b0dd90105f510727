"""The names of entity types: synonyms, descriptions, and which of them may mean the same.

One table (`recipes/default-base/types.yml` for the default bundle) says for each type its other names, the
broader types that it is under, the types that it is near to, and sentences about it. Training prompts with
any of the names, and takes as negatives only names that cannot mean a present type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unislu.errors import RecordError, needs
from unislu.sequence.labels import normalize_type

_KEYS = frozenset({"names", "is", "near", "about"})
#: Heads of names that say too little: "name of restaurant" is no person's name.
_VAGUE = frozenset(
    "name number title type item role sign order day rate amount test position rating figure human where "
    "when".split()
)


@dataclass(frozen=True)
class TypeEntry:
    """One type of the table; all names as `normalize_type` writes them, descriptions as they are."""

    name: str
    names: tuple[str, ...]
    """Its own name first, then the others."""
    broader: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class TypeTable:
    """Types by name and by synonym. `entries` and `owner` have normalised keys."""

    entries: Mapping[str, TypeEntry]
    owners: Mapping[str, tuple[str, ...]]
    """Any name: the types that it may mean."""

    @classmethod
    def read(cls, path: Path) -> TypeTable:
        """Read a table.

        Raises:
            RecordError: it is not a table of types, or refers to a type that it does not have.
            MissingDependencyError: PyYAML is not installed.
        """
        with needs("a table of types", "train"):
            import yaml
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise RecordError(f"{path}: expected a mapping of types")
        entries = {}
        for name, value in values.items():
            entry = _entry(str(name), value, path)
            entries[entry.name] = entry
        for entry in entries.values():
            for other in entry.broader:
                if other not in entries:
                    raise RecordError(
                        f"{path}: type {entry.name!r}: `is` names {other!r}, which has no entry"
                    )
        owners: dict[str, tuple[str, ...]] = {}
        for entry in entries.values():
            for name in entry.names:
                owners[name] = (*owners.get(name, ()), entry.name)
        return cls(entries, owners)

    def names(self, type_: str) -> tuple[str, ...]:
        """All names of a type, its own first; a type without entry has its own alone."""
        name = normalize_type(type_)
        return self.entries[name].names if name in self.entries else (name,)

    def descriptions(self, type_: str) -> tuple[str, ...]:
        """Descriptions of a type, possibly none."""
        name = normalize_type(type_)
        return self.entries[name].descriptions if name in self.entries else ()

    def broader(self, type_: str) -> tuple[str, ...]:
        """The broader types of a type, nearest first."""
        found: list[str] = []
        queue = list(self._meanings(normalize_type(type_)))
        while queue:
            for other in self.entries[queue.pop(0)].broader:
                if other not in found:
                    found.append(other)
                    queue.append(other)
        return tuple(found)

    def overlap(self, first: str, second: str) -> bool:
        """Whether two names may mean the same: then neither is a negative where the other is present."""
        one, two = normalize_type(first), normalize_type(second)
        if one == two:
            return True
        ones, twos = set(self._meanings(one)), set(self._meanings(two))
        if ones & twos:
            return True
        above_one = {other for name in ones for other in self.broader(name)}
        above_two = {other for name in twos for other in self.broader(name)}
        if above_one & twos or above_two & ones:
            return True
        return self._near(ones | above_one, twos) or self._near(twos | above_two, ones)

    def to_dict(self) -> dict[str, Any]:
        """The table as a JSON object: each type's names, broader types, near types and descriptions."""
        return {
            entry.name: {key: list(value) for key, value in asdict(entry).items() if key != "name"}
            for entry in self.entries.values()
        }

    def _near(self, ones: set[str], twos: set[str]) -> bool:
        return any(other in twos for name in ones for other in self.entries[name].near)

    def _meanings(self, name: str) -> tuple[str, ...]:
        """The types that a name may mean: by the table, or by the table's longest name at its head."""
        if name in self.owners:
            return self.owners[name]
        return next((self.owners[head] for head in _heads(name) if head in self.owners), ())


def _heads(name: str) -> Iterator[str]:
    """restaurant-phone-number → phone-number, number; date-of-departure → date. Vague ones are left out."""
    words = name.split("-")
    if "of" in words[1:]:
        words = words[: words.index("of", 1)]
        yield from (head for head in ("-".join(words),) if head not in _VAGUE)
    for start in range(1, len(words)):
        head = "-".join(words[start:])
        if head not in _VAGUE:
            yield head


def _entry(name: str, value: Any, path: Path) -> TypeEntry:
    if not isinstance(value, dict) or not set(value) <= _KEYS:
        raise RecordError(
            f"{path}: type {name!r}: expected a mapping with keys of {', '.join(sorted(_KEYS))}"
        )

    def listed(key: str) -> tuple[str, ...]:
        found = value.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise RecordError(f"{path}: type {name!r}: `{key}` is not a list of texts")
        return tuple(found)

    own = normalize_type(name)
    names = dict.fromkeys((own, *(normalize_type(other) for other in listed("names"))))
    return TypeEntry(
        own,
        tuple(names),
        tuple(normalize_type(other) for other in listed("is")),
        tuple(normalize_type(other) for other in listed("near")),
        listed("about"),
    )
