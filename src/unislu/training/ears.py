"""Teach a Whisper decoder to transcribe audio at its true length, with the original Whisper as its
teacher.

A released Whisper expects every clip padded to 30 s; on shorter input its decoder runs into loops. The
teacher transcribes the padded clip greedily; the student gets the encoder's output for the true length and is
held to the teacher's distribution (its likeliest tokens at every position, KL divergence) along that text.
The encoder, the embedding and the cross-attention's key and value projections stay as released. Clips whose
record has an empty text teach silence: the end at once. With `--given` there is no teacher: the records' own
texts are learned, for names and figures that a teacher gets wrong (see `unislu.training.transcripts`, whose
`right.jsonl` has them in the teacher's spelling). With `--unpadded` the teacher gets the true length as well:
a decoder that learns new words is held to what it wrote before. `listen` resumes where it was stopped;
`train` takes the caches of several (`unislu tools ears-listen`, `ears-train`).
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unislu.audio import SAMPLE_RATE, load_audio
from unislu.audio.features import log_mel
from unislu.data import augment
from unislu.data.records import Record, read_records
from unislu.engines.torch import TorchEngine, encode_hidden
from unislu.errors import RecipeError
from unislu.files import replacing
from unislu.sequence import SLUE, Prompt
from unislu.sequence.prompt import whisper_prefix
from unislu.sequence.vocabulary import END
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper import UnifiedWhisper, load_unified

PADDED = 30 * SAMPLE_RATE
KEPT = 32
"""Tokens of the teacher's distribution that are kept at each position."""
LONGEST = 200
LOOP = 3
"""A text that repeats the same three tokens more often is a loop, and is left out."""
BATCH = 8
WARMUP = 10
SILENCE_WEIGHT = 0.3


@dataclass(frozen=True)
class TaughtClip:
    """One clip: the encoder's output, and what the teacher says along its own text.

    memory: `[positions, width]` float16. ids: `[n]` text tokens. tokens, logprobs: `[n + 1, KEPT]`, the
    likeliest tokens at each position and their log-probabilities; the last position chooses the end.
    """

    memory: NDArray[np.float16]
    ids: NDArray[np.int64]
    tokens: NDArray[np.int64]
    logprobs: NDArray[np.float32]


def listen(
    whisper: Path, cache: Path, manifests: Sequence[Path], clips: int, steps: str = "none", seed: int = 0,
    given: bool = False, unpadded: bool = False,
) -> int:  # fmt: skip
    """Transcribe randomly drawn clips of manifests with the teacher; returns the number of clips in the
    cache.

    Args:
        whisper: a Hugging Face Whisper folder.
        cache: folder for one file per clip; existing ones are kept.
        manifests: of records with audio of at most 30 s.
        clips: total number of clips.
        steps: augmentation, as in `unislu synthesize`; for teacher and student alike.
        seed: of the draws.
        given: learn the records' texts in place of the teacher's.
        unpadded: the teacher gets the clip at its true length, as the student does.

    Raises:
        RecipeError: not a Whisper folder, or no record has audio.
    """
    model = load_unified(ModelConfig(backbone=str(whisper)), SLUE).eval()
    engine = TorchEngine(model.backbone)
    prefix = whisper_prefix(model.vocabulary, Prompt(frozenset()))
    sources = [(path.parent, record) for path in manifests for record in read_records(path) if record.audio]
    if not sources:
        raise RecipeError(f"{', '.join(map(str, manifests))}: no record has audio")
    random.Random(seed).shuffle(sources)
    probabilities = augment.parse_probabilities(steps)
    cache.mkdir(parents=True, exist_ok=True)
    started, done = time.monotonic(), 0
    for number, (folder, record) in enumerate(sources):
        if done >= clips:
            break
        path = cache / f"{number:06d}.npz"
        if not path.exists():
            generator = np.random.default_rng([seed, number])
            found = _taught(
                model, engine, prefix, folder, record, probabilities, generator, given, unpadded
            )
            if found is None:
                continue
            with replacing(path) as partial, open(partial, "wb") as file:
                np.savez(file, **vars(found))
        done += 1
        if done % 50 == 0:
            print(f"[{time.monotonic() - started:.0f} s] {done} clips", file=sys.stderr, flush=True)
    return done


@torch.inference_mode()
def _taught(
    model: UnifiedWhisper, engine: TorchEngine, prefix: Sequence[int], folder: Path, record: Record,
    probabilities: Any, generator: np.random.Generator, given: bool, unpadded: bool,
) -> TaughtClip | None:  # fmt: skip
    """The input of the student and the teacher's output; None for a clip without anything to learn."""
    samples = load_audio(folder / str(record.audio))
    samples = augment.apply(samples, SAMPLE_RATE, augment.draw(probabilities, generator))
    behind = round(float(generator.choice([0.0, 0.1, 0.2, 0.3, 0.5, 0.8])) * SAMPLE_RATE)
    samples = np.pad(samples, (0, behind)).astype(np.float32)[:PADDED]
    hidden = _hidden(model, samples)
    memory = hidden.numpy().astype(np.float16)
    end = model.vocabulary[END]
    if given or not record.text.strip():
        words = record.text.strip()
        written = np.array(model.vocabulary.tokenizer.encode(f" {words}") if words else (), np.int64)
        return TaughtClip(
            memory, written, np.append(written, end)[:, None], np.zeros((len(written) + 1, 1), np.float32)
        )
    if not unpadded:
        hidden = _hidden(model, np.pad(samples, (0, PADDED - len(samples))))
    state = engine.start(engine.cross(hidden[None], torch.tensor([len(hidden)])))
    text = np.array(sorted(model.vocabulary.text_ids | {end}))
    ids: list[int] = []
    kept: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    fed = np.array([prefix], np.int64)
    while True:
        logits, state = engine.step(fed, state)
        values = logits[0, text] - np.logaddexp.reduce(logits[0, text])
        best = np.argsort(-values)[:KEPT]
        kept.append((text[best], values[best].astype(np.float32)))
        token = int(text[best[0]])
        if token == end or len(ids) == LONGEST:
            break
        ids.append(token)
        fed = np.array([[token]], np.int64)
    if not _teaches(ids):
        return None
    tokens, logprobs = (np.stack(column) for column in zip(*kept, strict=True))
    return TaughtClip(memory, np.array(ids, np.int64), tokens, logprobs)


