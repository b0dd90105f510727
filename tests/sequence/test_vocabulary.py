"""Ids by name: the traps of Whisper's tokenizer, and what the tokenizer must not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.errors import OptionError, VocabularyError
from unislu.sequence import FORMATS, SLUE, Alphabet, Prompt, Vocabulary, WhisperTokenizer, get_format
from unislu.sequence.vocabulary import control_names


def test_new_tokens_follow_the_embeddings_last_row(
    vocabulary: Vocabulary, tokenizer: WhisperTokenizer, rows: int
) -> None:
    new = [vocabulary[name] for name in control_names(SLUE)]
    assert new == list(range(rows, rows + len(new)))
    assert vocabulary.size == rows + len(new)
    listed = max(tokenizer.special_tokens.values())
    assert new[0] > listed + 1, "a token was put among the unlisted rows"


def test_text_is_what_the_tokenizer_lists_and_writes(
    vocabulary: Vocabulary, tokenizer: WhisperTokenizer, definition: str
) -> None:
    raw = json.loads(definition)["model"]["vocab"]
    assert not vocabulary.text_ids & set(vocabulary.ids.values())
    assert raw[""] not in vocabulary.text_ids and raw["<|endoftext|>"] not in vocabulary.text_ids
    assert len(vocabulary.text_ids) == len(raw) - 2
    assert all(tokenizer.decode([id_]).isspace() for id_ in vocabulary.blank_ids)
    assert tokenizer.encode(" ")[0] in vocabulary.blank_ids


def test_the_no_speech_token_answers_to_both_names(vocabulary: Vocabulary) -> None:
    assert vocabulary["<|nospeech|>"] == vocabulary["<|nocaptions|>"]


def test_manifest_round_trip(vocabulary: Vocabulary, tokenizer: WhisperTokenizer) -> None:
    manifest = json.loads(json.dumps(vocabulary.to_manifest()))
    again = Vocabulary.from_manifest(tokenizer, manifest)
    assert dict(again.ids) == dict(vocabulary.ids)
    assert (again.size, again.labels) == (vocabulary.size, vocabulary.labels)
    for broken in ({}, {**manifest, "size": "many"}, {**manifest, "tokens": 3}, {**manifest, "size": 5}):
        with pytest.raises(VocabularyError):
            Vocabulary.from_manifest(tokenizer, broken)


def test_extending_twice_adds_nothing(vocabulary: Vocabulary, tokenizer: WhisperTokenizer) -> None:
    again = Vocabulary.extend(tokenizer, vocabulary.size, vocabulary.ids, SLUE)
    assert dict(again.ids) == dict(vocabulary.ids) and again.size == vocabulary.size


def test_what_does_not_fit_is_refused(tokenizer: WhisperTokenizer, rows: int) -> None:
    special = dict(tokenizer.special_tokens)
    with pytest.raises(VocabularyError, match="rows"):
        Vocabulary.extend(tokenizer, 100, special, SLUE)
    with pytest.raises(VocabularyError, match="ordinary text token"):
        Vocabulary.extend(tokenizer, rows, {**special, "<|endoftext|>": 5}, SLUE)
    del special["<|startofprev|>"]
    with pytest.raises(VocabularyError, match=r"no id for <\|startofprev\|>"):
        Vocabulary.extend(tokenizer, rows, special, SLUE)


def test_a_published_checkpoint_has_the_plain_alphabet_only(tokenizer: WhisperTokenizer, rows: int) -> None:
    base = Vocabulary(tokenizer, rows, tokenizer.special_tokens, SLUE)
    assert base.size == rows and "[NER]" not in base
    for name in FORMATS:
        if name.startswith("copy"):
            with pytest.raises(VocabularyError, match="use the atomic alphabet"):
                get_format(name, base, Alphabet.PLAIN)
        else:
            get_format(name, base, Alphabet.PLAIN).grammar(Prompt())
        with pytest.raises(VocabularyError, match="no token"):
            get_format(name, base)


def test_unknown_formats_and_languages(vocabulary: Vocabulary) -> None:
    with pytest.raises(OptionError, match="unknown format 'xml': choose from suffix"):
        get_format("xml", vocabulary)
    format_ = get_format("inline", vocabulary)
    assert format_.prefix(Prompt(language="de"))[1] == vocabulary["<|de|>"]
    with pytest.raises(VocabularyError, match=r"<\|xx\|>"):
        format_.prefix(Prompt(language="xx"))


@settings(deadline=None, max_examples=200)
@given(text=st.text(st.characters(codec="utf-8"), max_size=30))
def test_the_tokenizer_is_exact(tokenizer: WhisperTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", ["<|endoftext|>", " a  b ", "do n't , 's .", "\\<", "\x00"])
def test_nothing_in_a_text_is_special_and_nothing_is_cleaned_up(
    tokenizer: WhisperTokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    assert set(ids) <= set(tokenizer.text_bytes)
    assert tokenizer.decode(ids) == text


def test_decode_passes_over_what_is_not_text(tokenizer: WhisperTokenizer) -> None:
    ids = tokenizer.encode(" the council")
    strange = [-1, 10**30, *tokenizer.special_tokens.values()]
    assert tokenizer.decode([*strange, *ids, *strange]) == " the council"
    assert tokenizer.decode(tokenizer.encode("😀")[:1]).strip("\ufffd") == ""


def test_files_that_are_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="cannot read"):
        WhisperTokenizer.from_file(tmp_path / "none.json")
    for content in ("", "[]", "{}", '{"model": {"vocab": {"漢": 0}}}', '{"model": {"vocab": {"a": 0}}}'):
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
        with pytest.raises(VocabularyError):
            WhisperTokenizer.from_file(tmp_path / "tokenizer.json")
