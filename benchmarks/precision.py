"""How long a training step takes in float32 and in bfloat16 on this processor, one thread.

    python benchmarks/precision.py WHISPER_BASE

Steps of `recipes/default-base/ears-2.yaml` (decoder alone, given texts) over random clips of 6 s with 30
tokens each, forward and backward, the two taking turns. Prints the median seconds of each and their ratio.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

from unislu.sequence import SLUE
from unislu.training.collate import Batch
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper import load_unified

CLIPS, POSITIONS, TOKENS, ROUNDS = 16, 300, 30, 6


def main() -> None:
    """Print one line."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = ModelConfig(
        sys.argv[1], learns="words", freeze_encoder=True, freeze_embeddings=True, freeze_cross_kv=True
    )
    model = load_unified(config, SLUE)
    tokens = torch.randint(300, 20_000, (CLIPS, TOKENS))
    zeros = torch.zeros_like(tokens)
    memory = torch.randn(CLIPS, POSITIONS, model.backbone.config.d_model)
    batch = Batch(tokens, tokens.roll(-1, 1), zeros, zeros[:, 0], torch.full((CLIPS,), POSITIONS), memory)
    spent: dict[bool, list[float]] = {False: [], True: []}
    for round_ in range(ROUNDS + 1):
        for bf16, times in spent.items():
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model(batch)
            loss.backward()
            if round_:  # the first one prepares the kernels
                times.append(time.perf_counter() - start)
    exact, rounded = (statistics.median(times) for times in spent.values())
    kind = torch.backends.cpu.get_cpu_capability()
    print(f"{kind}: float32 {exact:.2f} s, bfloat16 {rounded:.2f} s a step: {exact / rounded:.1f} times")


if __name__ == "__main__":
    main()
