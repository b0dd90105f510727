"""Expected phrases: whole or not at all, at the beginnings of words, whatever tokens they are cut into."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.decoding import Decoded, DecodeOptions, Decoder
from unislu.decoding.phrase_tree import Cursor, PhraseTree
from unislu.errors import OptionError
from unislu.sequence import Prompt, Vocabulary, get_format
from unislu.sequence.phrases import Phrase
from unislu.sequence.vocabulary import END, TRANSCRIPT_END

from .conftest import Logits, TableEngine, random_logits, trained
from .test_tagging import decoder as tagging_decoder

SHORT = DecodeOptions(tokens_per_second=4.0, tokens_margin=8)
SEEDS = st.integers(0, 2**32)
PLAIN = Prompt(frozenset())


def ends(tree: PhraseTree, ids: list[int], at: Cursor | None = None) -> Phrase | None:
    """The phrase at the end of `ids`, followed by the end of the transcript."""
    at = at or Cursor()
    for token in ids:
        at = tree.advance(at, token)
    return at.node.phrase if at.node is not None and tree.completes(at, min(tree.ends)) else None


def decode(vocabulary: Vocabulary, logits: Logits, options: DecodeOptions, *windows: float) -> list[Decoded]:
    decoder = Decoder(TableEngine(vocabulary.size, logits), vocabulary)
    fmt = get_format("inline", vocabulary)
    windows = windows or (4.0,)
    return decoder.decode(tuple(range(len(windows))), fmt, PLAIN, windows, options)


def preferring(vocabulary: Vocabulary, texts: dict[str, float]) -> Logits:
    """Logits of a model that would write any of the texts; each loses as much as is said where it parts."""
    encode, end = vocabulary.tokenizer.encode, vocabulary[END]
    paths = [((*encode(text), vocabulary.ids.get(TRANSCRIPT_END, end)), loss) for text, loss in texts.items()]
    first = len(get_format("inline", vocabulary).prefix(PLAIN))

    def logits(window: int, written: tuple[int, ...]) -> np.ndarray:
        scores = np.full(vocabulary.size, -30.0, np.float32)
        scores[paths[0][0][-1]] = -200.0
        done = written[first:]
        follow = [(path, loss) for path, loss in paths if path[: len(done)] == done and len(path) > len(done)]
        for path, loss in follow:
            scores[path[len(done)]] = max(scores[path[len(done)]], -loss)
        if not follow:
            scores[encode(".")[0]] = 0.0  # goes on until it is cut off
        return scores

    return logits


def text_of(vocabulary: Vocabulary, decoded: Decoded) -> str:
    return vocabulary.tokenizer.decode(decoded.ids).strip()


def test_every_way_to_cut_a_phrase_into_tokens_leads_to_it(vocabulary: Vocabulary) -> None:
    phrase = Phrase("Anna met Bob")
    tree = PhraseTree([phrase], vocabulary)
    encode = vocabulary.tokenizer.encode
    letters = [token for letter in " Anna met Bob" for token in encode(letter)]
    for ids in (encode(" Anna met Bob"), letters, [*encode(" Anna"), *letters[5:]]):
        assert ends(tree, ids) == phrase
    assert ends(tree, encode("Anna met Bob")) == phrase  # the first word has no blank


def test_a_phrase_is_whole_words(vocabulary: Vocabulary) -> None:
    tree, encode = PhraseTree([Phrase("Ann")], vocabulary), vocabulary.tokenizer.encode
    at = Cursor()
    for token in encode(" Jo"):
        at = tree.advance(at, token)
    assert ends(tree, encode("Ann"), at) is None  # within a word
    for token in encode(" Ann"):
        at = tree.advance(at, token)
    assert at.node is not None and at.node.phrase is not None
    assert not tree.completes(at, encode("a")[0])
    assert tree.completes(at, encode(".")[0]) and tree.completes(at, encode(" ")[0])
    assert tree.find(encode(" Ann Anna. Ann")) == [
        (0, len(encode(" Ann")), Phrase("Ann")),
        (len(encode(" Ann Anna.")), len(encode(" Ann Anna. Ann")), Phrase("Ann")),
    ]


def test_capitals_are_kept_and_small_letters_may_become_capitals(vocabulary: Vocabulary) -> None:
    tree, encode = PhraseTree([Phrase("bob met"), Phrase("Anna")], vocabulary), vocabulary.tokenizer.encode
    for spelled in (" bob met", " Bob met", " Bob Met"):
        assert ends(tree, encode(spelled)) == Phrase("bob met")
    assert ends(tree, encode(" Anna")) == Phrase("Anna") and ends(tree, encode(" anna")) is None


def test_scripts_without_blanks_need_none(vocabulary: Vocabulary) -> None:
    tree, encode = PhraseTree([Phrase("東京")], vocabulary), vocabulary.tokenizer.encode
    ids = encode("は東京に")
    assert [vocabulary.tokenizer.decode(ids[first:end]) for first, end, _ in tree.find(ids)] == ["東京"]


SCRIPTS = {
    "Cyrillic": (" Он видел Ахматова.", " Он видел Ахматову."),
    "Arabic": (" زار القاهرا.", " زار القاهرة."),
    "Han": ("我去北京大雪。", "我去北京大学。"),
    "Hangul": (" 나는 서을에.", " 나는 서울에."),
    "Devanagari": (" वह दिलि गया.", " वह दिल्ली गया."),
}
NAMES = dict(zip(SCRIPTS, ("Ахматову", "القاهرة", "北京大学", "서울에", "दिल्ली"), strict=True))


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("words", ["whole", "bytes"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_phrases_of_any_script(vocabulary: Vocabulary, script: str, words: str, beam: int) -> None:
    """With tokens for its words, and byte by byte."""
    heard, said = SCRIPTS[script]
    read = "我去。北京。大学。大雪。" if script == "Han" else f"{heard}{said}"
    known = vocabulary if words == "bytes" else trained(read)
    assert known.characters.isdisjoint(NAMES[script]) == (words == "bytes")
    logits = preferring(known, {heard: 0.0, said: 3.0})
    assert text_of(known, decode(known, logits, replace(SHORT, beam=beam), 12.0)[0]) == heard.strip()
    expecting = replace(SHORT, beam=beam, phrases=(Phrase(NAMES[script]), Phrase("Bob")))
    assert text_of(known, decode(known, logits, expecting, 12.0)[0]) == said.strip()


def test_a_longer_phrase_goes_before_one_that_begins_it(vocabulary: Vocabulary) -> None:
    tree = PhraseTree([Phrase("Anna"), Phrase("Anna met", 2.0)], vocabulary)
    encode = vocabulary.tokenizer.encode
    assert [phrase.text for *_, phrase in tree.find(encode(" Anna met Bob, Anna in"))] == ["Anna met", "Anna"]


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize(("loss", "found"), [(3.0, True), (25.0, False)])
def test_a_phrase_may_cost_as_much_as_its_weight_allows(
    vocabulary: Vocabulary, beam: int, loss: float, found: bool
) -> None:
    logits = preferring(vocabulary, {" Bab in Paris.": 0.0, " Bob in Paris.": loss})
    options = replace(SHORT, beam=beam)
    assert text_of(vocabulary, decode(vocabulary, logits, options)[0]) == "Bab in Paris."
    expecting = replace(options, phrases=(Phrase("Bob"),))
    text = text_of(vocabulary, decode(vocabulary, logits, expecting)[0])
    assert text == ("Bob in Paris." if found else "Bab in Paris.")


@pytest.mark.parametrize("beam", [1, 3])
def test_what_does_not_become_the_phrase_is_taken_back(vocabulary: Vocabulary, beam: int) -> None:
    logits = preferring(vocabulary, {" Bab in Paris.": 0.0, " Bobbin Paris.": 3.0})
    options = replace(SHORT, beam=beam, phrases=(Phrase("Bob"), Phrase("Bobo met")))
    assert text_of(vocabulary, decode(vocabulary, logits, options)[0]) == "Bab in Paris."


def test_a_phrase_does_not_go_before_a_word_that_is_certain(vocabulary: Vocabulary) -> None:
    """Whatever it weighs; within a word it may cost more."""
    logits = preferring(vocabulary, {" in Paris.": 0.0, " Bob in Paris.": 9.0})
    expecting = replace(SHORT, phrases=(Phrase("Bob", 10.0),))
    assert text_of(vocabulary, decode(vocabulary, logits, expecting)[0]) == "in Paris."
    logits = preferring(vocabulary, {" Banana.": 0.0, " Bann.": 9.0})
    expecting = replace(SHORT, phrases=(Phrase("Bann"),))
    assert text_of(vocabulary, decode(vocabulary, logits, expecting)[0]) == "Bann."


def test_a_phrase_does_not_begin_in_the_place_of_a_mark(vocabulary: Vocabulary) -> None:
    logits = preferring(vocabulary, {" Anna. Bab in Paris": 0.0, " Anna Bob in Paris": 2.0})
    expecting = replace(SHORT, phrases=(Phrase("Bob"),))
    assert text_of(vocabulary, decode(vocabulary, logits, expecting)[0]) == "Anna. Bab in Paris"


def test_a_phrase_is_not_written_twice_on_end(vocabulary: Vocabulary) -> None:
    logits = preferring(vocabulary, {" Bob in Paris.": 0.0, " Bob Bob in Paris.": 2.0})
    expecting = replace(SHORT, phrases=(Phrase("Bob"),))
    assert text_of(vocabulary, decode(vocabulary, logits, expecting)[0]) == "Bob in Paris."


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_without_a_whole_phrase_nothing_changes(vocabulary: Vocabulary, seed: int) -> None:
    """Random models begin many phrases and complete few; rows of a batch are taken back independently."""
    logits = random_logits(vocabulary.size, seed)
    phrases = tuple(Phrase(text) for text in ("Anna met Bob", "Bob", "in Paris", "person", "x", "q.e.d."))
    plain = decode(vocabulary, logits, SHORT, 2.0, 5.0, 3.0)
    expecting = decode(vocabulary, logits, replace(SHORT, phrases=phrases), 2.0, 5.0, 3.0)
    tree = PhraseTree(phrases, vocabulary)
    for one, other in zip(plain, expecting, strict=True):
        if not tree.find(other.ids):
            assert other == one


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, name=st.sampled_from(["inline", "inline-open"]), beam=st.sampled_from([1, 2]))
def test_output_with_typed_phrases_parses(vocabulary: Vocabulary, seed: int, name: str, beam: int) -> None:
    prompt = Prompt(types=None if name == "inline" else ("person", "place"))
    fmt = get_format(name, vocabulary)
    decoder = Decoder(TableEngine(vocabulary.size, random_logits(vocabulary.size, seed)), vocabulary)
    phrases = (Phrase("x", 3.0, "Person"), Phrase("b", 1.0, "place"), Phrase("7", 1.0, "nothing asked"))
    options = replace(SHORT, beam=beam, phrases=phrases)
    for decoded in decoder.decode((0, 1), fmt, prompt, (3.0, 5.0), options):
        assert len(decoded.ids) == len(decoded.logprobs)
        if decoded.stop == "eot":
            assert fmt.parse(decoded.ids, prompt).repairs == ()


@pytest.mark.parametrize("two", [False, True], ids=["one decoder", "two decoders"])
@pytest.mark.parametrize(("name", "types"), [("inline", None), ("inline-open", ("person", "place"))])
def test_a_phrase_of_a_type_that_is_asked_for_is_tagged(
    vocabulary: Vocabulary, name: str, types: tuple[str, ...] | None, two: bool
) -> None:
    """The words are certain, and tags a little less likely than they are."""
    prompt = Prompt(frozenset({"ner"}), types)
    fmt = get_format(name, vocabulary)
    encode = vocabulary.tokenizer.encode
    words = encode(" Anna met Bob.")
    openers = {token for opener in (fmt.openers(prompt) or {}).values() for token in opener}

    def logits(window: int, written: tuple[int, ...]) -> np.ndarray:
        scores = np.full(vocabulary.size, -40.0, np.float32)
        scores[[*openers, *fmt.closers]] = -3.0
        prefix = 0 if two else len(fmt.prefix(prompt))
        copied = [token for token in written[prefix:] if token in words]
        scores[words[len(copied)] if len(copied) < len(words) else vocabulary[END]] = 0.0
        if len(copied) == len(words):
            scores[vocabulary.ids[TRANSCRIPT_END]] = 0.0
        return scores

    decoder = tagging_decoder(vocabulary, logits, logits) if two else None
    decoder = decoder or Decoder(TableEngine(vocabulary.size, logits), vocabulary)
    plain, expecting = (
        decoder.decode((0,), fmt, prompt, (4.0,), replace(SHORT, phrases=phrases))[0]
        for phrases in ((), (Phrase("Bob", 1.0, "person"), Phrase("Anna", 1.0, "drug")))
    )
    assert not fmt.parse(plain.ids, prompt).target.entities
    target = fmt.parse(expecting.ids, prompt).target
    assert target.text == "Anna met Bob."
    assert [target.text[span.start : span.end] for span in target.entities or ()] == ["Bob"]
    assert [span.type.lower() for span in target.entities or ()] == ["person"]


def test_drawing_with_phrases_is_refused() -> None:
    with pytest.raises(OptionError, match=r"temperature 0.5 with expected phrases"):
        DecodeOptions(temperature=0.5, phrases=(Phrase("Bob"),))
