"""The loop on a tiny model: golden losses, exact resume, frozen parts, evaluation, the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from unislu.data.speech import write_audio  # noqa: E402
from unislu.training.cache import EncoderCache, cache_key, fill  # noqa: E402
from unislu.training.config import CorpusConfig, EvaluationConfig, OptimizerConfig, Recipe  # noqa: E402
from unislu.training.model_config import ModelConfig  # noqa: E402
from unislu.training.models.whisper import torch_encoder  # noqa: E402
from unislu.training.train import Run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults


def tiny(backbone: Path, manifest: Path, out: Path, **changes: object) -> Recipe:
    values: dict[str, object] = {
        "name": "tiny",
        "model": ModelConfig(str(backbone)),
        "corpora": (CorpusConfig(str(manifest), weight=2.0, entities="closed", loss="dynamic"),),
        "optimizer": OptimizerConfig(lr=1e-3, new_rows_lr=1e-2),
        "max_steps": 4,
        "batch_size": 4,
        "checkpoint_every": 2,
        "out": str(out),
    }
    return Recipe(**(values | changes))  # type: ignore[arg-type]


class Losses(Run):
    """A run that remembers its losses and can be stopped like a killed process."""

    def __init__(self, recipe: Recipe, stop_after: int | None = None):
        super().__init__(recipe, quiet=True)
        self.losses: list[float] = []
        self.stop_after = stop_after

    def _report(self, loss: float, lr: float, total: int, started: float, first: int) -> None:
        self.losses.append(loss)
        if self.stop_after is not None and self.step > self.stop_after:
            raise KeyboardInterrupt


def test_losses_fall_and_are_the_same_every_time(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    first, second = (Losses(tiny(backbone, manifest, tmp_path / n, max_steps=30)) for n in "ab")
    first.run()
    second.run()
    assert first.losses == second.losses
    assert sum(first.losses[-3:]) < 0.9 * sum(first.losses[:3])


def test_a_killed_run_goes_on_exactly_where_it_was(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    whole = Losses(tiny(backbone, manifest, tmp_path / "whole", max_steps=6))
    whole.run()
    killed = Losses(tiny(backbone, manifest, tmp_path / "killed", max_steps=6), stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Losses(tiny(backbone, manifest, tmp_path / "killed", max_steps=6))
    resumed.run()
    # The checkpoint of step 4 is the last one; steps 5 and 6 are trained again and match to the last bit.
    assert resumed.losses == whole.losses[4:]


def test_frozen_parts_stay_and_the_rest_learns(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    config = ModelConfig(str(backbone), freeze_encoder=True, freeze_embeddings=True, freeze_cross_kv=True)
    run = Losses(tiny(backbone, manifest, tmp_path, model=config))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.run()
    moved = {name for name, value in run.model.state_dict().items() if not torch.equal(value, before[name])}
    frozen = {
        n
        for n in before
        if ".encoder." in n or "embed_tokens" in n or "encoder_attn.k_proj" in n or "proj_out" in n
    }
    assert "new_rows" in moved and any(".fc1." in name for name in moved)
    assert not moved & frozen


def test_weights_stay_near_their_start(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    far: dict[float, list[float]] = {}
    for pull in (0.0, 100.0, 1000.0):
        optimizer = OptimizerConfig(lr=1e-3, new_rows_lr=1e-2, towards_start=pull, decay="constant")
        run = Losses(tiny(backbone, manifest, tmp_path / str(pull), optimizer=optimizer, max_steps=6))
        before = {name: value.clone() for name, value in run.model.state_dict().items()}
        run.run()
        after = run.model.state_dict()
        matrix, bias = (
            "backbone.model.decoder.layers.0.fc1.weight",
            "backbone.model.decoder.layers.0.fc1.bias",
        )
        far[pull] = [float((after[name] - before[name]).norm()) for name in (matrix, bias, "new_rows")]
    assert far[1000.0][0] < 1e-5 < far[100.0][0] < 0.7 * far[0.0][0]  # a step goes all of the way back
    assert min(far[1000.0][1:]) > 1e-3  # what does not decay moves


def test_a_killed_run_keeps_its_start(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    changes = {"optimizer": OptimizerConfig(lr=1e-3, towards_start=50.0), "max_steps": 6}
    whole = Losses(tiny(backbone, manifest, tmp_path / "whole", **changes))
    whole.run()
    killed = Losses(tiny(backbone, manifest, tmp_path / "killed", **changes), stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Losses(tiny(backbone, manifest, tmp_path / "killed", **changes))
    resumed.run()
    assert resumed.losses == whole.losses[4:]


@pytest.mark.parametrize("format_name", ["inline", "suffix", "bio"])
def test_every_format_trains_and_is_evaluated(
    backbone: Path, manifest: Path, tmp_path: Path, format_name: str
) -> None:
    recipe = tiny(
        backbone, manifest, tmp_path, max_steps=2, model=ModelConfig(str(backbone), format=format_name),  # type: ignore[arg-type]
        evaluation=EvaluationConfig((str(manifest),), every=2, limit=4, metric="wer"),
    )  # fmt: skip
    best = Run(recipe, quiet=True).run()
    assert best.name == "best"
    written = json.loads((best / "unislu.json").read_text())
    assert written["format"] == format_name
    assert "wer" in written["provenance"]["scores"]
    assert str(tmp_path) not in json.dumps(written)  # a shared bundle names no machine
    assert (best / "tokenizer.json").exists() and (best / "model.safetensors").exists()


def test_cached_encoder_outputs_give_the_same_losses(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    encode, width = torch_encoder(str(backbone))
    cache = tmp_path / "cache"
    assert fill(manifest, cache, encode, width) == 6
    assert fill(manifest, cache, encode, width) == 0  # nothing is encoded twice
    assert len(EncoderCache(cache)) == 6
    config = ModelConfig(str(backbone), freeze_encoder=True)
    direct = Losses(tiny(backbone, manifest, tmp_path / "direct", model=config))
    cached = Losses(tiny(backbone, manifest, tmp_path / "cached", model=config, encoder_cache=str(cache)))
    direct.run()
    cached.run()
    # Batches are bucketed by audio length with a cache and by text length without: compare what
    # does not depend on order.
    assert sum(cached.losses) == pytest.approx(sum(direct.losses), rel=0.05)


def test_a_clip_longer_than_the_model_transcribes_is_left_out_of_a_cache(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def encode(mel: Any) -> Any:
        return np.zeros((mel.shape[1] // 2, 4), np.float32)

    lines = []
    for name, seconds in (("short", 1.0), ("rounded", 30.2), ("long", 31.0)):
        write_audio(tmp_path / f"{name}.wav", np.full(round(16_000 * seconds), 0.1, np.float32), 16_000)
        lines.append(json.dumps({"id": name, "text": name, "audio": f"{name}.wav"}))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(lines) + "\n")
    assert fill(manifest, tmp_path / "cache", encode, 4) == 2
    cache = EncoderCache(tmp_path / "cache")
    assert [cache.length(cache_key(manifest, f"{name}.wav")) for name in ("short", "rounded")] == [50, 1500]
    assert cache_key(manifest, "long.wav") not in cache
    assert "1 clips are longer than 30 s and were left out" in capfd.readouterr().err


def test_a_half_written_cache_is_continued(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    encode, width = torch_encoder(str(backbone))
    fill(manifest, tmp_path, encode, width)
    index = next(tmp_path.glob("*.jsonl"))
    reference = {key: EncoderCache(tmp_path)[key].tobytes() for key in EncoderCache(tmp_path)._rows}
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(lines[:3]) + lines[3][:10])  # killed in the middle of a line
    assert fill(manifest, tmp_path, encode, width) == 3
    again = EncoderCache(tmp_path)
    assert {key: again[key].tobytes() for key in reference} == reference
