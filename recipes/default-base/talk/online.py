"""E-mail addresses, user names, passwords and web addresses."""

from __future__ import annotations

import re
from random import Random

from talk.names import given_and_family
from talk.registry import part, source
from unislu.data.compose import Value
from unislu.data.spoken import codes, numbers


@source
def email_address(rng: Random, name: str = "") -> Value:
    first, last = (
        (name.lower().split()[0], name.lower().split()[-1]) if name else map(str.lower, given_and_family(rng))
    )
    first, last = re.sub(r"\W", "", first), re.sub(r"\W", "", last)
    user = rng.choice(
        [
            f"{first}.{last}",
            f"{first}.{last}",
            f"{first}|{last}",
            f"{first}_{last}",
            f"{first[0]}|{last}",
            f"{first}.{last}{rng.randint(1, 99)}",
            f"{first}{rng.randint(1, 99)}",
            f"{last}.{first}",
            f"{part('words', rng)}|{part('words', rng)}{rng.randint(1, 99)}",
            f"{part('words', rng)}.{first}",
            f"{first[0]}.{last}",
            rng.choice(
                ["info", "support", "office", "sales", "hello", "accounts", "billing", "contact", "bookings"]
            ),
        ]
    )
    if rng.random() < 0.6:
        domain = part("domains", rng)
    else:
        ending = rng.choice(["tech", "group", "shop", "labs", "media", "care"])
        domain = rng.choice([last, f"{part('words', rng)}{ending}", part("words", rng)])
        domain += rng.choice([".com", ".com", ".org", ".net", ".co.uk", ".io", ".edu", ".de", ".ca"])
    handle = _handle(user, rng)
    return Value(f"{handle.written}@{domain}", f"{handle.said} at {codes.host(domain, rng)}")


def _handle(parts: str, rng: Random) -> Value:
    """A user name; "|" stands between parts that are written together and read apart."""
    spell = 0.12 if len(parts) < 14 else 0.0
    said = codes.handle(parts.replace("|", " "), rng, spell)
    return Value(parts.replace("|", ""), said)


@source
def username(rng: Random, _: str = "") -> Value:
    first, last = map(str.lower, given_and_family(rng))
    return _handle(
        rng.choice(
            [
                f"{first}_{last}",
                f"{first}{rng.randint(10, 99)}",
                f"{first[0]}|{last}",
                f"{part('words', rng)}_{first}",
                f"{part('words', rng)}|{part('words', rng)}{rng.randint(1, 99)}",
                f"{first}.{last}",
                f"{part('words', rng)}-{part('words', rng)}",
                f"{part('words', rng)}|{part('words', rng)}",
                f"{first[0]}|{last}{rng.randint(1, 99)}",
            ]
        ),
        rng,
    )


@source
def password(rng: Random, _: str = "") -> Value:
    word, other, number = part("words", rng), part("words", rng), rng.randint(10, 99)
    written, said = rng.choice(
        [
            (f"{word}{number}", f"{word} {numbers.cardinal(number, rng)}"),
            (f"{word}{other}{number}", f"{word} {other} {numbers.cardinal(number, rng)}"),
            (f"{word}-{other}-{number}", f"{word} dash {other} dash {numbers.cardinal(number, rng)}"),
            (
                f"{word.capitalize()}{number}!",
                f"capital {word[0].upper()}, {word} {numbers.cardinal(number, rng)} exclamation mark",
            ),
            (f"{word}_{other}", f"{word} underscore {other}"),
            (f"{word}20{number}", f"{word} twenty {numbers.cardinal(number, rng)}"),
        ]
    )
    return Value(written, said)


@source
def url(rng: Random, _: str = "") -> Value:
    name = part("words", rng) + rng.choice(
        ["", part("words", rng), "shop", "bank", "health", "travel", "news", "store", "online"]
    )
    host = name + rng.choice([".com", ".com", ".com", ".org", ".net", ".co.uk", ".io", ".gov", ".edu"])
    written = rng.choice(["", "", "www."]) + host
    written += rng.choice(
        ["", "", "", f"/{rng.choice(['help', 'support', 'signup', 'account', 'offers', 'returns', 'jobs'])}"]
    )
    return Value(written, codes.url(written, rng))
