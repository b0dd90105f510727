"""Which of ONNX Runtime's execution providers runs a graph: the CPU's, or another one for bundles in
float16.

Tested: `cpu`, and `auto` without an accelerator. The others follow ONNX Runtime's documentation, untested.
"""

from __future__ import annotations

from unislu.errors import EngineError, OptionError

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
PACKAGES = {"cuda": "onnxruntime-gpu", "coreml": "onnxruntime on macOS", "directml": "onnxruntime-directml"}
"""The package that contains a provider; it replaces onnxruntime, whose files it shares."""
DEVICES = (*PROVIDERS, "auto")


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
    if quantization == "int8":
        raise EngineError(
            f"device {device}: the graphs of an int8 bundle are made for the CPU; give --device cpu, or a "
            "bundle that was exported with --quantize float16"
        )
    import onnxruntime

    here = onnxruntime.get_available_providers()
    if device == "auto":
        return *[found for found in PROVIDERS.values() if found in here and found != CPU][:1], CPU
    if PROVIDERS[device] not in here:
        raise EngineError(
            f"device {device}: this onnxruntime has no {PROVIDERS[device]}; install {PACKAGES[device]} in "
            "place of onnxruntime, or give --device cpu"
        )
    return PROVIDERS[device], CPU
