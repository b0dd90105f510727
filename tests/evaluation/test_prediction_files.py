"""Peers' files, and everything that can be wrong in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unislu.errors import OptionError, RecordError
from unislu.evaluation.prediction_files import parse_tagged, prediction_values, read_predictions
from unislu.evaluation.question import Prediction


def written(folder: Path, content: str, name: str = "predictions") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_our_lines_come_back(tmp_path: Path) -> None:
    answers = [
        Prediction("a", "We met Ann.", (("PERSON", "Ann"),), "neutral", {"neutral": 0.75, "positive": 0.25},
                   (0.5,), 1.5, 0.25),
        Prediction("b", "", (), None),
        Prediction("c", None, None, "positive"),
    ]  # fmt: skip
    path = written(tmp_path, "\n".join(json.dumps(prediction_values(answer)) for answer in answers) + "\n\n")
    assert read_predictions(path) == answers


def test_offsets_and_results_of_analyze(tmp_path: Path) -> None:
    lines = (
        '{"id": "a", "text": "We met Ann.", "entities": [{"type": "PERSON", "start": 7, "end": 10}]}\n'
        '{"file": "clips/b.wav", "text": "Ann left.", "duration": 2.0, "timings": {"total": 0.5}, '
        '"entities": [{"type": "PERSON", "text": "Ann", "start_char": 0, "end_char": 3, "confidence": 0.9}], '
        '"sentiment": {"label": "neutral", "scores": {"neutral": 1.0}}}\n'
    )
    first, second = read_predictions(written(tmp_path, lines))
    assert first == Prediction("a", "We met Ann.", (("PERSON", "Ann"),))
    assert second == Prediction(
        "b", "Ann left.", (("PERSON", "Ann"),), "neutral", {"neutral": 1.0}, (0.9,), 2.0, 0.5
    )


def test_slue_submission(tmp_path: Path) -> None:
    lines = (
        "id\tpred_text\tpred_ner\tpred_sentiment\n"
        "a\tin strasbourg it 's\t[['GPE', 'strasbourg']]\tNeutral\n"
        "b\t\t[]\t\n"
    )
    assert read_predictions(written(tmp_path, lines)) == [
        Prediction("a", "in strasbourg it 's", (("GPE", "strasbourg"),), "Neutral"),
        Prediction("b", "", (), None),
    ]
    only_ner = read_predictions(written(tmp_path, "id\tpred_ner\na\t[('ORG', 'eu', 0), ('ORG', 'eu', 1)]\n"))
    assert only_ner == [Prediction("a", None, (("ORG", "eu"), ("ORG", "eu")))]


@pytest.mark.parametrize(
    ("tagged", "text", "entities"),
    [
        (
            "the <occupation>astronaut<occupation>> explored <place>the moon<place>>",
            "the astronaut explored the moon",
            (("occupation", "astronaut"), ("place", "the moon")),
        ),
        ("<Phone Number>one two<Phone Number>>", "one two", (("phone-number", "one two"),)),
        ("an <a>open one", "an open one", ()),
        ("closed<a>> only", "closed only", ()),
        ("<a>one <b>two<b>> three<a>>", "one two three", (("b", "two"),)),
        ("<a><a>>", "", ()),
        ("5 < 6 > 4", "5 4", ()),
        ("", "", ()),
    ],
)
def test_tagged_text(tagged: str, text: str, entities: tuple[tuple[str, str], ...]) -> None:
    assert parse_tagged(tagged) == (text, entities)


def test_whisperner_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a\tthe <job>pilot<job>> flew\nb\tnothing\n")
    assert read_predictions(path) == [
        Prediction("a", "the pilot flew", (("job", "pilot"),)),
        Prediction("b", "nothing", ()),
    ]
    assert read_predictions(path, "whisperner") == read_predictions(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": "a"\n', r"predictions:1: not valid JSON"),
        ('{"id": "a"}\n{"text": "x"}\n', r"predictions:2: field `id`: is missing"),
        ('{"id": "a"}\n{"id": "", "text": "x"}\n', r"predictions:2: field `id`: is missing"),
        ('{"id": "a", "text": 5}\n', "field `text`: expected str, found int"),
        ('{"id": "a", "entities": [{"text": "x"}]}\n', "expected an object with `type`"),
        ('{"id": "a", "entities": [{"type": " ", "text": "x"}]}\n', r"field `entities\[0\].type`: is empty"),
        ('{"id": "a", "text": "x", "entities": [{"type": "org"}]}\n', "neither `text` nor offsets"),
        ('{"id": "a", "text": "x", "entities": [{"type": "org", "start": 0, "end": 9}]}\n', "not a span"),
        ('{"id": "a", "sentiment": {"label": "neutral", "scores": {"neutral": NaN}}}\n',
         "'a': sentiment score of 'neutral' is nan"),
        ('{"id": "a", "sentiment": {"label": "neutral", "scores": {"neutral": 7}}}\n', "is 7.0; give a"),
        ('{"id": "a", "sentiment": {"label": "neutral", "scores": {"neutral": "high"}}}\n', "found 'high'"),
        ('{"id": "a", "entities": [{"type": "org", "text": "x", "confidence": NaN}]}\n',
         "confidence of 'x' is nan"),
        ("id\tpred_text\nonly-an-id\n", "predictions:2: has 1 fields, and there are 2 columns"),
        ("id\tpred_ner\na\t[['GPE']]\n", "predictions:2: pred_ner .* is not a list"),
        ("id\tpred_ner\na\t__import__('os')\n", "predictions:2: pred_ner .* is not a list"),
        ("a plain sentence\n", "neither JSON lines"),
        ("", "neither JSON lines"),
    ],
)  # fmt: skip
def test_bad_files_name_their_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read_predictions(written(tmp_path, content))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_predictions(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}\n')
    with pytest.raises(RecordError, match="not UTF-8"):
        read_predictions(tmp_path / "latin.jsonl")
    with pytest.raises(OptionError, match="unknown format of predictions 'xml'"):
        read_predictions(tmp_path / "latin.jsonl", "xml")
    path = written(tmp_path, "a\twords\n")
    with pytest.raises(RecordError, match="SLUE's are id, pred_text"):
        read_predictions(path, "slue")
    with pytest.raises(RecordError, match="expected an id, a tab"):
        read_predictions(written(tmp_path, "words\n"), "whisperner")


def test_confidences_must_fit_the_entities() -> None:
    with pytest.raises(RecordError, match="2 confidences of 1 entities"):
        Prediction("a", "x", (("org", "x"),), confidences=(0.5, 0.5))
