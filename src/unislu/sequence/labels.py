"""Label sets, and the one function that normalises the name of an entity type.

Data, prompts, parsers and metrics all call `normalize_type`: with two different normalisations, published
code in this field scores its own correct output as wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from unislu.errors import OptionError

# Besides blanks and the usual joiners: the comma separates types in a prompt, and the brackets and
# the backslash are delimiters of the plain alphabet, so none of them may be part of a name.
_SEPARATORS = re.compile(r"[\s/:_,;<>\[\](){}\\|-]+")


def normalize_type(name: str) -> str:
    """The normalised name of an entity type, which data, prompts, parsers and metrics compare.

    Lower case; runs of blanks, `/`, `:`, `_`, `-`, commas and brackets become one `-`; none at the
    ends. Idempotent. May be empty, which callers reject.
    """
    return _SEPARATORS.sub("-", name.lower()).strip("-")


@dataclass(frozen=True)
class LabelSet:
    """A closed set of entity types (upper-case tags) and of sentiment labels.

    Raises `OptionError` for empty or duplicate labels, compared after `normalize_type`.
    """

    entity_types: tuple[str, ...]
    sentiments: tuple[str, ...]
    _types: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _sentiments: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_types", _by_name(self.entity_types, "entity type"))
        object.__setattr__(self, "_sentiments", _by_name(self.sentiments, "sentiment"))

    def to_dict(self) -> dict[str, list[str]]:
        """Plain data for manifests."""
        return {"entity_types": list(self.entity_types), "sentiments": list(self.sentiments)}

    def entity_type(self, name: str) -> str | None:
        """The tag whose normalised name is that of `name`: `person` gives `PERSON`. None if there is none."""
        return self._types.get(normalize_type(name))

    def sentiment(self, name: str) -> str | None:
        """The sentiment label of that name in any case. None if there is none."""
        return self._sentiments.get(normalize_type(name))


def _by_name(labels: tuple[str, ...], what: str) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for label in labels:
        name = normalize_type(label)
        if not name:
            raise OptionError(f"empty {what} {label!r} in a label set: give every label a name")
        if name in names:
            raise OptionError(f"duplicate {what} {label!r} in a label set: keep one of them")
        names[name] = label
    return MappingProxyType(names)


SLUE = LabelSet(
    ("LAW", "NORP", "ORG", "PERSON", "PLACE", "QUANT", "WHEN"),
    ("Negative", "Neutral", "Positive", "Mixed"),
)
"""The combined entity types of SLUE-VoxPopuli and the sentiments of SLUE-VoxCeleb."""

ONTONOTES_TO_SLUE: Mapping[str, str | None] = MappingProxyType(
    {
        "DATE": "WHEN",
        "TIME": "WHEN",
        "CARDINAL": "QUANT",
        "ORDINAL": "QUANT",
        "QUANTITY": "QUANT",
        "MONEY": "QUANT",
        "PERCENT": "QUANT",
        "GPE": "PLACE",
        "LOC": "PLACE",
        "NORP": "NORP",
        "ORG": "ORG",
        "LAW": "LAW",
        "PERSON": "PERSON",
        "FAC": None,
        "EVENT": None,
        "WORK_OF_ART": None,
        "PRODUCT": None,
        "LANGUAGE": None,
    }
)
"""SLUE's map from the 18 OntoNotes types; None means: dropped from reference and hypothesis."""
