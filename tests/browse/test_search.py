"""What a query finds, in SQL and in the text as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb")

import duckdb

from unislu.browse.search import FOLD, TextQuery, tokens
from unislu.errors import OptionError

WRITTEN = "My delivery — the LATE delivery! — came to the café. Don't refund."


@pytest.fixture(scope="module")
def db() -> Iterator[Any]:
    with duckdb.connect() as found:
        found.execute(FOLD)
        yield found


def fits(db: Any, query: str, text: str) -> bool:
    condition, values = TextQuery.parse(query).sql("folded")
    found: bool = db.execute(
        f"SELECT {condition} FROM (SELECT fold(?) AS folded)", [*values, text]
    ).fetchone()[0]
    return found


@pytest.mark.parametrize(
    ("query", "spoken"),
    [
        ("delivery", ["delivery", "delivery"]),
        ("DELIVERY late", ["delivery", "LATE", "delivery"]),
        ('"late delivery"', ["LATE delivery"]),
        ("cafe", ["café"]),
        ("don't", ["Don't"]),
        ("deliv*", ["delivery", "delivery"]),
        ("nothing OR refund", ["refund"]),
        ("refund -delivered", ["refund"]),
        ('"the caf*', None),
        ("deliv", None),
        ("delivery -café", None),
        ('"delivery late"', None),
        ("delivery parcel", None),
    ],
)  # fmt: skip
def test_queries(db: Any, query: str, spoken: list[str] | None) -> None:
    assert fits(db, query, WRITTEN) == (spoken is not None)
    if spoken is not None:
        assert [WRITTEN[a:b] for a, b in TextQuery.parse(query).spans(WRITTEN)] == spoken


def test_scripts_without_blanks(db: Any) -> None:
    text = "荷物の配送が遅れた"
    assert fits(db, "配送", text) and not fits(db, "送配", text)
    assert [text[a:b] for a, b in TextQuery.parse("配送").spans(text)] == ["配送"]


def test_only_parts_of_a_text() -> None:
    query = TextQuery.parse("delivery")
    assert query.spans(WRITTEN, [(20, len(WRITTEN))]) == [(WRITTEN.index("delivery", 20), WRITTEN.index("!"))]


def test_nothing_to_look_for() -> None:
    assert TextQuery.parse(" ") == TextQuery()
    with pytest.raises(OptionError, match="neither letters nor figures"):
        TextQuery.parse('?! ""')


LETTERS = st.text(st.characters(codec="utf-8", categories=["L", "Nd", "P", "Zs", "Mn"], max_codepoint=0x2FFF))


@given(LETTERS)
def test_sql_and_python_agree_on_words(db: Any, text: str) -> None:
    in_sql = db.execute("SELECT fold(?)", [text]).fetchone()[0]
    assert in_sql.split() == [token.word for token in tokens(text)]


@given(st.lists(st.sampled_from("late delivery came café Über 12".split()), min_size=1), st.data())
def test_every_phrase_of_a_text_is_found_where_it_is(words: list[str], data: st.DataObject) -> None:
    text = ", ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    phrase = words[first : data.draw(st.integers(first, len(words) - 1)) + 1]
    spans = TextQuery.parse(f'"{" ".join(phrase)}"').spans(text)
    assert ", ".join(phrase) in [text[a:b] for a, b in spans]