def _teaches(ids: Sequence[int]) -> bool:
    """Whether a text is complete and not a loop."""
    often = Counter(zip(ids, ids[1:], ids[2:], strict=False)).most_common(1)
    return len(ids) < LONGEST and not (often and often[0][1] > LOOP)


def _hidden(model: UnifiedWhisper, samples: NDArray[np.float32]) -> Tensor:
    """The encoder's output `[positions, width]` for samples at 16 kHz."""
    mel = torch.from_numpy(log_mel(samples))[None]
    hidden, lengths = encode_hidden(model.backbone.model.encoder, mel, torch.tensor([mel.shape[2]]))
    return hidden[0, : int(lengths[0])]


def train(
    whisper: Path, out: Path, caches: Sequence[Path], epochs: float = 3.0, rate: float = 3e-5, seed: int = 0,
    bf16: bool = False,
) -> float:  # fmt: skip
    """Train the decoder and write a Hugging Face folder.

    With `bf16` products are computed in bfloat16: faster on processors with AMX, slower on others.

    Returns:
        The drift: the norm of what changed over the norm of the weights that could.

    Raises:
        RecipeError: the cache is empty, or not a Whisper folder.
    """
    paths = []
    for cache in caches:
        found = sorted(path for path in cache.glob("*.npz") if ".partial" not in path.name)
        if not found:
            raise RecipeError(f"{cache}: no clips; run `listen` first")
        paths += found
    torch.manual_seed(seed)
    config = ModelConfig(
        backbone=str(whisper), freeze_encoder=True, freeze_embeddings=True, freeze_cross_kv=True
    )
    model = load_unified(config, SLUE).train()
    learning = [p for p in model.backbone.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in learning]
    optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=0.0)
    total = max(1, round(epochs * len(paths) / BATCH))
    started = time.monotonic()
    for step, batch in enumerate(_batches(paths, total, random.Random(seed))):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / WARMUP) * max(0.05, 1 - step / total)
        loss = _divergence(model, batch, bf16)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        if (step + 1) % 10 == 0:
            spent = time.monotonic() - started
            print(f"[{spent:.0f} s] {step + 1}/{total} KL {loss.item():.4f}", file=sys.stderr, flush=True)
    model.backbone.save_pretrained(out)
    shutil.copyfile(model.tokenizer_file, out / "tokenizer.json")
    moved = sum(float(((p.detach() - old) ** 2).sum()) for p, old in zip(learning, before, strict=True))
    return float((moved / sum(float((old**2).sum()) for old in before)) ** 0.5)


def _batches(paths: Sequence[Path], total: int, generator: random.Random) -> Iterator[list[TaughtClip]]:
    """Batches of clips of similar length, in random order, as often around as it takes."""
    lengths = {path: path.stat().st_size for path in paths}
    made = 0
    while True:
        order = sorted(paths, key=lambda path: lengths[path] * generator.uniform(0.8, 1.25))
        batches = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
        generator.shuffle(batches)
        for batch in batches:
            if made == total:
                return
            made += 1
            yield [TaughtClip(**np.load(path)) for path in batch]


def _divergence(model: UnifiedWhisper, batch: Sequence[TaughtClip], bf16: bool = False) -> Tensor:
    """The mean over clips of the KL divergence a position from teacher to student."""
    lengths = torch.tensor([len(clip.memory) for clip in batch])
    memory = torch.zeros(len(batch), int(lengths.max()), batch[0].memory.shape[1])
    for row, clip in zip(memory, batch, strict=True):
        row[: len(clip.memory)] = torch.from_numpy(clip.memory.astype(np.float32))
    prefix = whisper_prefix(model.vocabulary, Prompt(frozenset()))
    written = [torch.tensor([*prefix, *clip.ids]) for clip in batch]
    tokens = torch.nn.utils.rnn.pad_sequence(written, batch_first=True, padding_value=prefix[0])
    counts = [len(clip.ids) + 1 for clip in batch]
    learned = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, count in zip(learned, counts, strict=True):
        row[len(prefix) - 1 :][:count] = True
    rows = model.backbone.model.decoder.embed_tokens.weight
    text = torch.tensor(sorted(model.vocabulary.text_ids | {model.vocabulary[END]}))
    places = torch.full((len(rows),), -1)
    places[text] = torch.arange(len(text))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = model.decode(tokens, memory, lengths)[learned] @ rows[text].T
    # Split once: a slice for each clip would give each a gradient of the whole batch's size.
    parts = F.log_softmax(logits.float(), dim=-1).split(counts)
    total = torch.zeros(())
    for logprobs, clip in zip(parts, batch, strict=True):
        ours = logprobs.gather(1, places[torch.from_numpy(clip.tokens)])
        theirs = torch.from_numpy(clip.logprobs)
        weight = 1.0 if len(clip.ids) else SILENCE_WEIGHT
        total = total + weight * (theirs.exp() * (theirs - ours)).sum(1).mean()
    return total / len(batch)
