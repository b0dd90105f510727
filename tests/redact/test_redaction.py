"""The loop of covering and listening again: what counts as a leak, and what it leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unislu.errors import RedactionError, VerificationError
from unislu.redact import Pseudonyms, Redaction
from unislu.redact.leaks import edit_distance
from unislu.redact.places import UNRECOGNISED
from unislu.redact.redaction import TRIES
from unislu.result import Analysis, Entity, Segment, Word

SAID = "I met Angela Merkel and Bob Smith in May"


def heard(text: str, *, gap: set[int] = frozenset(), entities: Any = (), **changes: Any) -> Analysis:  # type: ignore[assignment]
    """A word each half second; `gap`: half seconds in which none is. Entities as (type, words)."""
    words, position = [], 0
    slots = (slot for slot in range(1000) if slot not in gap)
    for said in text.split():
        slot = next(slots)
        words.append(Word(said, slot / 2, slot / 2 + 0.4, position, position + len(said)))
        position += len(said) + 1
    found = []
    for type_, phrase in entities:
        start = text.index(phrase)
        inside = [w for w in words if start <= w.start_char < start + len(phrase)]
        found.append(Entity(type_, phrase, start, start + len(phrase), 0.9, inside[0].start, inside[-1].end))
    segment = Segment(0.0, 10.0, text, 0, len(text), words=tuple(words))
    values = {"duration": 10.0, "entities": tuple(found), "segments": (segment,)} | changes
    return Analysis(text=text, model="m", **values)


def redaction(**options: Any) -> Redaction:
    return Redaction(heard(SAID, entities=[("person", "Angela Merkel")]), ["person"], guard=0.05, **options)


CLEAN = heard("I met and Bob Smith in May", gap={2, 3})


def test_nothing_left_is_verified() -> None:
    done = redaction()
    assert not done.verified
    assert not done.goes_on([CLEAN]) and done.verified and done.spans == ((1.0, 1.9),)
    result = done.redacted(Pseudonyms("type"), ["a note"])
    assert result.text == "I met [PERSON] and Bob Smith in May"
    assert "a note" in result.warnings and result.warnings[-1].startswith("verified: ")


@pytest.mark.parametrize("word", ["Merkel", "merkel's", "Angela", "Angel", "Merkle", "Mer", "kel"])
def test_a_word_of_the_phrase_near_its_cover_is_a_leak(word: str) -> None:
    done = redaction()
    assert done.goes_on([heard(f"I met {word} and Bob Smith in May", gap={2})])
    assert not done.verified and [leak.type for leak in done.leaks] == ["person"]
    assert len(done.spans) == 2 and done.spans[1][0] < 1.5 < 1.9 < done.spans[1][1]
    assert not done.goes_on([CLEAN]) and done.verified, "what was found is covered at the next try"


def test_what_was_there_before_and_only_sounds_alike_is_no_leak() -> None:
    said = "I met Martin and martins came today"
    done = Redaction(heard(said, entities=[("person", "Martin")]), guard=0.05)
    assert [match.start_char for match in done.matches] == [6, 17], "the plural is covered as well"
    other = Redaction(heard("I met Theresa at the door", entities=[("person", "Theresa")]), guard=0.05)
    assert not other.goes_on([heard("I met at the door", gap={2})]), "`the` begins like Theresa"


def test_digits_one_by_one() -> None:
    done = Redaction(heard("call 555 0134 now please do it", entities=[("phone", "555 0134")]), guard=0.05)
    assert done.goes_on([heard("call four now please do it", gap={1})])
    assert not done.goes_on([heard("call now please do it", gap={1, 2})]) and done.verified


def test_words_far_away_are_other_words() -> None:
    said = "I saw Mark Stone and then for a long while we threw a stone far"
    done = Redaction(heard(said, entities=[("person", "Mark Stone")]), guard=0.05, surnames=False)
    assert not done.goes_on([heard(said.replace("Mark Stone ", ""), gap={2, 3})])


def test_a_newly_tagged_entity_is_covered_and_masked() -> None:
    done = redaction()
    again = heard("I met and Bob Smith in May", gap={2, 3}, entities=[("person", "Bob Smith")])
    assert done.goes_on([again]) and [leak.type for leak in done.leaks] == ["person"]
    assert "Bob" not in str(done.leaks) + repr(done.leaks), "a leak never shows its words"
    assert not done.goes_on([heard("I met and in May", gap={2, 3, 5, 6})]) and done.verified
    assert done.redacted(Pseudonyms("type")).text == "I met [PERSON] and [PERSON] in May"


def test_an_entity_inside_a_cover_is_the_tone() -> None:
    done = redaction()
    again = heard("I met beep and Bob Smith in May", gap={3}, entities=[("person", "beep")])
    assert not done.goes_on([again])


def test_an_entity_of_another_type_stays() -> None:
    again = heard("I met and Bob Smith in May", gap={2, 3}, entities=[("month", "May")])
    assert not redaction().goes_on([again])


def test_a_segment_that_failed_is_covered_whole() -> None:
    done = redaction()
    segments = (
        *CLEAN.segments,
        Segment(8.0, 10.0, "", len(CLEAN.text or ""), len(CLEAN.text or ""), failed="loop"),
    )
    assert done.goes_on([replace(CLEAN, segments=segments)])
    assert [leak.type for leak in done.leaks] == [UNRECOGNISED] and done.spans[-1] == (7.7, 10.3)
    assert done.redacted(Pseudonyms("type")).text == "I met [PERSON] and Bob Smith in May"
    assert not done.goes_on([replace(CLEAN, segments=segments)]) and done.verified, "it is covered now"


def test_every_transcription_counts() -> None:
    assert redaction().goes_on([CLEAN, heard("I met Angela Merkel and")])


def test_it_ends_with_its_leaks() -> None:
    done = redaction()
    leaking = heard(SAID)
    assert [done.goes_on([leaking]) for _ in range(TRIES)] == [True] * (TRIES - 1) + [False]
    assert not done.verified
    with pytest.raises(VerificationError, match=r"still recognised after redaction: person at") as error:
        done.refuse_leaks()
    assert "Merkel" not in str(error.value)


@pytest.mark.parametrize(
    ("again", "message"),
    [
        (heard("", entities=()), "0 of 7 words"),
        (heard("I met", gap={2, 3}), "2 of 7 words"),
        (replace(CLEAN, duration=9.0), "the copy has 9.0 s of 10.0 s"),
    ],
)
def test_a_transcription_that_cannot_vouch(again: Analysis, message: str) -> None:
    done = redaction()
    with pytest.raises(VerificationError, match=message):
        done.goes_on([again])
    assert not done.verified


def test_nothing_found_is_not_verified() -> None:
    done = Redaction(heard(SAID), guard=0.05)
    assert not done.goes_on([heard(SAID)]) and not done.leaks and not done.verified
    notes = done.redacted(Pseudonyms("type")).warnings
    assert notes[0].startswith("nothing to redact was found") and notes[1].startswith("not verified")


def test_where_nothing_was_transcribed_nothing_can_be_covered() -> None:
    with pytest.raises(RedactionError, match=r"no speech was found in 10\.0 s"):
        _ = Redaction(heard("")).spans


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "abc", 3), ("merkel", "merkle", 2), ("smith", "smyth", 1), ("same", "same", 0), ("abc", "", 3)],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance == edit_distance(other, one)
