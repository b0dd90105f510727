"""Decoding over an engine without a network: search, bias, grammar, fork, limits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unislu.decoding import Decoded, DecodeOptions, Decoder
from unislu.errors import OptionError
from unislu.sequence import Alphabet, Prompt, Vocabulary, get_format
from unislu.sequence.vocabulary import END, NER, SA, TRANSCRIPT_END

from .conftest import TableEngine, random_logits, scripted_logits

ALL = [("inline", None), ("inline-open", ("person", "place")), ("suffix", None), ("bio", ("person", "place"))]
SHORT = DecodeOptions(tokens_per_second=4.0, tokens_margin=6)
SEEDS = st.integers(0, 2**32)


def run(
    vocabulary: Vocabulary,
    seed: int,
    options: DecodeOptions = SHORT,
    format_name: str = "inline",
    prompt: Prompt | None = None,
    durations: tuple[float, ...] = (4.0,),
) -> list[Decoded]:
    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, seed))
    decoder = Decoder(engine, vocabulary)
    fmt = get_format(format_name, vocabulary)
    return decoder.decode(tuple(range(len(durations))), fmt, prompt or Prompt(), durations, options)


@pytest.mark.parametrize(("name", "types"), ALL)
@settings(max_examples=5)
@given(seed=SEEDS)
def test_constrained_output_parses_without_repairs(
    vocabulary: Vocabulary, name: str, types: tuple[str, ...] | None, seed: int
) -> None:
    prompt = Prompt(types=types)
    fmt = get_format(name, vocabulary)
    for decoded in run(vocabulary, seed, SHORT, name, prompt, (2.0, 6.0)):
        parsed = fmt.parse(decoded.ids, prompt)
        if decoded.stop == "eot":
            assert parsed.repairs == ()
        assert len(decoded.ids) == len(decoded.logprobs)
        assert decoded.sentiment is not None
        assert math.isclose(sum(decoded.sentiment.values()), 1.0)
        best = max(decoded.sentiment, key=lambda label: decoded.sentiment[label])  # type: ignore[index]
        assert parsed.target.sentiment == best


@pytest.mark.parametrize(("name", "types"), ALL)
@settings(max_examples=5)
@given(seed=SEEDS)
def test_unconstrained_output_holds_no_unlisted_token(
    vocabulary: Vocabulary, name: str, types: tuple[str, ...] | None, seed: int
) -> None:
    options = dataclasses.replace(SHORT, constrained=False, bias=1.0)
    known = vocabulary.text_ids | set(vocabulary.ids.values())
    for decoded in run(vocabulary, seed, options, name, Prompt(types=types), (3.0, 3.0)):
        assert set(decoded.ids) <= known


@settings(max_examples=5)
@given(seed=SEEDS, name=st.sampled_from(["inline", "suffix"]))
def test_a_beam_of_one_is_greedy(vocabulary: Vocabulary, seed: int, name: str) -> None:
    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, seed))
    decoder = Decoder(engine, vocabulary)
    fmt = get_format(name, vocabulary)
    greedy = decoder.decode((0, 1), fmt, Prompt(), (3.0, 5.0), SHORT)
    decoder._write_batch = decoder._write_beams  # type: ignore[method-assign]
    beam = decoder.decode((0, 1), fmt, Prompt(), (3.0, 5.0), SHORT)
    assert beam == greedy


@settings(max_examples=2)
@given(seed=SEEDS)
def test_a_wide_beam_finds_at_least_the_greedy_score(vocabulary: Vocabulary, seed: int) -> None:
    """With two tokens at most and a beam as wide as all their beginnings, nothing greedy finds is missed."""
    options = DecodeOptions(tokens_per_second=0.0, tokens_margin=2, length_penalty=0.0)
    prompt = Prompt(frozenset({"ner"}))
    greedy = run(vocabulary, seed, options, prompt=prompt)[0]
    wide = dataclasses.replace(options, beam=vocabulary.size)
    beam = run(vocabulary, seed, wide, prompt=prompt)[0]
    assert sum(beam.logprobs) >= sum(greedy.logprobs) - 1e-5


@settings(max_examples=5)
@given(seed=SEEDS, low=st.floats(-4, 4), more=st.floats(0, 6))
def test_at_equal_history_more_bias_opens_no_fewer(
    vocabulary: Vocabulary, seed: int, low: float, more: float
) -> None:
    """Up to the first difference both outputs have one history; there the higher bias writes an opener."""
    openers = {vocabulary[f"[{tag}]"] for tag in vocabulary.labels.entity_types}
    first, second = (
        run(vocabulary, seed, dataclasses.replace(SHORT, bias=bias))[0].ids for bias in (low, low + more)
    )
    different = next((pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]), None)
    if different is not None:
        assert different[1] in openers


@pytest.mark.parametrize(("name", "types"), ALL)
@pytest.mark.parametrize("beam", [1, 3])
@settings(max_examples=3)
@given(seed=SEEDS, share=st.floats(0, 1))
def test_a_known_beginning_is_gone_on_from(
    vocabulary: Vocabulary, name: str, types: tuple[str, ...] | None, beam: int, seed: int, share: float
) -> None:
    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, seed))
    decoder, fmt, prompt = Decoder(engine, vocabulary), get_format(name, vocabulary), Prompt(types=types)
    whole = decoder.decode((0,), fmt, prompt, (3.0,), SHORT)[0]
    ends = (vocabulary[TRANSCRIPT_END], vocabulary[END])
    length = next((place for place, token in enumerate(whole.ids) if token in ends), len(whole.ids))
    known = whole.ids[: int(share * min(length, SHORT.limit(3.0) - 1))]
    options = dataclasses.replace(SHORT, beam=beam)
    again = decoder.decode((0,), fmt, prompt, (3.0,), options, known)[0]
    assert again.ids[: len(known)] == known and again.logprobs[: len(known)] == [0.0] * len(known)
    assert len(again.ids) == len(again.logprobs)
    if beam == 1 and whole.stop == "eot":
        assert again.ids == whole.ids and again.logprobs[len(known) :] == whole.logprobs[len(known) :]


def test_a_beginning_longer_than_the_limit_is_cut(vocabulary: Vocabulary) -> None:
    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, 0))
    decoder, fmt = Decoder(engine, vocabulary), get_format("inline", vocabulary)
    text = sorted(vocabulary.text_ids)[:40]
    decoded = decoder.decode((0,), fmt, Prompt(frozenset()), (1.0,), SHORT, text)[0]
    assert decoded.ids[: SHORT.limit(1.0) - 1] == text[: SHORT.limit(1.0) - 1]


def test_bias_finds_more_in_the_mean(vocabulary: Vocabulary) -> None:
    openers = {vocabulary[f"[{tag}]"] for tag in vocabulary.labels.entity_types}
    counts = []
    for bias in (-6.0, 0.0, 3.0, 6.0):
        options = dataclasses.replace(SHORT, bias=bias)
        outputs = [run(vocabulary, seed, options)[0].ids for seed in range(25)]
        counts.append(sum(token in openers for ids in outputs for token in ids))
    assert counts == sorted(counts) and counts[0] < counts[-1]


def test_bias_of_one_open_type_lifts_that_type(vocabulary: Vocabulary) -> None:
    prompt = Prompt(frozenset({"ner"}), ("person", "place"))
    fmt = get_format("inline-open", vocabulary)
    found = {"person": 0, "place": 0}
    for seed in range(30):
        options = dataclasses.replace(SHORT, bias={"person": 0.0, "place": 12.0})
        decoded = run(vocabulary, seed, options, "inline-open", prompt, (6.0,))[0]
        for span in fmt.parse(decoded.ids, prompt).target.entities or ():
            found[span.type] += 1
    assert found["place"] > 3 * found["person"]


def test_plain_alphabet_is_biased_outside_a_span(vocabulary: Vocabulary) -> None:
    prompt = Prompt(frozenset({"ner"}), ("person",))
    fmt = get_format("inline-open", vocabulary, Alphabet.PLAIN)
    counts = []
    for bias in (-20.0, 9.0):
        options = dataclasses.replace(SHORT, bias=bias, tokens_margin=40)
        total = 0
        for seed in range(4):
            engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, seed))
            decoded = Decoder(engine, vocabulary).decode((0,), fmt, prompt, (1.0,), options)[0]
            total += vocabulary.tokenizer.decode(decoded.ids).count("<person>")
        counts.append(total)
    assert counts[0] == 0 < counts[1]


@pytest.mark.parametrize("name", ["inline", "suffix"])
@settings(max_examples=5)
@given(seed=SEEDS)
def test_windows_decoded_together_are_as_alone(vocabulary: Vocabulary, name: str, seed: int) -> None:
    """Batching, finished rows and the fork's grouping change nothing."""
    durations = (1.0, 6.0, 3.0, 2.0, 8.0)
    together = run(vocabulary, seed, SHORT, name, Prompt(), durations)
    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, seed))
    decoder, fmt = Decoder(engine, vocabulary), get_format(name, vocabulary)
    for window, duration in enumerate(durations):
        assert decoder.decode((window,), fmt, Prompt(), (duration,), SHORT) == [together[window]]


