"""Two decoders: the transcript never depends on what is asked, and a draft changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.decoding import Decoded, DecodeOptions, TaggingDecoder, copying
from unislu.errors import OptionError
from unislu.sequence import Prompt, Span, Vocabulary, get_format
from unislu.sequence.vocabulary import CLOSE_TEXT, END, OPEN_TEXT, OPEN_TYPE

from .conftest import Logits, TableEngine, TableState, random_logits, scripted_logits

SHORT = DecodeOptions(tokens_per_second=4.0, tokens_margin=6)
SEEDS = st.integers(0, 2**32)
ASKED = [
    ("inline", Prompt()),
    ("inline", Prompt(frozenset({"ner"}))),
    ("inline", Prompt(frozenset({"sa"}))),
    ("inline-open", Prompt(types=("person",))),
    ("inline-open", Prompt(types=("place", "person"))),
]


class TableTagger(TableEngine):
    """A `Tagger` whose logits are looked up."""

    tags = True

    def score(self, tokens: Any, state: TableState, wanted: Any) -> Any:
        ((window,), (written,)) = state.windows, state.written
        rows = []
        for token in tokens:
            written = (*written, int(token))
            rows.append(self._logits(window, written)[wanted])
        assert len(written) <= self.max_tokens
        self.steps.append((1, len(tokens)))
        object.__setattr__(state, "written", (written,))
        return np.stack(rows)

    def cut(self, state: TableState, length: int) -> None:
        object.__setattr__(state, "written", (state.written[0][:length],))


def decoder(vocabulary: Vocabulary, words: Logits, tags: Logits, most: int = 200) -> TaggingDecoder:
    size = vocabulary.size
    return TaggingDecoder(TableEngine(size, words, most), TableTagger(size, tags, most), vocabulary)


def run(
    vocabulary: Vocabulary, seed: int, name: str, prompt: Prompt, options: DecodeOptions = SHORT
) -> list[Decoded]:
    words, tags = (random_logits(vocabulary.size, seed + part) for part in (0, 1))
    found = decoder(vocabulary, words, tags)
    return found.decode((0, 1), get_format(name, vocabulary), prompt, (2.0, 5.0), options)


@settings(max_examples=8)
@given(seed=SEEDS)
def test_the_transcript_does_not_depend_on_what_is_asked(vocabulary: Vocabulary, seed: int) -> None:
    texts = set()
    for name, prompt in ASKED:
        fmt = get_format(name, vocabulary)
        for bias in (0.0, 4.0):
            outputs = run(vocabulary, seed, name, prompt, replace(SHORT, bias=bias))
            parsed = [fmt.parse(output.ids, prompt) for output in outputs]
            assert all(one.repairs == () for one in parsed)
            texts.add(tuple(one.target.text for one in parsed))
    assert len(texts) == 1


@settings(max_examples=8)
@given(seed=SEEDS)
def test_a_draft_writes_what_single_steps_write(vocabulary: Vocabulary, seed: int) -> None:
    for name, prompt in ASKED:
        drafted = run(vocabulary, seed, name, prompt)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copying, "OUTSIDE", 0)
            patch.setattr(copying, "INSIDE", 0)
            single = run(vocabulary, seed, name, prompt)
        assert [one.ids for one in drafted] == [one.ids for one in single]
        assert [one.sentiment for one in drafted] == [one.sentiment for one in single]
        for one, other in zip(drafted, single, strict=True):
            np.testing.assert_allclose(one.logprobs, other.logprobs, rtol=1e-6)


def test_the_tagger_chooses_tags_and_nothing_else(vocabulary: Vocabulary) -> None:
    encode = vocabulary.tokenizer.encode
    first, name, rest = encode(" met"), encode(" Anna"), encode(" in Paris.")
    words = [*first, *name, *rest, vocabulary[END]]
    prompt = Prompt(frozenset({"ner"}), ("person",))
    fmt = get_format("inline-open", vocabulary)
    opener = [vocabulary[OPEN_TYPE], *encode("person"), vocabulary[OPEN_TEXT]]
    tagged = [*first, *opener, *name, vocabulary[CLOSE_TEXT], *rest, vocabulary[END]]
    transcriber = scripted_logits(vocabulary.size, [words], 4)
    tagger = scripted_logits(vocabulary.size, [tagged], len(fmt.prefix(prompt)))
    found = decoder(vocabulary, transcriber, tagger)
    (output,) = found.decode((0,), fmt, prompt, (9.0,))
    assert output.ids == tagged and output.stop == "eot"
    target = fmt.parse(output.ids, prompt).target
    assert target.text == "met Anna in Paris." and target.entities == (Span(4, 8, "person"),)
    steps = found._tagger.steps  # type: ignore[attr-defined]
    assert len(steps) <= 6 < len(tagged)


def test_passes_over_the_same_windows_share_their_transcripts(vocabulary: Vocabulary) -> None:
    words, tags = (random_logits(vocabulary.size, seed) for seed in (1, 2))
    found = decoder(vocabulary, words, tags)
    encoded, before = (0, 1), 0
    for name, prompt in ASKED:
        found.decode(encoded, get_format(name, vocabulary), prompt, (2.0, 5.0), SHORT)
        steps = len(found._engine.steps)  # type: ignore[attr-defined]
        if name == "inline-open":
            assert steps == before
        before = steps


def test_a_prompt_that_leaves_no_room_is_refused(vocabulary: Vocabulary) -> None:
    words, tags = (random_logits(vocabulary.size, seed) for seed in (1, 2))
    found = decoder(vocabulary, words, tags, most=40)
    types = tuple(f"person {number}" for number in range(12))
    with pytest.raises(OptionError, match="ask for fewer entity types"):
        found.decode((0,), get_format("inline-open", vocabulary), Prompt(types=types), (9.0,), SHORT)
