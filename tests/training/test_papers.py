"""Each paper's road from its published data to its table: every command of the page, with tiny random models.

The models are of the recipes' own architectures, and the recipes are the shipped ones with their section
`smoke`: two steps, a few clips. Data, padding, formats, losses, types and checkpoints are the papers'.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")

from unislu.cli import main  # noqa: E402
from unislu.data import voices  # noqa: E402
from unislu.training import smoke  # noqa: E402
from unislu.training.schema import merge  # noqa: E402

from ..data.test_annotate import Endpoint, endpoint  # noqa: E402, F401
from ..data.test_prepare import clip  # noqa: E402
from ..data.test_synthesize import Sine  # noqa: E402
from ..papers import (  # noqa: E402
    OPEN_DATA,
    PAGE,
    ROOT,
    SLUE_DATA,
    UNISLU,
    WHISPERNER,
    blocks,
    commands,
    published,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash"),
]
LANGUAGES = ("<|es|>", "<|fr|>")
QUIET = ("train", "synthesize", "annotate", "evaluate", "curve", "export")


@dataclass(frozen=True)
class Road:
    """A working folder in which the page's commands can be run."""

    tiny: Path
    """Models of the recipes' architectures."""
    variables: dict[str, str]
    """Of the page's script."""

    def walk(self, headings: Collection[str]) -> None:
        """Run the commands under some headings of the page, one after the other."""
        for program, *arguments in commands(Path.cwd(), headings, **self.variables):
            if program == "hf":
                _download(self.tiny / "whisper", Path(arguments[-1]))
                continue
            quiet = ["-q"] if arguments[0] in QUIET else []
            assert main([*arguments, *quiet]) == 0, arguments


@pytest.fixture
def road(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    endpoint: Endpoint,  # noqa: F811
) -> Road:  # fmt: skip
    """What was published, and the recipes, made tiny."""
    monkeypatch.setattr(smoke, "_WHISPER", (*smoke._WHISPER, *LANGUAGES))
    monkeypatch.setattr(voices, "_registered", {"sine": Sine})
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    tiny = smoke.make_tiny(tmp_path_factory.mktemp("tiny"))
    for recipe in (ROOT / "recipes").rglob("*.yaml"):
        copy = tmp_path / recipe.relative_to(ROOT)
        raw = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(yaml.safe_dump(merge(raw, _size(raw, tiny))), encoding="utf-8")
    clip(tmp_path / "call.flac").rename(tmp_path / "call.wav")
    published(tmp_path, endpoint)
    variables = {"DATA": str(tmp_path / "data"), "VOICES": "sine:a", "URL": endpoint.url, "MODEL": "m"}
    return Road(tiny, variables)


def _size(raw: dict[str, Any], tiny: Path) -> dict[str, Any]:
    """Of a section `smoke` what makes a recipe small; the rest stays as the paper has it."""
    changes = raw.get("smoke", {})
    # Runs that go on from others' checkpoints do so here too.
    model = {
        key: value
        for key, value in changes.get("model", {}).items()
        if key != "types" and not str(raw["model"].get(key)).startswith("runs/")
    }
    placed = {k: v.replace("${TINY}", str(tiny)) if isinstance(v, str) else v for k, v in model.items()}
    return {**{key: value for key, value in changes.items() if key != "audio"}, "model": placed}


def _download(model: Path, folder: Path) -> None:
    """A Whisper as it lies on the hub, in several files of weights."""
    shutil.copytree(model, folder)
    (folder / "model.safetensors").unlink()
    whisper = transformers.WhisperForConditionalGeneration.from_pretrained(model)
    whisper.save_pretrained(folder, max_shard_size="100KB")


def table(folder: str) -> list[dict[str, str]]:
    """The rows of a joined table."""
    with Path(folder, "compare.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_unislu_from_its_data_to_its_table(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("peft")
    road.walk({*SLUE_DATA, *UNISLU})
    one, separate = table("table")
    for row, name in ((one, "UniSLU"), (separate, "SLUE")):
        assert (row["system"], row["seeds"]) == (name, "3")
        for figure in ("wer_entities", "wer_sentiment", "ner.f1", "sa.f1", "slue"):
            assert row[figure] and row[f"{figure}.std"], (name, figure)
    assert Path("report/report.html").is_file()
    assert Path("runs/speech-llm-whisper-small-qwen2.5-3b/scores.json").is_file()
    (script,) = blocks("python", UNISLU)
    capsys.readouterr()
    exec(compile(script, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.startswith("p-test ")


def test_whisperner_from_its_data_to_its_tables(road: Road) -> None:
    road.walk({*OPEN_DATA, *WHISPERNER})
    sets = {
        "table-1": ("voxpopuli-ner-test", "librispeech-ner-test", "fleurs-ner-test"),
        "table-2": ("mit-movie-test", "mit-restaurant-test"),
        "table-3": ("mit-movie-test", "mit-restaurant-test"),
    }
    rows = {"table-1": 2, "table-2": 3, "table-3": 2}
    for name, tests in sets.items():
        found = table(name)
        assert len(found) == rows[name]
        for row in found:
            for test in (*tests, "average"):
                assert row[f"{test}/ner.f1"] and row[f"{test}/wer"], (name, row)
    for figure in ("languages", "formats", "negatives"):
        assert Path("figures", f"{figure}.csv").read_text().count("\n") > 2
    assert Path("whisper-ner/manifest.json").is_file()
