"""Bundles: the strict manifest, hashes, the resolver, and a tiny real one through the whole pipeline."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.bundle import (
    DECODER,
    ENCODER,
    MANIFEST,
    MODEL_CARD,
    REQUIRED_FILES,
    TOKENIZER,
    AudioSettings,
    DecoderSettings,
    Manifest,
    hash_files,
    open_bundle,
    resolve_bundle,
    write_manifest,
)
from unislu.bundle import folder as module
from unislu.errors import BundleError, BundleNotFoundError, EngineError
from unislu.recognition.model import Model, load
from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer

from ..factories import bytes_tokenizer

VOCABULARY = {"size": 10, "tokens": {}, "entity_types": ["ORG"], "sentiments": ["Positive"]}


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": "tiny", "version": "1", "formats": ("inline",), "vocabulary": VOCABULARY,
        "files": dict.fromkeys(REQUIRED_FILES, "0" * 64),
    }  # fmt: skip
    return Manifest(**values | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of nonsense files with a true manifest."""
    path = tmp_path / "bundle"
    path.mkdir()
    for name in REQUIRED_FILES:
        (path / name).write_bytes(name.encode() * 1000)
    write_manifest(path, manifest(files=hash_files(path)))
    return path


def test_round_trip() -> None:
    full = manifest(
        formats=("inline", "inline-open"), quantization="int8", languages=("en", "de"), types_seen=("drug",),
        audio=AudioSettings(max_seconds=20.0), decoder=DecoderSettings(400, {"ORG": 0.5, "*": -0.1}),
        provenance={"seed": 1}, corpora=({"name": "SLUE", "licence": "CC0"},), scores={"dev": {"f1": 66.0}},
    )  # fmt: skip
    data = json.loads(json.dumps(full.to_dict()))
    assert Manifest.from_dict({k: v for k, v in data.items() if k != "parameters"}).parameters is None
    assert Manifest.from_dict(data) == full and next(iter(data)) == "schema_version"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "unknown field surprise"),
        ({"schema_version": 2}, "schema_version is 2, this unislu reads 1"),
        ({"schema_version": None}, "schema_version is None"),
        ({"name": ""}, "name is ''"),
        ({"version": 3}, "version is 3"),
        ({"formats": []}, "formats is"),
        ({"formats": ["xml"]}, "choose from suffix, inline"),
        ({"formats": "inline"}, "formats is str, not list"),
        ({"alphabet": "greek"}, "alphabet is 'greek'"),
        ({"parameters": -1}, "parameters is -1, not a number of weights"),
        ({"parameters": True}, "parameters is True, not a number of weights"),
        ({"languages": []}, "languages is empty"),
        ({"vocabulary": {"size": 1}}, "vocabulary has no 'tokens'"),
        ({"vocabulary": []}, "vocabulary is list"),
        ({"files": {ENCODER: "0" * 64}}, "files does not list decoder.onnx"),
        ({"files": dict.fromkeys(REQUIRED_FILES, "abc")}, "not a sha256"),
        ({"files": dict.fromkeys([*REQUIRED_FILES, "../x"], "0" * 64)}, "outside the bundle"),
        ({"audio": {"sample_rate": 8000}}, "sample_rate 8000"),
        ({"audio": {"mels": 64}}, "mels 64"),
        ({"audio": {"rate": 16000}}, "unknown field audio.rate"),
        ({"audio": 16000}, "audio is int"),
        ({"decoder": {"bias": {"ORG": float("nan")}}}, "bias of 'ORG' is nan"),
        ({"decoder": {"max_positions": 0}}, "max_positions 0"),
        ({"corpora": [{"name": "x"}]}, "without name or licence"),
    ],
)
def test_the_manifest_is_strict(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message) as error:
        Manifest.from_dict({**manifest().to_dict(), **change}, "here.json")
    assert str(error.value).startswith("here.json: ")


@pytest.mark.parametrize("key", ["name", "version", "formats", "vocabulary", "files", "schema_version"])
def test_missing_fields(key: str) -> None:
    data = manifest().to_dict()
    del data[key]
    with pytest.raises(BundleError, match=f"{key} is missing"):
        Manifest.from_dict(data)


def test_manifest_must_be_an_object() -> None:
    with pytest.raises(BundleError, match="is list, not dict"):
        Manifest.from_dict([])  # type: ignore[arg-type]


def test_open_and_verify(folder: Path) -> None:
    found = open_bundle(folder)
    found.verify()
    assert (
        found.label == "tiny 1"
        and found.encoder == folder / ENCODER
        and found.tokenizer == folder / TOKENIZER
    )


def test_wrong_hash(folder: Path) -> None:
    (folder / DECODER).write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"decoder\.onnx: its sha256 .* is not") as error:
        open_bundle(folder).verify()
    assert "export the bundle again" in str(error.value)
    with pytest.raises(BundleError, match=r"decoder\.onnx: its sha256"):
        load(folder)  # said instead of whatever the engine makes of the damage


