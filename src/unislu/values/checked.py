"""Numbers with a checksum: payment cards (Luhn) and IBANs (ISO 13616)."""

from __future__ import annotations

import re

from .figures import bare
from .reading import Reading, Value, need
from .spelling import spelled, words_of

_CARD_WORDS = frozenset("card number is my the and credit debit visa mastercard".split())
_CARD_LENGTHS = range(12, 20)
_IBAN = re.compile(r"[A-Z]{2}\d\d[A-Z0-9]{11,30}")


def card(text: str, reading: Reading) -> Value | None:
    """`{"kind": "card", "number": "4111111111111111", "valid": true}`; `valid` is the checksum's verdict."""
    words = [word for word in words_of(bare(text)) if word not in _CARD_WORDS]
    digits = "".join(part for part in spelled(words) if part.isalnum())
    if not digits.isdecimal() or len(digits) not in _CARD_LENGTHS:
        return None
    found = {"kind": "card", "number": digits}
    if not int(digits):  # whose checksum is right
        return _judged(found, False, "no card has only zeros")
    valid = bool(need("stdnum.luhn").is_valid(digits))
    return _judged(found, valid, "the checksum (Luhn) is wrong")


def iban(text: str, reading: Reading) -> Value | None:
    """`{"kind": "iban", "iban": "GB82WEST12345698765432", "valid": true}`; `valid` is the verdict on
    checksum, length and country.
    """
    parts = spelled(words_of(bare(text)), nato=True)
    code = "".join(part for part in parts if part.isalnum()).upper()
    if not _IBAN.fullmatch(code):
        return None
    # Its rules by country also know lists of banks, which are never complete.
    valid = bool(need("stdnum.iban").is_valid(code, check_country=False))
    return _judged({"kind": "iban", "iban": code}, valid, "the checksum or the length is wrong")


def _judged(value: Value, valid: bool, problem: str) -> Value:
    value["valid"] = valid
    return value if valid else {**value, "problem": problem}
