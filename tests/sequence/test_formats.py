"""What each format looks like, what it repairs, and what it refuses."""

from __future__ import annotations

import pytest

from unislu.errors import OptionError, RecordError, VocabularyError
from unislu.sequence import Alphabet, Format, Prompt, Span, Target, Vocabulary

Formats = dict[tuple[str, Alphabet], Format]
ATOMIC, PLAIN = Alphabet.ATOMIC, Alphabet.PLAIN

COUNCIL = Target("This council made (great) progress.", (Span(5, 12, "ORG"),), "Positive")
NER = Prompt(frozenset({"ner"}))


def shown(vocabulary: Vocabulary, ids: tuple[int, ...] | list[int]) -> str:
    """Ids as text, control tokens by name."""
    return "".join(vocabulary.names.get(id_) or vocabulary.tokenizer.decode([id_]) for id_ in ids)


def typed(vocabulary: Vocabulary, *parts: str) -> list[int]:
    """Ids of parts: the name of a control token, or text."""
    ids: list[int] = []
    for part in parts:
        ids += [vocabulary[part]] if part in vocabulary else vocabulary.tokenizer.encode(part)
    return ids


@pytest.mark.parametrize(
    ("name", "alphabet", "expected"),
    [
        ("inline", ATOMIC, " This[ORG] council[/ORG] made (great) progress.[T/L][SA]Positive"),
        ("inline", PLAIN, " This [ORG]council[/ORG] made (great) progress.[T/L][SA]Positive"),
        ("suffix", ATOMIC, " This council made (great) progress.[T/L][NER][ORG] council[/ORG][SA]Positive"),
        ("suffix", PLAIN, " This council made (great) progress.[T/L][NER][ORG]council[/ORG][SA]Positive"),
        ("inline-open", ATOMIC, " This[<]org[>] council[>>] made (great) progress.[T/L][SA]Positive"),
        ("inline-open", PLAIN, " This <org>council<org>> made (great) progress.[T/L][SA]Positive"),
        ("bio", ATOMIC, " This(O) council(B-org) made(O) (great)(O) progress.(O)[T/L][SA]Positive"),
        ("bio", PLAIN, r" This(O) council(B-org) made(O) \(great)(O) progress.(O)[T/L][SA]Positive"),
    ],
)
def test_what_is_written(
    formats: Formats, vocabulary: Vocabulary, name: str, alphabet: Alphabet, expected: str
) -> None:
    rendered = formats[name, alphabet].render(COUNCIL, Prompt())
    assert shown(vocabulary, rendered.ids) == expected + "<|endoftext|>"


def test_prefixes(formats: Formats, vocabulary: Vocabulary) -> None:
    whisper = "<|startoftranscript|><|en|><|transcribe|><|notimestamps|>"
    types = Prompt(types=("Org", "phone number"))
    previous = "<|startofprev|> org, phone-number" + whisper
    expected = {
        ("suffix", ATOMIC, Prompt()): whisper,
        ("inline", ATOMIC, Prompt()): whisper + "[NER]",
        ("inline", ATOMIC, Prompt(frozenset({"sa"}))): whisper,
        ("inline", PLAIN, Prompt()): whisper,
        ("inline-open", ATOMIC, types): previous + "[NER]",
        ("inline-open", PLAIN, types): previous,
        ("inline-open", ATOMIC, Prompt(types=())): whisper + "[NER]",
        ("bio", ATOMIC, types): previous + "[NER]",
        ("bio", ATOMIC, Prompt(frozenset(), types.types)): whisper,
    }
    for (name, alphabet, prompt), prefix in expected.items():
        assert shown(vocabulary, formats[name, alphabet].prefix(prompt)) == prefix


def test_words_are_the_tokens_of_plain_text(formats: Formats, vocabulary: Vocabulary) -> None:
    """Annotating a text changes no word token, so the recogniser keeps what it knows."""
    plain = formats["inline", ATOMIC].render(COUNCIL, Prompt(frozenset())).ids
    for name in ("inline", "inline-open", "bio"):
        rendered = formats[name, ATOMIC].render(COUNCIL, NER)
        kept = [id_ for id_, part in zip(rendered.ids, rendered.parts, strict=True) if part == 0]
        assert tuple(kept) == plain


