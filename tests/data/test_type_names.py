"""The table of types: names, descriptions, and what may be a negative of what."""

from __future__ import annotations

from pathlib import Path

import pytest

from unislu.data.type_names import TypeTable
from unislu.errors import RecordError

DEFAULT = Path(__file__).parents[2] / "recipes/default-base/types.yml"


@pytest.fixture(scope="module")
def table() -> TypeTable:
    return TypeTable.read(DEFAULT)


def test_a_type_has_synonyms_and_descriptions(table: TypeTable) -> None:
    assert table.names("phone number")[:3] == ("phone-number", "phone", "telephone-number")
    assert "a medicine's name" in table.descriptions("drug")


def test_an_unknown_type_is_its_own_name(table: TypeTable) -> None:
    assert table.names("Moon phase") == ("moon-phase",)
    assert table.descriptions("Moon phase") == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("phone", "telephone"), ("person", "last name"), ("airline", "organization"),
        ("date of birth", "date"),
        ("restaurant phone number", "phone number"), ("date of departure", "date"), ("price", "money"),
        ("drug", "allergen"), ("departure city", "location"), ("email", "username"), ("X", "x"),
    ],
)  # fmt: skip
def test_what_may_mean_the_same_is_no_negative(table: TypeTable, first: str, second: str) -> None:
    assert table.overlap(first, second) and table.overlap(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [("phone", "order number"), ("drug", "city"), ("name of restaurant", "person"), ("moon phase", "date")],
)
def test_what_cannot_is_one(table: TypeTable, first: str, second: str) -> None:
    assert not table.overlap(first, second) and not table.overlap(second, first)


def test_every_type_of_the_default_table_is_described(table: TypeTable) -> None:
    assert [entry.name for entry in table.entries.values() if not entry.descriptions] == []


def test_to_dict_has_every_name(table: TypeTable) -> None:
    assert table.to_dict()["drug"]["names"] == list(table.names("drug"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "expected a mapping"), ("a: [b]", "expected a mapping with keys"),
        ("a: {names: b}", "`names` is not a list"), ("a: {is: [b]}", "'b', which has no entry"),
        ("a: {nmaes: [b]}", "keys of"),
    ],
)  # fmt: skip
def test_faults_name_the_type(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "types.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=message):
        TypeTable.read(path)
