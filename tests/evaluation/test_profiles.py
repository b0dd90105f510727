"""The text treatments."""

from __future__ import annotations

import sys

import pytest

from unislu.errors import MissingDependencyError, OptionError
from unislu.evaluation import profiles
from unislu.evaluation.profiles import profile
from unislu.evaluation.wer import WordErrors, word_errors

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


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("I can't say it's Anna's.", "i can not say it is anna is"),
        ("They’ll go, won't they?", "they will go will not they"),
        ("A well-known [laughter] “dog” — <unk> twenty one", "a wellknown dog twenty one"),
        ("U.S. growth: 3.5 %", "us growth 35"),
        ("", ""),
    ],
)
def test_whisperner(raw: str, expected: str) -> None:
    """Lower case, contractions expanded, punctuation removed; numbers stay as they are written."""
    assert profile("whisperner")(raw) == expected


def test_whisperner_counts_word_errors_of_both_sides_alike() -> None:
    chosen = profile("whisperner")
    assert word_errors(chosen.words("It's 21, isn't it?"), chosen.words("it is twenty one is not it")) == (
        WordErrors(hits=5, substitutions=1, insertions=1)
    )


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
    with pytest.raises(OptionError, match="unknown profile 'raw': choose one of slue, unislu, whisperner"):
        profile("raw")


def test_missing_normaliser_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles._whisper_normalizer.cache_clear()
    profiles._whisperner_normalizer.cache_clear()
    monkeypatch.delitem(sys.modules, "whisper_normalizer.english", raising=False)
    for name, module in (("unislu", "whisper_normalizer"), ("whisperner", "jiwer")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingDependencyError, match=r'pip install "\.\[eval\]"'):
            profile(name)
