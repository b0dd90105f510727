"""`unislu train` and `unislu export`: files that cannot be used and packages that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from unislu.cli import main
from unislu.errors import install_hint


def test_export_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    facts = tmp_path / "facts.json"
    bundle = str(tmp_path / "bundle")
    for content, message in (
        ("{", "is not JSON"),
        ("[]", "contains a list"),
        ('{"scor": 1}', "unknown key 'scor'"),
    ):
        facts.write_text(content)
        assert main(["export", str(tmp_path), bundle, "--facts", str(facts)]) == 2
        assert message in capsys.readouterr().err
    assert main(["export", str(tmp_path), bundle, "--facts", str(tmp_path / "none")]) == 2
    assert main(["export", str(tmp_path), bundle, "--card", str(tmp_path / "none")]) == 2
    capsys.readouterr()
    assert main(["export", str(tmp_path), bundle]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_extras_that_are_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("unislu.errors.find_spec", lambda name: None if name == "torch" else object())
    for command in (["train", "recipe.yaml"], ["export", "a", "b"]):
        assert main(command) == 1
        assert capsys.readouterr().err == f"unislu: this needs torch: {install_hint('train')}\n"
