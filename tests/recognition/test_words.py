"""Words: cut from any transcript of any format, timed, moved, respelled."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.recognition.words import chunks, respelled, shifted, spoken_length, words_of
from unislu.result import Word, covered
from unislu.sequence import SLUE, Prompt, Span, Target, Vocabulary, WhisperTokenizer, get_format

from .scripted import ROWS, tokenizer

FORMATS = [
    ("inline", None),
    ("inline-open", ("person", "place")),
    ("suffix", None),
    ("bio", ("person", "place")),
]
TEXTS = st.lists(
    st.text("abé'-$5.,–中 ", min_size=1, max_size=6).map(str.strip).filter(bool), min_size=1, max_size=6
).map(lambda words: " ".join(" ".join(words).split()))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    words: WhisperTokenizer = tokenizer()
    return Vocabulary.extend(words, ROWS, words.special_tokens, SLUE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("He paid $25, on May 3.", ["He", "paid", "$25,", "on", "May", "3."]),
        ("Paris - in May ...", ["Paris -", "in", "May ..."]),
        ("- well", ["- well"]),
        ("mail bob@x.org now!", ["mail", "bob@x.org", "now!"]),
        ("– … –", ["– … –"]),
        ("", []),
    ],
)
def test_punctuation_belongs_to_its_word(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in chunks(text)] == words


def test_digits_and_signs_take_long_to_say() -> None:
    assert spoken_length("Anna's") == 5
    assert spoken_length("$25.") == 15
    assert spoken_length("...") == 1


@pytest.mark.parametrize(("name", "types"), FORMATS)
@settings(max_examples=25)
@given(text=TEXTS, seed=st.integers(0, 1000), seconds=st.sampled_from([0.04, 0.5, 4.0]), level=st.booleans())
def test_every_word_has_times_in_order_inside_the_audio(
    vocabulary: Vocabulary,
    name: str,
    types: tuple[str, ...] | None,
    text: str,
    seed: int,
    seconds: float,
    level: bool,
) -> None:
    """Whatever the attention and the level are, in every format, with an entity anywhere."""
    generator = np.random.default_rng(seed)
    fmt, prompt = get_format(name, vocabulary), Prompt(frozenset({"ner"}), types)
    start, end = sorted(generator.choice(len(text) + 1, 2, replace=False))
    label = "PERSON" if types is None else "person"
    spans = (Span(int(start), int(end), label),) if text[start:end].strip() == text[start:end] else ()
    ids = fmt.render(Target(text, spans, None), prompt).ids
    parsed = fmt.parse(ids, prompt)
    rows = generator.integers(len(ids) - 1, len(ids) + 1)  # with the end, or cut off before it
    transcript = max((n for n, span in enumerate(parsed.token_spans) if span is not None), default=0) + 1
    matrix = generator.standard_normal((max(rows, transcript), max(1, int(seconds * 50)))).astype(np.float32)
    loud = generator.uniform(-90, -20, int(seconds * 100)).astype(np.float32) if level else None
    words = words_of(parsed, [-0.5] * len(ids), matrix, seconds, loud)
    assert words is not None
    kept = parsed.target.text
    assert [(word.start_char, word.end_char) for word in words] == chunks(kept)
    assert " ".join(word.text for word in words) == kept
    for word in words:
        assert 0 <= word.start <= word.end <= seconds
        assert word.confidence == pytest.approx(np.exp(-0.5))
    for before, after in pairwise(words):
        assert before.end <= after.start
    for entity in parsed.target.entities or ():
        places = covered(words, entity.start, entity.end)
        assert places and words[places[0]].start_char <= entity.start
        assert entity.end <= words[places[-1]].end_char


def test_type_names_and_tags_are_not_words(vocabulary: Vocabulary) -> None:
    """The rows of control tokens do not count: the words get what their own rows say."""
    text = "see Anna now"
    target = Target(text, (Span(4, 8, "person"),), None)
    plain = get_format("inline", vocabulary)
    for name, types in FORMATS:
        fmt, prompt = get_format(name, vocabulary), Prompt(frozenset({"ner"}), types)
        ids = fmt.render(target if types else Target(text, (Span(4, 8, "PERSON"),), None), prompt).ids
        parsed = fmt.parse(ids, prompt)
        own = [n for n, span in enumerate(parsed.token_spans) if span is not None]
        assert b"".join(vocabulary.tokenizer.text_bytes[ids[n]] for n in own).decode().strip() == text
        matrix = np.random.default_rng(1).standard_normal((len(ids), 90)).astype(np.float32)
        for place, row in enumerate(own):
            matrix[row] = -1.0
            matrix[row, 5 * place + 2 : 5 * place + 7] = 3.0
        found = words_of(parsed, [0.0] * len(ids), matrix, 1.8)
        assert found is not None
        times = [(word.text, word.start, word.end) for word in found]
        if name == plain.name:
            expected = times
        assert [word for word, _, _ in times] == ["see", "Anna", "now"]
        for (_, start, end), (_, other, last) in zip(times[:2], expected[:2], strict=True):
            assert (start, end) == (other, last)


def test_no_alignment_no_words(vocabulary: Vocabulary) -> None:
    fmt, prompt = get_format("inline", vocabulary), Prompt(frozenset())
    empty = fmt.parse([vocabulary["<|endoftext|>"]], prompt)
    assert words_of(empty, [0.0], None, 1.0) is None
    assert words_of(empty, [0.0], np.zeros((1, 50), np.float32), 1.0) == ()


def word(text: str, start: float, end: float, place: int, sure: float = 0.5) -> Word:
    return Word(text, start, end, place, place + len(text), sure)


WORDS = (
    word("Europe's", 0.5, 1.3, 0),
    word("banks,", 1.3, 1.8, 9),
    word("...", 2.0, 2.1, 16),
    word("OK", 2.2, 2.4, 20),
)


def test_respelled_words_follow_the_normalized_text() -> None:
    found = respelled(WORDS, "Europe's banks, ... OK")
    assert [(w.text, w.start_char, w.end_char) for w in found] == [
        ("europe", 0, 6), ("'s", 7, 9), ("banks", 10, 15), ("ok", 16, 18),
    ]  # fmt: skip
    assert (found[0].start, found[1].end) == (0.5, 1.3) and 0.5 < found[0].end <= found[1].start < 1.3
    assert (found[2].start, found[3].end, found[3].confidence) == (1.3, 2.4, 0.5)


def test_shifted_words_are_those_of_the_file() -> None:
    moved = shifted(WORDS, 30.0, 40.0, 100)
    assert (moved[1].start, moved[1].end, moved[1].start_char, moved[1].end_char) == (31.3, 31.8, 109, 115)


def test_rounding_does_not_lead_out_of_the_window() -> None:
    """12.3456 + 3.0006 is 15.3462: rounded each by itself it would be 15.347."""
    (moved,) = shifted([word("end", 2.5, 3.001, 0)], 12.3456, 15.3462, 0)
    assert moved.end == 15.346


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 8, [0]), (7, 10, [0, 1]), (8, 9, []), (10, 11, [1]), (0, 22, [0, 1, 2, 3])],
)
def test_covered_words(start: int, end: int, expected: list[int]) -> None:
    assert list(covered(WORDS, start, end)) == expected


def test_a_word_without_a_token_shares_its_neighbours() -> None:
    from unislu.recognition.words import _owned_tokens

    spans: list[Any] = [None, (4, 6), (6, 7), None]
    assert _owned_tokens([(0, 3), (4, 7), (8, 9)], spans) == [[1], [1, 2], [2]]
