"""Filters, counts, the course of time, and snippets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import overview, search, snippets
from unislu.errors import OptionError

from .conftest import Results, Turn

ANNA, BEN, CAFE = "2026-03-14-anna.wav", "2026-03-20-ben.wav", "2026-04-02-café.wav"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [CAFE, BEN, ANNA]),
        ({"sort": "oldest"}, [ANNA, BEN, CAFE]),
        ({"sort": "positive"}, [BEN, ANNA, CAFE]),
        ({"q": "delivery"}, [BEN, ANNA]),
        ({"q": "ueberweisung OR überweisung"}, [CAFE]),
        ({"q": "delivery", "sentiment": "negative"}, [ANNA]),
        ({"q": "delivery", "from": "2026-03-15", "to": "2026-03-31"}, [BEN]),
        ({"to": "2026-03-14"}, [ANNA]),
        ({"entity": "berlin"}, [BEN, ANNA]),
        ({"entity": "berlin", "confidence": "0.5"}, [ANNA]),
        ({"entity": "berlin", "type": "ORG"}, []),
        ({"type": ["MONEY", "ORG"], "confidence": "0.85"}, [BEN, ANNA]),
        ({"type": "MONEY"}, [ANNA]),
        ({"sentiment": ["negative", "positive"], "certainty": "0.85"}, [BEN]),
        ({"speaker": "Channel 2", "q": "delivery"}, [ANNA]),
        ({"speaker": "Channel 2", "sentiment": "negative"}, [CAFE, ANNA]),
        ({"speaker": "Channel 2", "entity": "berlin"}, [BEN]),
        (
            {"speaker": "Channel 2", "q": "delivery", "sentiment": "negative", "from": "2026-03-01",
             "to": "2026-03-31"},
            [ANNA],
        ),
        ({"speaker": "Nobody"}, []),
        ({"failed": "1"}, []),
        ({"offset": "2"}, [ANNA]),
        ({"offset": "99"}, []),
        ({"q": "'; DROP TABLE recordings; --"}, []),
    ],
    ids=str,
)  # fmt: skip
def test_filters(names: Callable[..., list[str]], given: dict[str, Any], expected: list[str]) -> None:
    assert names(**given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from": ["March"]}, "from is 'March': give a day"),
        ({"to": ["2026-02-30"]}, "2026-02-30"),
        ({"confidence": ["1.5"]}, "confidence is '1.5': give a number from 0 to 1"),
        ({"certainty": ["nan"]}, "nan"),
        ({"sort": ["id; DROP"]}, "choose one of newest"),
        ({"offset": ["-1"]}, "whole number"),
        ({"what": ["x"]}, "unknown parameter 'what'"),
        ({"q": ["?"]}, "neither letters nor figures"),
        ({"q": ["x" * 1001]}, "at most 1000"),
    ],
)
def test_bad_questions(given: dict[str, list[str]], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Filter.parse(given)


def test_a_sentiment_that_no_result_has_is_an_error(opened: Index) -> None:
    with pytest.raises(OptionError, match="sentiment is 'xx': choose from mixed, negative"):
        search(opened, Filter.parse({"sentiment": ["xx"]}))
    assert search(opened, Filter.parse({"sentiment": ["mixed"]}))["rows"] == []
    assert search(opened, Filter.parse({"sentiment": ["positive"], "speaker": ["Nobody"]}))["rows"] == []


def test_counts_are_of_what_was_found(opened: Index) -> None:
    found = search(opened, Filter.parse({"q": ["delivery"]}))
    assert found["total"] == 2 and found["hours"] > 0
    assert found["sentiments"] == [{"name": "negative", "count": 1}, {"name": "positive", "count": 1}]
    by_name = {(one["type"], one["text"]): one for one in found["entities"]}
    assert by_name["ORG", "Acme"] == {
        "type": "ORG", "text": "Acme", "recordings": 2, "mentions": 2, "negative": 1,
    }  # fmt: skip
    assert {"name": "GPE", "count": 2} in found["types"]
    only = search(opened, Filter.parse({"type": ["GPE"]}))["entities"]
    assert [(one["text"], one["recordings"]) for one in only] == [("Berlin", 2)]


def test_the_course_of_time(opened: Index, calls: Results) -> None:
    course = search(opened, Filter())["time"]
    assert course["unit"] == "day" and len(course["bars"]) == 20  # from the first day to the last
    assert course["bars"][0] == {"from": "2026-03-14", "to": "2026-03-14", "counts": {"negative": 1}}
    assert sum(sum(bar["counts"].values()) for bar in course["bars"]) == 3
    calls.commit(calls.call("2023-01-05.wav", Turn("Hello"), audio=False))
    opened.refresh()
    course = search(opened, Filter())["time"]
    assert course["unit"] == "month" and course["bars"][0]["from"] == "2023-01-01"
    assert course["bars"][0]["to"] == "2023-01-31" and len(course["bars"]) == 40


@pytest.mark.parametrize(
    ("name", "day", "source"),
    [
        ("2026/03/14/call.wav", "2026-03-14", "name"),
        ("2025-01-01/rec_20260314_093000.wav", "2026-03-14", "name"),
        ("rec20260314093000.wav", "2026-03-14", "name"),
        ("call-2026-02-31.wav", "2026-05-28", "file"),
        ("+4920260314.wav", "2026-05-28", "file"),
    ],
)
def test_days(results: Results, name: str, day: str, source: str) -> None:
    results.commit(results.row(results.calls / name, results_of("Hello")))
    index = Index(str(results.path))
    assert overview(index)["days_from"] == {source: 1}
    assert search(index, Filter())["rows"][0]["day"] == day
    index.close()


def results_of(text: str) -> Any:
    from .conftest import analysis

    return analysis([Turn(text)], "neutral")


def test_failures_are_apart(calls: Results) -> None:
    calls.commit(calls.failure("/calls/broken.wav", "is not an audio or video file"))
    index = Index(str(calls.path))
    assert overview(index)["failed"] == 1 and search(index, Filter())["total"] == 3
    (row,) = search(index, Filter.parse({"failed": ["1"]}))["rows"]
    assert row["error"] == {"kind": "audio", "message": "is not an audio or video file"}
    index.close()


def test_snippets_show_matches_between_whole_words(opened: Index) -> None:
    row = search(opened, Filter.parse({"q": ["delivery"], "sentiment": ["negative"]}))["rows"][0]
    assert row["matches"] == 2
    pieces = [piece for snippet in row["snippets"] for piece in snippet["pieces"]]
    assert [piece["text"] for piece in pieces if piece.get("match")] == ["delivery", "delivery"]
    said = search(opened, Filter.parse({"q": ["delivery"], "speaker": ["Channel 2"]}))["rows"][0]
    assert said["matches"] == 1


def test_snippets_of_a_long_text() -> None:
    text = " ".join(f"word{n}" for n in range(1000))
    spans = [(text.index(f"word{n} "), text.index(f"word{n} ") + 7) for n in (100, 101, 500, 700, 900)]
    found = snippets(text, spans)
    assert len(found) == 3  # the first two matches share one
    assert [piece["text"] for piece in found[0]["pieces"] if piece.get("match")] == ["word100", "word101"]
    for snippet in found:
        whole = "".join(piece["text"] for piece in snippet["pieces"])
        assert whole.startswith("…word") and whole.endswith("…") and whole.strip("… ") in text
        assert 100 < len(whole) < 200
        assert all(word.startswith("word") for word in whole.strip("…").split())
    assert snippets("", []) == [] and snippets("short", [])[0]["pieces"] == [{"text": "short"}]
