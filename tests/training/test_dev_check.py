"""A bundle against its checkpoint on dev data."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from unislu.errors import BundleError
from unislu.training import dev_check as module
from unislu.training.config import CorpusConfig, ModelConfig, Recipe
from unislu.training.export import Facts, export
from unislu.training.train import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults


@pytest.fixture(scope="module")
def exported(backbone: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("run")
    corpora = (CorpusConfig(str(manifest), entities="closed"),)
    checkpoint = Run(
        Recipe("tiny", ModelConfig(str(backbone)), corpora, max_steps=2, out=str(out)), quiet=True
    ).run()
    bundle = out / "bundle"
    export(checkpoint, bundle, Facts("tiny"))
    return checkpoint, bundle


def test_float32_scores_as_its_checkpoint(exported: tuple[Path, Path], manifest: Path) -> None:
    check = module.dev_check(*exported, manifest, limit=3)
    assert check.clips == 3
    assert check.checkpoint == check.bundle
    assert check.checkpoint.wer is not None


def test_a_loss_beyond_the_limit_is_refused(
    exported: tuple[Path, Path], manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WER_LOSS", -1.0)
    with pytest.raises(BundleError, match="WER"):
        module.dev_check(*exported, manifest, limit=2)


def test_a_manifest_without_audio_is_named(exported: tuple[Path, Path], tmp_path: Path) -> None:
    empty = tmp_path / "text.jsonl"
    empty.write_text('{"id": "a", "text": "only text"}\n')
    with pytest.raises(BundleError, match=r"text\.jsonl"):
        module.dev_check(*exported, empty)
