"""Choices: the words are given, and what is learned is what the grammar leaves open."""

from __future__ import annotations

import pytest

from unislu.errors import OptionError, VocabularyError
from unislu.sequence import Alphabet, Prompt, Span, Target, Vocabulary, get_format
from unislu.sequence.choices import Choices, sentiment_choice, tag_choices
from unislu.sequence.inline import InlineFormat

TEXT = "Angela met the council in Rome."


def choices_of(vocabulary: Vocabulary, name: str, spans: tuple[Span, ...], prompt: Prompt) -> Choices:
    fmt = get_format(name, vocabulary, Alphabet.ATOMIC)
    assert isinstance(fmt, InlineFormat)
    return tag_choices(fmt, vocabulary, Target(TEXT, spans), prompt)


def test_the_words_are_given_and_the_tags_are_chosen(vocabulary: Vocabulary) -> None:
    spans = (Span(0, 6, "PERSON"), Span(26, 30, "PLACE"))
    found = choices_of(vocabulary, "inline", spans, Prompt(frozenset({"ner"})))
    words = vocabulary.tokenizer.encode(f" {TEXT}")
    text = vocabulary.text_ids
    assert [token for token in found.ids if token in text] == words
    assert len(found.allowed) == len(found.ids)
    chosen = [token for token, allowed in zip(found.ids, found.allowed, strict=True) if allowed]
    assert all(token in allowed for token, allowed in zip(found.ids, found.allowed, strict=True) if allowed)
    opener, closer = vocabulary["[PERSON]"], vocabulary["[/PERSON]"]
    assert opener in chosen and closer in chosen
    assert words[1] in found.allowed[found.ids.index(opener)]  # the word could have gone on without a tag
    # After the last word of all nothing but the end may come.
    assert found.ids[-1] == vocabulary["<|endoftext|>"] and not found.allowed[-1]


def test_a_word_is_never_divided(vocabulary: Vocabulary) -> None:
    found = choices_of(vocabulary, "inline", (Span(28, 29, "PLACE"),), Prompt(frozenset({"ner"})))
    fmt = get_format("inline", vocabulary, Alphabet.ATOMIC)
    parsed = fmt.parse(found.ids, Prompt(frozenset({"ner"})))
    (span,) = parsed.target.entities or ()
    assert TEXT[span.start : span.end] == "Rome"


def test_open_types_are_chosen_along_their_names(vocabulary: Vocabulary) -> None:
    prompt = Prompt(frozenset({"ner"}), ("person", "place", "drug"))
    found = choices_of(vocabulary, "inline-open", (Span(0, 6, "person"),), prompt)
    opener = vocabulary["[<]"]
    place = found.ids.index(opener)
    # The name's first token is chosen among the first tokens of all names that were asked for.
    firsts = {vocabulary.tokenizer.encode(name)[0] for name in ("person", "place", "drug")}
    assert set(found.allowed[place + 1]) == firsts
    fmt = get_format("inline-open", vocabulary, Alphabet.ATOMIC)
    (span,) = fmt.parse(found.ids, prompt).target.entities or ()
    assert (span.start, span.end, span.type) == (0, 6, "person")


def test_no_words_and_no_types(vocabulary: Vocabulary) -> None:
    fmt = get_format("inline", vocabulary, Alphabet.ATOMIC)
    assert isinstance(fmt, InlineFormat)
    found = tag_choices(fmt, vocabulary, Target("", ()), Prompt(frozenset({"ner"})))
    assert found.ids == (vocabulary["<|endoftext|>"],) and found.allowed == ((),)
    with pytest.raises(OptionError):
        tag_choices(fmt, vocabulary, Target(TEXT, ()), Prompt(frozenset({"ner"}), ("dragon",)))


def test_the_sentiment_is_one_choice(vocabulary: Vocabulary) -> None:
    found = sentiment_choice(vocabulary, TEXT, "Positive")
    encode = vocabulary.tokenizer.encode
    assert found.ids == (encode("Positive")[0],)
    assert set(found.allowed[0]) == {encode(label)[0] for label in vocabulary.labels.sentiments}
    assert found.prefix[-1] == vocabulary["[SA]"]
    with pytest.raises(VocabularyError, match="elated"):
        sentiment_choice(vocabulary, TEXT, "elated")
