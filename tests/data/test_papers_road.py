"""The papers' data: each command of the page over the published layouts, to what recipes read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from unislu.audio import load_audio
from unislu.cli import main
from unislu.data import voices
from unislu.data.records import read_records

from .test_annotate import Endpoint, answer, endpoint  # noqa: F401
from .test_prepare import TEXT, clip
from .test_synthesize import Sine

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "reproduce-papers.md"
PAPERS = ("unislu", "genslu", "slue", "speech-llm", "whisperner")
PARTS = ("fine-tune", "dev", "test")
SPOKEN = "he hoped for rome"


def commands(
    folder: Path, first: str = "## 2. The data", last: str = "## 3.", **variables: str
) -> Iterator[list[str]]:
    """The commands between two headings of the page, loops and variables expanded by bash."""
    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index(first) : page.index(last)]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    script = "".join(blocks).replace("export DATA=", ": ").replace("\nVOICES=", "\n: ")
    record = 'unislu() { printf "%s\\0" "$@" >> calls; printf "\\n\\0" >> calls; }\nhf() { :; }\n'
    subprocess.run(
        ["bash", "-euc", record + script], cwd=folder, env=variables | {"PATH": "/bin:/usr/bin"}, check=True
    )
    call: list[str] = []
    calls, _ = (folder / "calls").read_text(), (folder / "calls").unlink()
    for word in calls.split("\0"):
        if word == "\n":
            yield call
            call = []
        else:
            call.append(word)


SENTIMENTS = (("Positive", "i love it"), ("Negative", "that was bad"), ("Neutral", "well it was there"))


def published(folder: Path, blind: bool = True) -> None:
    """Every source of the page, a few sentences each; `blind`: SLUE-VoxPopuli's test set has no labels."""
    vp, vc = folder / "slue-voxpopuli", folder / "slue-voxceleb"
    vp.mkdir()
    vc.mkdir()
    for part in PARTS:
        unlabelled = blind and part == "test"
        labels = "" if unlabelled else "\traw_ner\tnormalized_ner"
        values = "" if unlabelled else "\t[]\t[['ORG', 4, 19], ['GPE', 27, 10], ['DATE', 45, 6]]"
        (vp / f"slue-voxpopuli_{part}{'_blind' if unlabelled else ''}.tsv").write_text(
            f"id\traw_text\tnormalized_text\tspeaker_id\tsplit{labels}\n"
            f"p-{part}\t{TEXT}.\t{TEXT}\t23\t{part}{values}\n"
        )
        clip(vp / part / "a.flac", 3.0).rename(vp / part / f"p-{part}.ogg")
        rows = ["id\tnormalized_text\tsentiment\tspeaker_id\tsplit\tstart_second\tend_second"]
        for number, (label, text) in enumerate(SENTIMENTS):
            rows.append(f"c-{part}-{number}\t{text}\t{label}\tid1\t{part}\t0.5\t1.75")
            clip(vc / f"{part}_raw" / f"c-{part}-{number}.flac", 2.0)
        (vc / f"slue-voxceleb_{part}.tsv").write_text("\n".join(rows) + "\n")
    for number, part in enumerate(
        ("train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "test-clean")
    ):
        chapter = folder / "LibriSpeech" / part / f"{number}" / "7"
        clip(chapter / f"{number}-7-0000.flac")
        (chapter / f"{number}-7.trans.txt").write_text(f"{number}-7-0000 {SPOKEN.upper()}\n")
    fleurs = folder / "fleurs" / "en_us"
    clip(fleurs / "audio" / "test" / "77.flac").rename(fleurs / "audio" / "test" / "77.wav")
    (fleurs / "test.tsv").write_text(f"12\t77.wav\tHe hoped for Rome.\t{SPOKEN}\th e |\t16000\tFEMALE\n")
    for name in ("mit-movie", "mit-restaurant"):
        (folder / name).mkdir()
        for part, count in (("train", 40), ("test", 2)):
            text = "".join(f"O\tplay{n}\nB-GENRE\tdrama\n\n" for n in range(count))
            (folder / name / f"{part}.bio").write_text(text)
    clip(folder / "voxpopuli-ner" / "audio" / "x.flac")
    row = {"text": TEXT, "audio": "audio/x.flac", "ner": [[27, 37, "city", "strasbourg", "why"]]}
    (folder / "voxpopuli-ner" / "test.json").write_text(json.dumps([row]))
    rows = [{"input": f"number {n} is Rome", "output": "['Rome <> city']"} for n in range(1500)]
    (folder / "nuner.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def prepared(folder: Path, endpoint: Endpoint, blind: bool = True) -> Path:  # noqa: F811
    """`DATA` in a folder, after every command of the page."""
    published(folder, blind)
    endpoint.answers[SPOKEN] = [answer(("rome", "city"))]
    own = {"hf:numind/NuNER": "nuner.jsonl", "350000": "300"}
    variables = {"DATA": "data", "VOICES": "sine:a", "URL": endpoint.url, "MODEL": "m"}
    for arguments in commands(folder, **variables):
        quiet = ["-q"] if arguments[0] in ("synthesize", "annotate") else []
        assert main([own.get(word, word) for word in arguments] + quiet) == 0, arguments
    return folder / "data"


@pytest.fixture
def data(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: Endpoint,  # noqa: F811
) -> Path:
    """`DATA`, after every command of the page."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    monkeypatch.setattr(voices, "_registered", {"sine": Sine})
    monkeypatch.chdir(tmp_path)
    return prepared(tmp_path, endpoint)


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
    for name in ("librispeech-ner", "fleurs-ner", "voxpopuli-ner"):
        (labelled,) = read_records(data / name / "test" / "manifest.jsonl")
        assert [e.type for e in labelled.entities or ()] == ["city"]