def test_parts_of_the_loss(formats: Formats, vocabulary: Vocabulary) -> None:
    """UniSLU eq. 4-5; the transcript's end and the task token count to the transcript."""

    def task(name: str, prompt: Prompt) -> str:
        rendered = formats[name, ATOMIC].render(COUNCIL, prompt)
        pairs = zip(rendered.ids, rendered.parts, strict=True)
        return shown(vocabulary, [id_ for id_, part in pairs if part == 1])

    assert task("suffix", NER) == "[ORG] council[/ORG]<|endoftext|>"
    assert task("suffix", Prompt(frozenset({"sa"}))) == "Positive<|endoftext|>"
    assert task("inline", NER) == "[ORG][/ORG]"
    assert task("inline", Prompt()) == "[ORG][/ORG]Positive<|endoftext|>"
    assert task("inline-open", NER) == "[<]org[>][>>]"
    assert task("inline", Prompt(frozenset())) == ""


def test_suffix_writes_one_task_on_request(formats: Formats, vocabulary: Vocabulary) -> None:
    format_ = formats["suffix", ATOMIC]
    for task, absent in (("ner", "[SA]"), ("sa", "[NER]")):
        asked = Prompt(frozenset({task}))
        rendered = format_.render(COUNCIL, asked)
        assert vocabulary[absent] not in rendered.ids
        assert format_.parse(rendered.ids, Prompt()).target == format_.canonical(COUNCIL, asked)


def test_not_annotated_is_not_none_present(formats: Formats) -> None:
    for name in ("inline", "inline-open", "bio"):
        with pytest.raises(RecordError, match="not annotated"):
            formats[name, ATOMIC].render(Target("a"), NER)
    suffix = formats["suffix", ATOMIC]
    for entities in (None, ()):
        rendered = suffix.render(Target("a", entities), NER)
        assert suffix.parse(rendered.ids, NER).target.entities == entities


def test_closed_sets_refuse_other_labels(formats: Formats) -> None:
    for name in ("inline", "suffix"):
        format_ = formats[name, ATOMIC]
        with pytest.raises(RecordError, match="'GPE' is not one of LAW"):
            format_.render(Target("a", (Span(0, 1, "GPE"),)), NER)
        with pytest.raises(OptionError, match="'gpe' is not one of LAW"):
            format_.prefix(Prompt(types=("gpe",)))
        with pytest.raises(RecordError, match="sentiment 'angry'"):
            format_.render(Target("a", (), "angry"), Prompt())


def test_types_that_are_not_asked_for_are_left_out(formats: Formats) -> None:
    target = Target("New York", (Span(0, 8, "PLACE"), Span(4, 8, "PERSON")))
    for format_ in formats.values():
        prompt = Prompt(frozenset({"ner"}), ("person",))
        entities = format_.canonical(target, prompt).entities
        assert entities == (Span(4, 8, "PERSON" if not format_.open else "person"),)


@pytest.mark.parametrize(
    ("parts", "phrases"),
    [
        ((" a", "[ORG]", " b"), []),  # unclosed
        ((" a", "[ORG]", " b", "[PERSON]", " c", "[/PERSON]"), ["c"]),  # an opener discards the open entity
        ((" a", "[ORG]", " b", "[/PERSON]", " c", "[/ORG]"), []),
        ((" a", "[/ORG]", " b"), []),
        (("[ORG]", " ", "[/ORG]", " b"), []),
        ((" a", "[<]", "org", "[>]", " b", "[>>]"), []),
        ((" a", "<|notimestamps|>", "[NER]"), []),
        ((" a", "[SA]", "Positive"), []),
        ((" a", "[T/L]"), []),
        ((" a", "[T/L]", "[SA]", "Great"), []),
        ((" a", "[T/L]", "[SA]", "Positive", "[SA]", "Positive"), []),
    ],
)
def test_repairs_follow_slues_rules(
    formats: Formats, vocabulary: Vocabulary, parts: tuple[str, ...], phrases: list[str]
) -> None:
    parsed = formats["inline", ATOMIC].parse(typed(vocabulary, *parts), Prompt())
    assert parsed.repairs
    target = parsed.target
    assert [target.text[span.start : span.end] for span in target.entities or ()] == phrases


