"""A tiny random Whisper and a tiny corpus, made in the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..factories import write_tokenizer, write_tone

SENTENCES = [
    ("we met Anna in Berlin on Monday", [(7, 11, "PERSON"), (15, 21, "PLACE"), (25, 31, "WHEN")], None),
    ("the council made great progress", [(4, 11, "ORG")], None),
    ("nothing happened at all", [], None),
    ("what a wonderful day", None, "positive"),
    ("this is terrible news", None, "negative"),
    ("he reads the report", None, "neutral"),
]


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face Whisper folder: two layers, 32 wide, and ten rows that the tokenizer does not list."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("backbone")
    rows = write_tokenizer(folder / "tokenizer.json", [text for text, _, _ in SENTENCES], 320) + 10
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=rows, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, dropout=0.0,
        bos_token_id=0, eos_token_id=0, pad_token_id=0, decoder_start_token_id=1, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six one-second clips of tones with a sentence each: entities, sentiments, and what is not annotated."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for number, (text, entities, sentiment) in enumerate(SENTENCES):
        seconds = write_tone(folder / f"{number}.wav", 16_000 + 800 * number, 200 + 70 * number)
        record = {"id": f"r{number}", "text": text, "audio": f"{number}.wav", "duration": seconds}
        if entities is not None:
            record["entities"] = [{"start": s, "end": e, "type": t} for s, e, t in entities]
        if sentiment is not None:
            record["sentiment"] = sentiment
        lines.append(json.dumps(record))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path
