"""Expected phrases as they are given: in files, prompts and Python values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unislu.errors import OptionError
from unislu.recognition import phrases
from unislu.recognition.phrases import (
    checked_phrases,
    prompt_phrases,
    read_phrases,
    read_vocabulary,
)
from unislu.recognition.request import Request
from unislu.sequence.phrases import Phrase

FILE = "\ufeff# names\nKowalczyk\n\n Zyloprim \t2\tdrug\r\nAcme  Industries\t\tcompany\nŁódź\n東京\t0.5\n"


def test_a_file_is_lines_of_phrase_weight_and_type(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text(FILE, encoding="utf-8")
    assert read_vocabulary(path) == (
        Phrase("Kowalczyk"),
        Phrase("Zyloprim", 2.0, "drug"),
        Phrase("Acme Industries", 1.0, "company"),
        Phrase("Łódź"),
        Phrase("東京", 0.5),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no phrase; write one a line"),
        ("# nothing\n\n", "has no phrase"),
        ("Anna\nBob\tmuch\n", "line 2: the weight 'much' is not a number"),
        ("Anna\t-1\n", "line 1: the weight -1.0 of 'Anna': give a number above 0"),
        ("Anna\tnan\n", "line 1: the weight nan of 'Anna'"),
        ("Anna\t1\tperson\tx\n", "line 1: has 4 columns"),
        ("An\0na\n", r"line 1: 'An\\x00na' has unprintable characters"),
        ("Anna\n...\n", "line 2: '...' has no letter and no digit"),
        ("x" * 201, "has 201 characters"),
        ("Anna\nBob\nAnna\t2\n", "line 3: 'Anna' is listed before with another weight or type"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "names.txt"
    path.write_text(content)
    with pytest.raises(OptionError, match=message) as caught:
        read_vocabulary(path)
    assert "names.txt" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"missing.txt: cannot be read \(No such file"):
        read_vocabulary(tmp_path / "missing.txt")
    with pytest.raises(OptionError, match=r"cannot be read \(Is a directory\)"):
        read_vocabulary(tmp_path)
    (tmp_path / "latin").write_bytes("Núñez".encode("latin-1"))
    with pytest.raises(OptionError, match=r"latin: not UTF-8 \(.* at byte 1\)"):
        read_vocabulary(tmp_path / "latin")


def test_duplicates_are_one_phrase() -> None:
    assert checked_phrases(["Anna", " Anna ", ("Anna", 1.0)]) == (Phrase("Anna"),)
    assert read_phrases("Anna\nAnna") == (Phrase("Anna"),)


@pytest.mark.parametrize("bad", [[], "Anna", [""], [3], [("Anna", True)], [("a", 1, "")], [("a", 1, "b", 2)]])
def test_values_that_are_no_phrases_are_refused(bad: Any) -> None:
    with pytest.raises(OptionError):
        Request(vocabulary=bad)


def test_there_may_not_be_more_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    assert phrases.MAX_PHRASES == 100_000
    monkeypatch.setattr(phrases, "MAX_PHRASES", 3)
    assert len(checked_phrases(["a", "b", "c", "a"])) == 3
    with pytest.raises(OptionError, match="more than 3 phrases"):
        checked_phrases(["a", "b", "c", "d"])


def test_a_request_with_a_vocabulary_is_a_value() -> None:
    request = Request(vocabulary=["Anna", ("Zyloprim", 2, "drug")])
    assert request == Request(vocabulary=(Phrase("Anna"), Phrase("Zyloprim", 2.0, "drug")))
    assert hash(request) == hash(replace(request)) and request != Request()
    assert Request(**request.to_dict()) == request
    assert request.to_dict()["vocabulary"] == [["Anna", 1.0, None], ["Zyloprim", 2.0, "drug"]]
    assert "vocabulary" not in Request().to_dict()


def test_names_are_read_from_a_prompt() -> None:
    assert prompt_phrases("ZyntriQix, Digique Plus,\nCynapseFive; Node.js.") == [
        "ZyntriQix", "Digique Plus", "CynapseFive", "Node.js",
    ]  # fmt: skip
    assert prompt_phrases("Glossary: Kowalczyk, Kowalczyk") == ["Glossary", "Kowalczyk"]
    assert prompt_phrases("This is a conversation about the weather in spring.") == []
    assert prompt_phrases(" , ...\n") == []