@settings(max_examples=5)
@given(seed=SEEDS)
def test_forked_tasks_are_as_decoded_separately(vocabulary: Vocabulary, seed: int) -> None:
    both = run(vocabulary, seed, SHORT, "suffix", Prompt())[0]
    ner = run(vocabulary, seed, SHORT, "suffix", Prompt(frozenset({"ner"})))[0]
    sa = run(vocabulary, seed, SHORT, "suffix", Prompt(frozenset({"sa"})))[0]
    assert both.sentiment == sa.sentiment
    end = both.ids.index(vocabulary[TRANSCRIPT_END])
    assert both.ids[: both.ids.index(vocabulary[SA])] == ner.ids[:-1]
    assert both.ids[end + 1] == vocabulary[NER]
    assert both.ids[both.ids.index(vocabulary[SA]) :] == sa.ids[end + 1 :]


def test_sentiment_costs_one_step_of_two_tokens(vocabulary: Vocabulary) -> None:
    """And no more, unless labels share their first token."""
    fmt = get_format("inline", vocabulary)
    script = [*vocabulary.tokenizer.encode(" Anna met Bob"), vocabulary["<|endoftext|>"]]
    start = len(fmt.prefix(Prompt()))
    steps = []
    for tasks in ({"ner"}, {"ner", "sa"}):
        engine = TableEngine(vocabulary.size, scripted_logits(vocabulary.size, [script], start))
        Decoder(engine, vocabulary).decode((0,), fmt, Prompt(frozenset(tasks)), (5.0,))
        steps.append(engine.steps)
    assert steps[1][: len(steps[0]) + 1] == [*steps[0], (1, 2)]


