"""Names, addresses, e-mail addresses and web addresses of many cultures, from Faker."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from random import Random

from faker import Faker
from talk.registry import SOURCES, source

from unislu.data.compose import Value
from unislu.data.spoken import codes, numbers

#: Locale: how often. All are written in Latin letters.
LOCALES = {
    "en_US": 10, "en_GB": 6, "en_IN": 4, "es_MX": 3, "es_ES": 1, "fr_FR": 1, "de_DE": 1, "it_IT": 1, "pl_PL": 1,
    "nl_NL": 1, "pt_BR": 1, "sv_SE": 1, "tr_TR": 1, "en_NG": 2, "en_KE": 1, "zu_ZA": 0.5, "ig_NG": 0.5,
    "en_IE": 1, "en_PK": 1, "ro_RO": 0.5, "fi_FI": 0.5, "no_NO": 0.5, "hr_HR": 0.5, "cs_CZ": 0.5, "da_DK": 0.5,
}  # fmt: skip
#: Family and given names of people whose languages are not written in Latin letters.
ROMAN = (
    ("Chen Wang Li Zhang Liu Yang Huang Zhao Wu Zhou Xu Sun Lin Gao Kim Park Lee Choi Jung Kang Cho Yoon Tanaka Suzuki "
     "Sato Watanabe Ito Yamamoto Nakamura Kobayashi Nguyen Tran Pham Hoang Ahmed Hassan Ali Khalil Mansour Haddad Nasser "
     "Ivanov Petrov Volkova Smirnov Kuznetsova Popov Cohen Levy Mizrahi Papadopoulos Nikolaidis Rahman Islam Bui Santos "
     "Reyes Cruz Bautista Mendoza").split(),
    ("Wei Mei Jun Li Ming Hui Yan Fang Min-jun Ji-woo Seo-yeon Hyun-woo Hiroshi Yuki Kenji Sakura Akiko Takeshi Minh "
     "Linh Tuan Huong Mohamed Ahmed Fatima Layla Omar Yusuf Aisha Khadija Ibrahim Dmitri Olga Sergei Natasha Ivan "
     "Svetlana Moshe Yael Noam Yannis Eleni Nasrin Tariq Jose Maria Angelo Grace Rosa").split(),
)  # fmt: skip
DOMAINS = ("gmail.com gmail.com gmail.com yahoo.com hotmail.com outlook.com icloud.com example.com example.org aol.com "
           "protonmail.com live.co.uk btinternet.com mail.com comcast.net web.de").split()  # fmt: skip
WORDS = ("sunny blue tiger happy silver river maple pixel lucky star green ocean rocket coffee shadow winter cosmic "
         "panda wild golden echo storm velvet lemon falcon cedar amber orbit ember willow comet harbor breeze otter "
         "marble copper meadow thunder raven clover").split()  # fmt: skip
STREETS = ("Maple Oak Cedar Elm Pine Washington Lake Hill Park Main High Church Station Victoria Mill Green King Queen "
           "Chestnut Walnut Sunset Spring Ridge River Meadow Franklin Lincoln Jackson Highland Forest Willow Cherry "
           "Grove Union Prospect Center Broad Market Jefferson Madison Monroe Adams Orchard Garden London York "
           "Windsor Albert Bridge Castle Manor Mulberry Juniper Laurel Magnolia Sycamore Valley Canyon Harbor").split()  # fmt: skip
ROADS = ("Street Street Street Avenue Avenue Road Road Lane Drive Drive Court Boulevard Way Place Close Terrace Crescent "
         "Parkway").split()  # fmt: skip


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


def _parts(rng: Random) -> tuple[str, str]:
    """A given name and a family name of one culture, each short enough to be said and written."""
    if rng.random() < 0.15:
        return rng.choice(ROMAN[1]), rng.choice(ROMAN[0])
    while True:
        faker = fake(rng, rng.choices(list(LOCALES), list(LOCALES.values()))[0])
        first, last = plain(faker.first_name()).split()[0], plain(faker.last_name())
        if re.fullmatch(r"[A-Z][a-z]{1,11}", first) and re.fullmatch(r"(?:[A-Z][a-z']{1,12}|Mc[A-Z][a-z]+)", last):
            return first, last


def _same(written: str) -> Value:
    return Value(written, written)


@source
def person(rng: Random, _: str = "") -> Value:
    first, last = _parts(rng)
    kind = rng.random()
    if kind < 0.78:
        return _same(f"{first} {last}")
    if kind < 0.9:
        return _same(first)
    title, said = rng.choice([("Mr.", "Mister"), ("Mrs.", "Missus"), ("Ms.", "Miz"), ("Dr.", "Doctor"), ("Miss", "Miss"),
                              ("Professor", "Professor")])  # fmt: skip
    return Value(f"{title} {last}", f"{said} {last}")


@source
def full_name(rng: Random, _: str = "") -> Value:
    first, last = _parts(rng)
    if rng.random() < 0.08:
        initial = rng.choice("ABCDEGHJKLMNPRSTW")
        return Value(f"{first} {initial}. {last}", f"{first} {initial} {last}")
    return _same(f"{first} {last}")


@source
def first_name(rng: Random, _: str = "") -> Value:
    return _same(_parts(rng)[0])


@source
def last_name(rng: Random, _: str = "") -> Value:
    return _same(_parts(rng)[1])


@source
def spelling(rng: Random, name: str = "") -> Value:
    """A name letter by letter: J-A-N-E."""
    name = re.sub(r"[^A-Za-z]", "", name.split()[-1] if name else _parts(rng)[1])
    said = ", ".join(name.upper()) if rng.random() < 0.5 else " ".join(name.upper())
    return Value("-".join(name.upper()), said)


@source
def doctor(rng: Random, _: str = "") -> Value:
    first, last = _parts(rng)
    name = f"{first} {last}" if rng.random() < 0.2 else last
    return Value(f"Dr. {name}", f"Doctor {name}")


@source
def email_address(rng: Random, name: str = "") -> Value:
    first, last = (name.lower().split()[0], name.lower().split()[-1]) if name else map(str.lower, _parts(rng))
    first, last = re.sub(r"\W", "", first), re.sub(r"\W", "", last)
    user = rng.choice([
        f"{first}.{last}", f"{first}.{last}", f"{first}{last}", f"{first}_{last}", f"{first[0]}{last}",
        f"{first}.{last}{rng.randint(1, 99)}", f"{first}{rng.randint(1, 99)}", f"{last}.{first}",
        f"{rng.choice(WORDS)}{rng.choice(WORDS)}{rng.randint(1, 99)}", f"{rng.choice(WORDS)}.{first}", f"{first[0]}.{last}",
        rng.choice(["info", "support", "office", "sales", "hello", "accounts", "billing", "contact", "bookings"]),
    ])  # fmt: skip
    if rng.random() < 0.6:
        domain = rng.choice(DOMAINS)
    else:
        domain = f"{rng.choice([last, rng.choice(WORDS) + rng.choice(['tech', 'group', 'shop', 'labs', 'media', 'care']), rng.choice(WORDS)])}"
        domain += rng.choice([".com", ".com", ".org", ".net", ".co.uk", ".io", ".edu", ".de", ".ca"])
    written = f"{user}@{domain}"
    return Value(written, codes.email(written, rng, spell=0.15))


@source
def username(rng: Random, _: str = "") -> Value:
    first, last = map(str.lower, _parts(rng))
    written = rng.choice([
        f"{first}_{last}", f"{first}{rng.randint(10, 99)}", f"{first[0]}{last}", f"{rng.choice(WORDS)}_{first}",
        f"{rng.choice(WORDS)}{rng.choice(WORDS)}{rng.randint(1, 99)}", f"{first}.{last}", f"{rng.choice(WORDS)}-{rng.choice(WORDS)}",
        f"{rng.choice(WORDS)}{rng.choice(WORDS)}", f"{first[0]}{last}{rng.randint(1, 99)}",
    ])  # fmt: skip
    return Value(written, codes.email(f"{written}@x", rng, spell=0.1).rpartition(" at ")[0])


@source
def password(rng: Random, _: str = "") -> Value:
    word, other, number = rng.choice(WORDS), rng.choice(WORDS), rng.randint(10, 99)
    written, said = rng.choice([
        (f"{word}{number}", f"{word} {numbers.cardinal(number, rng)}"),
        (f"{word}{other}{number}", f"{word} {other} {numbers.cardinal(number, rng)}"),
        (f"{word}-{other}-{number}", f"{word} dash {other} dash {numbers.cardinal(number, rng)}"),
        (f"{word.capitalize()}{number}!", f"capital {word[0].upper()}, {word} {numbers.cardinal(number, rng)} exclamation mark"),
        (f"{word}_{other}", f"{word} underscore {other}"),
        (f"{word}20{number}", f"{word} twenty {numbers.cardinal(number, rng)}"),
    ])  # fmt: skip
    return Value(written, said)


@source
def url(rng: Random, _: str = "") -> Value:
    name = rng.choice(WORDS) + rng.choice(["", rng.choice(WORDS), "shop", "bank", "health", "travel", "news", "store", "online"])
    host = name + rng.choice([".com", ".com", ".com", ".org", ".net", ".co.uk", ".io", ".gov", ".edu"])
    written = rng.choice(["", "", "www."]) + host
    written += rng.choice(["", "", "", f"/{rng.choice(['help', 'support', 'signup', 'account', 'offers', 'returns', 'jobs'])}"])
    return Value(written, codes.url(written, rng))


def _house(rng: Random) -> tuple[str, str]:
    number = rng.choice([rng.randint(1, 99), rng.randint(1, 250), rng.randint(100, 9999)])
    text = str(number)
    if number < 100:
        return text, numbers.cardinal(number, rng)
    if rng.random() < 0.75:
        head, tail = text[:-2], text[-2:]
        last = codes.digits(tail, rng) if tail[0] == "0" and tail != "00" else numbers.cardinal(int(tail), rng)
        return text, f"{numbers.cardinal(int(head), rng)} {'hundred' if tail == '00' else last}"
    return text, codes.digits(text, rng)


@source
def street(rng: Random, _: str = "") -> Value:
    kind = rng.random()
    if kind < 0.6:
        written = f"{rng.choice(STREETS)} {rng.choice(ROADS)}"
    elif kind < 0.75:
        written = f"{_parts(rng)[1]} {rng.choice(ROADS)}"
    elif kind < 0.88:
        number = rng.randint(1, 120)
        written = f"{number}{'th' if 11 <= number % 100 <= 13 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')} {rng.choice(['Street', 'Avenue'])}"
        return Value(written, f"{numbers.ordinal(number)} {written.split()[-1]}")
    else:
        side = rng.choice(["North", "South", "East", "West"])
        written = f"{side} {rng.choice(STREETS)} {rng.choice(ROADS)}"
    return _same(written)


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
        written = plain(fake(rng, "en_GB").postcode())
        return Value(written, codes.spelled(written, rng).replace(", ", " "))
    written = plain(fake(rng, "en_CA").postcode())
    return Value(written, codes.spelled(written, rng).replace(", ", " "))


@source
def address(rng: Random, _: str = "") -> Value:
    """A street address, mostly with its city, now and then with state and code."""
    place, kind = street_address(rng), rng.random()
    if kind < 0.45:
        return place
    town = SOURCES["city"](rng, "")
    if kind < 0.75:
        return Value(f"{place.written}, {town.written}", f"{place.said}, {town.said}")
    if kind < 0.85:
        code = postcode(rng)
        return Value(f"{place.written}, {town.written} {code.written}", f"{place.said}, {town.said}, {code.said}")
    state = SOURCES["state"](rng, "")
    written, said = f"{place.written}, {town.written}, {state.written}", f"{place.said}, {town.said}, {state.said}"
    if kind < 0.93:
        return Value(written, said)
    code = f"{rng.randint(10000, 99950)}"
    return Value(f"{written} {code}", f"{said} {codes.digits(code, rng)}")


@source
def company_of_names(rng: Random, _: str = "") -> Value:
    first, second = _parts(rng)[1], _parts(rng)[1]
    ending = ["Group", "Partners", "Consulting", "Logistics", "Industries", "Foods", "Motors", "Properties", "Systems"]
    return _same(rng.choice([f"{first} and {second}", f"{first} {rng.choice(ending)}", f"{first} Brothers",
                             f"{first} and Sons",
                             f"{rng.choice(WORDS).capitalize()} {rng.choice(ending)}",
                             f"{rng.choice(WORDS).capitalize()}{rng.choice(['soft', 'tech', 'works', 'line', 'media', 'base'])}"]))  # fmt: skip
