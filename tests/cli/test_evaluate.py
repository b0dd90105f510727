"""`unislu evaluate` and `unislu score` from the outside: output, files, exit codes, bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unislu.cli import main
from unislu.evaluation.predict import AskOptions
from unislu.evaluation.question import Prediction, Question
from unislu.evaluation.systems import UnisluSystem

GOLD = [
    ("a", "We met Anna in Berlin.", [(7, 11, "PERSON"), (15, 21, "PLACE")], "neutral"),
    ("b", "The council made progress.", [(4, 11, "ORG")], "positive"),
]
OURS = [
    {"id": "b", "text": "the council made progress", "entities": [{"type": "ORG", "text": "council"}],
     "sentiment": {"label": "positive", "scores": {"positive": 0.8, "neutral": 0.2}}},
    {"id": "a", "text": "We met Hannah in Berlin.", "entities": [{"type": "place", "text": "Berlin"}],
     "sentiment": "negative"},
]  # fmt: skip


def write(path: Path, lines: Sequence[Any]) -> str:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture
def gold(tmp_path: Path) -> str:
    folder = tmp_path / "dev"
    folder.mkdir()
    rows = [
        {"id": key, "text": text, "audio": f"clip-{key}.wav", "duration": 2.0, "sentiment": mood,
         "entities": [{"start": s, "end": e, "type": t} for s, e, t in entities]}
        for key, text, entities, mood in GOLD
    ]  # fmt: skip
    return write(folder / "manifest.jsonl", rows)


@pytest.fixture
def ours(tmp_path: Path) -> str:
    return write(tmp_path / "ours.jsonl", OURS)


def test_score_prints_the_table(gold: str, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", gold, ours, "--samples", "20"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "profile unislu, 2 utterances, 0 without a prediction",
        "WER 11.11   9 words: 1 substituted, 0 deleted, 0 inserted",
        "entity type      P      R     F1  support",
        "org         100.00 100.00 100.00        1",
        "person           -   0.00   0.00        1",
        "place       100.00 100.00 100.00        1",
        "all         100.00  66.67  80.00        3",
        "macro-F1 66.67   label-F1 80.00",
        "sentiment      P      R     F1  support",
        "positive  100.00 100.00 100.00        1",
        "neutral        -   0.00   0.00        1",
        "negative    0.00      -   0.00        0",
        "macro-F1 33.33   accuracy 50.00   ECE 20.00",
    ]


def test_score_reads_peers(gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submission = write(
        tmp_path / "slue.tsv",
        ["id\tpred_text\tpred_ner\tpred_sentiment\n",
         "a\twe met anna in berlin\t[['PERSON', 'anna'], ['GPE', 'berlin'], ['EVENT', 'met']]\tNeutral\n",
         "b\tthe council made progress\t[['ORG', 'council']]\tPositive\n"],
    )  # fmt: skip
    assert main(["score", gold, submission, "--profile", "slue"]) == 1
    assert "entity type 'GPE' ('berlin' in 'a') is outside the label set: LAW" in capsys.readouterr().err
    assert main(["score", gold, submission, "--profile", "slue", "--ontonotes", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores["entities"]["f1"] == 100.0 and scores["words"]["wer"] == 0.0
    tagged = write(
        tmp_path / "tagged.txt", ["a\twe met <person>anna<person>> in berlin\n", "b\tthe council\n"]
    )
    assert main(["score", gold, tagged, "--json", "--labels", "open"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["entities_asked"] == "open" and found["scores"]["entities"]["true_positives"] == 1


def test_results_of_analyze_are_joined_by_their_file(
    gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"file": f"somewhere/clip-{key}.wav", "text": text} for key, text, _, _ in GOLD]
    assert main(["score", gold, write(tmp_path / "results.jsonl", rows)]) == 0
    assert "WER 0.00 " in capsys.readouterr().out


def test_json_is_printed_even_quietly(gold: str, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", gold, ours, "--samples", "20", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["name"]
    assert main(["score", gold, ours, "--labels", "org,,"]) == 2
    assert "--labels org,,: one of the types is empty" in capsys.readouterr().err


def test_score_compares_two_systems(
    gold: str, ours: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = write(tmp_path / "theirs.jsonl", [{**row, "text": "nothing", "entities": []} for row in OURS])
    assert main(["score", gold, ours, "--compare", theirs, "--samples", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wer = next(line for line in lines if line.startswith("wer "))
    assert wer.split()[1:4] == ["11.11", "100.00", "-88.89"]
    assert lines[-1].startswith("p: approximate randomisation")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (OURS[:1], [], r"1 ids in the gold have no prediction: a; .*--allow-missing"),
        ([*OURS, {"id": "z"}], [], r"1 ids in the predictions are not in the gold: z"),
        ([OURS[0], OURS[0]], [], "id 'b' occurs twice"),
        ([{**OURS[0], "entities": [{"type": "ORGG", "text": "council"}]}, OURS[1]], [], "'ORGG'.*outside"),
        (OURS, ["--labels", "ORG,PLACE"], "gold: entity type 'PERSON' .* outside the label set: ORG, PLACE"),
        ([{**OURS[0], "sentiment": {"label": "x", "scores": {"x": float("nan")}}}, OURS[1]], [], "is nan"),
        ([{**OURS[0], "entities": [{"type": "bird", "text": "x"}]}, OURS[1]], ["--ontonotes"],
         "'bird' is neither"),
    ],
)  # fmt: skip
def test_bad_predictions(
    gold: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rows: list[Any],
    options: list[str],
    message: str,
) -> None:
    import re

    assert main(["score", gold, write(tmp_path / "bad.jsonl", rows), *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and re.search(message, captured.err), captured.err
    assert captured.err.count("\n") == 1 and "Traceback" not in captured.err


def test_missing_can_be_allowed(gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "part.jsonl", [OURS[0], {"id": "z", "text": "x"}])
    assert main(["score", gold, path, "--allow-missing", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["missing_ids"], found["ignored_ids"]) == (["a"], ["z"])
    assert found["scores"]["words"]["deletions"] == 5


def test_empty_gold(ours: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", write(tmp_path / "empty.jsonl", []), ours]) == 1
    assert "has no records" in capsys.readouterr().err


def test_score_writes_a_report(
    gold: str, ours: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["score", gold, ours, "--report", str(out), "--audio", "none", "--samples", "10"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("profile unislu") and captured.err.strip() == str(out / "report.html")
    assert {path.name for path in out.iterdir()} == {"report.html", "report.md", "report.json"}


class StubSystem:
    """Answers what is annotated, in place of a model."""

    name, facts = "stub 1", {"sha256": {"encoder.onnx": "00"}}
    model = SimpleNamespace(entity_types=("ORG", "PERSON", "PLACE"))
    opened: list[tuple[Any, AskOptions, int | None]]

    def answers(self, questions: Sequence[Question]) -> Iterator[Prediction]:
        for question in questions:
            _, text, entities, mood = next(row for row in GOLD if row[0] == question.id)
            found = tuple((t, text[s:e]) for s, e, t in entities)
            yield Prediction(question.id, text, found, mood, duration=2.0, seconds=0.25)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubSystem:
    system = StubSystem()
    system.opened = []

    def opened(path: Any, options: AskOptions, *, threads: int | None = None, device: str) -> StubSystem:
        system.opened.append((path, options, threads))
        return system

    monkeypatch.setattr(UnisluSystem, "open", opened)
    return system


def test_evaluate_writes_the_report_and_goes_on(
    gold: str, tmp_path: Path, stub: StubSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["evaluate", "default", gold, "--report", str(out), "--audio", "link", "--samples", "10"]
    assert main([*command, "--bias", "person=1", "--beam", "2", "--unconstrained", "--threads", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(out / "report.html") and "WER 0.00" in captured.err
    assert stub.opened == [("default", AskOptions({"person": 1.0}, 2, False), 1)]
    found = json.loads((out / "report.json").read_text())
    assert found["system"] == "stub 1" and found["manifests"][0]["rtfx"] == 8.0
    assert found["slue_score"] == 100.0
    assert len((out / "predictions" / "dev.jsonl").read_text().splitlines()) == 2
    assert main([*command, "-q"]) == 0  # the answers are there already
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--audio-limit", "-1"], 2, "-1.0 MB"),
        (["--figure", "x.pdf"], 2, "an .svg or a .png"),
        (["--limit", "0"], 2, "not a whole number from 1"),
        (["--bias", "person=x"], 2, "is not a number"),
        (["--profile", "raw"], 2, "'raw' is unknown; choose from slue, unislu, whisperner"),
    ],
)
def test_wrong_usage(
    gold: str, tmp_path: Path, stub: StubSystem, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, message: str,
) -> None:  # fmt: skip
    command = ["evaluate", "default", gold, "--report", str(tmp_path / "out"), *arguments]
    try:
        found = main(command)
    except SystemExit as stop:
        found = int(stop.code or 0)
    assert found == code and message in capsys.readouterr().err


def test_evaluate_needs_a_model(gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path / "none"), gold, "--report", str(tmp_path / "out")]) == 1
    assert "no such folder" in capsys.readouterr().err
