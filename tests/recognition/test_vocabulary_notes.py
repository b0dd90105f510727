"""What a listener is told of phrases, or types of phrases, that have no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unislu
from unislu.recognition.plan import resolve
from unislu.recognition.request import Request
from unislu.sequence import Alphabet, Format, Vocabulary, get_format

from .scripted import manifest

JFK = Path(__file__).parents[2] / "examples" / "jfk.flac"
STRANGE = ["Москва", "東京", "القاهرة", "서울", "दिल्ली", "北京大学", "Владимир Путин"]


def notes(tokens: Vocabulary, fmt: Format, **options: Any) -> list[str]:
    found = resolve(Request(**options), manifest(tokens), tokens, [fmt]).notes
    return [note for note in found if note.startswith("vocabulary: ")]


@pytest.mark.parametrize(
    ("name", "alphabet", "told"),
    [("inline", Alphabet.ATOMIC, False), ("suffix", Alphabet.ATOMIC, True), ("bio", Alphabet.ATOMIC, True),
     ("copy", Alphabet.ATOMIC, True), ("inline", Alphabet.PLAIN, True), ("suffix", Alphabet.PLAIN, True)],
)  # fmt: skip
def test_types_of_phrases_that_a_format_cannot_tag_are_said(
    vocabulary: Vocabulary, name: str, alphabet: Alphabet, told: bool
) -> None:
    fmt = get_format(name, vocabulary, alphabet)
    phrases = ["Anna", ("Bob", 1, "person"), ("Zyloprim", 1, "drug")]
    found = notes(vocabulary, fmt, vocabulary=phrases, entities=["person"])
    assert len(found) == told
    assert all(f"phrases (person) have no effect: this bundle's format {name}" in note for note in found)
    assert not notes(vocabulary, fmt, vocabulary=phrases, tasks=["asr"])  # nobody asked for tags
    assert not notes(vocabulary, fmt, vocabulary=["Anna"], entities=["person"])


def test_phrases_of_a_script_without_tokens_change_nothing_and_are_named() -> None:
    """The default model is of English: its other scripts can only be spelled in bytes."""
    model = unislu.load(threads=1)
    plain = model.analyze(JFK, tasks=["asr"])
    result = model.analyze(JFK, tasks=["asr"], vocabulary=["Łódź", *STRANGE])
    assert (result.text, result.segments) == (plain.text, plain.segments)
    assert result.warnings == (
        "vocabulary: the model has no letters for 'Москва', '東京', 'القاهرة', '서울', 'दिल्ली' and 2 more: "
        "it was not made for that script and will hardly write it",
    )
