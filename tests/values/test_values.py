"""Values: whatever is written out and read aloud is read back; nothing breaks them; what is wrong is said."""

from __future__ import annotations

import sys
from datetime import date, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.errors import MissingDependencyError, OptionError
from unislu.result import Analysis, Entity
from unislu.values import DOUBT, Reading, add_values, kind_of, read_value
from unislu.values.kinds import KINDS, NAMES
from unislu.values.reading import need

for library in ("dateparser", "phonenumbers", "stdnum", "text_to_num"):
    pytest.importorskip(library)

READING = Reading(datetime(2026, 3, 18, 10), region="US")


def read(type_: str, text: str, key: str, reading: Reading = READING) -> object:
    value = read_value(type_, text, reading)
    return None if value is None else value.get(key)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_read_aloud_is_read_back(seed: int) -> None:
    """By the module that turns texts into words for synthesisers."""
    pytest.importorskip("inflect")
    from unislu.data.spoken import codes, numbers

    rng = Random(seed)
    whole, part = rng.randint(0, 10**6), rng.randint(1, 99)
    assert read("number", numbers.cardinal(whole, rng), "number") == whole
    assert read("ordinal", numbers.ordinal(part), "number") == part
    assert read("number", numbers.decimal(f"{whole}.{part}", rng), "number") == float(f"{whole}.{part}")
    amount = f"{rng.randint(0, 900)}.{part:02d}"
    assert read("price", numbers.money(rng.choice("$£€"), amount, rng), "amount") == float(amount)
    hour, minute = rng.randint(0, 23), rng.randint(0, 59)
    assert read("time", numbers.clock(hour, minute), "iso") == f"{hour:02d}:{minute:02d}"
    day = date(rng.randint(1920, 1999), rng.randint(1, 12), rng.randint(1, 28))
    said = numbers.date_words(day.month, day.day, day.year, rng)
    assert read("date of birth", said, "iso") == day.isoformat()
    phone = f"415-555-{rng.randint(0, 9999):04d}"
    said = codes.digit_groups(phone, rng, pairs=0.3, doubles=0.25)
    assert read("phone", said, "e164") == "+1" + phone.replace("-", "")
    address = f"jane{rng.choice('._-')}lopez{rng.choice(['', part])}@{rng.choice(['acme.co.uk', 'mail.org'])}"
    assert read("e-mail", codes.email(address, rng), "email") == address
    said = codes.url("www.acme-labs.com/help", rng)
    assert read("website", said, "url") == "https://www.acme-labs.com/help"
    iban = "GB82WEST12345698765432"
    said = codes.spelled(" ".join(iban[i : i + 4] for i in range(0, 22, 4)), rng, nato=0.4, doubles=0.2)
    assert read("iban", said, "iban") == iban


@given(
    st.sampled_from(sorted(KINDS)),
    st.text(max_size=30)
    | st.lists(
        st.sampled_from(
            "the of at to and half quarter a double oh point dot minus plus slash five twenty second hundred "
            "million 31 1984 february friday next ago in am percent dollars hours $ + @ : . ,".split()
        ),
        max_size=8,
    ).map(" ".join),
)
@settings(max_examples=200, deadline=None)
def test_no_words_break_it(kind: str, text: str) -> None:
    for reader in KINDS[kind]:
        value = reader(text, READING)
        assert value is None or isinstance(value["kind"], str)


def test_the_kind_follows_from_the_types_name() -> None:
    assert all(kind_of(name) == kind for kind, names in NAMES.items() for name in names.split())
    assert kind_of("Office Phone Number") == "phone" and kind_of("date of departure") == "date"
    assert kind_of("QUANT") == "quantity" and kind_of("WHEN") == "when" and kind_of("DOB") == "birthday"
    for name in ("person", "order number", "account number", "iphone", "dating site", "business card"):
        assert kind_of(name) is None, name


def test_the_closed_set() -> None:
    assert read("QUANT", "twelve", "kind") == "number"
    assert read("QUANT", "twelve percent", "kind") == "percent"
    assert read_value("QUANT", "five milligrams", READING) == {
        "kind": "quantity", "number": 5, "unit": "milligrams",
    }  # fmt: skip
    assert read("WHEN", "two weeks", "iso") == "P2W" and read("WHEN", "in two weeks", "iso") == "2026-04-01"
    assert read("WHEN", "1984", "iso") == "1984" and read("WHEN", "half past nine", "iso") == "09:30"


@pytest.mark.parametrize("text", ["31 February", "2026-02-31", "the 32nd of May", "April 31st, 2025"])
def test_a_day_that_does_not_exist_is_said(text: str) -> None:
    value = read_value("date", text, READING)
    assert value is not None and value["iso"] is None and value["valid"] is False and value["problem"]


def test_birthdays_are_never_ahead() -> None:
    assert read("dob", "June 5, '30", "iso") == "1930-06-05" and read("dob", "3/4/84", "iso") == "1984-03-04"
    assert read("birthday", "the third of March", "iso") == "--03-03"


def test_what_is_relative_needs_the_time_of_speaking() -> None:
    assert read("time", "in two hours", "iso") == "2026-03-18T12:00"
    assert read("time", "in two hours", "iso", Reading.of("2026-03-18")) is None
    assert read("date", "tomorrow", "iso", Reading.of("2024-02-28")) == "2024-02-29"


def test_what_is_missing_from_a_phone_number_is_said() -> None:
    assert read("phone", "five five five oh one three four", "problem") == "the area code is missing"
    abroad = Reading(READING.now)
    assert "region" in str(read("phone", "415 555 0134", "problem", abroad))
    assert read("phone", "plus one four one five five five five oh one three four", "e164", abroad)


def test_a_failed_check_lowers_the_confidence() -> None:
    text = "4111 1111 1111 1112 and 4111 1111 1111 1111"
    entities = (Entity("card number", text[:19], 0, 19, 0.8), Entity("card number", text[24:], 24, 43, 0.8))
    found = add_values(Analysis(text, 1.0, "m", entities=entities), READING).entities
    assert found is not None and [e.confidence for e in found] == [DOUBT * 0.8, 0.8]
    bad, good = (e.value for e in found)
    assert bad is not None and bad["valid"] is False and "checksum" in bad["problem"]
    assert good == {"kind": "card", "number": "4111111111111111", "valid": True}


@pytest.mark.parametrize("text", ["0000 0000 0000 0000", "zero zero " + "double zero " * 4 + "oh " * 6])
def test_nothing_but_zeros_is_no_card(text: str) -> None:
    value = read_value("card number", text, READING)
    assert value is not None and value["number"] == "0" * 16 and value["valid"] is False and value["problem"]


def test_very_long_entities_have_none() -> None:
    assert read_value("number", "five " * 1000, READING) is None
    assert read_value("phone", "5" * 300, READING) != {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"moment": "2026-02-31"}, "'2026-02-31' is no date"),
        ({"moment": "9999-12-31"}, "year must be in 1800..2200"),
        ({"moment": "0001-01-01T10:00"}, "year must be in 1800..2200"),
        ({"moment": "tomorrow"}, "write it as 2026-03-18"),
        ({"moment": ""}, "is no date"),
        ({"region": "UK"}, "did you mean GB"),
        ({"region": "Narnia"}, "unknown"),
    ],
)
def test_bad_readings(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Reading.of(**options)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    need.cache_clear()
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(MissingDependencyError, match=r"\[values\]"):
        read_value("phone", "+1 415 555 0134", READING)
    need.cache_clear()
