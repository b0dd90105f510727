"""The redacted result: nothing of a phrase is left in any writer's output, and every offset still holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unislu.errors import OptionError, RedactionError
from unislu.redact import Pseudonyms, audio_spans, find_matches, redact_analysis
from unislu.redact.leaks import phrase_leaks
from unislu.redact.matches import phrases_of
from unislu.redact.phrases import MASK, Text
from unislu.result import Analysis, Entity, Segment, Sentiment, Speaker, Word
from unislu.writers import FORMATS

KEY = b"0123456789abcdef"


def words_of(text: str, start: int, end: int, first: float, timed: bool = True) -> tuple[Word, ...] | None:
    """A word every half second."""
    if not timed:
        return None
    found = [m for m in re.finditer(r"\S+", text) if start <= m.start() < end]
    return tuple(
        Word(m[0], first + n / 2, first + n / 2 + 0.4, m.start(), m.end(), 0.9) for n, m in enumerate(found)
    )


def analysis_of(
    parts: list[str], entities: list[tuple[str, str, int]], *, timed: bool = True, **changes: Any
) -> Analysis:
    """Segments of ten seconds with `parts`; entities as (type, phrase, number of its occurrence)."""
    text = " ".join(parts)
    segments, position = [], 0
    for number, part in enumerate(parts):
        end = position + len(part)
        words = words_of(text, position, end, 10.0 * number, timed)
        segments.append(Segment(10.0 * number, 10.0 * number + 10, part, position, end, words=words))
        position = end + 1
    everything = [word for segment in segments for word in segment.words or ()]
    found = []
    for type_, phrase, occurrence in entities:
        start = [m.start() for m in re.finditer(re.escape(phrase), text)][occurrence]
        end = start + len(phrase)
        numbers = [n for n, w in enumerate(everything) if w.start_char < end and w.end_char > start]
        times: dict[str, Any] = {}
        if numbers:
            first, last = everything[numbers[0]], everything[numbers[-1]]
            times = {
                "start": first.start,
                "end": last.end,
                "start_word": numbers[0],
                "end_word": numbers[-1] + 1,
            }
        found.append(Entity(type_, phrase, start, end, 0.8, **times))
    values = {
        "duration": 10.0 * len(parts),
        "model": "m",
        "entities": tuple(found),
        "segments": tuple(segments),
    }
    return Analysis(text=text, sentiment=Sentiment("neutral", {"neutral": 1.0}), **values | changes)


def call() -> Analysis:
    return analysis_of(
        ["Ann O'Brien called from Berlin.", "Then ann o brien's sister, Eve, rang 555-1234 for Berlin Bank."],
        [("PERSON", "Ann O'Brien", 0), ("PLACE", "Berlin", 0), ("phone number", "555-1234", 0),
         ("ORG", "Berlin Bank", 0), ("PERSON", "Eve", 0)],
        file="ann-obrien.wav",
        warnings=("ann-obrien.wav: Ann O'Brien was cut off",),
    )  # fmt: skip


def test_types_stand_in_place_of_words() -> None:
    redacted = redact_analysis(call(), ["person", "phone-number"], "type")
    assert redacted.text == (
        "[PERSON] called from Berlin. Then [PERSON]'s sister, [PERSON], rang [PHONE-NUMBER] for Berlin Bank."
    )
    assert [(e.type, e.text) for e in redacted.entities or ()] == [
        ("PERSON", "[PERSON]"),
        ("PLACE", "Berlin"),
        ("PERSON", "[PERSON]"),
        ("PERSON", "[PERSON]"),
        ("phone number", "[PHONE-NUMBER]"),
        ("ORG", "Berlin Bank"),
    ]
    assert redacted.file == "ann-obrien.wav"
    assert redacted.warnings == (
        "ann-obrien.wav: [PERSON] was cut off",
        "4 redactions (PERSON, phone number), replaced by their types",
    )


def test_words_become_one_and_keep_their_time() -> None:
    first, second = redact_analysis(call(), ["person"], "type").segments
    assert [(w.text, w.start, w.end) for w in first.words or ()][:2] == [
        ("[PERSON]", 0.0, 0.9),
        ("called", 1.0, 1.4),
    ]
    assert [w.text for w in second.words or ()][:4] == ["Then", "[PERSON]'s", "sister,", "[PERSON],"]


def test_entities_point_to_the_words() -> None:
    redacted = redact_analysis(call(), ["person"], "hash", KEY)
    words = [word for segment in redacted.segments for word in segment.words or ()]
    for entity in redacted.entities or ():
        assert entity.start_word is not None and entity.end_word is not None
        inside = words[entity.start_word : entity.end_word]
        assert entity.text in " ".join(word.text for word in inside)
        assert (inside[0].start, inside[-1].end) == (entity.start, entity.end)


def test_a_repetition_of_another_type_is_redacted_too() -> None:
    redacted = redact_analysis(call(), ["place"], "mask")
    assert redacted.text is not None and "Berlin" not in redacted.text
    bank = next(e for e in redacted.entities or () if e.type == "ORG")
    assert bank.text == f"{MASK} Bank"
    assert [e.text for e in redacted.entities or () if e.type == "PLACE"] == [MASK]


def test_hashes_are_keyed() -> None:
    one, two, other = (redact_analysis(call(), how="hash", key=key) for key in (KEY, KEY, KEY[::-1]))
    assert one.text == two.text != other.text
    assert one.text is not None and len(set(re.findall(r"\[PERSON:([0-9a-f]{12})\]", one.text))) == 2
    assert "the given key" in one.warnings[-1]
    random = [redact_analysis(call(), how="hash") for _ in range(2)]
    assert random[0].text != random[1].text and "one-time key" in random[0].warnings[-1]
    shared = Pseudonyms("hash")
    assert redact_analysis(call(), how=shared).text == redact_analysis(call(), how=shared).text
    assert KEY.decode() not in repr(Pseudonyms("hash", KEY))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"types": "person"}, "give a sequence"),
        ({"types": []}, "types is empty"),
        ({"how": "blur"}, "unknown replacement 'blur': choose from mask, type, hash"),
        ({"how": "hash", "key": b"short"}, "5 bytes"),
        ({"how": "mask", "key": KEY}, "a key is for hashes"),
    ],
)
def test_bad_options(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        redact_analysis(call(), **arguments)


def test_a_result_without_entities_is_refused() -> None:
    with pytest.raises(OptionError, match="analyze with the task ner"):
        redact_analysis(replace(call(), entities=None))


def test_nothing_to_redact() -> None:
    silent = analysis_of([""], [])
    assert redact_analysis(silent).text == ""
    assert redact_analysis(call(), ["drug"]).warnings[-1] == (
        "nothing to redact was found: the text is unchanged"
    )


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("Al also sings, AL!", "Al", ["Al", "AL"]),
        ("Jose\u0301 and JOSÉ", "josé", ["Jose\u0301", "JOSÉ"]),
        ("555 12 34, 5551234 or 5.551.234", "555-1234", ["555 12 34", "5551234", "5.551.234"]),
        ("five five five, 555", "555", ["five five five", "555"]),
        ("3.5 of 1,000", "5", []),
        ("Große, GROSSE", "grosse", ["Große", "GROSSE"]),
        ("New-York NewYork", "New York", ["New-York", "NewYork"]),
        ("我在北京市", "北京", ["北京"]),
        (f"new {MASK} york", "new york", []),
        ("anything", "!?", []),
    ],
)
def test_where_a_phrase_is_said(text: str, phrase: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in Text(text).find(phrase)] == found


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("five five five oh one three four", "555 0134"),
        ("triple five oh one three four", "555 0134"),
        ("double five five oh one three four", "555 0134"),
        ("five five five zero one three four", "555 0134"),
        ("555-0134", "triple five oh one three four"),
        ("nought one two", "012"),
        ("double naught seven", "007"),
        ("twenty nought niner", "2009"),
        ("fifty five", "55"),
        ("five fifty five", "555"),
        ("twenty-three", "23"),
        ("twenty twenty three", "2023"),
        ("nineteen eighty four", "1984"),
        ("a hundred", "100"),
        ("one thousand two hundred and six", "1,206"),
        ("May twenty third", "May 23rd"),
        ("the twelfth of May", "the 12th of May"),
        ("three point five", "3.5"),
        ("my name is A double N", "Ann"),
        ("the Andersons live", "Anderson"),
        ("the Andersons' car", "Anderson"),
        ("Anderson's car", "Anderson"),
        ("an Anderson", "Andersons"),
        ("five of them", "5"),
        ("oh five of them", "5"),
    ],
)
def test_spoken_forms(text: str, phrase: str) -> None:
    assert list(Text(text).find(phrase))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("two hundred and six", "26"),
        ("twenty, three", "23"),
        ("fifty five", "5 0 5"),
        ("oh Brien", "0"),
        ("to double back", "bback"),
        ("Annes", "Ann Lee"),
        ("Bass", "Ba"),
    ],
)
def test_what_is_not_said(text: str, phrase: str) -> None:
    assert not list(Text(text).find(phrase))


def test_a_surname_alone_is_a_name_too() -> None:
    said = "Maria Lopez called. Mrs Lopez is ill, and the Lopezes are sad. Maria is a city."
    analysis = analysis_of([said], [("person", "Maria Lopez", 0)])
    assert redact_analysis(analysis, how="type").text == (
        "[PERSON] called. Mrs [PERSON] is ill, and the [PERSON] are sad. Maria is a city."
    )
    kept = redact_analysis(analysis, how="type", surnames=False).text
    assert kept is not None and kept.count("Lopez") == 2
    place = analysis_of(["New York and York"], [("place", "New York", 0)])
    assert redact_analysis(place, how="type").text == "[PLACE] and York"
    hashed = redact_analysis(analysis, how="hash", key=KEY).text or ""
    assert len(set(re.findall(r"PERSON:\w+", hashed))) == 1, "it is the same person"
    for name in ("Sammy Davis Jr.", "Ann O'Brien's", "Dr. Lopez"):
        both = analysis_of([f"{name} said. Then Davis and O'Brien and Lopez left."], [("PERSON", name, 0)])
        shown = redact_analysis(both, how="type").text or ""
        assert shown.count("[PERSON]") == 2, name


def hashes(said: str, *names: str, type_: str = "person") -> list[str]:
    """The hash of every replaced place; each name is tagged as often as it occurs in `names`."""
    entities = [(type_, name, names[:n].count(name)) for n, name in enumerate(names)]
    text = redact_analysis(analysis_of([said], entities), how="hash", key=KEY).text or ""
    return re.findall(r"\[[A-Z-]+:([0-9a-f]{12})\]", text)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("Maria Sanchez called. Then Sanchez. And Ms. Sanchez?", ["Maria Sanchez", "Ms. Sanchez"]),
        ("Ms. Sanchez called. Yes, Maria. Maria Sanchez's son.", ["Ms. Sanchez", "Maria", "Maria Sanchez's"]),
        ("Dr. Maria Sanchez and Maria Sanchez, MD.", ["Dr. Maria Sanchez", "Maria Sanchez, MD"]),
        ("Maria Sanchez Lopez. Maria Sanchez. Sanchez.", ["Maria Sanchez Lopez", "Maria Sanchez", "Sanchez"]),
    ],
)
def test_the_same_person_has_the_same_hash(said: str, names: list[str]) -> None:
    found = hashes(said, *names)
    assert len(found) >= len(names) and len(set(found)) == 1


@pytest.mark.parametrize(
    ("said", "names", "count"),
    [
        ("Maria Sanchez, Juan Sanchez. Sanchez left.", ["Maria Sanchez", "Juan Sanchez"], 3),
        ("Maria Sanchez, Maria Lopez. So Maria left.", ["Maria Sanchez", "Maria Lopez"], 2),
        ("Kim Sanchez. Mr. Sanchez met Ms. Sanchez.", ["Kim Sanchez", "Mr. Sanchez", "Ms. Sanchez"], 3),
        ("John Smith and John Smith Jr. left.", ["John Smith", "John Smith Jr"], 2),
        ("San and Ria met Maria Sanchez.", ["Maria Sanchez", "San", "Ria"], 3),
    ],
)
def test_what_could_be_two_persons_stays_apart(said: str, names: list[str], count: int) -> None:
    assert len(set(hashes(said, *names))) == count


def test_parts_of_other_types_are_phrases_of_their_own() -> None:
    assert len(set(hashes("May third, or May.", "May third", "May", type_="date"))) == 2
    tagged = [("person", "Maria Sanchez", 0), ("place", "Sanchez", 1)]
    both = analysis_of(["Maria Sanchez in Sanchez."], tagged)
    text = redact_analysis(both, how="hash", key=KEY).text or ""
    assert len(set(re.findall(r":([0-9a-f]{12})", text))) == 2


def test_half_a_word_is_redacted_whole() -> None:
    redacted = redact_analysis(analysis_of(["Dear Merkel,"], [("PERSON", "Merk", 0)]), how="type")
    assert redacted.text == "Dear [PERSON],"


def test_a_phrase_across_two_segments() -> None:
    analysis = analysis_of(["Ask John Smith now, or John", "Smith tomorrow."], [("PERSON", "John Smith", 0)])
    redacted = redact_analysis(analysis, how="type")
    assert [segment.text for segment in redacted.segments] == [
        "Ask [PERSON] now, or [PERSON]",
        "[PERSON] tomorrow.",
    ]
    assert audio_spans(analysis, find_matches(analysis)) == ((0.5, 1.4), (2.5, 2.9), (10.0, 10.4))


def test_times_of_repetitions() -> None:
    analysis = call()
    assert audio_spans(analysis, find_matches(analysis, ["person"])) == (
        (0.0, 0.9),
        (10.5, 11.9),
        (12.5, 12.9),
    )


def test_without_times_the_audio_is_refused() -> None:
    analysis = analysis_of(["Ann came."], [("PERSON", "Ann", 0)], timed=False)
    matches = find_matches(analysis)
    with pytest.raises(RedactionError, match=r"has no times.*--untimed segment") as caught:
        audio_spans(analysis, matches)
    assert "Ann" not in str(caught.value)
    assert audio_spans(analysis, matches, untimed="segment") == ((0.0, 10.0),)
    with pytest.raises(OptionError, match="untimed is 'guess'"):
        audio_spans(analysis, matches, untimed="guess")


def test_entity_times_are_enough() -> None:
    analysis = analysis_of(["Ann came."], [("PERSON", "Ann", 0)], timed=False)
    timed = replace(analysis, entities=tuple(replace(e, start=1.0, end=1.5) for e in analysis.entities or ()))
    assert audio_spans(timed, find_matches(timed)) == ((1.0, 1.5),)


def test_a_leak_says_where_but_not_what() -> None:
    phrases = phrases_of(find_matches(call(), ["person"]), surnames=False)
    again = analysis_of(["He said hello to", "ann O'Brien again."], [])
    assert [str(leak) for leak in phrase_leaks(again, phrases)] == ["PERSON at 10.0–10.9 s"]
    across = analysis_of(["He said hello to Ann", "O'Brien again."], [])
    assert [str(leak) for leak in phrase_leaks(across, phrases)] == ["PERSON at 2.0–10.4 s"]
    assert not list(phrase_leaks(analysis_of(["He said hello to Anna."], []), phrases))


NAMES = ["Ann", "Ann Lee", "O'Brien", "Berlin", "New York", "42", "José", "Al", "Lee"]
FILLER = ["also", "the", "came", "to", "annual", "1,420", "said", "—", "<b>", "Lees"]


@st.composite
def recordings(draw: st.DrawFn) -> Analysis:
    pieces = st.lists(st.sampled_from(NAMES + FILLER), max_size=8)
    joined = st.builds(
        lambda items, mark: " ".join(items) + mark, pieces, st.sampled_from(["", ".", ",", "'s"])
    )
    parts = draw(st.lists(joined, min_size=1, max_size=4))
    text = " ".join(parts)
    places = [
        (m.start(), m[0]) for name in NAMES for m in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]
    chosen = draw(st.lists(st.sampled_from(places), max_size=5, unique=True)) if places else []
    entities: list[tuple[str, str, int]] = []
    taken: list[tuple[int, int]] = []
    for start, name in sorted(chosen):
        if all(start >= end or start + len(name) <= begin for begin, end in taken):
            occurrence = [m.start() for m in re.finditer(re.escape(name), text)].index(start)
            entities.append((draw(st.sampled_from(["PERSON", "place", "x y"])), name, occurrence))
            taken.append((start, start + len(name)))
    return analysis_of(parts, entities, timed=draw(st.booleans()), warnings=(f"heard {text}",))


@given(
    recordings(),
    st.sampled_from(["mask", "type", "hash"]),
    st.sampled_from([None, ["Person"], ["place", "X_Y"]]),
)
def test_no_phrase_is_left_in_any_output(analysis: Analysis, how: str, types: list[str] | None) -> None:
    matches = find_matches(analysis, types)
    redacted = redact_analysis(analysis, types, how)
    assert Analysis.from_dict(json.loads(redacted.to_json())) == redacted  # offsets and times hold
    said = {match.phrase for match in matches}
    texts = [redacted.text or "", *redacted.warnings[:-1]]
    texts += [piece.text for segment in redacted.segments for piece in (segment, *(segment.words or ()))]
    texts += [entity.text for entity in redacted.entities or ()]
    for phrase in said:
        assert not [text for text in texts if list(Text(text).find(phrase))]
        plain = re.compile(rf"(?<![\w,.]){re.escape(phrase)}(?![\w,.])", re.IGNORECASE)
        assert not [text for text in texts if plain.search(text)]
    ordered = [(e.start_char, e.end_char) for e in redacted.entities or ()]
    assert all(before[1] <= after[0] for before, after in pairwise(ordered))
    assert len(redacted.segments) == len(analysis.segments)


@given(recordings())
def test_what_is_not_redacted_stays(analysis: Analysis) -> None:
    assert redact_analysis(analysis, ["nothing of this"]).text == analysis.text
    matches = find_matches(analysis)
    assume(not matches)
    assert replace(redact_analysis(analysis), warnings=()) == replace(analysis, warnings=())


@given(recordings(), st.sampled_from(["mask", "hash"]))
def test_every_writer_is_clean(analysis: Analysis, how: str) -> None:
    redacted = redact_analysis(analysis, None, how)
    phrases = {match.phrase for match in find_matches(analysis)} - {
        "42"
    }  # numbers are also offsets and times
    for name, writer in FORMATS.items():
        if writer.binary is not None or writer.needs_speakers:
            continue
        shown = writer.render(redacted)
        for phrase in phrases:
            assert not list(Text(shown).find(phrase)), (name, phrase)


def test_a_value_does_not_tell_what_was_redacted() -> None:
    text = "I am Jane, write to jane dot doe at example dot com or call 415 555 0134."
    mail = {"kind": "email", "email": "jane.doe@example.com"}
    phone = {"kind": "phone", "e164": "+14155550134"}
    analysis = analysis_of([text], [("person", "Jane", 0), ("email", "jane dot doe at example dot com", 0),
                                    ("phone", "415 555 0134", 0)])  # fmt: skip
    values = (None, mail, phone)
    entities = tuple(replace(e, value=v) for e, v in zip(analysis.entities or (), values, strict=True))
    analysis = replace(analysis, entities=entities)
    for types in (["person"], ["email"], ["phone"], None):
        for writer in ("json", "text", "html"):
            redacted = redact_analysis(analysis, types, "type")
            shown = FORMATS[writer].render(redacted)
            assert "jane.doe" not in shown if types != ["phone"] else "14155550134" not in shown
    kept = redact_analysis(analysis, ["person"]).entities or ()
    assert phone in [entity.value for entity in kept]  # of words that are still there


@pytest.mark.parametrize(
    ("name", "left"),
    [("Jane", None), ("Jane Doe", None), ("DOE", None), ("Mary Doe-Smith", None), ("Ben", "Ben")],
)
def test_a_speaker_has_no_name_that_was_redacted(name: str, left: str | None) -> None:
    analysis = analysis_of(["I am Jane Doe from Leeds."], [("person", "Jane Doe", 0), ("place", "Leeds", 0)])
    segments = tuple(
        replace(s, speaker="S1", words=tuple(replace(w, speaker="S1") for w in s.words or ()))
        for s in analysis.segments
    )
    analysis = replace(analysis, segments=segments, speakers=(Speaker("S1", 3.0, name),))
    redacted = redact_analysis(analysis, ["person"])
    assert redacted.speakers == (Speaker("S1", 3.0, left),)
    for writer in ("json", "rttm", "label-studio", "vtt", "html", "textgrid"):
        assert "Doe" not in FORMATS[writer].render(redacted)
    assert redact_analysis(analysis, ["place"]).speakers == analysis.speakers


@pytest.mark.parametrize("types", [["pii"], ["person: somebody's name"], ["news", "pii"]])
def test_presets_and_descriptions_redact_their_types(types: list[str]) -> None:
    analysis = analysis_of(["Ann called."], [("person", "Ann", 0)])
    assert "Ann" not in redact_analysis(analysis, types).to_json()


def test_a_type_that_is_named_like_a_preset() -> None:
    analysis = analysis_of(["A flood in Rome."], [("news", "flood", 0)])
    assert "flood" not in redact_analysis(analysis, ["news"]).to_json()
