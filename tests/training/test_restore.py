"""Restored casing and punctuation: the words stay, offsets move along."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unislu.data.restore import Truecaser, insert_punctuation
from unislu.sequence.target import Span, Target

CASED = ["He said Europe is large.", "We like Europe a lot", "The old town of Bonn", "They left Bonn early"]


def phrases(target: Target) -> list[str]:
    return [target.text[s.start : s.end] for s in target.entities or ()]


def test_learned_forms_names_and_sentence_starts() -> None:
    caser = Truecaser.learn(CASED)
    text = "i think anna smith lives in europe's bonn"
    target = Target(text, (Span(8, 18, "person"),))
    assert caser.restore(target).text == "I think Anna Smith lives in Europe's Bonn"


def test_ambiguous_words_are_left_alone() -> None:
    caser = Truecaser.learn(["I saw Bill there", "and then Bill left", "so that Bill could"])
    assert caser.restore(Target("the bill is here")).text == "The bill is here"


def test_marks_move_offsets_and_start_sentences() -> None:
    target = Target("We met anna in bonn it rained", (Span(7, 11, "person"), Span(15, 19, "place")))
    done = insert_punctuation(target, {2: ",", 4: "."})
    assert done.text == "We met anna, in bonn. It rained."
    assert phrases(done) == ["anna", "bonn"]


def test_questions_end_with_a_question_mark() -> None:
    assert insert_punctuation(Target("where is the station")).text == "where is the station?"
    assert insert_punctuation(Target("here it is.")).text == "here it is."
    assert insert_punctuation(Target("")).text == ""


@given(
    st.lists(st.text("abcxyzé'-", min_size=1, max_size=6), min_size=1, max_size=12),
    st.dictionaries(st.integers(0, 11), st.sampled_from(",.?"), max_size=6),
    st.data(),
)
def test_words_and_phrases_survive(words: list[str], marks: dict[int, str], data: st.DataObject) -> None:
    text = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    start = len(" ".join(words[:first])) + (first > 0)
    target = Target(text, (Span(start, start + len(words[first]), "x"),))
    done = insert_punctuation(target, {k: m for k, m in marks.items() if k < len(words)})
    assert [w.strip(",.?").lower() for w in done.text.split()] == [w.lower() for w in words]
    assert [p.lower() for p in phrases(done)] == [words[first].lower()]
