"""From examples to batches: the epoch's plan, length buckets, padding, audio."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unislu.audio import load_audio
from unislu.audio.features import MELS, frame_count, log_mel, padded_log_mel
from unislu.errors import RecipeError
from unislu.sequence.reader import GIVEN_PART
from unislu.training.cache import EncoderCache, cache_key
from unislu.training.config import Recipe, SpecAugmentConfig
from unislu.training.examples import Example, TrainingCorpus
from unislu.training.loss import IGNORE, WEIGHTINGS, SoftTargets, Tensors
from unislu.training.shards import BUCKET_BATCHES, Maker, clip_source, draw

#: Text-only examples borrow the audio of a clip at most this long (encoder positions, 50 a second).
_BORROWED_POSITIONS = 75


@dataclass
class Batch(Tensors):
    """Padded tensors of a batch."""

    tokens: Tensor
    """`[batch, tokens]` int64."""
    labels: Tensor
    """`[batch, tokens]` int64, shifted by one, and `IGNORE` where nothing is learned."""
    parts: Tensor
    """`[batch, tokens]` int64."""
    weighting: Tensor
    """`[batch]` int64, places in `WEIGHTINGS`."""
    lengths: Tensor
    """True lengths of `memory` in positions, or of `mel` in frames."""
    memory: Tensor | None = None
    """Encoder outputs `[batch, positions, d]` float32."""
    mel: Tensor | None = None
    """`[batch, 80, frames]` float32."""
    allowed: Tensor | None = None
    """See `choice_losses`."""
    soft: SoftTargets | None = None
    """Of the positions that are learned from a teacher."""
    scale: Tensor | None = None
    """Factors on the examples' losses `[batch]` float32."""


