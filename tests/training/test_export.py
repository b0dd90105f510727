"""A checkpoint becomes a bundle that loads, and that computes what the checkpoint does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from unislu.bundle import DECODER, ENCODER, open_bundle
from unislu.errors import BundleError
from unislu.training.export import Facts, export, load_checkpoint
from unislu.training.parity import compare

from ..factories import write_checkpoint

FACTS = Facts(
    "tiny",
    "1.0",
    formats=("inline", "inline-open"),
    bias={"PERSON": 0.5, "*": 0.0},
    corpora=({"name": "tones", "licence": "CC0-1.0"},),
    scores={"dev": {"f1": 0.5}},
)


@pytest.fixture(scope="module")
def checkpoint(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random backbone with our tokens, as training would save it."""
    return write_checkpoint(backbone, tmp_path_factory.mktemp("checkpoint"))


@pytest.mark.parametrize("quantize", [None, "int8", "float16"])
def test_a_bundle_is_written_checked_and_loads(
    checkpoint: Path, tmp_path: Path, quantize: str | None
) -> None:
    exported = export(checkpoint, tmp_path / "bundle", FACTS, quantize)  # type: ignore[arg-type]
    assert exported.float32.agreement == 1.0
    assert (exported.quantized is None) == (quantize is None)
    bundle = open_bundle(tmp_path / "bundle")
    bundle.verify()
    manifest = bundle.manifest
    assert manifest == exported.manifest
    assert manifest.formats == FACTS.formats and manifest.decoder.bias == FACTS.bias
    assert manifest.provenance["step"] == 2 and manifest.scores["dev"] == {"f1": 0.5}
    assert manifest.quantization == (quantize or "float32")
    assert manifest.saturation_free
    assert manifest.parameters == load_checkpoint(checkpoint).num_parameters()
    assert "tones (CC0-1.0)" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()


def test_a_given_card_is_copied(checkpoint: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("# mine\n")
    export(checkpoint, tmp_path / "bundle", FACTS, card=card)
    assert (tmp_path / "bundle" / "MODEL_CARD.md").read_text() == "# mine\n"


def test_a_graph_of_other_weights_is_noticed(checkpoint: Path, tmp_path: Path) -> None:
    from unislu.engines.onnx import OnnxEngine
    from unislu.engines.torch import TorchEngine
    from unislu.training.export import load_checkpoint
    from unislu.training.parity import synthetic_windows

    export(checkpoint, tmp_path / "bundle", FACTS)
    engine = OnnxEngine(tmp_path / "bundle" / ENCODER, tmp_path / "bundle" / DECODER)
    model = load_checkpoint(checkpoint)
    positions = model.model.decoder.embed_positions.weight
    positions.data = positions.data.roll(1, 0)
    parity = compare(TorchEngine(model), engine, [1, 2, 3], synthetic_windows(model))
    assert parity.difference > 0.01


@pytest.mark.parametrize("missing", ["config.json", "unislu.json", "tokenizer.json"])
def test_a_folder_that_is_no_checkpoint_is_named(checkpoint: Path, tmp_path: Path, missing: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    (copy / missing).unlink()
    with pytest.raises(BundleError, match=missing):
        export(copy, tmp_path / "bundle", FACTS)


def test_weights_of_another_vocabulary_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    known = json.loads((copy / "unislu.json").read_text())
    known["vocabulary"]["size"] += 1
    (copy / "unislu.json").write_text(json.dumps(known))
    with pytest.raises(BundleError, match="different checkpoints"):
        export(copy, tmp_path / "bundle", FACTS)


def test_quantisation_error_is_half_a_step() -> None:
    from unislu.training.onnx_graph import UINT8_ZERO, quantize_blocks, quantize_channels

    weight = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    weight[2] = 0
    values, scales = quantize_channels(weight)
    assert np.abs(values * scales[:, None] - weight).max() <= scales.max() / 2 + 1e-6
    blocks, block_scales = quantize_blocks(weight, 16)
    assert blocks.shape == (5, 3, 16) and block_scales.shape == (5, 3)
    restored = ((blocks.astype(np.float32) - UINT8_ZERO) * block_scales[:, :, None]).reshape(5, 48)[:, :40]
    assert np.abs(restored - weight).max() <= block_scales.max() / 2 + 1e-6
