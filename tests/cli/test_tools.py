"""`unislu tools`: every tool has its help, says what it lacks, and does its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from unislu.cli import main
from unislu.cli.tools import TOOLS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_explains_itself(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["tools", tool, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: unislu tools {tool}") and "-h, --help" in text
    assert f"| `{tool} " in REFERENCE.read_text(encoding="utf-8")


def test_the_nearest_tool(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["tools", "avrage", "a=1", "b"])
    assert stop.value.code == 2 and "did you mean average?" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "said"), [("folder", "CHECKPOINT=WEIGHT"), ("folder=x", "not a number")])
def test_a_weight_is_needed(given: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["tools", "average", given, "out"])
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    text = tmp_path / "words.txt"
    text.write_text("so\n")
    assert main(["tools", "prune", str(tmp_path), str(tmp_path / "out"), str(text)]) != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(tmp_path) in said and not (tmp_path / "out").exists()
