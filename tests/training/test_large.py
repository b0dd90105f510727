"""Checkpoints in several files, and graphs that are larger than one file of a graph can be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
transformers = pytest.importorskip("transformers")

from unislu.bundle import DATA, DECODER, ENCODER, open_bundle  # noqa: E402
from unislu.errors import BundleError  # noqa: E402
from unislu.recognition.model import load  # noqa: E402
from unislu.training import export as exporting  # noqa: E402
from unislu.training import onnx_graph  # noqa: E402
from unislu.training.checkpoint import count_weights, weight_files  # noqa: E402
from unislu.training.checkpoint_system import load_checkpoint_model, whisper_system  # noqa: E402
from unislu.training.export import Facts, export  # noqa: E402
from unislu.training.smoke import make_whisper  # noqa: E402

from ..factories import write_checkpoint  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
FACTS = Facts("large", formats=("inline",))


@pytest.fixture(scope="module")
def checkpoint(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(backbone, tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of graphs hold a hundred kilobytes."""
    for module in (onnx_graph, exporting):
        monkeypatch.setattr(module, "PROTOBUF_LIMIT", 100_000)
    monkeypatch.setattr(onnx_graph, "PAGE", 4096)


@pytest.fixture(scope="module")
def shards(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint with its weights in several files."""
    folder = tmp_path_factory.mktemp("shards") / "shards"
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").unlink()
    model = transformers.WhisperForConditionalGeneration.from_pretrained(checkpoint)
    model.save_pretrained(folder, max_shard_size="100KB")
    return folder


def test_weights_of_a_large_graph_stand_beside_it(
    checkpoint: Path, manifest: Path, tmp_path: Path, small_limit: None
) -> None:
    exported = export(checkpoint, tmp_path / "large", FACTS)
    assert exported.float32 is not None and exported.float32.agreement == 1.0
    files = [ENCODER + DATA, DECODER + DATA]
    assert set(files) <= set(exported.manifest.files)
    for name in (ENCODER, DECODER):
        assert (tmp_path / "large" / name).stat().st_size < (
            tmp_path / "large" / (name + DATA)
        ).stat().st_size
    moved = tmp_path / "moved"
    (tmp_path / "large").rename(moved)
    clip = manifest.parent / "0.wav"
    assert load(moved, threads=1).analyze(clip).text == load_checkpoint_model(checkpoint).analyze(clip).text
    data = moved / files[0]
    data.write_bytes(data.read_bytes()[:-1] + b"\xff")
    with pytest.raises(BundleError, match=files[0]):
        open_bundle(moved).verify()
    data.unlink()
    with pytest.raises(BundleError, match=files[0]):
        open_bundle(moved)


def test_a_smaller_export_leaves_no_weights_of_a_larger_one(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as large:
        large.setattr(onnx_graph, "PROTOBUF_LIMIT", 100_000)
        large.setattr(onnx_graph, "PAGE", 4096)
        export(checkpoint, tmp_path, FACTS)
    exported = export(checkpoint, tmp_path, FACTS)
    assert not list(tmp_path.glob("*.data")) and len(exported.manifest.files) == 4


def test_quantized_graphs_of_a_large_model_need_no_float32_graphs(
    checkpoint: Path, tmp_path: Path, small_limit: None
) -> None:
    exported = export(checkpoint, tmp_path, FACTS, "int8")
    assert exported.float32 is None
    assert exported.quantized is not None and exported.manifest.saturation_free
    assert exported.manifest.scores["parity"]["tokens"] == exported.quantized.tokens > 0
    half = export(checkpoint, tmp_path / "half", FACTS, "float16")
    assert half.float32 is None and half.quantized is not None and half.quantized.agreement == 1.0
    assert ENCODER + DATA in half.manifest.files  # the decoder fits its file in float16


def test_several_files_of_weights_are_one_checkpoint(
    checkpoint: Path, shards: Path, manifest: Path, tmp_path: Path
) -> None:
    assert len(weight_files(shards)) > 1
    assert count_weights(shards) == count_weights(checkpoint)
    clip = manifest.parent / "0.wav"
    whole, parts = (load_checkpoint_model(folder) for folder in (checkpoint, shards))
    assert whole.analyze(clip).text == parts.analyze(clip).text
    facts = whisper_system(shards).facts
    assert list(facts["sha256"]) == ["model.safetensors.index.json"]
    assert export(shards, tmp_path, FACTS).float32 is not None


def test_a_missing_file_of_weights_is_named(shards: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shards, copy)
    missing = weight_files(copy)[0]
    missing.unlink()
    with pytest.raises(BundleError, match=missing.name):
        load_checkpoint_model(copy)
    (copy / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(BundleError, match="index of weights"):
        count_weights(copy)
    (copy / "model.safetensors.index.json").unlink()
    with pytest.raises(BundleError, match="save the checkpoint as safetensors"):
        count_weights(copy)


@pytest.mark.slow
def test_whisper_large_v2_becomes_an_int8_bundle(manifest: Path, tmp_path: Path) -> None:
    """The published WhisperNER's size and two files of weights, older tokenizer files; random weights."""
    import psutil

    if psutil.virtual_memory().available < 18 * 2**30:
        pytest.skip("needs 18 GB of free memory")
    folder = make_whisper(tmp_path / "whisper-ner")
    known = json.loads((folder / "config.json").read_text())
    _write_older_tokenizer(folder)
    config = transformers.WhisperConfig(
        **{name: known[name] for name in known if name.endswith("_token_id")},
        vocab_size=51_865, d_model=1280, encoder_layers=32, decoder_layers=32, encoder_attention_heads=20,
        decoder_attention_heads=20, encoder_ffn_dim=5120, decoder_ffn_dim=5120, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(config)
    model.save_pretrained(folder, max_shard_size="5GB")
    del model
    assert len(weight_files(folder)) == 2
    exported = export(folder, tmp_path / "bundle", Facts("whisper-ner"), "int8", alphabet="plain")
    shutil.rmtree(folder)
    assert exported.float32 is None and exported.quantized is not None
    assert exported.manifest.parameters == 1_543_304_960
    heard = load(tmp_path / "bundle").analyze(manifest.parent / "0.wav", entities=["city"], words=False)
    assert heard.text is not None


def _write_older_tokenizer(folder: Path) -> None:
    """`vocab.json` and `merges.txt` in place of `tokenizer.json`."""
    raw = json.loads((folder / "tokenizer.json").read_text())
    merges = [m if isinstance(m, str) else " ".join(m) for m in raw["model"]["merges"]]
    (folder / "vocab.json").write_text(json.dumps(raw["model"]["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "added_tokens.json").write_text(
        json.dumps({t["content"]: t["id"] for t in raw["added_tokens"]})
    )
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "WhisperTokenizer"}')
    (folder / "tokenizer.json").unlink()
