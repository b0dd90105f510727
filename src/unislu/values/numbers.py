"""Numbers, percentages, ordinals, amounts of money, and quantities with their unit."""

from __future__ import annotations

import re
from decimal import Decimal

from .figures import NUMBER, bare, figures, json_number
from .reading import Reading, Value

_HEDGE = re.compile(
    r"^(?:(?:about|around|approximately|roughly|nearly|almost|over|under|up to|at least|at most|more than|"
    r"less than|fewer than|some|just|only|exactly|the|a total of|total of|number) )+"
)
_MOST_DIGITS = 16  # more is a code; JSON's numbers do not hold it
_PERCENT = re.compile(rf"({NUMBER}) ?(?:%|percent|percentage points?|points? percent)")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_QUANTITY = re.compile(rf"({NUMBER}) ?([a-z°/][a-z°/ .\d-]*)")
_CODES = frozenset(
    "USD EUR GBP JPY CHF CAD AUD NZD CNY INR SEK NOK DKK PLN CZK HUF BRL MXN ZAR KRW ILS TRY RUB SGD HKD AED "
    "SAR THB PHP NGN KES".split()
)
_SIGNS = {"$": "dollar", "£": "pound", "€": "euro", "¥": "yen", "₹": "rupee", "₩": "won", "₪": "shekel"}
_UNITS = {
    "dollars": "dollar", "bucks": "dollar", "buck": "dollar", "pounds": "pound", "quid": "pound",
    "sterling": "pound",
    "pounds sterling": "pound", "euros": "euro", "rupees": "rupee", "francs": "franc", "pesos": "peso",
    "yuan": "yuan", "renminbi": "yuan", "rand": "rand", "zloty": "zloty", "zlotys": "zloty", "reais": "real",
    "shekels": "shekel", "rubles": "ruble", "roubles": "ruble", "liras": "lira", "dirhams": "dirham",
    "kronor": "krona", "kroner": "krone", "naira": "naira", "baht": "baht", "cents": "cent", "penny": "penny",
    "pence": "penny", "pennies": "penny", "grand": "grand",
}  # fmt: skip
_CURRENCIES: dict[str, str | None] = {
    "dollar": "USD", "pound": "GBP", "euro": "EUR", "yen": "JPY", "rupee": "INR", "franc": None, "peso": None,
    "yuan": "CNY", "rand": "ZAR", "zloty": "PLN", "real": "BRL", "won": "KRW", "shekel": "ILS",
    "ruble": "RUB",
    "lira": "TRY", "dirham": "AED", "krona": "SEK", "krone": None, "naira": "NGN", "baht": "THB",
    "swiss franc": "CHF", "us dollar": "USD", "american dollar": "USD", "canadian dollar": "CAD",
    "australian dollar": "AUD", "new zealand dollar": "NZD", "singapore dollar": "SGD",
    "hong kong dollar": "HKD",
    "mexican peso": "MXN", "philippine peso": "PHP", "british pound": "GBP", "norwegian krone": "NOK",
    "danish krone": "DKK", "swedish krona": "SEK", "grand": None,
}  # fmt: skip
#: What a unit that several countries have means in one of them.
_LOCAL = {
    "dollar": {"CA": "CAD", "AU": "AUD", "NZ": "NZD", "SG": "SGD", "HK": "HKD"},
    "franc": {"CH": "CHF", "LI": "CHF"},
    "peso": {"MX": "MXN", "PH": "PHP"},
    "krone": {"NO": "NOK", "DK": "DKK"},
    "grand": {"US": "USD", "GB": "GBP", "CA": "CAD", "AU": "AUD"},
}
_HUNDREDTHS = {"cent": "dollar", "penny": "pound"}
_CURRENCY = "|".join(sorted({*_UNITS, *_CURRENCIES, *_HUNDREDTHS} - {""}, key=len, reverse=True))
_QUALIFIER = (
    "us|american|canadian|australian|new zealand|singapore|hong kong|swiss|mexican|philippine|british|"
    "norwegian|danish|swedish"
)
_AMOUNT = re.compile(
    rf"(?P<whole>{NUMBER}|an?) ?(?P<unit>(?:(?:{_QUALIFIER}) )?(?:{_CURRENCY}))"
    rf"(?:(?: and)? (?P<part>\d{{1,2}})(?P<named> ?(?:cents?|pence|penny|p))?)?"
)
_SIGNED = re.compile(rf"(?P<sign>[$£€¥₹₩₪]) ?(?P<first>{NUMBER})|(?P<last>{NUMBER}) ?(?P<after>[$£€¥₹₩₪])")
_CODED = re.compile(rf"(?:(?P<before>[a-z]{{3}}) )?(?P<amount>{NUMBER})(?: (?P<after>[a-z]{{3}}))?")


