"""Digits, letters, e-mail addresses and web addresses as people read them out."""

from __future__ import annotations

import random
import re

from unislu.data.spoken.numbers import DIGITS, cardinal

#: The NATO alphabet and what people say instead of it.
NATO = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    "Alpha Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliet Kilo Lima Mike November Oscar Papa "
    "Quebec Romeo Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu").split(), strict=True))  # fmt: skip
SIGNS = {".": "dot", "@": "at", "-": "dash", "_": "underscore", "/": "slash", ":": "colon", "+": "plus",
         "#": "hash", "!": "exclamation mark", "*": "star", "$": "dollar sign", "&": "and",
         "?": "question mark", "%": "percent sign", "=": "equals"}  # fmt: skip
_TLDS = frozenset("com org net info".split())


def digits(text: str, rng: random.Random, *, oh: float = 0.5, doubles: float = 0.0) -> str:
    """Digits one by one. `oh`: how likely all zeros are "oh"; `doubles`: how likely "double five" is said."""
    zero = "oh" if rng.random() < oh else "zero"
    doubled = rng.random() < doubles
    said, at = [], 0
    while at < len(text):
        run = len(text) - at - len(text[at:].lstrip(text[at]))
        word = zero if text[at] == "0" else DIGITS[int(text[at])]
        if doubled and run in (2, 3):
            said.append(f"{'double' if run == 2 else 'triple'} {word}")
            at += run
        else:
            said.append(word)
            at += 1
    return " ".join(said)


def digit_groups(text: str, rng: random.Random, *, pairs: float = 0.0, doubles: float = 0.0) -> str:
    """Groups of digits divided by blanks, hyphens or brackets, with a pause between them.

    With probability `pairs` groups of four are read as two numbers: 4815 → "forty-eight fifteen".
    """
    groups = re.findall(r"\d+", text)
    in_pairs = rng.random() < pairs
    oh = float(rng.random() < 0.5)
    said = []
    for group in groups:
        if in_pairs and len(group) == 4 and "0" not in (group[0], group[2]):
            said.append(f"{cardinal(int(group[:2]), rng)} {cardinal(int(group[2:]), rng)}")
        elif in_pairs and group in ("800", "900", "500"):
            said.append(f"{cardinal(int(group[0]), rng)} hundred")
        else:
            said.append(digits(group, rng, oh=oh, doubles=doubles))
    plus = "plus " if text.startswith("+") else ""
    return plus + ", ".join(said)


def spelled(text: str, rng: random.Random, *, nato: float = 0.0, doubles: float = 0.0) -> str:
    """Letters, digits and signs of a code one by one, with a pause where it is divided."""
    with_nato = rng.random() < nato
    oh = float(rng.random() < 0.3)
    said = []
    for group in re.split(r"[\s\-]+", text):
        words = []
        for part in re.findall(r"\d+|[^\d]", group):
            if part.isdecimal():
                words.append(digits(part, rng, oh=oh, doubles=doubles))
            elif part.isalpha():
                words.append(_letter(part, with_nato, rng))
            elif part in SIGNS:
                words.append(SIGNS[part])
        said.append(" ".join(words))
    return ", ".join(said)


def _letter(letter: str, with_nato: bool, rng: random.Random) -> str:
    upper = letter.upper()
    if not with_nato or upper not in NATO:
        return upper
    return rng.choice([NATO[upper], f"{upper} for {NATO[upper]}", f"{upper} as in {NATO[upper]}"])


def email(address: str, rng: random.Random, *, spell: float = 0.1) -> str:
    """jane.doe@example.com → jane dot doe at example dot com."""
    user, _, domain = address.partition("@")
    return f"{handle(user, rng, spell)} at {host(domain, rng)}"


def url(address: str, rng: random.Random) -> str:
    """www.example.com/help → (double u, double u, double u dot) example dot com slash help."""
    bare = re.sub(r"^https?://", "", address, flags=re.IGNORECASE)
    name, *rest = bare.rstrip("/").split("/")
    said = host(name, rng)
    return " slash ".join([said, *(handle(part, rng, 0.0) for part in rest if part)])


def host(domain: str, rng: random.Random) -> str:
    """The parts of a host name, with "dot" between them; short unusual endings are spelled."""
    parts = domain.split(".")
    said = []
    for index, part in enumerate(parts):
        if part.lower() == "www":
            said.append(rng.choice(["double-u double-u double-u", "W W W"]))
        elif index and index == len(parts) - 1 and part.lower() not in _TLDS and len(part) <= 3:
            said.append(" ".join(part.upper()))
        else:
            said.append(handle(part, rng, 0.0))
    return " dot ".join(said)


def handle(text: str, rng: random.Random, spell: float) -> str:
    """A user name or a part of an address: words are read, digits one by one or as a number."""
    spelled_out = rng.random() < spell
    said = []
    for part in re.findall(r"\d+|[A-Z]?[a-z]+|[^\W\d_]+|[\W_]", text):
        if part.isdecimal():
            small = len(part) <= 2 and part[0] != "0" and rng.random() < 0.6
            said.append(cardinal(int(part), rng) if small else digits(part, rng))
        elif part in SIGNS:
            said.append(SIGNS[part])
        elif part.isalpha():
            no_vowel = not re.search(r"[aeiouyAEIOUY]", part) or len(part) == 1
            said.append(" ".join(part.upper()) if spelled_out or no_vowel else part)
    return " ".join(said)
