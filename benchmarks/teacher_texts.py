"""Which second text of a teacher tells where its first one is wrong.

    python benchmarks/teacher_texts.py hear WHISPER_BASE MANIFEST accent=15 acted=20 read=6 > texts.jsonl
    python benchmarks/teacher_texts.py sum texts.jsonl

`hear` draws so many clips of each set whose words are known, and prints what the teacher writes: greedily,
padded (`first`), and again with silence before the clip (`later`, what `teacher.agreement` compares), with
silence on both sides but not padded (`alone`), and drawn at a temperature of 0.7 (`drawn`). `sum` prints how
many clips agree at 0.8 with each of these, how many do not, and the word error rates of their first texts.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.features import HOP, log_mel, padded_log_mel
from unislu.engines.torch import TorchEngine
from unislu.evaluation.profiles import profile
from unislu.evaluation.wer import word_errors
from unislu.sequence import SLUE, Prompt, Vocabulary, WhisperTokenizer
from unislu.sequence.prompt import whisper_prefix
from unislu.sequence.vocabulary import END
from unislu.training.checkpoint import tokenizer_file_of
from unislu.training.models.teacher import LATER
from unislu.training.teacher_output import LONGEST_TEXT, agreement

SECOND = ("later", "alone", "drawn")
FRAMES, TEMPERATURE, LEAST = 3000, 0.7, 0.8


class Listener:
    """A Whisper that writes text tokens, as `unislu.training.models.teacher` does."""

    def __init__(self, backbone: str) -> None:
        self._engine = TorchEngine.load(Path(backbone))
        self._tokenizer = WhisperTokenizer.from_file(tokenizer_file_of(backbone))
        rows, special = int(self._engine.model.config.vocab_size), self._tokenizer.special_tokens
        self._vocabulary = Vocabulary(self._tokenizer, rows, special, SLUE)
        self._end = self._vocabulary[END]
        self._text = np.array(sorted(self._vocabulary.text_ids | {self._end}))

    def encode(self, samples: NDArray[np.float32], padded: bool) -> Any:
        """The encoder's output."""
        samples = samples[: FRAMES * HOP]
        mel = padded_log_mel(samples, FRAMES, 80) if padded else log_mel(samples, 80)
        return self._engine.encode(mel[None], np.array([mel.shape[1]]))

    def write(self, encoded: Any, temperature: float = 0.0) -> str:
        """Its text: the likeliest tokens, or drawn ones."""
        state = self._engine.start(encoded)
        fed = whisper_prefix(self._vocabulary, Prompt(frozenset()))
        generator, ids = np.random.default_rng(0), list[int]()
        while True:
            logits, state = self._engine.step(np.array([fed]), state)
            scores = logits[0, self._text].astype(np.float64)
            if temperature:
                shares = np.exp((scores - scores.max()) / temperature)
                place = int(generator.choice(len(shares), p=shares / shares.sum()))
            else:
                place = int(scores.argmax())
            token = int(self._text[place])
            if token == self._end or len(ids) == LONGEST_TEXT:
                return self._tokenizer.decode(ids)
            ids.append(token)
            fed = [token]


def hear(backbone: str, manifest: Path, wanted: Sequence[str]) -> None:
    """Print one JSON line a clip: its texts and the CPU seconds that each took."""
    torch.set_num_threads(1)
    listener, generator = Listener(backbone), random.Random(1)
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    chosen = []
    for name, _, number in (one.partition("=") for one in wanted):
        known = [row for row in rows if row["set"] == name and row.get("text")]
        chosen += generator.sample(known, int(number))
    generator.shuffle(chosen)
    silence = np.zeros(round(LATER * SAMPLE_RATE), np.float32)
    for row in chosen:
        samples = load_audio(manifest.parent / row["audio"])
        later = np.concatenate([silence, samples])
        found: dict[str, Any] = {"id": row["id"], "set": row["set"], "text": row["text"], "seconds": {}}
        whole = listener.encode(samples, True)
        for name, heard, padded, temperature in (
            ("first", samples, True, 0.0),
            ("drawn", samples, True, TEMPERATURE),
            ("later", later, True, 0.0),
            ("alone", np.concatenate([later, silence]), False, 0.0),
        ):
            started = time.process_time()
            encoded = whole if heard is samples else listener.encode(heard, padded)
            found[name] = listener.write(encoded, temperature)
            found["seconds"][name] = round(time.process_time() - started, 2)
        print(json.dumps(found, ensure_ascii=False), flush=True)


def report(rows: list[dict[str, Any]]) -> None:
    """Print a Markdown table."""
    print(f"{len(rows)} clips: {_rate(rows)} word errors\n")
    print("| second text | CPU s a clip | agrees | word errors | does not | word errors |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in SECOND:
        agrees = [agreement(row["first"], row[name]) >= LEAST for row in rows]
        kept = [row for row, good in zip(rows, agrees, strict=True) if good]
        left = [row for row, good in zip(rows, agrees, strict=True) if not good]
        spent = sum(row["seconds"][name] for row in rows) / len(rows)
        print(f"| `{name}` | {spent:.1f} | {len(kept)} | {_rate(kept)} | {len(left)} | {_rate(left)} |")


def _rate(rows: Iterable[dict[str, Any]]) -> str:
    """Word errors of first texts in percent, and of how many words."""
    words = profile("unislu").words
    found = [word_errors(words(row["text"]), words(row["first"])) for row in rows]
    errors, number = sum(one.errors for one in found), sum(one.reference_words for one in found)
    return f"{100 * errors / max(number, 1):.1f} % of {number}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    hearing = commands.add_parser("hear")
    hearing.add_argument("backbone")
    hearing.add_argument("manifest", type=Path)
    hearing.add_argument("sets", nargs="+")
    commands.add_parser("sum").add_argument("texts", type=Path)
    chosen = parser.parse_args()
    if chosen.command == "hear":
        hear(chosen.backbone, chosen.manifest, chosen.sets)
    else:
        report([json.loads(line) for line in chosen.texts.read_text(encoding="utf-8").splitlines()])


if __name__ == "__main__":
    main()