def test_label_probabilities_are_the_softmax_over_the_labels(vocabulary: Vocabulary) -> None:
    """With shared first tokens the exact product over each label's tokens: checked by brute force."""
    from unislu.decoding.labels import label_probabilities

    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, 5))
    logits, state = engine.step(np.array([[7], [8]]), engine.start((0, 1)))
    labels = {"a": (1, 2, 9), "b": (1, 3, 9), "c": (1, 3, 4, 9), "d": (5, 9)}
    found = label_probabilities(engine, state, [0, 1], logits, labels)

    def share(window: int, written: tuple[int, ...], token: int, others: set[int]) -> float:
        scores = random_logits(vocabulary.size, 5)(window, written).astype(np.float64)
        return float(np.exp(scores[token]) / sum(np.exp(scores[other]) for other in others))

    for window, first in enumerate((7, 8)):
        root = share(window, (first,), 1, {1, 5})
        three = share(window, (first, 1), 3, {2, 3})
        nine = share(window, (first, 1, 3), 9, {4, 9})
        expected = {
            "a": root * (1 - three),
            "b": root * three * nine,
            "c": root * three * (1 - nine),
            "d": 1 - root,
        }
        assert found[window] == pytest.approx(expected)


def test_a_loop_is_cut_off(vocabulary: Vocabulary) -> None:
    fmt = get_format("inline", vocabulary)
    start = len(fmt.prefix(Prompt(frozenset())))
    loop = vocabulary.tokenizer.encode(" Paris in")
    script = [*vocabulary.tokenizer.encode(" Anna"), *loop * 40]
    engine = TableEngine(vocabulary.size, scripted_logits(vocabulary.size, [script], start), 300)
    prompt = Prompt(frozenset())
    decoded = Decoder(engine, vocabulary).decode((0,), fmt, prompt, (10.0,))[0]
    assert decoded.stop == "repetition"
    assert fmt.parse(decoded.ids, prompt).target.text == "Anna Paris in"
    free = DecodeOptions(guard_repetition=False)
    assert Decoder(engine, vocabulary).decode((0,), fmt, prompt, (10.0,), free)[0].stop == "length"


