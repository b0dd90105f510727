"""Streets, addresses and postcodes."""

from __future__ import annotations

from random import Random

from talk.names import fake, given_and_family
from talk.registry import SOURCES, ordinal, part, same, source
from unislu.data.compose import Value
from unislu.data.spoken import codes, numbers


def _house(rng: Random) -> tuple[str, str]:
    number = rng.choice([rng.randint(1, 99), rng.randint(1, 250), rng.randint(100, 9999)])
    text = str(number)
    if number < 100:
        return text, numbers.cardinal(number, rng)
    if rng.random() < 0.75:
        head, tail = text[:-2], text[-2:]
        last = (
            codes.digits(tail, rng) if tail[0] == "0" and tail != "00" else numbers.cardinal(int(tail), rng)
        )
        return text, f"{numbers.cardinal(int(head), rng)} {'hundred' if tail == '00' else last}"
    return text, codes.digits(text, rng)


@source
def street(rng: Random, _: str = "") -> Value:
    kind = rng.random()
    if kind < 0.6:
        written = f"{part('streets', rng)} {part('roads', rng)}"
    elif kind < 0.75:
        written = f"{given_and_family(rng)[1]} {part('roads', rng)}"
    elif kind < 0.88:
        number, road = rng.randint(1, 120), rng.choice(["Street", "Avenue"])
        return Value(f"{ordinal(number)} {road}", f"{numbers.ordinal(number)} {road}")
    else:
        side = rng.choice(["North", "South", "East", "West"])
        written = f"{side} {part('streets', rng)} {part('roads', rng)}"
    return same(written)


@source
def street_address(rng: Random, _: str = "") -> Value:
    (number, said), road = _house(rng), street(rng)
    written, spoken = f"{number} {road.written}", f"{said} {road.said}"
    if rng.random() < 0.2:
        unit, count = rng.choice(["Apartment", "Flat", "Suite", "Unit"]), rng.randint(1, 30)
        letter = rng.choice(["", "", "A", "B", "C"])
        flat = f"{unit} {count}{letter}", f"{unit} {numbers.cardinal(count, rng)} {letter}".strip()
        if unit == "Flat":
            return Value(f"{flat[0]}, {written}", f"{flat[1]}, {spoken}")
        return Value(f"{written}, {flat[0]}", f"{spoken}, {flat[1]}")
    return Value(written, spoken)


@source
def postcode(rng: Random, _: str = "") -> Value:
    kind = rng.random()
    if kind < 0.65:
        written = f"{rng.randint(501, 99950):05d}"
        return Value(written, codes.digits(written, rng))
    if kind < 0.9:
        written = fake(rng, "en_GB").postcode()
        return Value(written, codes.spelled(written, rng).replace(", ", " "))
    written = fake(rng, "en_CA").postcode()
    return Value(written, codes.spelled(written, rng).replace(", ", " "))


@source
def address(rng: Random, _: str = "") -> Value:
    """A street address, mostly with its city, now and then with state and code."""
    place, kind = street_address(rng), rng.random()
    if kind < 0.45:
        return place
    if kind < 0.75:
        town = SOURCES["city"](rng, "")
        return Value(f"{place.written}, {town.written}", f"{place.said}, {town.said}")
    if kind < 0.8:
        town, code = SOURCES["city"](rng, ""), fake(rng, "en_GB").postcode()
        said = codes.spelled(code, rng).replace(",", "")
        return Value(f"{place.written}, {town.written} {code}", f"{place.said}, {town.said}, {said}")
    town = SOURCES["us city"](rng, "").written
    state = SOURCES["state of"](rng, town).written
    written, said = f"{place.written}, {town}, {state}", f"{place.said}, {town}, {state}"
    if kind < 0.92:
        return Value(written, said)
    code = f"{rng.randint(10000, 99950)}"
    return Value(f"{written} {code}", f"{said} {codes.digits(code, rng)}")
