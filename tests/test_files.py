"""Files are whole or not there, and a journal outlives a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unislu.files import Journal, read_journal, replacing, write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_in_one_step(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / ("n" * 250 + ".json")  # as long as names may be
    write_whole(path, "old", durable=durable)
    with pytest.raises(OSError, match="full"), replacing(path) as partial:
        partial.write_text("half")
        assert path.read_text() == "old"
        raise OSError("the disk is full")
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path], "nothing is left of the attempt"
    write_whole(path, "näw".encode(), durable=durable)
    assert path.read_text(encoding="utf-8") == "näw" and [*tmp_path.iterdir()] == [path]


def test_a_chosen_name_is_written_under(tmp_path: Path) -> None:
    with replacing(tmp_path / "a", partial="_partial-0") as partial:
        partial.write_text("x")
        assert [path.name for path in tmp_path.iterdir()] == ["_partial-0"]
    assert (tmp_path / "a").read_text() == "x"


def test_a_journal_goes_on_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert list(read_journal(path)) == []
    with Journal(path) as journal:
        journal.add({"id": "ä"})
        assert list(read_journal(path)) == [{"id": "ä"}], "a line is there as soon as it was added"
    path.write_text(
        path.read_text(encoding="utf-8") + "nonsense\n[1]\n" + json.dumps({"id": "c"})[:5], "utf-8"
    )
    assert list(read_journal(path)) == [{"id": "ä"}]
    with Journal(path) as journal:
        journal.add({"id": "c"})
    assert [row["id"] for row in read_journal(path)] == ["ä", "c"]
