"""The two text treatments."""

from __future__ import annotations

import sys

import pytest

from unislu.errors import MissingDependencyError, OptionError
from unislu.evaluation import profiles
from unislu.evaluation.profiles import profile

SENTENCES = [
    "Mr. Smith's colour TV cost $5.50, didn't it?",
    "article twenty one",
    "the cause of one billion euros",
    "I dunno, it's kinda sorta [laughter] twenty-first-century stuff (really)",
    "",
    "uh hmm",
]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Europe's markets; there. I look!", "europe 's markets there i look"),
        ("we don’t  know?", "we don 't know"),
        ("the 'red' line", "the 'red' line"),
        ("", ""),
    ],
)
def test_slue(raw: str, expected: str) -> None:
    assert profile("slue")(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Article Twenty One.", "article 21"),
        ("one billion euros", "€1000000000"),
        ("It's the root cause", "it is the root cause"),
    ],
)
def test_unislu(raw: str, expected: str) -> None:
    assert profile("unislu")(raw) == expected


@pytest.mark.parametrize("sentence", SENTENCES)
def test_unislu_is_whispers_own_normaliser(sentence: str) -> None:
    import json
    from importlib.resources import files

    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    spelling = json.loads(files("whisper_normalizer").joinpath("normalizers/english.json").read_text())
    assert profile("unislu")(sentence) == EnglishTextNormalizer(spelling)(sentence).strip()


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_words_are_split_at_blanks(name: str) -> None:
    assert profile(name).words("  The council,  met ") == ["the", "council", "met"]
    assert profile(name).words("") == []


def test_unknown_profile() -> None:
    with pytest.raises(OptionError, match="unknown profile 'raw': choose one of slue, unislu"):
        profile("raw")


def test_missing_normaliser_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles._whisper_normalizer.cache_clear()
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "unislu\[eval\]"'):
        profile("unislu")