def number(text: str, reading: Reading) -> Value | None:
    """`{"kind": "number", "number": 42}`."""
    found = re.fullmatch(NUMBER, _HEDGE.sub("", figures(text)))
    if found is None or len(found[0]) > _MOST_DIGITS:
        return None
    return {"kind": "number", "number": json_number(found[0])}


def percent(text: str, reading: Reading) -> Value | None:
    """`{"kind": "percent", "percent": 12.5}`."""
    found = _PERCENT.fullmatch(_HEDGE.sub("", figures(text)))
    return None if found is None else {"kind": "percent", "percent": json_number(found[1])}


def ordinal(text: str, reading: Reading) -> Value | None:
    """`{"kind": "ordinal", "number": 21}`."""
    found = _ORDINAL.fullmatch(_HEDGE.sub("", figures(text)))
    return None if found is None else {"kind": "ordinal", "number": int(found[1])}


def quantity(text: str, reading: Reading) -> Value | None:
    """`{"kind": "quantity", "number": 5, "unit": "milligrams"}`: the unit as it was said."""
    found = _QUANTITY.fullmatch(_HEDGE.sub("", figures(text)))
    if found is None or _ORDINAL.fullmatch(found[0]):
        return None
    return {"kind": "quantity", "number": json_number(found[1]), "unit": found[2].strip()}


def money(text: str, reading: Reading) -> Value | None:
    """`{"kind": "money", "amount": 45.2, "currency": "USD"}`; the currency is null where it was not said."""
    said = _HEDGE.sub("", figures(text))
    if found := _SIGNED.fullmatch(said):
        unit = _SIGNS[found["sign"] or found["after"]]
        return _value(Decimal(found["first"] or found["last"]), unit, reading)
    if found := _AMOUNT.fullmatch(said):
        return _spoken(found, reading)
    found = _CODED.fullmatch(bare(said))
    if found is None:
        return None
    code = (found["before"] or found["after"] or "").upper()
    if code and code not in _CODES:
        return None
    return _money(Decimal(found["amount"]), code or None)


def _spoken(found: re.Match[str], reading: Reading) -> Value | None:
    whole = Decimal(1) if found["whole"] in ("a", "an") else Decimal(found["whole"])
    qualifier, _, noun = found["unit"].rpartition(" ")
    unit = f"{qualifier} {_UNITS.get(noun, noun)}".strip()
    unit = _UNITS.get(found["unit"], unit)
    if unit in _HUNDREDTHS:
        return None if found["part"] else _value(whole / 100, _HUNDREDTHS[unit], reading)
    if unit == "grand":
        whole *= 1000
    if found["part"]:
        # "two pounds five" is not how people say 2.05; a single digit needs its pence.
        if len(found["part"]) == 1 and not found["named"]:
            return None
        whole += Decimal(found["part"]) / 100
    return _value(whole, unit, reading)


def _value(amount: Decimal, unit: str, reading: Reading) -> Value:
    return _money(amount, _LOCAL.get(unit, {}).get(reading.region or "", _CURRENCIES.get(unit)))


def _money(amount: Decimal, currency: str | None) -> Value:
    return {"kind": "money", "amount": json_number(amount), "currency": currency}
