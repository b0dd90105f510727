"""A bundle against its checkpoint on dev data."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from unislu import load
from unislu.data.records import read_records
from unislu.errors import BundleError
from unislu.training import dev_check as module
from unislu.training.config import CorpusConfig, EvaluationConfig, Recipe
from unislu.training.export import Facts, export
from unislu.training.model_config import ModelConfig
from unislu.training.models.predict import load_predictor
from unislu.training.train import Run
from unislu.training.validate import asked_of

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


def test_the_validator_reads_what_the_bundle_serves(exported: tuple[Path, Path], manifest: Path) -> None:
    checkpoint, bundle = exported
    records = list(read_records(manifest))[:3]
    predictor = load_predictor(checkpoint, decode={"constrained": True})
    config = EvaluationConfig(entities="closed", sentiment=False)
    asked = [asked_of(manifest, record, config, ()) for record in records]
    model = load(bundle, threads=1)
    for record, answer in zip(records, predictor(asked), strict=True):
        served = model.analyze(record.audio_path(manifest.parent), tasks=("asr", "ner"))
        found = tuple((entity.type, entity.text) for entity in served.entities or ())
        assert (answer.id, answer.text, answer.entities) == (record.id, served.text, found)


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
