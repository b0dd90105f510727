"""Telephone numbers (E.164), e-mail addresses and web addresses."""

from __future__ import annotations

import re

from .figures import bare
from .reading import Reading, Value, need
from .spelling import spelled, words_of

_SIGNS = {
    "dot": ".", "period": ".", "point": ".", "at": "@", "underscore": "_", "dash": "-", "hyphen": "-",
    "minus": "-", "plus": "+", "slash": "/", "colon": ":", "tilde": "~", "hash": "#",
}  # fmt: skip
_SHORT = 7
_EXTENSION = re.compile(r",? (?:extension|ext\.?|x)(?: number)? ?(.+)$")
_CALLING = frozenset(
    "area code country number phone telephone mobile cell my your the is it's its call me at on dial".split()
)
_EMAIL = re.compile(r"[a-z0-9](?:[a-z0-9._+'-]*[a-z0-9])?@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")
_URL = re.compile(r"(?:(https?)://)?([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})((?:/[\w.~%+#-]*)*)")
_W = re.compile(r"\b(?:triple w|w w w)\b")
_SCHEME = re.compile(r"^h t t p( s)?\b")


def phone(text: str, reading: Reading) -> Value | None:
    """`{"kind": "phone", "e164": "+14155550134", "digits": "4155550134", "valid": true}`.

    `e164` is null, with a `problem`, where country or area code are missing; `valid` says whether the
    numbering plan of the country has such numbers. `extension` where one was said.
    """
    said = bare(text)
    extension = _EXTENSION.search(said)
    if extension:
        said = said[: extension.start()]
    said = said.replace("+", " plus ")
    parts = spelled([word for word in words_of(said) if word not in _CALLING])
    plus = parts[:1] == ["plus"]
    parts = [part for part in parts[plus:] if part.isalnum()]
    digits = "".join(parts)
    if not digits.isdecimal() or len(digits) < 3:
        return None
    value: Value = {"kind": "phone", **_e164(digits, plus, reading)}
    if extension:
        inner = "".join(spelled(words_of(extension[1])))
        if inner.isdecimal():
            value["extension"] = inner
    return value


def _e164(digits: str, plus: bool, reading: Reading) -> Value:
    """The number in E.164, or why there is none."""
    library = need("phonenumbers")
    if not plus and reading.region is None and digits.startswith("00"):
        digits, plus = digits[2:], True
    shown = f"+{digits}" if plus else digits
    if not plus and reading.region is None:
        return {"e164": None, "digits": shown, "problem": "the country is not known: give a region"}
    if len(digits) < _SHORT:
        return {"e164": None, "digits": shown, "problem": "a short number, which has no international form"}
    try:
        number = library.parse(shown, reading.region)
    except library.NumberParseException:
        return {
            "e164": None,
            "digits": shown,
            "valid": False,
            "problem": "no telephone number begins like that",
        }
    reason = library.is_possible_number_with_reason(number)
    if reason == library.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
        return {"e164": None, "digits": shown, "problem": "the area code is missing"}
    if reason != library.ValidationResult.IS_POSSIBLE:
        why = "short" if reason == library.ValidationResult.TOO_SHORT else "long"
        problem = f"too {why} for a number of that country"
        return {"e164": None, "digits": shown, "valid": False, "problem": problem}
    e164 = library.format_number(number, library.PhoneNumberFormat.E164)
    return {"e164": e164, "digits": shown, "valid": library.is_valid_number(number)}


def email(text: str, reading: Reading) -> Value | None:
    """`{"kind": "email", "email": "jane.doe@example.com"}`, in lower case."""
    found = _EMAIL.fullmatch(_address(bare(text).replace("at sign", "at")))
    return None if found is None else {"kind": "email", "email": found[0]}


def url(text: str, reading: Reading) -> Value | None:
    """`{"kind": "url", "url": "https://example.com/help"}`; https where no scheme was said."""
    said = bare(text)
    said = re.sub(r"\b(?:forward )slash\b", "slash", said)
    said = _W.sub("www", said.replace("double u", "w").replace("double-u", "w"))
    said = _SCHEME.sub(lambda m: "https" if m[1] else "http", said)
    found = _URL.fullmatch(_address(said))
    if found is None:
        return None
    return {"kind": "url", "url": f"{found[1] or 'https'}://{found[2]}{found[3]}"}


def _address(said: str) -> str:
    """An address without blanks: words joined, signs and digits written."""
    if "@" in said and " " not in said:
        return said
    words = [_SIGNS.get(word, word) for word in words_of(said) if word not in (",", ";")]
    return "".join(spelled(words))
