"""Sets of entity types that people ask for together, under one name (docs/how-to/presets.md)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from unislu.errors import OptionError
from unislu.sequence.labels import normalize_type

_DESCRIBED = re.compile(r"\s*([^:]*?)\s*:\s+(.*)", re.DOTALL)


@dataclass(frozen=True)
class Preset:
    """A set of types; all fit one prompt."""

    about: str
    types: tuple[str, ...]


def _preset(about: str, types: str) -> Preset:
    return Preset(about, tuple(name.strip() for name in types.split(",")))


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "pii": _preset(
            "what tells who somebody is, or lets others act in their name",
            "person, date of birth, age, phone number, email address, address, postcode, username, "
            "password, pin, social security number, national insurance number, tax id, passport "
            "number, driver license number, license plate, medical record number, member id, ip "
            "address, credit card number, card expiry date, card security code, bank account number, "
            "iban",
        ),
        "pci": _preset(
            "cardholder data and sensitive authentication data of PCI DSS",
            "credit card number, card expiry date, card security code, pin, person",
        ),
        "phi": _preset(
            "the identifiers that HIPAA's safe harbour removes, as far as they are said",
            "person, doctor, hospital, date, date of birth, age, address, city, postcode, phone "
            "number, email address, social security number, medical record number, member id, account "
            "number, driver license number, license plate, vehicle identification number, serial "
            "number, url, ip address",
        ),
        "meeting": _preset(
            "who does what by when",
            "person, job title, organization, project, product, date, time, duration, money, percent, "
            "location, event",
        ),
        "news": _preset(
            "who, where, when and how much",
            "person, organization, location, nationality, event, law, product, work of art, date, "
            "time, money, percent, quantity",
        ),
    }
)


def apart(entities: Sequence[str], described: Collection[str] = ()) -> tuple[Sequence[str], dict[str, str]]:
    """The types, presets expanded, and the descriptions that stood behind a colon and a blank.

    `described`: names with a description given elsewhere; such a name is a type, whatever it looks like.
    """
    if isinstance(entities, str):
        return entities, {}
    parts = [_DESCRIBED.fullmatch(name) if isinstance(name, str) else None for name in entities]
    names = [name if part is None else part[1] for name, part in zip(entities, parts, strict=True)]
    found = {part[1]: part[2] for part in parts if part is not None}
    return expand(names, literal={normalize_type(name) for name in (*found, *described)}), found


def expand(types: Sequence[str], literal: Collection[str] = ()) -> Sequence[str]:
    """The types with each preset's name replaced by its types; a type that is there already is not repeated.

    `literal`: normalised names that are types, whatever they look like. What is no sequence of names is
    returned as it is.
    """
    if isinstance(types, str):
        return types
    named = [name for name in types if _preset_of(name, literal) is not None]
    if not named:
        return types
    known = {normalize_type(name) for name in types if isinstance(name, str) and name not in named}
    found: list[str] = []
    for name in types:
        preset = _preset_of(name, literal)
        for type_ in [name] if preset is None else preset.types:
            if preset is None or normalize_type(type_) not in known:
                found.append(type_)
                known.add(normalize_type(type_))
    return found


def _preset_of(name: object, literal: Collection[str]) -> Preset | None:
    if not isinstance(name, str) or normalize_type(name) in literal:
        return None
    return PRESETS.get(_key(name))


def preset(name: str) -> Preset:
    """The preset of that name. Raises `OptionError` for an unknown one."""
    found = PRESETS.get(_key(name))
    if found is None:
        close = meant(name)
        choose = f", did you mean {close}? Choose" if close else "; choose"
        raise OptionError(f"preset {name!r} is unknown{choose} from {', '.join(PRESETS)}")
    return found


def meant(name: str) -> str | None:
    """The preset whose name is nearly that; none for a type of a preset, which is meant as it is (`pin`)."""
    if any(_key(name) in one.types for one in PRESETS.values()):
        return None
    return next(iter(get_close_matches(_key(name), list(PRESETS), n=1, cutoff=0.6)), None)


def _key(name: str) -> str:
    return name.strip().lower()
