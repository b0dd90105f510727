"""Processors touch what they say and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unislu.decoding.processors import EntityBias, GrammarMask, Masks, RepetitionPenalty, Suppress
from unislu.decoding.repetition import LEAST_REPEATS, LEAST_TOKENS, LONG_REPEATS, loop_start
from unislu.sequence import Prompt, Vocabulary, get_format

TOKENS = st.lists(st.integers(0, 9), max_size=30)
OPENERS = {(7,): 1.5, (8, 1, 9): -2.0, (8, 2, 9): 4.0, (8, 2, 3, 9): 0.5}
CLOSERS = {6}


def gains(processor: EntityBias, written: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    state = processor.start()
    for token in written:
        state = processor.advance(state, token)
    scores = np.zeros(10, np.float32)
    processor.apply(scores, state)
    return scores


def test_an_opener_gains_its_bias_in_all() -> None:
    processor = EntityBias(OPENERS, CLOSERS)
    for path, bias in OPENERS.items():
        total = sum(float(gains(processor, path[:place])[token]) for place, token in enumerate(path))
        assert total == bias


@given(TOKENS)
def test_inside_a_span_nothing_gains(words: list[int]) -> None:
    inside = [token for token in words if token not in CLOSERS]
    assert not gains(EntityBias(OPENERS, CLOSERS), [7, *inside]).any()
    assert gains(EntityBias(OPENERS, CLOSERS), [7, *inside, 6])[7] == 1.5


@given(TOKENS, st.floats(-5, 5, width=32))
def test_one_bias_for_all_touches_first_tokens_only(written: list[int], bias: float) -> None:
    processor = EntityBias(dict.fromkeys(OPENERS, bias), CLOSERS)
    changed = gains(processor, written)
    assert set(np.flatnonzero(changed)) <= {7, 8}
    assert set(changed[[7, 8]]) <= {np.float32(bias), np.float32(0)}


def test_without_closers_an_opener_is_all_there_is() -> None:
    processor = EntityBias({(8, 1, 9): 2.0}, ())
    assert gains(processor, [8, 1, 9])[8] == 2.0


def test_suppressed_tokens_are_forbidden_and_others_kept() -> None:
    scores = np.arange(5, dtype=np.float32)
    Suppress([1, 3]).apply(scores, None)
    assert scores.tolist() == [0, -np.inf, 2, -np.inf, 4]


@given(st.data())
def test_the_mask_is_the_grammar(vocabulary: Vocabulary, data: st.DataObject) -> None:
    """Along random allowed paths exactly the allowed tokens keep their scores."""
    name, types = data.draw(st.sampled_from([("inline", None), ("suffix", None), ("inline-open", ("a-b",))]))
    grammar = get_format(name, vocabulary).grammar(Prompt(types=types))
    processor = GrammarMask(grammar, Masks(vocabulary.size, vocabulary.text_ids))
    state = processor.start()
    for _ in range(12):
        allowed = grammar.allowed(state)
        expected = allowed.ids | (vocabulary.text_ids if allowed.text else frozenset())
        if not expected:
            break
        scores = np.arange(vocabulary.size, dtype=np.float32)
        processor.apply(scores, state)
        assert frozenset(np.flatnonzero(np.isfinite(scores))) == expected
        assert all(scores[token] == token for token in expected)
        likely = sorted(allowed.ids) or sorted(expected)
        pool = likely if data.draw(st.booleans()) else sorted(expected)
        state = processor.advance(state, data.draw(st.sampled_from(pool)))


@given(
    before=st.lists(st.integers(100, 200), max_size=10, unique=True),
    group=st.lists(st.integers(0, 50), min_size=1, max_size=24, unique=True),
)
def test_a_loop_is_found_as_soon_as_it_counts(before: list[int], group: list[int]) -> None:
    repeats = max(LEAST_REPEATS, -(-LEAST_TOKENS // len(group)))
    ids = before + group * repeats
    assert loop_start(ids) == len(before) + len(group)
    assert loop_start(ids[:-1]) is None


@given(st.lists(st.integers(0, 999), min_size=25, max_size=64, unique=True))
def test_a_loop_over_sentences_is_found_the_third_time(group: list[int]) -> None:
    ids = [1000, 1001, *group * LONG_REPEATS]
    assert loop_start(ids) == 2 + len(group)
    assert loop_start(ids[:-1]) is None


def test_what_people_repeat_is_no_loop() -> None:
    very, refrain, digits = [7] * 19, [*range(20)] * 3, [*range(10)] * 3
    chorus = [*range(30)] * 2 + [99] + [*range(30)] * 2
    for ids in (very, refrain, digits, chorus, [*range(300)]):
        assert loop_start(ids) is None


@given(st.lists(st.integers(0, 3), max_size=LEAST_TOKENS - 1))
def test_short_output_is_never_a_loop(ids: list[int]) -> None:
    assert loop_start(ids) is None


@given(TOKENS, st.floats(1.125, 3, width=32))
def test_repeated_tokens_lose_whatever_their_sign(written: list[int], penalty: float) -> None:
    processor = RepetitionPenalty(penalty)
    state = processor.start()
    for token in written:
        state = processor.advance(state, token)
    before = np.linspace(-2, 2, 10, dtype=np.float32)  # no zero: that stays
    after = before.copy()
    processor.apply(after, state)
    for token in range(10):
        assert after[token] < before[token] if token in written else after[token] == before[token]
