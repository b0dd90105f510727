"""Export the speaker encoder of the wheel `resemblyzer` to `src/unislu/speakers/ge2e.onnx`.

    pip install resemblyzer onnx torch transformers   # for its weights alone: unislu does not depend on it
    python benchmarks/speaker_encoder.py --out ge2e.onnx --clips CLIPS.jsonl
    python benchmarks/speaker_encoder.py --record tests/speakers/recorded.json

The weights (`pretrained.pt`, GE2E loss, Apache-2.0) are three LSTM layers and a projection. The second and
third layer become int8, one scale for each row of a matrix. The first stays in float32: its inputs are mel
powers, whose range eight bits cannot hold. With it in int8 too, two windows of one person were more alike
than windows of two persons in 67 % of the pairs in place of 97 %.

With `--clips` (JSON lines with `audio`), embeddings of the export are compared with those of the weights in
float32 on PyTorch, and spectra with those of `transformers.audio_utils`, which has librosa's numbers. With
`--record`, the test of both gets new values, from examples/jfk.flac.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from unislu.audio import load_audio
from unislu.speakers import embedding

JFK = Path(__file__).parents[1] / "examples" / "jfk.flac"
WIDTH = 256
QUANTISED = 2
"""How many of the three layers become int8, the last ones."""


class Encoder(torch.nn.Module):
    """The network, from mel powers [batch, frames, 40] to embeddings [batch, 256] of length 1."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(embedding.BANDS, WIDTH, 3, batch_first=True)
        self.linear = torch.nn.Linear(WIDTH, WIDTH)
        state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        self.load_state_dict({name: state[name] for name in self.state_dict()})
        self.eval()

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(mel)
        found = torch.relu(self.linear(hidden[-1]))
        return found / torch.norm(found, dim=1, keepdim=True)


def main() -> None:
    """Export, compare or record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="pretrained.pt; default: of the installed wheel")
    parser.add_argument("--out", type=Path, help="the ONNX file to write")
    parser.add_argument("--clips", type=Path, help="recordings to compare on")
    parser.add_argument("--limit", type=int, default=200, help="clips compared (default: 200)")
    parser.add_argument("--record", type=Path, help="the JSON file of the parity test")
    asked = parser.parse_args()
    encoder = Encoder(asked.weights or installed())
    if asked.out:
        export(encoder, asked.out)
    if asked.clips:
        print(json.dumps(compare(encoder, asked.clips, asked.limit)))
    if asked.record:
        asked.record.write_text(json.dumps(recorded(encoder)) + "\n")


def installed() -> Path:
    """The weights in the wheel."""
    wheel = find_spec("resemblyzer")
    if wheel is None or wheel.origin is None:
        raise SystemExit("resemblyzer is not installed: pip install resemblyzer, or give --weights")
    return Path(wheel.origin).with_name("pretrained.pt")


def export(encoder: Encoder, out: Path) -> None:
    """Write the graph with its last layers in int8."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "float32.onnx"
        torch.onnx.export(
            encoder, (torch.rand(2, embedding.FRAMES, embedding.BANDS),), str(whole),
            input_names=["mel"], output_names=["embedding"],
            dynamic_axes={"mel": {0: "batch"}, "embedding": {0: "batch"}},
            dynamo=False, opset_version=17,
        )  # fmt: skip
        layers = [node.name for node in onnx.load(str(whole)).graph.node if node.op_type == "LSTM"]
        quantize_dynamic(
            str(whole), str(out), op_types_to_quantize=["LSTM"], weight_type=QuantType.QInt8,
            per_channel=True, nodes_to_exclude=layers[:-QUANTISED],
        )  # fmt: skip
    print(f"{out}: {out.stat().st_size:,} bytes")


def compare(encoder: Encoder, clips: Path, limit: int) -> dict[str, Any]:
    """The least and the mean cosine similarity of embeddings, and the largest error of spectra."""
    rows = [json.loads(line) for line in clips.read_text(encoding="utf-8").splitlines()]
    step = max(1, len(rows) // limit)
    alike: list[float] = []
    worst = 0.0
    for row in rows[::step][:limit]:
        samples = load_audio(clips.parent / row["audio"])
        mel, reference = embedding.spectrogram(samples), reference_spectrogram(samples)
        worst = max(worst, float(np.abs(mel - reference).max() / reference.max()))
        windows = windows_of(mel)
        if len(windows):
            ours = embedding._run(windows)
            alike += (ours * embeddings(encoder, windows)).sum(axis=1).tolist()
    return {
        "windows": len(alike), "least_cosine": round(min(alike), 4),
        "mean_cosine": round(float(np.mean(alike)), 5), "worst_share_of_the_peak": float(f"{worst:.2g}"),
    }  # fmt: skip


def windows_of(mel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whole windows of a spectrum, one after the other, at the level that the encoder knows."""
    count = len(mel) // embedding.FRAMES
    windows = mel[: count * embedding.FRAMES].reshape(count, embedding.FRAMES, embedding.BANDS)
    sums = windows.sum(axis=(1, 2), keepdims=True)
    return windows * (embedding._LEVEL / np.maximum(sums, embedding._LEVEL * 1e-6))


def embeddings(encoder: Encoder, windows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the weights in float32 give."""
    with torch.no_grad():
        return np.asarray(encoder(torch.from_numpy(windows)).numpy())


def reference_spectrogram(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mel powers as librosa's `melspectrogram` gives them, by transformers."""
    filters = mel_filter_bank(201, embedding.BANDS, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    power = spectrogram(
        samples, window_function(embedding.WINDOW, "hann"), embedding.WINDOW, embedding.HOP,
        power=2.0, center=True, pad_mode="constant", mel_filters=filters,
    )  # fmt: skip
    return np.asarray(power.T, np.float32)


def recorded(encoder: Encoder) -> dict[str, Any]:
    """Spectra of some frames and embeddings of some windows of examples/jfk.flac."""
    mel = reference_spectrogram(load_audio(JFK))
    frames = [0, 1, 100, 333, 700, len(mel) - 1]
    windows = [1, 3]
    found = embeddings(encoder, windows_of(mel)[windows])
    return {
        "shape": list(mel.shape),
        "frames": {str(place): [float(f"{value:.4g}") for value in mel[place]] for place in frames},
        "embeddings": {
            str(place): [round(float(value), 4) for value in row]
            for place, row in zip(windows, found, strict=True)
        },
    }


if __name__ == "__main__":
    main()
