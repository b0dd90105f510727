"""The hand-made list of spoken and transcribed values, `spoken.tsv`, kind by kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from unislu.values import Reading, Value, read_value

for library in ("dateparser", "phonenumbers", "stdnum", "text_to_num"):
    pytest.importorskip(library)

SAID = datetime(2026, 3, 18, 10)  # a Wednesday
TYPES = {
    "date": "date", "datetime": "date", "time": "time", "duration": "duration", "money": "money",
    "number": "number", "percent": "percent", "ordinal": "ordinal", "phone": "phone number",
    "email": "email address", "url": "website", "card": "credit card number", "iban": "iban",
}  # fmt: skip
KNOWN = {"url": ["the dot com"]}
"""What is read wrongly: nobody means the host `the.com`."""


def cases() -> Mapping[str, list[tuple[str, str, str]]]:
    """(region, words, expected) by kind."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for line in (Path(__file__).parent / "spoken.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, region, words, expected = line.split("\t")
            found[kind].append((region, words, expected))
    return found


CASES = cases()


def shown(value: Value | None) -> str:
    """A value in the notation of the list."""
    if value is None:
        return "-"
    if value["kind"] == "money":
        return f"{value['amount']} {value['currency'] or '?'}"
    keys = ("iso", "e164", "email", "url", "number", "percent", "iban")
    main = next(value[key] for key in keys if key in value)
    if value["kind"] != "phone" and value.get("valid") is False:
        return f"!{main or ''}"
    return "-" if main is None else str(main)


def test_there_are_enough_of_every_kind() -> None:
    assert sum(map(len, CASES.values())) >= 300 and set(CASES) == set(TYPES)
    assert all(len(of_kind) >= 12 for of_kind in CASES.values())


@pytest.mark.parametrize("kind", sorted(CASES))
def test_spoken_values(kind: str) -> None:
    wrong = [
        words
        for region, words, expected in CASES[kind]
        if shown(read_value(TYPES[kind], words, Reading(SAID, region=region or None))) != expected
    ]
    assert wrong == KNOWN.get(kind, [])
