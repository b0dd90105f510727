"""The invariants of the codec, for every format in both alphabets."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from unislu.sequence import FORMATS, Alphabet, Format, Prompt, Span, Target, Vocabulary
from unislu.sequence.locate import is_boundary

WRITINGS = [
    (name, alphabet)
    for name in FORMATS
    for alphabet in Alphabet
    if alphabet is Alphabet.ATOMIC or not name.startswith("copy")
]
Formats = dict[tuple[str, Alphabet], Format]

every_writing = pytest.mark.parametrize("writing", WRITINGS, ids=lambda w: f"{w[0]}-{w[1].value}")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

AWKWARD = [
    *(
        "the",
        "council",
        "of",
        "New",
        "York",
        "Paris",
        "Paris.",
        "O'Neill",
        "1,000",
        "a",
        "aa",
        "Köln",
        "東京",
    ),
    *(
        "😀",
        "👩‍🚀",
        "e\u0301",
        "\u0301",
        "<",
        ">",
        "<>",
        "<b>",
        "</b>",
        "[",
        "]",
        "[ORG]",
        "[/ORG]",
        "[T/L][SA]",
    ),
    *(
        "\\",
        "\\\\",
        "\\<",
        "(",
        ")",
        "(O)",
        "(B-person)",
        "<person>",
        "<person>>",
        "<|endoftext|>",
        "\x1c",
        "\u00a0",
    ),
]
words = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=4))
texts = st.one_of(
    st.lists(words, max_size=9).map(" ".join),
    st.lists(words, max_size=9).map("".join),
    st.lists(st.sampled_from(["a", "aa", "b", "a b"]), max_size=9).map(" ".join),
    st.text(st.characters(codec="utf-8"), max_size=20),
).filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text))
TYPES = ["PERSON", "Place", "org", "QUANT"]
NAMES = ("person", "place", "phone-number", "org", "quant")


@st.composite
def targets(draw: st.DrawFn) -> Target:
    """Any text with any spans: overlapping, nested, blank, in the middle of words."""
    text = draw(texts)
    place = st.integers(0, len(text))
    spans = st.builds(lambda a, b, t: Span(min(a, b), max(a, b), t), place, place, st.sampled_from(TYPES))
    entities = draw(st.none() | st.lists(spans, max_size=6).map(tuple))
    return Target(text, entities, draw(st.none() | st.sampled_from(["Positive", "neutral", "MIXED"])))


prompts_types = st.sampled_from([None, ("person", "place"), NAMES])


def prompt_of(writing: tuple[str, Alphabet], target: Target, types: tuple[str, ...] | None) -> Prompt:
    """A prompt for what is annotated; the closed sets know no phone numbers."""
    closed = writing[0] in ("inline", "suffix", "copy")
    if types is not None and closed:
        types = tuple(name for name in types if name != "phone-number")
    return Prompt.of(target, types)


@every_writing
@quick
@given(target=targets(), types=prompts_types)
@example(target=Target("", (), "Positive"), types=None)
@example(target=Target("", None, None), types=None)
@example(target=Target("a", (Span(0, 1, "ORG"),), None), types=())
@example(target=Target(">a b", (Span(0, 2, "PERSON"), Span(3, 4, "PERSON")), None), types=None)
@example(target=Target("Paris New York", (Span(0, 5, "place"), Span(6, 14, "place")), "Mixed"), types=NAMES)
@example(target=Target("a\\", (Span(0, 2, "ORG"),), None), types=None)
@example(
    target=Target("aa ba a", (Span(1, 2, "ORG"), Span(4, 5, "ORG"), Span(6, 7, "ORG")), None), types=None
)
def test_parse_inverts_render(
    formats: Formats, writing: tuple[str, Alphabet], target: Target, types: tuple[str, ...] | None
) -> None:
    format_, prompt = formats[writing], prompt_of(writing, target, types)
    canonical = format_.canonical(target, prompt)
    rendered = format_.render(target, prompt)
    parsed = format_.parse(rendered.ids, prompt)
    assert parsed.target == canonical
    assert parsed.repairs == ()
    assert format_.canonical(canonical, prompt) == canonical
    assert format_.render(canonical, prompt) == rendered
    assert len(rendered.parts) == len(rendered.ids) and set(rendered.parts) <= {0, 1, 2}


@every_writing
@quick
@given(target=targets())
def test_rendered_ids_are_in_the_grammar(
    formats: Formats, writing: tuple[str, Alphabet], target: Target
) -> None:
    format_, prompt = formats[writing], prompt_of(writing, target, NAMES)
    grammar = format_.grammar(prompt)
    state = grammar.start()
    text_ids = format_._vocabulary.text_ids  # type: ignore[attr-defined]
    for id_ in format_.render(target, prompt).ids:
        allowed = grammar.allowed(state)
        assert id_ in allowed.ids or (allowed.text and id_ in text_ids)
        state = grammar.advance(state, id_)
    assert not grammar.allowed(state).ids


@every_writing
@quick
@given(target=targets())
def test_canonical_keeps_every_entity(
    formats: Formats, writing: tuple[str, Alphabet], target: Target
) -> None:
    """Of a resolved target nothing is lost, wherever its spans start; repeated phrases stay repeated."""
    resolved = target.resolved()
    prompt = prompt_of(writing, target, None)
    canonical = formats[writing].canonical(resolved, prompt)
    assert canonical.text == resolved.text
    if writing[0].startswith("copy"):  # tags stand between words: see the next test
        for span in canonical.entities or ():
            assert is_boundary(resolved.text, span.start) and is_boundary(resolved.text, span.end)
        return
    assert _phrases(canonical) == _phrases(resolved)
    if writing[0] != "suffix":
        assert _places(canonical) == _places(resolved)


@pytest.mark.parametrize("name", ["copy", "copy-open"])
def test_copy_widens_entities_to_whole_words(formats: Formats, name: str) -> None:
    target = Target("the councils of New York.", (Span(4, 11, "ORG"), Span(16, 24, "PLACE")))
    canonical = formats[name, Alphabet.ATOMIC].canonical(target, Prompt.of(target))
    found = [target.text[span.start : span.end] for span in canonical.entities or ()]
    assert found == ["councils", "New York"]


@every_writing
@quick
@given(target=targets(), types=prompts_types)
def test_provenance(
    formats: Formats, writing: tuple[str, Alphabet], target: Target, types: tuple[str, ...] | None
) -> None:
    format_, prompt = formats[writing], prompt_of(writing, target, types)
    rendered = format_.render(target, prompt)
    parsed = format_.parse(rendered.ids, prompt)
    entities = parsed.target.entities or ()
    assert len(parsed.entity_tokens) == len(entities)
    for (first, last), span in zip(parsed.entity_tokens, entities, strict=True):
        assert 0 <= first <= last < len(rendered.ids)
        assert rendered.parts[first] == 1 or writing[0] == "bio"
        assert rendered.parts[last] == 1
        assert span.end > span.start
    assert (parsed.sentiment_index is None) == (parsed.target.sentiment is None)
    if parsed.sentiment_index is not None:
        assert rendered.parts[parsed.sentiment_index] == 1
    _check_token_spans(parsed.target.text, rendered.ids, parsed.token_spans)


def _check_token_spans(text: str, ids: tuple[int, ...], spans: tuple[tuple[int, int] | None, ...]) -> None:
    """The spans run from left to right and cover every character that is not a blank, once."""
    assert len(spans) == len(ids)
    position, covered = 0, []
    for span in spans:
        if span is not None:
            assert position <= span[1] and span[0] <= span[1] <= len(text)
            covered.extend(range(*span))
            position = span[1]
    visible = [index for index, character in enumerate(text) if not character.isspace()]
    assert [index for index in covered if not text[index].isspace()] == visible


def _phrases(target: Target) -> Counter[tuple[str, str]]:
    return Counter((span.type.upper(), target.text[span.start : span.end]) for span in target.entities or ())


def _places(target: Target) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.type.upper()) for span in target.entities or ()]


anything = st.lists(
    st.one_of(st.integers(0, 700), st.integers(), st.sampled_from([-1, 2**31, 2**63, 10**30, 10**6])),
    max_size=40,
)


@every_writing
@quick
@given(ids=anything, tasks=st.sets(st.sampled_from(["ner", "sa"])), types=prompts_types)
def test_parse_reads_anything(
    formats: Formats,
    writing: tuple[str, Alphabet],
    ids: list[int],
    tasks: set[str],
    types: tuple[str, ...] | None,
) -> None:
    parsed = formats[writing].parse(ids, Prompt(frozenset(tasks), types))
    assert parsed.target == parsed.target.resolved()
    assert len(parsed.token_spans) == len(ids)
    assert len(parsed.entity_tokens) == len(parsed.target.entities or ())


@every_writing
@quick
@given(seed=st.integers(0, 2**32), tasks=st.sets(st.sampled_from(["ner", "sa"])), types=prompts_types)
def test_walks_in_the_grammar_need_no_repairs(
    formats: Formats,
    vocabulary: Vocabulary,
    writing: tuple[str, Alphabet],
    seed: int,
    tasks: set[str],
    types: tuple[str, ...] | None,
) -> None:
    if types is not None and writing[0] in ("inline", "suffix", "copy"):
        types = types[:2]
    format_, prompt = formats[writing], Prompt(frozenset(tasks), types)
    ids = walk(format_, vocabulary, prompt, random.Random(seed))
    parsed = format_.parse(ids, prompt)
    assert parsed.repairs == ()
    if "ner" in tasks and format_.inside:
        assert parsed.target.entities is not None


def walk(format_: Format, vocabulary: Vocabulary, prompt: Prompt, chance: random.Random) -> list[int]:
    """Any allowed tokens, up to the end; delimiters are likely, and likelier the longer it takes."""
    grammar = format_.grammar(prompt)
    text = sorted(vocabulary.text_ids)
    marks = {i for i in text if set(vocabulary.tokenizer.text_bytes[i]) & set(b"<>[]()")}
    end = vocabulary["<|endoftext|>"]
    state, ids = grammar.start(), []
    while not ids or ids[-1] != end:
        allowed = grammar.allowed(state)
        assert allowed.text or allowed.ids, "nothing is allowed before the end"
        assert allowed is grammar.allowed(state)
        late = len(ids) > 40
        assert len(ids) < 3000, "no way out"
        favoured = sorted(i for i in allowed.ids if i not in vocabulary.text_ids or i in marks)
        if late and end in allowed.ids:
            token = end
        elif favoured and chance.random() < (0.9 if late else 0.4):
            token = chance.choice([i for i in favoured if i != end or chance.random() < 0.2] or favoured)
        else:
            token = chance.choice(text if allowed.text else sorted(allowed.ids))
        ids.append(token)
        state = grammar.advance(state, token)
    return ids


def test_suffix_prefers_whole_words(formats: Formats) -> None:
    text = "a category of cat"
    target = Target(text, (Span(14, 17, "ORG"),))
    format_ = formats["suffix", Alphabet.ATOMIC]
    assert format_.canonical(target, Prompt.of(target)).entities == (Span(14, 17, "ORG"),)
    assert is_boundary(text, 14) and not is_boundary(text, 5)


def test_suffix_counts_repeated_phrases_from_the_left(formats: Formats) -> None:
    target = Target("Paris, Paris and Paris", (Span(7, 12, "PLACE"), Span(17, 22, "PLACE")))
    canonical = formats["suffix", Alphabet.ATOMIC].canonical(target, Prompt.of(target))
    assert canonical.entities == (Span(0, 5, "PLACE"), Span(7, 12, "PLACE"))


@pytest.mark.slow
@every_writing
def test_a_million_random_sequences(
    formats: Formats, vocabulary: Vocabulary, writing: tuple[str, Alphabet]
) -> None:
    """A million over all writings together, half of them of control tokens mostly."""
    chance = random.Random(20)
    format_, prompt = formats[writing], Prompt()
    control = [*vocabulary.ids.values()]
    strange = [-1, vocabulary.size, 2**40, -(2**70)]
    for number in range(1_000_000 // len(WRITINGS)):
        count = chance.randrange(12)
        if number % 2:
            ids = chance.choices(range(vocabulary.size), k=count)
        else:
            ids = [
                chance.choice(chance.choice((control, control, range(600), strange))) for _ in range(count)
            ]
        format_.parse(ids, prompt)
