"""Which of ONNX Runtime's execution providers runs a graph: the CPU's, or another one for bundles in
float16.

Tested: `cpu`, `auto` without an accelerator, and what is said where there is none. The others follow ONNX
Runtime's documentation, untested.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from unislu.errors import EngineError, OptionError

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
MEMORY = {PROVIDERS["cuda"]: "cuda"}
"""Providers in whose own memory the decoder's caches live, and its name."""
DEVICES = (*PROVIDERS, "auto")
REMEDIES = {
    "cuda": "onnxruntime-gpu is not installed: pip uninstall onnxruntime, then pip install "
    "'onnxruntime-gpu[cuda,cudnn]'",
    "coreml": "install onnxruntime on macOS",
    "directml": "onnxruntime-directml is not installed: it takes the place of onnxruntime",
}
NEEDS_HALF = ("cuda",)
"""Devices whose attention kernels exist in float16 alone."""


def providers(device: str, quantization: str) -> tuple[str, ...]:
    """The providers for a bundle's graphs in order of preference; operators that the first one lacks run on
    the CPU.

    Args:
        device: one of `DEVICES`; "auto" is the first available one that can run the bundle.
        quantization: the bundle's.

    Raises:
        OptionError: an unknown device.
        EngineError: the device is not available, or cannot run a bundle of this kind.
    """
    if device not in DEVICES:
        raise OptionError(f"device {device!r}: choose from {', '.join(DEVICES)}")
    if device == "cpu" or (device == "auto" and quantization == "int8"):
        return (CPU,)
    if device != "auto" and not _runs(device, quantization):
        raise EngineError(
            f"device {device}: cannot run graphs in {quantization}; give --device cpu, or a bundle that was "
            "exported with --quantize float16"
        )
    import onnxruntime

    here = onnxruntime.get_available_providers()
    if device == "auto":
        able = (name for kind, name in PROVIDERS.items() if kind != "cpu" and _runs(kind, quantization))
        return *[name for name in able if name in here][:1], CPU
    if PROVIDERS[device] not in here:
        raise EngineError(
            f"device {device}: this onnxruntime has no {PROVIDERS[device]}; {REMEDIES[device]}; or give "
            "--device cpu"
        )
    return PROVIDERS[device], CPU


def check_started(device: str, provider: str) -> None:
    """Raise `EngineError` if the device that was asked for did not start, so that `provider` runs instead."""
    if device != "auto" and PROVIDERS[device] != provider:
        raise EngineError(
            f"device {device}: {PROVIDERS[device]} is installed and does not start; onnxruntime's messages "
            "say what is missing: a GPU, its driver, or the libraries (pip install "
            "'onnxruntime-gpu[cuda,cudnn]'); or give --device cpu"
        )


def load_libraries(providers: Sequence[str]) -> None:
    """Load CUDA and cuDNN if they are needed and installed as packages; what is missing goes to stderr."""
    if PROVIDERS["cuda"] in providers:
        import onnxruntime

        with redirect_stdout(sys.stderr):
            onnxruntime.preload_dlls()


def _runs(device: str, quantization: str) -> bool:
    return quantization == "float16" or (quantization != "int8" and device not in NEEDS_HALF)