@settings(max_examples=5)
@given(seed=SEEDS, duration=st.floats(0, 20), beam=st.integers(1, 2))
def test_output_is_limited_by_the_duration(
    vocabulary: Vocabulary, seed: int, duration: float, beam: int
) -> None:
    options = DecodeOptions(tokens_per_second=2.0, tokens_margin=3, beam=beam, constrained=False)
    decoded = run(vocabulary, seed, options, prompt=Prompt(frozenset()), durations=(duration,))[0]
    assert len(decoded.ids) <= options.limit(duration) == 3 + math.ceil(2 * duration)


def test_a_prompt_that_fills_the_decoder_is_refused(vocabulary: Vocabulary) -> None:
    engine = TableEngine(vocabulary.size, random_logits(vocabulary.size, 0), max_tokens=40)
    prompt = Prompt(types=tuple(f"type-number-{number}" for number in range(20)))
    fmt = get_format("inline-open", vocabulary)
    with pytest.raises(OptionError, match="fewer entity types"):
        Decoder(engine, vocabulary).decode((0,), fmt, prompt, (1.0,))


def test_drawing_is_deterministic_and_varied(vocabulary: Vocabulary) -> None:
    drawn = [run(vocabulary, 1, dataclasses.replace(SHORT, temperature=1.0, seed=seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    narrow = dataclasses.replace(SHORT, temperature=1.0, top_p=1e-6)
    assert run(vocabulary, 1, narrow) == run(vocabulary, 1, SHORT)


@pytest.mark.parametrize(
    "change",
    [
        {"beam": 0},
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": 1.0, "beam": 2},
        {"top_p": 0.0},
        {"bias": math.nan},
        {"bias": {"person": math.inf}},
        {"tokens_margin": 0},
        {"length_penalty": -1.0},
    ],
)
def test_impossible_options_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        DecodeOptions(**change)


def test_a_label_bias_moves_probabilities_and_keeps_their_sum() -> None:
    from unislu.decoding.labels import reweighed

    found = reweighed(
        {"Negative": 0.3, "Neutral": 0.6, "Positive": 0.1}, {"Negative": math.log(4), "Positive": 0.0}
    )
    assert found == pytest.approx({"Negative": 1.2 / 1.9, "Neutral": 0.6 / 1.9, "Positive": 0.1 / 1.9})
    assert reweighed({"Negative": 1.0}, {}) == {"Negative": 1.0}


def test_a_label_bias_that_is_no_number_is_refused() -> None:
    with pytest.raises(OptionError, match="bias is nan"):
        DecodeOptions(label_bias={"Neutral": math.nan})
