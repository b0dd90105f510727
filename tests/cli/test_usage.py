"""What every command does with wrong usage, closed streams and files that cannot be used: one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unislu.cli import _COMMANDS, build_parser, main


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Traceback" not in err
    return code, err


@pytest.mark.parametrize("command", _COMMANDS)
def test_an_unknown_option_names_its_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bias", "a", "-o", "b"] if command == "curve" else ["a", "b", "c", "--report=r"]
    code, err = said(capsys, command, *arguments[: 0 if command == "serve" else None], "--frobnicate=3")
    assert code == 2 and err.startswith(f"unislu {command}") and f"unislu {command}" in err.split("(see ")[1]


def test_the_nearest_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'analyse' is unknown, did you mean analyze? Choose from " in said(capsys, "analyse", "x.wav")[1]
    assert "'xyzzy' is unknown; choose from analyze, " in said(capsys, "xyzzy")[1]
    assert "did you mean bias?" in said(capsys, "curve", "bais", "m.jsonl")[1]
    assert "unknown option --may-queue, did you mean --max-queue?" in said(capsys, "serve", "--may-queue")[1]
    assert "did you mean --max-queue?" in said(capsys, "serve", "--may-queue=3")[1]
    assert "did you mean --model?" in said(capsys, "analyze", "x.wav", "--modle", "small")[1]
    assert "unknown option --xyzzy (see" in said(capsys, "analyze", "x.wav", "--xyzzy")[1]


def test_options_cannot_be_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    """The default model would answer for another one if an abbreviation became some other option."""
    assert "unknown option --load-, did you mean --load?" in said(capsys, "serve", "--load-", "small")[1]
    assert "unknown option --max-q, did you mean --max-queue?" in said(capsys, "serve", "--max-q", "3")[1]
    assert build_parser("serve").parse_args(["serve", "--model", "small"]).bundle == "small"


def test_a_file_in_place_of_a_command_gets_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean `unislu analyze 'my call.flac'`?" in said(capsys, "my call.flac")[1]


def test_only_the_recipe_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: RECIPE (see" in said(capsys, "train")[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
@pytest.mark.parametrize("command", ["score {gold} {gold}", "--help", "analyze --help", "--version"])
def test_a_full_disk(command: str, tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "1", "text": "so"}\n')
    line = [sys.executable, "-m", "unislu", *command.format(gold=gold).split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("unislu: reading or writing failed (No space left on device)")
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("unislu.cli.score.run", lambda arguments: (tmp_path / "no" / "where").write_text(""))
    code, err = said(capsys, "score", "a", "b")
    assert code == 1 and f"{tmp_path}/no/where: cannot be used (No such file or directory)" in err


def test_closed_input_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unislu.cli.score.run", lambda arguments: len(sys.stdin.read()))
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["score", "a", "b"]) == 0
    sys.stdin.close()
