"""SpecAugment: the shape stays, masks are bounded, and the generator decides where they lie."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from unislu.training.collate import Batch, spec_augment
from unislu.training.config import SpecAugmentConfig


def mel(frames: int) -> torch.Tensor:
    """Log-mel `[80, frames]` without two equal values, so that every masked cell shows."""
    return (
        torch.randperm(80 * frames, generator=torch.Generator().manual_seed(frames)).view(80, frames) + 0.25
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(0, 3), st.integers(0, 40), st.integers(0, 2**32))
def test_time_masks_are_bounded_and_span_all_bins(frames: int, masks: int, width: int, seed: int) -> None:
    clip = mel(frames)
    original = clip.clone()
    out = spec_augment(clip, SpecAugmentConfig(time_masks=masks, time_width=width), random.Random(seed))
    assert torch.equal(clip, original)  # the clip itself is not written to
    assert out.shape == clip.shape and out.dtype == clip.dtype
    changed = out != clip
    assert torch.equal(changed.any(0), changed.all(0))
    assert int(changed.any(0).sum()) <= masks * min(width, frames // 4)
    assert torch.all(out[changed] == clip.mean())


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(0, 3), st.integers(0, 40), st.integers(0, 2**32))
def test_mel_masks_are_bounded_and_span_all_frames(frames: int, masks: int, width: int, seed: int) -> None:
    clip = mel(frames)
    out = spec_augment(clip, SpecAugmentConfig(mel_masks=masks, mel_width=width), random.Random(seed))
    changed = out != clip
    assert torch.equal(changed.any(1), changed.all(1))
    assert int(changed.any(1).sum()) <= masks * min(width, 20)


def test_the_generator_decides_where_masks_lie() -> None:
    clip, config = mel(200), SpecAugmentConfig(time_masks=2, mel_masks=2)
    first, again, other = (spec_augment(clip, config, random.Random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first, clip)


def test_no_masks_change_nothing() -> None:
    clip = mel(100)
    assert torch.equal(spec_augment(clip, SpecAugmentConfig(), random.Random(0)), clip)


def test_a_batch_moves_with_the_tensors_it_has() -> None:
    ids = torch.zeros(2, 3, dtype=torch.long)
    batch = Batch(ids, ids, ids, torch.tensor([True, False]), torch.tensor([4, 5]), mel=torch.zeros(2, 80, 5))
    moved = batch.to("meta")
    assert moved.tokens.is_meta and moved.mel is not None and moved.mel.is_meta
    assert moved.memory is None
