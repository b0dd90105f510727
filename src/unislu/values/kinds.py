"""The kind of value that a type has, by the type's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from unislu.sequence.labels import normalize_type

from .checked import card, iban
from .contacts import email, phone, url
from .dates import birthday, date, moment
from .durations import duration
from .numbers import money, number, ordinal, percent, quantity
from .reading import Reading, Value
from .times import time

Reader = Callable[[str, Reading], Value | None]

#: Kind: what is tried, in this order.
KINDS: Mapping[str, tuple[Reader, ...]] = {
    "date": (duration, date),
    "birthday": (birthday,),
    "time": (duration, time, moment),
    "duration": (duration,),
    "when": (duration, moment),
    "money": (money, percent, number),
    "number": (number, quantity, percent),
    "ordinal": (ordinal, number),
    "percent": (percent, number),
    "quantity": (percent, number, money, ordinal, quantity),
    "phone": (phone,),
    "email": (email,),
    "url": (url,),
    "card": (card,),
    "iban": (iban,),
}
#: Kind: the names of types that have it, as `normalize_type` writes them.
NAMES: Mapping[str, str] = {
    "date": "date dates day calendar-date month year deadline due-date expiry-date expiration-date "
    "start-date end-date appointment-date delivery-date release-date weekday day-of-the-week",
    "birthday": "date-of-birth birth-date birthdate birthday dob",
    "time": "time time-of-day clock-time hour appointment-time",
    "duration": "duration length-of-time time-span timespan time-period period",
    "when": "when date-time datetime appointment temporal time-expression date-and-time date-or-time",
    "money": "money price amount-of-money monetary-value monetary-amount cost fee salary income wage payment "
    "budget price-range fare-amount amount balance refund revenue",
    "number": "number cardinal count numeral figure age number-of-people party-size",
    "ordinal": "ordinal rank ordinal-number",
    "percent": "percent percentage interest-rate rate growth-rate discount",
    "quantity": "quant quantity measure measurement dosage dose weight height length distance temperature "
    "speed size volume area",
    "phone": "phone phone-number telephone telephone-number phone-no mobile mobile-number "
    "mobile-phone-number cell cell-phone cell-number cell-phone-number contact-number callback-number "
    "fax fax-number landline",
    "email": "email e-mail email-address e-mail-address mail-address email-id",
    "url": "url website web-address web-site link web-page internet-address domain domain-name site homepage",
    "card": "credit-card credit-card-number card-number debit-card debit-card-number payment-card "
    "payment-card-number bank-card-number card pan",
    "iban": "iban iban-number international-bank-account-number iban-code",
}
#: Heads that say too little: an order number is no number, and a phone card no card.
_VAGUE = frozenset(
    "number day period rate amount figure card site link area size hour cell rank volume domain balance "
    "payment appointment mobile count length measure".split()
)
_KIND = {name: kind for kind, names in NAMES.items() for name in names.split()}


def kind_of(type_: str) -> str | None:
    """The kind of a type's values: `billing phone number` = phone; None for a type without values."""
    return next((_KIND[name] for name in _heads(normalize_type(type_)) if name in _KIND), None)


def _heads(name: str) -> Iterator[str]:
    """A name and its head: `date-of-departure` → date, `office-phone-number` → phone-number."""
    yield name
    words = name.split("-")
    if "of" in words[1:]:
        words = words[: words.index("of", 1)]
        yield "-".join(words)
    for start in range(1, len(words)):
        head = "-".join(words[start:])
        if head not in _VAGUE:
            yield head