def test_missing_files(folder: Path) -> None:
    (folder / MODEL_CARD).unlink()
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md: is missing"):
        open_bundle(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(BundleError, match=r"no manifest\.json, so it is not a bundle"):
        open_bundle(folder)
    (folder / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match="is not JSON"):
        open_bundle(folder)


def test_what_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match="12 is not a bundle"):
        resolve_bundle(12)  # type: ignore[arg-type]
    with pytest.raises(BundleNotFoundError, match="no such folder"):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(BundleNotFoundError, match="no such folder"):
        open_bundle("nothing")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(BundleError, match="is a file"):
        open_bundle(file)


def test_the_default_bundle(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT_PATH", folder)
    assert resolve_bundle() == folder
    monkeypatch.setattr(module, "DEFAULT_PATH", tmp_path / "none")
    with pytest.raises(BundleNotFoundError, match="this installation has no default bundle"):
        resolve_bundle()


def test_names_of_the_hub_are_found_on_this_machine_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def snapshot_download(name: str, revision: str | None, local_files_only: bool = False) -> str:
        assert local_files_only, "asked the hub"
        if (name, revision) != ("someone/model", "v1"):
            raise FileNotFoundError("not on this machine")
        return str(folder)

    hub = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert resolve_bundle("hf:someone/model@v1") == folder
    with pytest.raises(BundleNotFoundError) as caught:
        resolve_bundle("hf:someone/model")
    line = "hf:someone/model: is not on this machine; get it with: unislu download hf:someone/model"
    assert str(caught.value) == line
    (folder / DECODER).unlink()  # not all of it arrived
    with pytest.raises(BundleNotFoundError, match=r"unislu download hf:someone/model@v1$"):
        resolve_bundle("hf:someone/model@v1")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # not installed
    with pytest.raises(BundleNotFoundError) as caught:
        resolve_bundle("hf:someone/model")
    assert str(caught.value) == line


@pytest.mark.parametrize("name", ["runs/best", "a/model@v1", "./a/model", "hf:model", "hf:a/b/c", "hf:a/b@"])
def test_only_the_prefix_asks_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise AssertionError("asked the hub")

    hub = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(BundleNotFoundError, match=r"pass the path of a bundle, or hf:owner/name"):
        resolve_bundle(name)


# A tiny model, exported for real ---------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("onnx")
    from unislu.engines.heads import alignment_heads
    from unislu.training.export import load_checkpoint, write_graphs

    words = WhisperTokenizer(bytes_tokenizer())
    vocabulary = Vocabulary.extend(words, 300, words.special_tokens, SLUE)
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=vocabulary.size, d_model=64, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, pad_token_id=256, bos_token_id=256,
        eos_token_id=256, decoder_start_token_id=257,
    )  # fmt: skip
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    transformers.WhisperForConditionalGeneration(config).save_pretrained(checkpoint)
    path = tmp_path_factory.mktemp("tiny")
    model = load_checkpoint(checkpoint)
    write_graphs(model, path, None, alignment_heads(model))
    (path / TOKENIZER).write_text(bytes_tokenizer(), encoding="utf-8")
    (path / MODEL_CARD).write_text("# Tiny\n", encoding="utf-8")
    made = manifest(
        formats=("inline", "inline-open"), vocabulary=vocabulary.to_manifest(), files=hash_files(path)
    )
    write_manifest(path, made)
    return path


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    return load(tiny, threads=1)


def test_a_real_bundle_end_to_end(model: Model) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    for options in (
        {}, {"tasks": ("asr",)}, {"entities": ["drug", "person"]}, {"beam": 2}, {"style": "normalized"},
        {"bias": 5.0}, {"constrained": False}, {"entities": [f"type {n}" for n in range(30)]},
    ):  # fmt: skip
        result = model.analyze(samples, sample_rate=16_000, **options)  # type: ignore[arg-type]
        assert result.text is not None and result.duration == 1.0
        assert (result.entities is None) == (options.get("tasks") == ("asr",))


def test_batches_give_the_same_as_single_files(model: Model, tmp_path: Path) -> None:
    from unislu.result import Analysis

    soundfile = pytest.importorskip("soundfile")
    files = []
    for number, seconds in enumerate((0.5, 1.3, 0.7)):
        files.append(tmp_path / f"{number}.wav")
        samples = np.random.default_rng(number).normal(0, 0.1, round(seconds * 16_000))
        soundfile.write(files[-1], samples, 16_000)
    for file, together in zip(files, model.analyze_many(files), strict=True):
        alone = model.analyze(file)
        assert isinstance(together, Analysis)  # not the error of a file
        assert (together.text, together.entities) == (alone.text, alone.entities)


def test_the_command_with_a_real_bundle(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from unislu.cli import main

    soundfile = pytest.importorskip("soundfile")
    clip = tmp_path / "clip.flac"
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
    samples[-2_000:] = 0.0  # it ends by itself
    soundfile.write(clip, samples, 16_000)
    code = main(["analyze", str(clip), "--bundle", str(tiny), "--format", "json", "--threads", "1"])
    result = json.loads(capsys.readouterr().out)
    assert (
        code == 0
        and result["model"] == "tiny 1"
        and result["sentiment"]["label"] in result["sentiment"]["scores"]
    )


def test_graphs_of_another_vocabulary(tiny: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    data = json.loads((other / MANIFEST).read_text(encoding="utf-8"))
    data["vocabulary"]["size"] += 1
    (other / MANIFEST).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(EngineError, match="export the bundle again"):
        load(other)
