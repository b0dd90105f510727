"""Tiny random models and corpora, generated on the spot, to try any recipe in seconds without data.

`unislu train RECIPE --smoke` merges the recipe's section `smoke` in, which names these models
(`${TINY}/whisper`, `wav2vec2`, `w2v-bert`, `qwen2`) and two steps, and trains on six clips of tones.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from unislu.audio import SAMPLE_RATE
from unislu.audio.wav import write_pcm

SENTENCES: tuple[tuple[str, tuple[tuple[int, int, str], ...], str], ...] = (
    ("we met Anna in Berlin on Monday", ((7, 11, "PERSON"), (15, 21, "PLACE"), (25, 31, "WHEN")), "neutral"),
    ("the council made great progress", ((4, 11, "ORG"),), "positive"),
    ("nothing happened at all", (), "negative"),
    ("what a wonderful day in Rome", ((24, 28, "PLACE"),), "positive"),
    ("this is terrible news", (), "negative"),
    ("he reads two reports", ((9, 12, "QUANT"),), "neutral"),
)
LAYOUT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slue-voxpopuli": (("fine-tune", "dev", "test"), ("entities",)),
    "slue-voxceleb": (("fine-tune", "dev", "test"), ("sentiment",)),
    "librispeech": (("train-960", "dev-clean"), ()),
    "nuner": (("train", "dev"), ("entities",)),
    "voxpopuli-ner": (("test",), ("entities",)),
    "librispeech-ner": (("test",), ("entities",)),
    "fleurs-ner": (("test",), ("entities",)),
    "mit-movie": (("train", "dev", "test"), ("entities",)),
    "mit-restaurant": (("train", "dev", "test"), ("entities",)),
}
"""The papers' corpora as recipes look for them: their parts, and what is annotated in them."""
_WHISPER = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|startofprev|>",
            "<|nospeech|>", "<|notimestamps|>")  # fmt: skip
_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_UNLISTED_ROWS = 10
"""Rows of the embedding that the tokenizer does not list, as Whisper's timestamps."""


def make_tiny(folder: Path) -> Path:
    """Write the models and the corpus into a folder, and return it. The same every time."""
    manifest = make_corpus(folder / "corpus")
    for corpus, (splits, annotated) in LAYOUT.items():
        for split in splits:
            _copy(manifest, folder / "data" / corpus / split / manifest.name, annotated)
    make_whisper(folder / "whisper")
    make_wav2vec2(folder / "wav2vec2")
    make_w2v_bert(folder / "w2v-bert")
    make_qwen2(folder / "qwen2")
    return folder


def make_corpus(folder: Path) -> Path:
    """Six clips of two seconds, with text, entities and sentiment each; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (text, entities, sentiment) in enumerate(SENTENCES):
        time = np.arange(2 * SAMPLE_RATE + 1600 * number) / SAMPLE_RATE
        samples = 0.3 * np.sin(2 * np.pi * (200 + 70 * number) * time * (1 + 0.1 * time))
        write_pcm(str(folder / f"{number}.wav"), (samples * 32767).astype(np.int16), SAMPLE_RATE)
        spans = [{"start": start, "end": end, "type": kind} for start, end, kind in entities]
        record = {"id": f"t{number}", "text": text, "audio": f"{number}.wav",
                  "duration": len(time) / SAMPLE_RATE, "entities": spans, "sentiment": sentiment}  # fmt: skip
        lines.append(json.dumps(record))
    manifest = folder / "manifest.jsonl"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def _copy(manifest: Path, target: Path, annotated: tuple[str, ...]) -> None:
    """The corpus under another name, with some of its annotation."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for line in manifest.read_text(encoding="utf-8").split("\n")[:-1]:
        record = json.loads(line)
        record["audio"] = os.path.relpath(manifest.parent / record["audio"], target.parent)
        dropped = {"entities", "sentiment"} - set(annotated)
        lines.append(json.dumps({key: value for key, value in record.items() if key not in dropped}))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_whisper(folder: Path) -> Path:
    """A Whisper of two layers of 32."""
    import transformers

    rows = _tokenizer(folder, _WHISPER) + _UNLISTED_ROWS
    config = transformers.WhisperConfig(
        vocab_size=rows, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, dropout=0.0,
        bos_token_id=0, eos_token_id=0, pad_token_id=0, decoder_start_token_id=1, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    return _save(transformers.WhisperForConditionalGeneration, config, folder)


def make_wav2vec2(folder: Path) -> Path:
    """A wav2vec 2.0 of two layers of 32, with the real strides: 50 positions a second."""
    import transformers

    config = transformers.Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0,
        layerdrop=0.0,
    )  # fmt: skip
    return _save(transformers.Wav2Vec2Model, config, folder)


def make_w2v_bert(folder: Path) -> Path:
    """A W2V-BERT 2.0 of two layers of 32."""
    import transformers

    config = transformers.Wav2Vec2BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        feature_projection_input_dim=160, conv_depthwise_kernel_size=5, layerdrop=0.0,
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0,
        conformer_conv_dropout=0.0, apply_spec_augment=False,
    )  # fmt: skip
    return _save(transformers.Wav2Vec2BertModel, config, folder)


def make_qwen2(folder: Path) -> Path:
    """A Qwen2 of two layers of 32, its embedding tied."""
    import transformers

    rows = _tokenizer(folder, _QWEN) + _UNLISTED_ROWS
    config = transformers.Qwen2Config(
        vocab_size=rows, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return _save(transformers.Qwen2ForCausalLM, config, folder)


def _save(kind: Any, config: Any, folder: Path) -> Path:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind(config).save_pretrained(folder)
    return folder


def _tokenizer(folder: Path, names: tuple[str, ...]) -> int:
    """A byte-level BPE with special tokens; returns the number of ids."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([" " + text for text, _, _ in SENTENCES] * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names])
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())
