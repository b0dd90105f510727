"""A small annotated corpus of tones, and a tiny random model as a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..factories import write_tokenizer, write_tone

SENTENCES = [
    ("We met Anna in Berlin on Monday.", [(7, 11, "PERSON"), (15, 21, "PLACE"), (25, 31, "WHEN")], "neutral"),
    ("The council made great progress.", [(4, 11, "ORG")], "positive"),
    ("Nothing happened at all.", [], "negative"),
    ("One billion euros were lost.", [(0, 17, "QUANT")], "negative"),
]


def write_corpus(folder: Path, types: dict[str, str] | None = None) -> Path:
    """A manifest of half-second tones; `types` renames entity types."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (text, entities, sentiment) in enumerate(SENTENCES):
        seconds = write_tone(folder / f"{number}.wav", 8_000 + 800 * number, 200 + 70 * number)
        named = [{"start": s, "end": e, "type": (types or {}).get(t, t)} for s, e, t in entities]
        record = {"id": f"r{number}", "text": text, "audio": f"{number}.wav", "duration": seconds}
        lines.append(json.dumps({**record, "entities": named, "sentiment": sentiment}))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "tones")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as training writes it: an untrained Whisper of two layers, 32 wide."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from unislu.sequence import SLUE
    from unislu.training.model_config import ModelConfig
    from unislu.training.models.whisper import load_unified

    folder = tmp_path_factory.mktemp("backbone")
    rows = write_tokenizer(folder / "tokenizer.json", [text for text, _, _ in SENTENCES], 300) + 5
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=rows, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
        dropout=0.0, init_std=0.15, max_target_positions=96, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    model = load_unified(ModelConfig(str(folder)), SLUE)
    out = tmp_path_factory.mktemp("checkpoint")
    facts = {"vocabulary": model.vocabulary.to_manifest(), "format": "inline", "types_seen": ["drug"]}
    model.save(out, {**facts, "provenance": {"step": 7}})
    return out
