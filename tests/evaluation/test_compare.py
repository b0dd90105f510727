"""Several systems in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unislu.cli import main


def write_run(folder: Path, manifest: Path, good: bool, **facts: Any) -> Path:
    """A run as `unislu evaluate` keeps it."""
    lines = []
    for line in manifest.read_text().splitlines():
        record = json.loads(line)
        found = [
            {"type": e["type"], "text": record["text"][e["start"] : e["end"]]} for e in record["entities"]
        ]
        text = record["text"] if good else "something else"
        answer = {"id": record["id"], "text": text, "entities": found if good else [], "duration": 2.0}
        lines.append(
            json.dumps({**answer, "sentiment": record["sentiment"], "seconds": 0.5 if good else 4.0})
        )
    predictions = folder / "predictions"
    predictions.mkdir(parents=True)
    (predictions / "tones.jsonl").write_text("\n".join(lines) + "\n")
    run = {"system": "a pipeline", "facts": {"parameters": 72_600_000}, "questions": "q"} | facts
    (predictions / "tones.jsonl.run.json").write_text(json.dumps(run))
    return folder


def compare(manifest: Path, *runs: str, out: Path | None = None) -> int:
    options = [option for run in runs for option in ("--run", run)]
    where = [] if out is None else ["-o", str(out)]
    return main(["compare", str(manifest), *options, *where, "--profile", "slue", "--samples", "50"])


def test_the_table(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_run(tmp_path / "good", manifest, True)
    bad = write_run(tmp_path / "bad", manifest, False, facts={})
    assert compare(manifest, f"ours={good}", str(bad), out=tmp_path / "table") == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0].startswith(
        "| system | parameters | RTFx | closed set: WER | F1 | label-F1 | sentiment: WER"
    )
    assert lines[2] == "| ours | 72.6 M | 4.0 | 0.00 | 100.00 | 100.00 | 0.00 | 100.00 | 100.0 |"
    assert lines[3].startswith("| a pipeline | - | 0.5 | 100.00")
    assert "Profile `slue`" in printed and "tones (4)" in printed
    assert (tmp_path / "table" / "compare.md").read_text() == printed
    rows = json.loads((tmp_path / "table" / "compare.json").read_text())["rows"]
    assert rows[0]["closed.ner.f1"] == 100.0 and rows[1]["closed.ner.f1"] == 0.0
    assert rows[1]["closed.ner.f1.p"] is not None and rows[0]["closed.ner.f1.p"] is None
    assert len((tmp_path / "table" / "compare.csv").read_text().splitlines()) == 3


def test_other_questions_do_not_compare(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_run(tmp_path / "one", manifest, True)
    two = write_run(tmp_path / "two", manifest, True, questions="other")
    assert compare(manifest, f"a={one}", f"b={two}") == 2
    assert "tones: a, b were not asked the same questions" in capsys.readouterr().err
    assert compare(manifest, str(one), str(one)) == 2
    assert "two runs are called 'a pipeline'" in capsys.readouterr().err


def test_anyones_file(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_run(tmp_path / "good", manifest, True)
    file = good / "predictions" / "tones.jsonl"
    (good / "predictions" / "tones.jsonl.run.json").unlink()
    assert compare(manifest, f"theirs={file}") == 0
    assert "| theirs | - | 4.0 |" in capsys.readouterr().out


def test_results_of_analyze_are_joined_by_their_file(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [json.loads(line) for line in manifest.read_text().splitlines()]
    results = tmp_path / "results.jsonl"
    rows = [{"file": f"else/{Path(r['audio']).name}", "text": r["text"], "duration": 2.0} for r in records]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert compare(manifest, f"theirs={results}") == 0
    assert "| theirs | - |" in capsys.readouterr().out


def test_a_table_that_cannot_be_written_is_said_first(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(manifest, "nowhere", out=manifest) == 2
    assert "is not a folder and cannot be created" in capsys.readouterr().err