class EpochPlan:
    """Which examples an epoch trains, in which batches: a pure function of (recipe, epoch)."""

    def __init__(self, recipe: Recipe, corpora: Sequence[TrainingCorpus], maker: Maker, source: AudioSource):
        self._recipe, self._corpora, self._maker, self._source = recipe, corpora, maker, source

    def batches(self, epoch: int) -> list[list[Example]]:
        """Batches of similar cost, in random order."""
        generator = random.Random(f"plan/{self._recipe.seed}/{epoch}")
        drawn = (record for corpus in self._corpora for record in draw(corpus, epoch, generator))
        made = (self._maker(*record) for record in drawn)
        examples = [example for example in made if example is not None and self._source.has(example)]
        generator.shuffle(examples)
        size = self._recipe.batch_size
        batches = []
        for first in range(0, len(examples), size * BUCKET_BATCHES):
            bucket = sorted(examples[first : first + size * BUCKET_BATCHES], key=self._cost)
            batches += [bucket[i : i + size] for i in range(0, len(bucket), size)]
        generator.shuffle(batches)
        return batches

    def _cost(self, example: Example) -> tuple[int, int]:
        return (self._source.length(example) // 25, len(example.tokens))


class AudioSource:
    """Audio of examples, either as cached encoder outputs or as log-mel."""

    def __init__(
        self,
        cache: EncoderCache | None,
        spec_augment: SpecAugmentConfig,
        borrowable: Sequence[tuple[Path, str]],
    ):
        self._cache, self._spec = cache, spec_augment
        self._borrowable = list(borrowable)
        if cache is not None:
            known = [(m, a) for m, a in self._borrowable if cache_key(m, a) in cache]
            self._borrowable = [
                c for c in known if cache.length(cache_key(*c)) <= _BORROWED_POSITIONS
            ] or known[:100]

    def has(self, example: Example) -> bool:
        """Whether the example's clip is there (a cache may still be growing)."""
        return example.clip is None or self._cache is None or cache_key(*example.clip) in self._cache

    def length(self, example: Example) -> int:
        """Encoder positions of the example's audio, for bucketing; its tokens where that is not known."""
        if self._cache is None:
            return round(50 * example.seconds) or len(example.tokens)
        return self._cache.length(cache_key(*self.clip(example)))

    def clip(self, example: Example) -> tuple[Path, str]:
        """The example's own clip, or the one a text-only example borrows."""
        if example.clip is not None:
            return example.clip
        if not self._borrowable:
            raise RecipeError("text_only corpora need at least one corpus with audio to borrow from")
        return random.Random(example.id).choice(self._borrowable)

    def samples(self, example: Example) -> NDArray[np.float32]:
        """The example's clip: mono, 16 kHz, `[n]` float32."""
        manifest, audio = self.clip(example)
        return load_audio(clip_source(manifest, audio))

    def memory(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Cached encoder outputs `[batch, positions, d]` float32 and lengths `[batch]`."""
        assert self._cache is not None
        rows = [self._cache[cache_key(*self.clip(e))] for e in examples]
        return pad_rows(rows)

    def mel(
        self,
        examples: Sequence[Example],
        generator: random.Random,
        mels: int = MELS,
        frames: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Log-mel `[batch, mels, frames]` float32, augmented, and lengths `[batch]` in frames.

        `frames`: so many, with silence behind each clip; by default clips have their own length.
        """
        clips = []
        for example in examples:
            samples = self.samples(example)
            if frames is None:
                clips.append(spec_augment(torch.from_numpy(log_mel(samples, mels)), self._spec, generator))
                continue
            mel = torch.from_numpy(padded_log_mel(samples, frames, mels))
            inside = min(frames, frame_count(len(samples)))
            mel[:, :inside] = spec_augment(mel[:, :inside], self._spec, generator)
            clips.append(mel)
        lengths = torch.tensor([mel.shape[1] for mel in clips])
        return pad_sequence([mel.T for mel in clips], batch_first=True).mT.contiguous(), lengths

    @property
    def cached(self) -> bool:
        """Whether encoder outputs come from a cache."""
        return self._cache is not None


def pad_rows(clips: Sequence[NDArray[Any]]) -> tuple[Tensor, Tensor]:
    """Arrays `[n, …]` of unequal length as one float32 tensor, zeros behind, and their lengths `[batch]`."""
    lengths = torch.tensor([len(clip) for clip in clips])
    return pad_sequence([torch.from_numpy(np.array(c, np.float32)) for c in clips], batch_first=True), lengths


def spec_augment(mel: Tensor, config: SpecAugmentConfig, generator: random.Random) -> Tensor:
    """Mask random spans of time and mel bins with the clip's mean (SpecAugment). `mel`: `[80, frames]`."""
    mel = mel.clone()
    fill = mel.mean()
    for masks, width, size, axis in (
        (config.time_masks, config.time_width, mel.shape[1], 1),
        (config.mel_masks, config.mel_width, mel.shape[0], 0),
    ):
        for _ in range(masks):
            span = generator.randint(0, min(width, size // 4))
            start = generator.randint(0, size - span)
            mel.narrow(axis, start, span).fill_(fill)
    return mel


def padded_tokens(examples: Sequence[Example], pad: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`tokens, labels, parts, weighting` of a `Batch`. `pad`: any valid token id; padding learns nothing."""
    width = max(len(e.tokens) for e in examples) - 1
    tokens = torch.full((len(examples), width), pad)
    labels = torch.full((len(examples), width), IGNORE)
    parts = torch.zeros(len(examples), width, dtype=torch.long)
    for row, e in enumerate(examples):
        n = len(e.tokens) - 1
        tokens[row, :n] = torch.tensor(e.tokens[:-1])
        first = e.learned_from - 1
        labels[row, first:n] = torch.tensor(e.tokens[e.learned_from :])
        if e.allowed:
            labels[row, first:n][torch.tensor([not ids for ids in e.allowed])] = IGNORE
        parts[row, first:n] = torch.tensor(e.parts[e.learned_from :])
    labels[parts == GIVEN_PART] = IGNORE
    return tokens, labels, parts, torch.tensor([WEIGHTINGS.index(e.weighting) for e in examples])


def padded_choices(examples: Sequence[Example]) -> Tensor | None:
    """The ids to choose among at each learned position of a batch, as `choice_losses` takes them."""
    choices = [torch.tensor(ids) for example in examples for ids in example.allowed if ids]
    if not choices:
        return None
    return pad_sequence(choices, batch_first=True, padding_value=IGNORE)


def padded_targets(examples: Sequence[Example]) -> SoftTargets | None:
    """What teachers would have written in a batch whose tokens `padded_tokens` padded."""
    taught = [(row, e.soft) for row, e in enumerate(examples) if e.soft is not None]
    if not taught:
        return None
    places = torch.zeros(len(examples), max(len(e.tokens) for e in examples) - 1, dtype=torch.bool)
    for row, soft in taught:
        places[row, torch.tensor(soft.places) - 1] = True  # labels are shifted by one
    every = [soft for _, soft in taught]
    counts = torch.tensor([len(soft.places) for soft in every])
    return SoftTargets(
        places,
        torch.from_numpy(np.concatenate([soft.output.tokens[: len(soft.places)] for soft in every])),
        torch.from_numpy(np.concatenate([soft.output.logprobs[: len(soft.places)] for soft in every])),
        torch.tensor([soft.temperature for soft in every]).repeat_interleave(counts),
        torch.tensor([soft.weight for soft in every]).repeat_interleave(counts),
    )


def collate(
    examples: Sequence[Example],
    source: AudioSource,
    pad: int,
    seed: str = "",
    mels: int = MELS,
    frames: int | None = None,
) -> Batch:
    """Pad a batch for a Whisper of `mels` mel bins; `frames`: see `AudioSource.mel`."""
    tokens, labels, parts, weighting = padded_tokens(examples, pad)
    memory = mel = None
    if source.cached:
        memory, lengths = source.memory(examples)
    else:
        mel, lengths = source.mel(examples, random.Random(f"{seed}/{examples[0].id}"), mels, frames)
    scale = torch.tensor([e.scale for e in examples])
    return Batch(
        tokens, labels, parts, weighting, lengths, memory, mel,
        padded_choices(examples), padded_targets(examples), None if bool((scale == 1).all()) else scale,
    )  # fmt: skip
