"""Alignment: the path against exhaustive search, and known times found again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.decoding import alignment
from unislu.decoding.alignment import LEAD, alignment_matrix, quietness, word_positions
from unislu.decoding.decoder import Decoder
from unislu.decoding.options import DecodeOptions
from unislu.sequence import Prompt, Vocabulary, get_format
from unislu.sequence.vocabulary import END

from .conftest import TableEngine, TableState, scripted_logits

Array = np.ndarray[Any, Any]


def best_score(rows: Sequence[Array], optional: Sequence[bool]) -> float:
    """The largest sum of any path, by trying all of them."""
    columns = len(rows[0])

    @cache
    def rest(row: int, first: int, before: int) -> float:
        """From `row` on, when the last row written is `before` (-1: none) and `first` is its end."""
        found = -np.inf
        if row == len(rows):
            return 0.0 if first == columns else found
        if optional[row]:
            found = rest(row + 1, first, before)
        starts = {first}
        if before >= 0 and not optional[row] and not optional[before]:
            starts.add(first - 1)
        for start in starts:
            for end in range(start + 1, columns + 1):
                found = max(found, float(rows[row][start:end].sum()) + rest(row + 1, end, row))
        return found

    return rest(0, 0, -1)


@given(
    words=st.lists(st.integers(1, 2), min_size=1, max_size=3),
    columns=st.integers(1, 6),
    seed=st.integers(0, 10_000),
)
def test_the_path_is_the_best_of_all(words: list[int], columns: int, seed: int) -> None:
    optional = [True]
    for tokens in words:
        optional += [False] * tokens + [True]
    rows = list(np.random.default_rng(seed).standard_normal((len(optional), columns)))
    spans = alignment._best_path(rows, optional)
    found = sum(float(row[first:end].sum()) for row, (first, end) in zip(rows, spans, strict=True))
    assert found == pytest.approx(best_score(rows, optional))
    kept = [(span, may) for span, may in zip(spans, optional, strict=True) if span[1]]
    assert kept[0][0][0] == 0 and kept[-1][0][1] == columns
    for ((_, end), first_may), ((start, _), second_may) in pairwise(kept):
        assert start == end or (start == end - 1 and not first_may and not second_may)


def attention(edges: Sequence[tuple[int, int]], audio: int, heads: int = 3) -> Array:
    """Weights of tokens that look at their positions, `LEAD` early; the last looks at the end."""
    noise = np.random.default_rng(0).uniform(0, 0.02, (heads, len(edges) + 1, audio))
    for token, (first, end) in enumerate(edges):
        noise[:, token, max(0, first - LEAD) : max(1, end - LEAD)] += 1
    noise[:, -1, audio - LEAD :] += 1
    return np.asarray(noise / noise.sum(axis=2, keepdims=True), np.float32)


def test_words_are_found_where_their_tokens_look() -> None:
    edges = [(0, 12), (12, 20), (20, 41), (41, 60)]
    matrix = alignment_matrix(attention(edges, 64))
    found = word_positions(matrix, [[0, 1], [2], [3]], [6, 6, 6], None)
    expected = [(0, 20), (20, 41), (41, 60)]
    assert np.abs(np.array(found) - expected).max() <= 2


def test_pauses_belong_to_no_word() -> None:
    """Attention alone would give the silence to a neighbour."""
    edges = [(5, 25), (25, 70), (70, 90)]
    matrix = alignment_matrix(attention(edges, 100))
    level = np.full(200, -80.0, np.float32)
    for first, end in [(5, 25), (50, 70), (70, 90)]:
        level[2 * first : 2 * end] = -20.0
    quiet = quietness(level, 100)
    assert quiet is not None
    assert word_positions(matrix, [[0], [1], [2]], [5, 5, 5], quiet) == [(5, 25), (50, 70), (70, 90)]


def test_rows_of_control_tokens_take_no_part() -> None:
    edges = [(0, 3), (3, 30), (30, 33), (33, 60)]
    matrix = alignment_matrix(attention(edges, 64))
    without = word_positions(np.delete(matrix, [0, 2], axis=0), [[0], [1]], [5, 5], None)
    assert word_positions(matrix, [[1], [3]], [5, 5], None) == without


def test_where_no_token_looks_the_longer_word_goes_on() -> None:
    edges = [(0, 10), (40, 50)]
    matrix = alignment_matrix(attention(edges, 50))
    (_, long_first), _ = word_positions(matrix, [[0], [1]], [20, 3], None)
    (_, short_first), _ = word_positions(matrix, [[0], [1]], [3, 20], None)
    assert long_first > short_first + 10


@pytest.mark.parametrize(
    "level", [np.full(50, -30.0), np.random.default_rng(1).uniform(-30, -22, 50), np.full(1, -90.0)]
)
def test_a_level_that_does_not_vary_says_nothing(level: Array) -> None:
    assert quietness(level.astype(np.float32), 25) is None


def test_the_median_of_three_is_the_median() -> None:
    values = np.random.default_rng(2).standard_normal((4, 30)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(values, 3, axis=1)
    assert np.array_equal(alignment._median(values)[:, 1:-1], np.median(windows, axis=2))
    assert np.array_equal(alignment._median(values[:, :2]), values[:, :2])


class LookingEngine(TableEngine):
    """Each position looks at three audio positions: from three times its own number on."""

    aligns = True
    audio = 400

    def attention(self, state: TableState, row: int, start: int, stop: int) -> Array:
        assert stop <= len(state.written[row])
        weights = np.full((2, stop - start, self.audio), 1e-3, np.float32)
        for place, position in enumerate(range(start, stop)):
            weights[:, place, 3 * position : 3 * position + 3] = 1
        return weights / weights.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("tasks", [frozenset({"ner"}), frozenset({"ner", "sa"}), frozenset[str]()])
def test_rows_of_an_alignment_are_those_of_the_ids(
    vocabulary: Vocabulary, beam: int, tasks: frozenset[str]
) -> None:
    """Row i is the query that chose id i, whatever ends first in the batch, forked or not, with beams too."""
    fmt, prompt = get_format("inline", vocabulary), Prompt(tasks)
    prefix = len(fmt.prefix(prompt))
    encode, end = vocabulary.tokenizer.encode, vocabulary[END]
    scripts = [
        [*encode(" Anna met Bob"), end],
        [*encode(" Paris"), end],
        [*encode(" Bob met Anna in Paris."), end],
    ]
    engine = LookingEngine(vocabulary.size, scripted_logits(vocabulary.size, scripts, prefix))
    decoder = Decoder(engine, vocabulary)
    outputs = decoder.decode((0, 1, 2), fmt, prompt, [3.0] * 3, DecodeOptions(beam=beam, align=True))
    for output, script in zip(outputs, scripts, strict=True):
        assert output.ids[: len(script) - 1] == script[:-1]
        assert output.alignment is not None and output.alignment.shape == (len(script), engine.audio)
        looked = output.alignment.argmax(axis=1) // 3
        assert looked.tolist() == [prefix - 1 + place for place in range(len(script))]
    plain = decoder.decode((0,), fmt, prompt, [3.0], DecodeOptions(beam=beam))
    assert plain[0].alignment is None


def test_an_engine_without_attention_gives_no_alignment(vocabulary: Vocabulary) -> None:
    script = [*vocabulary.tokenizer.encode(" Anna"), vocabulary[END]]
    fmt, prompt = get_format("inline", vocabulary), Prompt(frozenset())
    logits = scripted_logits(vocabulary.size, [script], len(fmt.prefix(prompt)))
    decoder = Decoder(TableEngine(vocabulary.size, logits), vocabulary)
    assert decoder.decode((0,), fmt, prompt, [2.0], DecodeOptions(align=True))[0].alignment is None


@pytest.mark.parametrize("noise", [-42.0, -26.0])
def test_pauses_are_heard_beside_digital_silence(noise: float) -> None:
    """A recording that starts late begins with zeros, which are far below the noise of its room."""
    rng = np.random.default_rng(0)
    speech, pause, late = np.full(100, -10.0), np.full(120, noise), np.full(200, -90.0)
    room = np.concatenate([speech, pause, speech, pause[:60]]) + rng.normal(0, 0.5, 380)
    known = quietness(room.astype(np.float32), 190)
    found = quietness(np.concatenate([late, room]).astype(np.float32), 290)
    assert known is not None and found is not None
    np.testing.assert_allclose(found[100:], known, atol=0.05)
    assert found[100:150].max() < -0.9 and found[:100].min() == 1.0
    assert found[150:210].min() > (0.5 if noise < -40 else 0.0)


def test_weak_sounds_of_clean_speech_are_no_pauses() -> None:
    """Between digital silences there is no noise: the quietest there belongs to words."""
    word = np.concatenate([np.linspace(-50.0, -10.0, 20), np.full(60, -10.0), np.linspace(-10.0, -45.0, 20)])
    found = quietness(np.tile(np.concatenate([word, np.full(40, -90.0)]), 3).astype(np.float32), 210)
    assert found is not None
    weak = np.flatnonzero(np.tile(np.concatenate([word, np.full(40, -90.0)]), 3)[::2] > -45.0)
    assert found[weak].max() <= 0.0
