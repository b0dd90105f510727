"""What several tests make: clips of tones, tokenizers like Whisper's, random checkpoints."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer
from unislu.vad import EnergyCutter

CONTROL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


def windows(samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Where `EnergyCutter` cuts 16 kHz audio, in seconds."""
    cutter = EnergyCutter()
    return [(window.start, window.end) for window in (*cutter.feed(samples), *cutter.finish())]


def write_tone(path: Path, samples: int, pitch: float) -> float:
    """A WAV file of a sine at 16 kHz; its length in seconds."""
    tone = 0.3 * np.sin(2 * np.pi * pitch * np.arange(samples) / 16_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone * 32767).astype("<i2").tobytes())
    return samples / 16_000


def write_tokenizer(path: Path, texts: list[str], size: int) -> int:
    """A byte-level BPE over `texts` with Whisper's control tokens; the number of its ids."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([f" {text}" for text in texts] * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in CONTROL])
    tokenizer.save(str(path))
    return int(tokenizer.get_vocab_size())


def bytes_tokenizer() -> str:
    """The `tokenizer.json` of a byte-level BPE without merges, one token a byte, and the control tokens."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [chr(b) for b in printable] + [chr(0x100 + n) for n in range(len(others))]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    definition = {
        "version": "1.0",
        "added_tokens": [{"id": 256 + n, "content": name, **flags} for n, name in enumerate(CONTROL)],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": {c: n for n, c in enumerate(characters)}, "merges": []},
    }
    return json.dumps(definition)


def write_checkpoint(backbone: Path, folder: Path) -> Path:
    """A random Whisper with our tokens, as training would save it."""
    import torch
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(backbone)
    tokenizer = WhisperTokenizer.from_file(backbone / "tokenizer.json")
    vocabulary = Vocabulary.extend(tokenizer, model.config.vocab_size, tokenizer.special_tokens, SLUE)
    torch.manual_seed(1)
    model.resize_token_embeddings(vocabulary.size, mean_resizing=False)
    for parameter in model.parameters():
        parameter.data *= 3
    model.save_pretrained(folder)
    shutil.copyfile(backbone / "tokenizer.json", folder / "tokenizer.json")
    known = {"vocabulary": vocabulary.to_manifest(), "format": "inline", "provenance": {"step": 2}}
    (folder / "unislu.json").write_text(json.dumps(known))
    return folder
