"""Names of people of many cultures, from Faker."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from random import Random

from faker import Faker

from talk.registry import part, same, source
from unislu.data.compose import Value

#: Locale: how often. All are written in Latin letters.
LOCALES = {
    "en_US": 10, "en_GB": 6, "en_IN": 4, "es_MX": 3, "es_ES": 1, "fr_FR": 1, "de_DE": 1,
    "it_IT": 1, "pl_PL": 1, "nl_NL": 1, "pt_BR": 1, "sv_SE": 1, "tr_TR": 1, "en_NG": 2,
    "en_KE": 1, "zu_ZA": 0.5, "ig_NG": 0.5, "en_IE": 1, "en_PK": 1, "ro_RO": 0.5, "fi_FI": 0.5,
    "no_NO": 0.5, "hr_HR": 0.5, "cs_CZ": 0.5, "da_DK": 0.5,
}  # fmt: skip


@cache
def _faker(locale: str) -> Faker:
    return Faker(locale)


def fake(rng: Random, locale: str) -> Faker:
    """Faker of a locale, its next values decided by `rng`."""
    faker = _faker(locale)
    faker.seed_instance(rng.getrandbits(32))
    return faker


def plain(text: str) -> str:
    """Without accents, which nobody hears and transcripts mostly leave out."""
    text = text.translate(str.maketrans("łŁøØđĐıßæœ", "lLoOdDisao"))
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def given_and_family(rng: Random) -> tuple[str, str]:
    """A given name and a family name of one culture, each short enough to be said and written."""
    if rng.random() < 0.15:
        return part("given-names", rng), part("family-names", rng)
    while True:
        faker = fake(rng, rng.choices(list(LOCALES), list(LOCALES.values()))[0])
        first, last = plain(faker.first_name()).split()[0], plain(faker.last_name())
        if re.fullmatch(r"[A-Z][a-z]{1,11}", first) and re.fullmatch(
            r"(?:[A-Z][a-z']{1,12}|Mc[A-Z][a-z]+)", last
        ):
            return first, last


@source
def person(rng: Random, _: str = "") -> Value:
    first, last = given_and_family(rng)
    kind = rng.random()
    if kind < 0.78:
        return same(f"{first} {last}")
    if kind < 0.9:
        return same(first)
    title, said = rng.choice(
        [
            ("Mr.", "Mister"),
            ("Mrs.", "Missus"),
            ("Ms.", "Miz"),
            ("Dr.", "Doctor"),
            ("Miss", "Miss"),
            ("Professor", "Professor"),
        ]
    )
    return Value(f"{title} {last}", f"{said} {last}")


@source
def full_name(rng: Random, _: str = "") -> Value:
    first, last = given_and_family(rng)
    if rng.random() < 0.08:
        initial = rng.choice("ABCDEGHJKLMNPRSTW")
        return Value(f"{first} {initial}. {last}", f"{first} {initial} {last}")
    return same(f"{first} {last}")


@source
def first_name(rng: Random, _: str = "") -> Value:
    return same(given_and_family(rng)[0])


@source
def last_name(rng: Random, _: str = "") -> Value:
    return same(given_and_family(rng)[1])


@source
def spelling(rng: Random, name: str = "") -> Value:
    """A name letter by letter: J-A-N-E."""
    name = re.sub(r"[^A-Za-z]", "", name.split()[-1] if name else given_and_family(rng)[1])
    said = ", ".join(name.upper()) if rng.random() < 0.2 else " ".join(name.upper())
    return Value("-".join(name.upper()), said)


@source
def doctor(rng: Random, _: str = "") -> Value:
    first, last = given_and_family(rng)
    name = f"{first} {last}" if rng.random() < 0.2 else last
    return Value(f"Dr. {name}", f"Doctor {name}")
