"""`unislu types`, and presets on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unislu.bundle import open_bundle
from unislu.bundle.manifest import Manifest
from unislu.cli import main
from unislu.cli.types import lines, listed
from unislu.recognition.presets import PRESETS

MANIFEST = open_bundle().manifest


def test_the_default_models_types(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["types", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["type"] for one in found["closed"]] == list(MANIFEST.vocabulary["entity_types"])
    assert len(found["open"]) == len(MANIFEST.types_seen) and found["any_name"]
    assert found["presets"]["pii"]["types"] == list(PRESETS["pii"].types)
    assert main(["types"]) == 0
    shown = capsys.readouterr().out
    assert "PERSON" in shown and "pci: cardholder data" in shown


def test_scores_and_examples_where_the_manifest_has_them() -> None:
    city = {"recall": 0.75, "support": 40, "examples": ["Berlin", "New York"]}
    scores = {"types": {"city": city, "drug": 3}}
    data: dict[str, Any] = MANIFEST.to_dict() | {"scores": scores, "types_seen": ["city", "drug"]}
    shown = "\n".join(lines(listed(Manifest.from_dict(data)), 80))
    assert "city   75.0%          –        40  Berlin · New York" in shown and "\n  drug" in shown


def test_a_bundle_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["types", "--bundle", "/nowhere"]) == 1
    assert "/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "pij"], "preset 'pij' is unknown, did you mean pii?"),
        (["--preset", "pii", "--bias", "x"], "'x' is not a number"),
    ],
)
def test_wrong_presets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    command = ["redact", str(tmp_path / "a.wav"), "-o", str(tmp_path / "out"), *arguments]
    try:
        code = main(command)
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2 and message in capsys.readouterr().err


def test_redaction_looks_for_more_than_analysis(tmp_path: Path) -> None:
    from unislu.cli import build_parser
    from unislu.cli.redact import _checked
    from unislu.redact import REDACT_BIAS

    def request(*arguments: str) -> Any:
        words = ["redact", "a.wav", "-o", str(tmp_path), *arguments]
        return _checked(build_parser().parse_args(words))[0]

    assert request("--preset", "pci").entities == PRESETS["pci"].types
    assert request("--preset", "pci").bias == REDACT_BIAS == 2.0
    assert request().bias == request("--types", "person").bias == REDACT_BIAS
    assert request("--types", "person", "--bias", "0").bias == 0.0
    assert request("--preset", "pci", "--bias", "0").bias == 0.0
    assert request("--preset", "pci", "--operating-point", "mine").bias == 0.0
    assert request("--types", "drug", "--preset", "pci").entities == ("drug", *PRESETS["pci"].types)
    assert request("--types", "drug: a medicine").entities == ("drug",) and request().entities is None
