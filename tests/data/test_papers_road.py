"""The papers' data: each command of the page over the published layouts, to what recipes read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from unislu.audio import load_audio
from unislu.cli import main
from unislu.data import voices
from unislu.data.records import read_records

from ..papers import (
    OPEN_DATA,
    PARTS,
    ROOT,
    SLUE_DATA,
    UNISLU,
    WHISPERNER,
    blocks,
    commands,
    published,
    sections,
)
from .test_annotate import Endpoint, endpoint  # noqa: F401
from .test_synthesize import Sine

PAPERS = ("unislu", "genslu", "slue", "speech-llm", "whisperner")


@pytest.fixture
def data(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: Endpoint,  # noqa: F811
) -> Path:
    """`DATA`, after every command of the page that makes some; SLUE from its archives, and from the hub."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    monkeypatch.setattr(voices, "_registered", {"sine": Sine})
    monkeypatch.chdir(tmp_path)
    published(tmp_path, endpoint, blind=True)
    variables = {"VOICES": "sine:a", "URL": endpoint.url, "MODEL": "m"}
    from_the_hub = SLUE_DATA[1]
    for folder, headings in (("data", {SLUE_DATA[0], *OPEN_DATA}), ("hub-data", {from_the_hub})):
        for _, *arguments in commands(tmp_path, headings, DATA=folder, **variables):
            quiet = ["-q"] if arguments[0] in ("synthesize", "annotate") else []
            assert main([*arguments, *quiet]) == 0, arguments
    return tmp_path / "data"


def test_every_command_of_the_page_is_run_by_a_test() -> None:
    """The sections that this test and the two slow ones run hold every block but the installation."""
    tested = {*SLUE_DATA, *OPEN_DATA, *UNISLU, *WHISPERNER}
    assert tested <= set(sections())
    others = blocks("sh", set(sections()) - tested) + blocks("python", set(sections()) - tested)
    assert others == ['pip install -c constraints.txt ".[train,llm]"\n']


def test_every_manifest_of_the_papers_recipes_is_made_by_a_command_of_the_page(data: Path) -> None:
    named = set()
    for folder in PAPERS:
        for recipe in (ROOT / "recipes" / folder).glob("*.yaml"):
            text = yaml.safe_load(recipe.read_text())
            evaluation = text["evaluation"]
            named |= {corpus["manifest"] for corpus in text["corpora"]}
            named |= {*evaluation.get("manifests", ()), *evaluation.get("test", ())}
    assert len(named) > 15
    assert not [name for name in named if not Path(name.replace("${DATA}", str(data))).is_file()]


def test_what_the_manifests_hold_is_what_the_recipes_learn(data: Path) -> None:
    def records(name: str) -> list[object]:
        return list(read_records(data / name / "manifest.jsonl"))

    for manifest in data.rglob("manifest.jsonl"):
        for record in read_records(manifest):
            samples = load_audio(record.audio_path(manifest.parent))
            assert record.text and np.abs(samples).max() > 0
    (named,) = read_records(data / "slue-voxpopuli" / "fine-tune" / "manifest.jsonl")
    assert [e.type for e in named.entities or ()] == ["ORG", "PLACE", "WHEN"]
    (raw,) = read_records(data / "slue-voxpopuli-raw" / "fine-tune" / "manifest.jsonl")
    assert [e.type for e in raw.entities or ()] == ["ORG", "GPE", "DATE"]
    (blind,) = read_records(data / "slue-voxpopuli" / "test" / "manifest.jsonl")
    assert blind.entities is None
    assert len(records("librispeech/train-960")) == 3
    assert len(records("nuner/train")) + len(records("nuner/dev")) == 300 and records("nuner/dev")
    assert len(records("mit-movie/train")) + len(records("mit-movie/dev")) == 40
    for name in ("librispeech-ner", "fleurs-ner", "voxpopuli-ner", "voxpopuli-es", "voxpopuli-fr"):
        (labelled,) = read_records(data / name / "test" / "manifest.jsonl")
        assert [e.type for e in labelled.entities or ()] == ["city"]


def test_the_hub_gives_the_same_manifests_as_the_archives(data: Path) -> None:
    folders = [f"{corpus}/{part}" for corpus in ("slue-voxpopuli", "slue-voxceleb") for part in PARTS]
    for name in [*folders, "slue-voxpopuli-raw/fine-tune"]:
        both = (data, data.parent / "hub-data")
        ours, hubs = (list(read_records(folder / name / "manifest.jsonl")) for folder in both)
        blind = name == "slue-voxpopuli/test"  # the hub has its labels
        for own, other in zip(ours, hubs, strict=True):
            assert (own.id, own.text, own.sentiment) == (other.id, other.text, other.sentiment)
            assert own.duration == pytest.approx(other.duration, abs=0.01)
            spans = [[(e.start, e.end, e.type) for e in r.entities or ()] for r in (own, other)]
            assert blind or spans[0] == spans[1]
