"""From checkpoint to checkpoint: the mean of several, and one with fewer tokens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from unislu.errors import BundleError, RecipeError
from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer, get_format
from unislu.sequence.prompt import Prompt
from unislu.training import average as averaging
from unislu.training import prune as pruning
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper import UnifiedWhisper, load_unified

from .conftest import SENTENCES

pytestmark = pytest.mark.filterwarnings("ignore")
KEPT = [text for text, _, _ in SENTENCES[:2]]


@pytest.fixture(scope="module")
def checkpoint(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "last"
    model = load_unified(ModelConfig(str(backbone)), SLUE)
    model.save(folder, {**model.describe(), "provenance": {}})
    return folder


@pytest.fixture(scope="module")
def pruned(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pruned") / "last"
    texts = folder.parent / "texts.txt"
    texts.write_text("\n".join(KEPT))
    before, after = pruning.prune(checkpoint, folder, pruning.read_texts([texts]))
    assert after < before
    return folder


def _states(model: UnifiedWhisper, tokens: list[int]) -> np.ndarray:
    """Logits `[tokens, vocabulary]` over a fixed memory."""
    memory = torch.randn(1, 20, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        hidden = model.eval().decode(torch.tensor([tokens]), memory, torch.tensor([20]))
    return (hidden[0] @ model.embedding().T).numpy()


def test_kept_tokens_have_the_same_logits(checkpoint: Path, pruned: Path) -> None:
    whole, fewer = (load_unified(ModelConfig(str(folder)), SLUE) for folder in (checkpoint, pruned))
    text = KEPT[0]
    prefixes = [get_format("inline", m.vocabulary).prefix(Prompt()) for m in (whole, fewer)]
    ids = [
        [*prefix, *m.vocabulary.tokenizer.encode(text)]
        for prefix, m in zip(prefixes, (whole, fewer), strict=True)
    ]
    old, new = (m.vocabulary for m in (whole, fewer))
    assert [old.tokenizer.text_bytes.get(i) for i in ids[0]] == [
        new.tokenizer.text_bytes.get(i) for i in ids[1]
    ]
    by_bytes = {data: id_ for id_, data in old.tokenizer.text_bytes.items()}
    columns = {id_: by_bytes[data] for id_, data in new.tokenizer.text_bytes.items()}
    columns |= {new[name]: old[name] for name in old.ids}
    assert len(columns) == new.size
    expected, found = _states(whole, ids[0]), _states(fewer, ids[1])
    np.testing.assert_allclose(
        found[:, sorted(columns)], expected[:, [columns[c] for c in sorted(columns)]], atol=1e-5
    )


def test_what_is_left_out_is_written_in_smaller_pieces(checkpoint: Path, pruned: Path) -> None:
    whole, fewer = (WhisperTokenizer.from_file(folder / "tokenizer.json") for folder in (checkpoint, pruned))
    for text, _, _ in SENTENCES:
        assert fewer.decode(fewer.encode(text)) == text
        assert len(fewer.encode(text)) >= len(whole.encode(text))
    assert fewer.decode(fewer.encode("größer 日本 🙂")) == "größer 日本 🙂"
    left = SENTENCES[4][0]
    assert len(fewer.encode(left)) > len(whole.encode(left))


def test_configuration_and_vocabulary_use_the_new_ids(checkpoint: Path, pruned: Path) -> None:
    known = json.loads((pruned / "unislu.json").read_text())
    vocabulary = Vocabulary.from_manifest(
        WhisperTokenizer.from_file(pruned / "tokenizer.json"), known["vocabulary"]
    )
    config = json.loads((pruned / "config.json").read_text())
    assert config["vocab_size"] == vocabulary.size
    old = json.loads((checkpoint / "unislu.json").read_text())["vocabulary"]["tokens"]
    assert set(vocabulary.ids) == set(old)
    tokens = known["provenance"]["pruned"]
    assert tokens["to"] == vocabulary.size < tokens["from"]


def test_ids_of_the_configuration_are_renumbered(checkpoint: Path) -> None:
    class Config:
        bos_token_id, eos_token_id, pad_token_id, decoder_start_token_id = 7, 7, None, 9
        suppress_tokens, begin_suppress_tokens = [1, 7, 9], None

    pruning._renumber(Config, {7: 0, 9: 1})
    assert (Config.bos_token_id, Config.pad_token_id, Config.decoder_start_token_id) == (0, None, 1)
    assert Config.suppress_tokens == [0, 1] and Config.begin_suppress_tokens is None


def test_texts_come_from_lines_and_records(tmp_path: Path, manifest: Path) -> None:
    lines = tmp_path / "words.txt"
    lines.write_text("Anna\nBerlin\n")
    assert list(pruning.read_texts([lines, manifest])) == ["Anna", "Berlin", *(t for t, _, _ in SENTENCES)]
    with pytest.raises(RecipeError, match=r"missing\.txt"):
        list(pruning.read_texts([tmp_path / "missing.txt"]))
    with pytest.raises(BundleError, match=r"no unislu\.json; give a checkpoint"):
        pruning.prune(tmp_path, tmp_path / "out", [])


def test_the_mean_of_two_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    from transformers import WhisperForConditionalGeneration

    second = tmp_path / "second"
    shutil.copytree(checkpoint, second)
    model = WhisperForConditionalGeneration.from_pretrained(second)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    model.save_pretrained(second)
    averaging.average([(checkpoint, 0.25), (second, 0.75)], tmp_path / "mean")
    first, mean = (
        WhisperForConditionalGeneration.from_pretrained(folder).state_dict()
        for folder in (checkpoint, tmp_path / "mean")
    )
    for name, weight in first.items():
        torch.testing.assert_close(mean[name], weight + 0.75)
    assert json.loads((tmp_path / "mean" / "unislu.json").read_text())["provenance"]["average"] == [
        [checkpoint.parent.name, 0.25],
        [tmp_path.name, 0.75],
    ]
    with pytest.raises(RecipeError, match="add up"):
        averaging.average([(checkpoint, 0.5), (second, 0.6)], tmp_path / "bad")


def test_the_mean_of_plain_whispers_keeps_what_is_equal(backbone: Path, tmp_path: Path) -> None:
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(backbone)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    moved = "model.decoder.layers.0.fc1.bias"
    model.state_dict()[moved].add_(1.0)
    model.save_pretrained(tmp_path / "moved")
    shutil.copyfile(backbone / "tokenizer.json", tmp_path / "moved" / "tokenizer.json")
    averaging.average([(backbone, 0.3), (tmp_path / "moved", 0.7)], tmp_path / "mean")
    mean = WhisperForConditionalGeneration.from_pretrained(tmp_path / "mean").state_dict()
    torch.testing.assert_close(mean[moved], before[moved] + 0.7)
    assert all(torch.equal(mean[name], weight) for name, weight in before.items() if name != moved)
