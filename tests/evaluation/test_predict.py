"""PromptMix a system: what is asked, what is kept, and how an interrupted run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unislu.errors import OptionError, RecordError
from unislu.evaluation.predict import AskOptions, check_audio, predict, questions, read_datasets, rtfx
from unislu.evaluation.question import Prediction, Question

from .conftest import write_corpus


class Echo:
    """Answers with its own name; `stop` ends it after some answers, as a kill would."""

    def __init__(
        self, name: str = "echo", stop: int | None = None, facts: dict[str, Any] | None = None
    ) -> None:
        self.name, self.stop, self.facts = name, stop, facts or {}
        self.asked: list[str] = []

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        for number, question in enumerate(questions):
            if number == self.stop:
                raise KeyboardInterrupt
            self.asked.append(question.id)
            yield Prediction(question.id, self.name, duration=2.0, seconds=0.5)


ASKED = [Question(name, Path(f"{name}.wav"), ("asr",)) for name in "abc"]


def test_every_manifest_has_a_name_of_its_own(tmp_path: Path) -> None:
    paths = [write_corpus(tmp_path / x / "dev") for x in "ab"]
    other = paths[0].with_name("more.jsonl")
    other.write_text(paths[0].read_text())
    sets = read_datasets([*paths, other], limit=2)
    assert [d.name for d in sets] == ["a-dev", "b-dev", "more"]
    assert [len(d.records) for d in sets] == [2, 2, 2]
    assert sets[0].types == ("org", "person", "place", "when") and sets[0].has_sentiment
    assert sets[0].sha256 == sets[1].sha256 != read_datasets([paths[0]])[0].sha256
    assert sets[0].seconds == pytest.approx(1.05)


def test_bad_manifests(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "a")
    with pytest.raises(OptionError, match="is listed twice"):
        read_datasets([path, path.parent / ".." / "a" / "manifest.jsonl"])
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(RecordError, match="has no records"):
        read_datasets([empty])
    silent = tmp_path / "silent.jsonl"
    silent.write_text('{"id": "a", "text": "x", "entities": []}\n')
    with pytest.raises(RecordError, match="has no audio"):
        questions(read_datasets([silent])[0])


def test_missing_audio_is_said_before_anything_is_transcribed(tmp_path: Path) -> None:
    (tmp_path / "there.wav").touch()
    clips = [(name, tmp_path / f"{name}.wav") for name in ("there", "lost", "gone")]
    check_audio(clips[:1])
    with pytest.raises(RecordError, match=r"'lost': .*lost.wav: no such file \(and 1 more are missing\)"):
        check_audio(clips)


def test_answers_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"file: is not a folder and cannot be created"):
        predict(Echo(), ASKED, tmp_path / "file" / "p.jsonl", quiet=True)


def test_questions_ask_for_what_is_annotated(manifest: Path) -> None:
    (data,) = read_datasets([manifest])
    closed = questions(data)
    assert {(q.tasks, q.types) for q in closed} == {(("asr", "ner", "sa"), None)}
    assert closed[0].audio == manifest.parent / "0.wav"
    bare = replace(data, records=tuple(replace(r, entities=None, sentiment=None) for r in data.records))
    assert {q.tasks for q in questions(bare, "open")} == {("asr",)}


def test_open_questions_are_balanced_or_whole(manifest: Path) -> None:
    (data,) = read_datasets([manifest])
    asked = {q.id: q.types for q in questions(data, "open", seed=1)}
    every = {"org", "person", "place", "quant", "when"}
    # r0 has three of the five types: only two are left for negatives
    assert asked["r0"] is not None and set(asked["r0"]) == every
    assert asked["r1"] is not None and len(asked["r1"]) == 2 and "org" in asked["r1"]
    assert asked["r2"] is not None and len(asked["r2"]) == 1
    assert {q.types for q in questions(data, "open", asked="all")} == {tuple(sorted(every))}
    none = replace(data, records=tuple(replace(r, entities=()) for r in data.records))
    with pytest.raises(RecordError, match="no types to request"):
        questions(none, "open")


def test_answers_are_kept_and_not_asked_again(tmp_path: Path) -> None:
    out = tmp_path / "made" / "p.jsonl"
    first, second = Echo(), Echo()
    answers = predict(first, ASKED, out, quiet=True)
    assert [a.id for a in answers] == ["a", "b", "c"] == first.asked
    assert predict(second, ASKED, out, quiet=True) == answers and second.asked == []
    assert rtfx(answers) == 4.0
    assert rtfx([*answers, Prediction("d")]) is None and rtfx([]) is None


def test_a_killed_run_goes_on_even_after_half_a_line(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with pytest.raises(KeyboardInterrupt):
        predict(Echo(stop=2), ASKED, out, quiet=True)
    with open(out, "a") as file:
        file.write('{"id": "c", "te')
    rest = Echo()
    assert [a.text for a in predict(rest, ASKED, out, quiet=True)] == ["echo"] * 3
    assert rest.asked == ["c"]
    assert len(out.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("system", "asked", "what"),
    [
        (Echo("other"), ASKED, "other system"),
        (Echo(facts={"bias": 1}), ASKED, "other facts"),
        (Echo(), ASKED[:2], "other questions"),
        (Echo(), [replace(ASKED[0], types=("org",)), *ASKED[1:]], "other questions"),
    ],
)
def test_answers_of_another_run_are_not_mixed(
    tmp_path: Path, system: Echo, asked: list[Question], what: str
) -> None:
    out = tmp_path / "p.jsonl"
    predict(Echo(), ASKED, out, quiet=True)
    with pytest.raises(OptionError, match=what):
        predict(system, asked, out, quiet=True)
    (tmp_path / "p.jsonl.run.json").unlink()
    with pytest.raises(OptionError, match="of another run"):
        predict(Echo(), ASKED, out, quiet=True)


def test_a_system_answers_what_it_was_asked(tmp_path: Path) -> None:
    class Liar(Echo):
        def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
            yield Prediction("z")

    class Lazy(Echo):
        def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
            yield from list(super().answers(questions))[1:]

    with pytest.raises(RecordError, match="answered 'z', which was not asked"):
        predict(Liar(), ASKED, tmp_path / "1.jsonl", quiet=True)
    with pytest.raises(RecordError, match="no answer to 1 questions, first 'a'"):
        predict(Lazy(), ASKED, tmp_path / "2.jsonl", quiet=True)


def test_bias_by_type_follows_the_question() -> None:
    def asked(*types: str) -> Question:
        return Question("a", Path("a.wav"), ("asr", "ner"), types or None)

    options = AskOptions({"Phone Number": 1.0, "org": 2.0}, operating_point="privacy")
    assert options.about(asked("phone-number")).bias == {"Phone Number": 1.0}
    assert options.about(asked("drug")).bias == 0.0
    assert options.about(asked()) == options
    assert options.about(replace(asked(), tasks=("asr", "sa"))) == AskOptions()
    assert AskOptions(0.5).about(asked("drug")).bias == 0.5
    assert json.dumps(options.to_dict())
