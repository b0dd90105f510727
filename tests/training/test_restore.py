"""Restored casing and punctuation: the words stay, offsets move along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.data.records import AnnotatedEntity, Record
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


def test_a_punctuated_record_keeps_what_its_entities_say() -> None:
    pytest.importorskip("torch")
    from unislu.training.restore import punctuated

    text = "we met anna smith in bonn it rained"
    entities = (AnnotatedEntity(7, 17, "person", {"type18": "PERSON"}), AnnotatedEntity(21, 25, "place"))
    record = Record("r", text, audio="r.wav", duration=2.0, entities=entities, extra={"source": "x"})
    done = punctuated(record, {3: ",", 5: ".", 7: "."})
    assert done.text == "we met anna smith, in bonn. It rained."
    assert done.entities is not None
    assert [done.text[e.start : e.end] for e in done.entities] == ["anna smith", "bonn"]
    assert [(e.type, e.extra) for e in done.entities] == [(e.type, e.extra) for e in entities]
    assert (done.id, done.audio, done.duration, done.extra) == ("r", "r.wav", 2.0, {"source": "x"})


def test_a_punctuated_record_stays_as_annotated_as_it_was() -> None:
    pytest.importorskip("torch")
    from unislu.training.restore import punctuated

    assert punctuated(Record("r", "it rained"), {0: ","}) == Record("r", "it, rained.")
    assert punctuated(Record("r", "it rained", entities=()), {}).entities == ()
    assert punctuated(Record("r", "", entities=()), {}) == Record("r", "", entities=())


def test_marks_of_a_clip_do_not_depend_on_its_batch(backbone: Path) -> None:
    """A random model: what it answers means nothing, but padding must not change it."""
    pytest.importorskip("torch")
    from unislu.sequence import SLUE
    from unislu.training.model_config import ModelConfig
    from unislu.training.models.whisper import load_unified
    from unislu.training.restore import MARKS, PunctuationRestorer

    restorer = PunctuationRestorer(load_unified(ModelConfig(str(backbone)), SLUE))
    texts = ["we met Anna in Berlin", "nothing", ""]
    rng = np.random.default_rng(0)
    memories = [rng.normal(size=(length, 32)).astype(np.float16) for length in (30, 12, 5)]
    together = restorer.marks(texts, memories)
    alone = [restorer.marks([text], [memory])[0] for text, memory in zip(texts, memories, strict=True)]
    assert together == alone
    for text, marks in zip(texts, together, strict=True):
        assert all(k in range(len(text.split())) and mark in MARKS for k, mark in marks.items())
