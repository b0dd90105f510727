"""Who speaks when, scored: error rates, words of a wrong speaker, an evaluation of conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from unislu.audio.wav import write_wav
from unislu.errors import RecordError
from unislu.evaluation.diarization import Spoken, diarization_errors, read_turns, speaker_scores
from unislu.evaluation.evaluate import EvaluationSettings, evaluate
from unislu.evaluation.predict import read_datasets
from unislu.evaluation.prediction_files import prediction_values, read_predictions
from unislu.evaluation.question import Prediction, Question
from unislu.evaluation.report.markdown import text

pytest.importorskip("pyannote.metrics")
REFERENCE = [(0.0, 4.0, "ann"), (5.0, 9.0, "ben")]


def test_names_do_not_matter() -> None:
    found = diarization_errors([(REFERENCE, [(0.0, 4.0, "S2"), (5.0, 9.0, "S1")])])
    assert found == {"der": 0.0, "missed": 0.0, "false_alarm": 0.0, "confusion": 0.0}


def test_the_parts_of_the_error() -> None:
    # Of 2 x 3.5 s outside the collars: one speaker's first two seconds are called by another name.
    confused = diarization_errors([(REFERENCE, [(0.0, 4.0, "S1"), (5.0, 7.0, "S1"), (7.0, 9.0, "S2")])])
    assert confused["confusion"] == pytest.approx(1.75 / 7.0)
    missed = diarization_errors([(REFERENCE, [(0.0, 4.0, "S1")])])
    assert missed["missed"] == pytest.approx(0.5) and missed["confusion"] == 0.0
    invented = diarization_errors([(REFERENCE, [*REFERENCE, (10.0, 12.0, "S3")])])
    assert invented["false_alarm"] == pytest.approx(2.0 / 7.0)


def test_edges_within_the_collar_are_free() -> None:
    found = diarization_errors([(REFERENCE, [(0.2, 3.8, "S1"), (5.2, 9.2, "S2")])])
    assert found["der"] == pytest.approx(0.0)


def test_recordings_are_pooled_by_their_speech() -> None:
    wrong = ([(0.0, 1.5, "ann")], [(5.0, 5.1, "S1")])
    right = (REFERENCE, REFERENCE)
    assert diarization_errors([right, wrong])["missed"] == pytest.approx(1.0 / 8.0)


def test_nothing_at_all() -> None:
    assert diarization_errors([])["der"] == 0.0


def test_words_of_a_wrong_speaker() -> None:
    words = ((0.5, 1.0, "S1"), (2.0, 2.5, "S1"), (6.0, 6.5, "S2"), (7.0, 7.5, "S1"), (4.4, 4.6, "S1"))
    found = Spoken(((0.0, 4.0, "S1"), (5.0, 9.0, "S2")), words)
    scores = speaker_scores([(REFERENCE, found), (REFERENCE, Spoken(()))])
    assert scores.word_error == pytest.approx(25.0)  # the last one is said between the turns
    assert (scores.recordings, scores.right_number) == (2, 1)
    assert scores.der == pytest.approx(50.0) and scores.missed == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ("ann", "expected a list"),
        ([{"start": 0, "end": 1}], "with `start`, `end` and `speaker`"),
        ([{"start": 2, "end": 1, "speaker": "ann"}], "0 ≤ start < end"),
        ([{"start": 0, "end": "1", "speaker": "ann"}], "is not a time"),
        ([{"start": 0, "end": float("nan"), "speaker": "ann"}], "is not a time"),
    ],
)
def test_malformed_turns_are_named(turns: object, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read_turns(turns, "record 'a'")


def test_predictions_keep_turns_and_words(tmp_path: Path) -> None:
    spoken = Spoken(((0.0, 4.0, "S1"),), ((0.5, 1.0, "S1"),))
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(prediction_values(Prediction("a", "yes", spoken=spoken))) + "\n")
    assert read_predictions(path)[0].spoken == spoken


class Echo:
    """Answers with the turns of the reference, under other names."""

    name = "echo"
    facts: Mapping[str, str] = {}

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        for question in questions:
            assert question.speakers
            spoken = Spoken(((0.0, 4.0, "S2"), (5.0, 9.0, "S1")), ((1.0, 2.0, "S2"),))
            yield Prediction(question.id, "hello", duration=9.0, seconds=1.0, spoken=spoken)


def test_an_evaluation_of_conversations(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", [np.zeros((1, 16_000), np.float32)])
    turns = [{"start": start, "end": end, "speaker": who} for start, end, who in REFERENCE]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps({"id": "a", "text": "", "audio": "a.wav", "turns": turns}) + "\n")
    settings = EvaluationSettings(profile="slue", samples=2)
    found = evaluate(Echo(), read_datasets([manifest]), settings, tmp_path / "out", quiet=True)
    (part,) = found.parts.values()
    assert part.scores.speakers is not None and part.scores.speakers.der == 0.0
    assert part.scores.silent == 0  # somebody speaks, though nobody wrote down what
    assert part.to_dict()["scores"]["speakers"]["word_error"] == 0.0
    assert "| 1 of 1 |" in text(found, [])
