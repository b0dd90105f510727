"""Search in results: words, entities, sentiment; parts that are new, replaced, or broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unislu.errors import OptionError
from unislu.server.mcp.search import Query, search

from .conftest import said


@pytest.fixture
def results(part: Callable[..., Path]) -> Path:
    part(
        1,
        said("a", "The delivery was late.", "I am Ann Lee."),
        said("b", "Delivery? Never came!", mood="negative"),
    )
    part(2, said("c", "Ann Lee was kind.", person="Ann Lee"), {"id": "d", "error": {"kind": "audio"}})
    return part(3, said("e", "Nothing to say.")).parent


def ids(results: Path, **query: Any) -> list[str]:
    return sorted(hit["id"] for hit in search(results, Query(**query))["hits"])


def test_what_is_found(results: Path) -> None:
    assert ids(results, words="delivery") == ["a", "b"]
    assert ids(results, words="late DELIVERY") == ["a"]
    assert ids(results, words="delivery", sentiment="Negative") == ["b"]
    assert ids(results, entity_type="person") == ["c"] == ids(results, entity="ann", entity_type="PERSON")
    assert ids(results, entity="Bob") == [] == ids(results, words="a.c") == ids(results, words="%")
    assert search(results, Query("was", limit=1, offset=1))["total"] == 2


def test_a_hit_says_where(results: Path) -> None:
    (hit,) = search(results, Query("ann delivery"))["hits"]
    assert hit["uri"] == "/calls/a.wav" and [place["start"] for place in hit["places"]] == [0.0, 5.0]
    (hit,) = search(results, Query(entity="Ann"))["hits"]
    assert hit["entities"] == [{"type": "PERSON", "text": "Ann Lee", "start": 1.0, "end": 2.0}]


def test_a_folder_that_is_being_written(results: Path, part: Callable[..., Path]) -> None:
    part(4, said("a", "It arrived in time."))  # heard again; the older row is not deleted yet
    (results / "_partial-0123").write_bytes(b"half a part")
    (results / "part-000009-0123abcd.parquet").write_bytes(b"PAR1 damaged")
    found = search(results, Query("delivery"))
    assert [hit["id"] for hit in found["hits"]] == ["b"]
    (broken,) = found["unreadable"]
    assert broken.startswith("part-000009-0123abcd.parquet: ")
    (results / "part-000009-0123abcd.parquet").unlink()
    assert search(results, Query("arrived"))["total"] == 1 and search(results, Query("late"))["total"] == 0


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"words": " "},
        {"words": "a", "limit": 0},
        {"words": "a", "limit": 999},
        {"words": "a", "offset": -1},
    ],
)
def test_bad_queries(query: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="give"):
        Query(**query)
