"""The evaluation sets: other sentences and other values than the training's.

* `asked`: one type asked alone. For each type ten sentences that have it, annotated with that type alone, and
  ten that do not: half of these hold something that looks like it. `asked` is the name to ask under.
* `personal`: personal data, all of it annotated.
* `numbers`: phones, cards, accounts and codes that must come out whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random

from unislu.data.compose import Patterns, Sentence, Source, annotated_types, compose
from unislu.data.records import Record
from unislu.data.type_names import TypeTable
from unislu.sequence import normalize_type

#: The forty types most asked for.
ASKED = (
    "person|first name|last name|phone number|email address|address|city|country|location|postcode|date|"
    "time|date of birth|age|duration|money|percent|company|organization|product|job title|drug|disease|"
    "symptom|doctor|hospital|procedure|order number|account number|credit card number|"
    "social security number|license plate|flight number|airline|url|username|password|vehicle|language|"
    "software"
).split("|")
PERSONAL = (
    "person|first name|last name|date of birth|age|phone number|email address|address|street address|"
    "city|state|postcode|country|nationality|religion|job title|company|relationship|username|password|"
    "pin|verification code|credit card number|card expiry date|card security code|bank account number|"
    "iban|sort code|routing number|swift code|social security number|national insurance number|tax id|"
    "passport number|driver license number|license plate|vehicle identification number|"
    "medical record number|member id|ip address"
).split("|")
#: Types that are written as figures and letters: something else of this kind is the hard negative.
CODES = frozenset(
    (
        "phone number|order number|account number|bank account number|credit card number|postcode|pin|"
        "social security number|license plate|flight number|verification code|member id|passport number|"
        "tracking number|serial number|medical record number|iban|sort code|routing number|money|percent|age|"
        "date of birth|time|date"
    ).split("|")
)


def asked(
    patterns: Patterns, sources: Mapping[str, Source], table: TypeTable, rng: Random, each: int = 10
) -> Iterator[Record]:
    """`each` sentences with each type, annotated with it alone, and as many without."""
    types_of = {pattern: annotated_types(pattern) for pattern in patterns.sentences}
    for type_ in ASKED:
        meant = {name for types in types_of.values() for name in types if _is_a(name, type_, table)}
        having = [pattern for pattern, types in types_of.items() if types & meant]
        lacking = [
            pattern
            for pattern, types in types_of.items()
            if not any(table.overlap(name, type_) for name in types)
        ]
        alike = [p for p in lacking if types_of[p] and (type_ in CODES) == bool(types_of[p] & CODES)]
        number = 0
        for label, chosen, count in (
            ("yes", having, each),
            ("no", alike, each // 2),
            ("no", lacking, each - each // 2),
        ):
            for sentence in _different(patterns, chosen, sources, rng, count):
                name = type_ if rng.random() < 0.6 else rng.choice(table.names(type_)[:4]).replace("-", " ")
                entities = tuple(replace(e, type=name) for e in sentence.entities if e.type in meant)
                id_ = f"asked-{type_.replace(' ', '-')}-{label}-{number:02d}"
                yield Record(
                    id_, sentence.text, entities=entities, spoken=sentence.spoken, extra={"asked": [name]}
                )
                number += 1


def _is_a(name: str, type_: str, table: TypeTable) -> bool:
    return name == type_ or normalize_type(type_) in table.broader(name)


def personal(
    patterns: Patterns, sources: Mapping[str, Source], rng: Random, count: int = 400
) -> Iterator[Record]:
    """Sentences with personal data, every type equally often, and a tenth without any."""
    seen: Counter[str] = Counter()
    without = tuple(text for text in patterns.sentences if not annotated_types(text))
    having = tuple(text for text in patterns.sentences if annotated_types(text))
    for number in range(count):
        if number % 10 == 9:
            pattern = rng.choice(without)
        else:
            pattern = min(
                rng.sample(having, 12), key=lambda text: min(seen[name] for name in annotated_types(text))
            )
        seen.update(annotated_types(pattern))
        sentence = compose(patterns.expand(pattern, rng), sources, rng)
        yield Record(
            f"personal-{number:03d}", sentence.text, entities=sentence.entities, spoken=sentence.spoken
        )


def numbers(
    patterns: Patterns, sources: Mapping[str, Source], rng: Random, count: int = 100
) -> Iterator[Record]:
    """Sentences around one string of figures and letters."""
    for number, sentence in enumerate(_different(patterns, patterns.sentences, sources, rng, count)):
        yield Record(
            f"numbers-{number:03d}", sentence.text, entities=sentence.entities, spoken=sentence.spoken
        )


def _different(
    patterns: Patterns, chosen: Sequence[str], sources: Mapping[str, Source], rng: Random, count: int
) -> Iterator[Sentence]:
    """`count` different sentences, of each of the chosen patterns as many as of any other."""
    seen: set[str] = set()
    while len(seen) < count:
        for pattern in rng.sample(chosen, min(len(chosen), count - len(seen))):
            sentence = compose(patterns.expand(pattern, rng), sources, rng)
            if sentence.text not in seen:
                seen.add(sentence.text)
                yield sentence
