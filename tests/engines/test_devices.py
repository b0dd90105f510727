"""Which provider runs a bundle, and what is said when none can."""

from __future__ import annotations

import pytest

from unislu.engines.devices import CPU, DEVICES, check_started, providers
from unislu.errors import EngineError, OptionError

CUDA, CORE_ML = "CUDAExecutionProvider", "CoreMLExecutionProvider"


@pytest.fixture
def available(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ONNX Runtime says it has: a GPU and Apple's, though no machine has both."""
    here = [CORE_ML, CUDA, CPU]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: here)
    return here


def test_the_cpu_runs_everything() -> None:
    assert providers("cpu", "int8") == providers("cpu", "float16") == providers("auto", "int8") == (CPU,)


def test_auto_takes_the_first_that_is_there(available: list[str]) -> None:
    assert providers("auto", "float16") == (CUDA, CPU)
    assert providers("auto", "float32") == (CORE_ML, CPU)
    available.remove(CUDA)
    assert providers("auto", "float32") == (CORE_ML, CPU)
    available.remove(CORE_ML)
    assert providers("auto", "float16") == (CPU,)


@pytest.mark.parametrize("device", sorted(set(DEVICES) - {"cpu", "auto"}))
def test_a_device_that_cannot_is_refused_with_a_remedy(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=f"device {device}.*--quantize float16"):
        providers(device, "int8")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    with pytest.raises(EngineError, match=f"device {device}.*install.* onnxruntime"):
        providers(device, "float16")


def test_cuda_needs_float16_and_its_own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="device cuda: cannot run graphs in float32"):
        providers("cuda", "float32")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    with pytest.raises(
        EngineError, match=r"onnxruntime-gpu is not installed.*pip install 'onnxruntime-gpu\["
    ):
        providers("cuda", "float16")


def test_a_device_that_does_not_start_is_refused_unless_any_will_do() -> None:
    check_started("auto", CPU)
    check_started("cuda", CUDA)
    with pytest.raises(EngineError, match=r"device cuda.*does not start.*--device cpu"):
        check_started("cuda", CPU)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(OptionError, match=r"device 'tpu': choose from cpu, cuda"):
        providers("tpu", "float16")