def test_suffix_finds_or_drops_what_is_listed(formats: Formats, vocabulary: Vocabulary) -> None:
    listed = ["[T/L]", "[NER]"]
    for phrase in (" c", " a", " nowhere", " a"):
        listed += ["[ORG]", phrase, "[/ORG]"]
    parsed = formats["suffix", ATOMIC].parse(typed(vocabulary, " a b c", *listed), NER)
    assert parsed.target.entities == (Span(0, 1, "ORG"), Span(4, 5, "ORG"))
    assert len(parsed.repairs) == 3
    assert parsed.listed == (("ORG", "c"), ("ORG", "a"), ("ORG", "nowhere"), ("ORG", "a"))
    assert formats["suffix", ATOMIC].parse(typed(vocabulary, " a b c"), NER).listed is None


def test_bio_inside_without_a_beginning_is_one(formats: Formats, vocabulary: Vocabulary) -> None:
    parts = (" a", "(O)", " b", "(I-", "org", ")", " c", "(I-", "org", ")", " d")
    parsed = formats["bio", ATOMIC].parse(typed(vocabulary, *parts), NER)
    assert parsed.target == Target("a b c d", (Span(2, 5, "org"),))
    assert len(parsed.repairs) == 2


def test_the_published_notation_is_read(formats: Formats, vocabulary: Vocabulary) -> None:
    """Also what the published model writes without escapes, and a closer of another type."""
    prompt = Prompt(frozenset({"ner"}), ("occupation", "place"))
    format_ = formats["inline-open", PLAIN]
    ids = vocabulary.tokenizer.encode(
        "the <occupation>astronaut<occupation>> saw <place>Mars<place>> < 3 [x]"
    )
    parsed = format_.parse(ids, prompt)
    assert parsed.target.text == "the astronaut saw Mars < 3 [x]"
    assert parsed.target.entities == (Span(4, 13, "occupation"), Span(18, 22, "place"))
    assert parsed.repairs == ()
    wrong = format_.parse(vocabulary.tokenizer.encode("<place>a<occupation>> <place>b"), prompt)
    assert wrong.target == Target("a b", ()) and len(wrong.repairs) == 2


def test_true_openers_are_biased_only_outside(formats: Formats, vocabulary: Vocabulary) -> None:
    """In plain text an opener mostly starts with a blank, ` <`: that token must be among the biased ones."""
    encode = vocabulary.tokenizer.encode
    blank_opener = encode(" <")
    assert len(blank_opener) == 1
    grammar = formats["inline-open", PLAIN].grammar(Prompt(types=("place",)))
    openers = grammar.biased_openers()["place"]
    assert {*blank_opener, *encode("<")} <= set(openers)
    state = grammar.start()
    assert grammar.outside(state)
    for id_ in encode(" <place>x"):
        state = grammar.advance(state, id_)
    assert not grammar.outside(state)
    closed = formats["inline", ATOMIC].grammar(NER)
    assert closed.biased_openers()["ORG"] == (vocabulary["[ORG]"],)
    assert not closed.outside(closed.advance(closed.start(), vocabulary["[ORG]"]))
    assert formats["inline-open", ATOMIC].grammar(NER).biased_openers()["org"] == (vocabulary["[<]"],)
    assert formats["suffix", ATOMIC].grammar(NER).biased_openers()["ORG"] == (vocabulary["[ORG]"],)
    assert formats["bio", ATOMIC].grammar(NER).biased_openers()["org"] == (vocabulary["(B-"],)


def test_the_grammar_binds_a_list_to_the_transcript(formats: Formats, vocabulary: Vocabulary) -> None:
    grammar = formats["suffix", ATOMIC].grammar(Prompt())
    state = grammar.start()
    for id_ in typed(vocabulary, " the", " council", " of", " the", "[T/L]", "[NER]", "[ORG]"):
        state = grammar.advance(state, id_)
    transcript = frozenset(typed(vocabulary, " the", " council", " of"))
    assert grammar.allowed(state).ids == transcript
    for id_ in typed(vocabulary, " of", "[/ORG]", "[ORG]"):
        state = grammar.advance(state, id_)
    assert grammar.allowed(state).ids == frozenset(typed(vocabulary, " the"))
    for id_ in typed(vocabulary, " the", "[/ORG]"):
        state = grammar.advance(state, id_)
    assert grammar.allowed(state).ids == {vocabulary["<|endoftext|>"], vocabulary["[SA]"]}


def test_grammars_are_kept_and_refuse(formats: Formats, vocabulary: Vocabulary) -> None:
    for format_ in formats.values():
        grammar = format_.grammar(NER)
        assert format_.grammar(NER) is grammar
        with pytest.raises(VocabularyError, match="does not allow token"):
            grammar.advance(grammar.start(), vocabulary["<|startofprev|>"])
