"""What a training run leaves on the disk: whole at every moment, and whole again after damage."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from unislu.training.checkpoints import (  # noqa: E402
    KEPT,
    STATE,
    Checkpoints,
    replace_folder,
    restore_folder,
    write_json,
)
from unislu.training.config import CorpusConfig, EvaluationConfig, OptimizerConfig, Recipe  # noqa: E402
from unislu.training.model_config import ModelConfig  # noqa: E402
from unislu.training.train import Run  # noqa: E402

from .test_train import Losses, tiny  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults


def checkpoint(checkpoints: Checkpoints, step: int) -> Path:
    """A checkpoint with folders in it, as FSDP and DeepSpeed write them."""
    folder = checkpoints.folder(step)
    for name in ("pytorch_model_fsdp_0/__0_0.distcp", "optimizer_0/a/b.distcp", "random_states_0.pkl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"{name} {step}".encode())
    checkpoints.complete(step, {"best": 1.0})
    return folder


def test_checkpoints_with_folders_are_replaced(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    folders = [checkpoint(checkpoints, step) for step in (2, 4, 10)]
    assert [folder.exists() for folder in folders] == [False, True, True] and KEPT == 2
    found = checkpoints.newest(pytest.fail)
    assert found is not None and found[0] == folders[2] and found[1]["step"] == 10


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("name", [STATE, "optimizer_0/a/b.distcp"])
@pytest.mark.parametrize("damage", [cut, garble, Path.unlink])
def test_a_damaged_checkpoint_falls_back(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    checkpoints = Checkpoints(tmp_path)
    before, last = checkpoint(checkpoints, 2), checkpoint(checkpoints, 4)
    damage(last / name)
    said: list[str] = []
    found = checkpoints.newest(said.append)
    assert found is not None and found[0] == before
    if (last / STATE).exists():  # without it the checkpoint was never whole
        assert len(said) == 1 and str(last) in said[0] and "is damaged" in said[0]
    damage(before / name)
    assert checkpoints.newest(said.append) is None


def test_a_run_goes_on_from_the_checkpoint_before(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    whole = Losses(tiny(backbone, manifest, tmp_path / "whole", max_steps=6))
    whole.run()
    killed = Losses(tiny(backbone, manifest, tmp_path / "killed", max_steps=6), stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    newest = tmp_path / "killed" / "tiny" / "checkpoint-4"
    cut(max((path for path in newest.rglob("*") if path.name != STATE), key=lambda path: path.stat().st_size))
    resumed = Losses(tiny(backbone, manifest, tmp_path / "killed", max_steps=6))
    resumed.run()
    assert resumed.losses == whole.losses[2:]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off at each step of replacing it, the folder holds what it held, or what it shall hold."""
    folder = tmp_path / "best"

    def written(content: str) -> Callable[[Path], None]:
        def write(target: Path) -> None:
            target.mkdir()
            (target / "a").write_text(content)
            (target / "b").write_text(content)

        return write

    replace_folder(folder, written("old"))
    for step in range(6):
        calls = 0

        def counted(original: Callable[..., Any], step: int = step) -> Callable[..., Any]:
            def call(*values: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls > step:
                    raise KeyboardInterrupt
                return original(*values, **options)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", counted(os.rename))
            patched.setattr(shutil, "rmtree", counted(shutil.rmtree))
            with contextlib.suppress(KeyboardInterrupt):
                replace_folder(folder, written(f"new {step}"))
        restore_folder(folder)
        assert (folder / "a").read_text() == (folder / "b").read_text()
        assert [path.name for path in tmp_path.iterdir()] == ["best"]
    assert (folder / "a").read_text() == "new 5"


def test_a_json_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / STATE, {"step": 1})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_json(tmp_path / STATE, {"step": 2})
    assert json.loads((tmp_path / STATE).read_text()) == {"step": 1}


class _Fixed:
    """A plan of the same batches in every epoch."""

    def __init__(self, batches: list[list[Any]]) -> None:
        self._batches = batches

    def batches(self, epoch: int) -> list[list[Any]]:
        return self._batches


@pytest.mark.parametrize("reduction", ["tokens", "examples"])
@pytest.mark.parametrize("loss", ["plain", "dynamic"])
def test_accumulated_parts_give_the_gradient_of_the_whole_batch(
    backbone: Path, manifest: Path, tmp_path: Path, reduction: str, loss: str
) -> None:
    def gradient(cuts: list[int]) -> Any:
        corpora = (CorpusConfig(str(manifest), entities="closed", loss=loss),)  # type: ignore[arg-type]
        run = Losses(
            tiny(
                backbone, manifest, tmp_path / str(cuts), corpora=corpora, max_steps=1, reduction=reduction,
                accumulate=len(cuts) + 1, optimizer=OptimizerConfig(clip=1e9),
            )
        )  # fmt: skip
        examples = sorted((e for batch in run.plan.batches(0) for e in batch), key=lambda e: len(e.tokens))
        bounds = [0, *cuts, len(examples)]
        parts = [examples[a:b] for a, b in itertools.pairwise(bounds)]
        run.plan = _Fixed(parts)  # type: ignore[assignment]
        found: list[Any] = []

        def recorded(parameters: Any, *_: Any) -> None:
            found.append(torch.cat([p.grad.flatten().double() for p in parameters if p.grad is not None]))

        run.accelerator.clip_grad_norm_ = recorded  # type: ignore[method-assign]
        run.run()
        return found[0]

    whole = gradient([])
    for cuts in ([2], [1, 4]):
        assert float((gradient(cuts) - whole).norm() / whole.norm()) < 1e-6


def _live(recipe: Recipe) -> None:
    torch.set_num_threads(1)
    Run(recipe, quiet=True).run()


@pytest.mark.slow
@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="signals")
def test_fifty_kills_give_the_model_of_an_undisturbed_run(
    backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    def recipe(out: str) -> Recipe:
        evaluation = EvaluationConfig(manifests=(str(manifest),), every=3, metric="wer")
        return tiny(
            backbone, manifest, tmp_path / out, max_steps=40, checkpoint_every=2, evaluation=evaluation,
            model=ModelConfig(str(backbone)), threads=1,
        )  # fmt: skip

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unislu.training.train", "transformers"])
    whole = context.Process(target=_live, args=(recipe("whole"),))
    whole.start()
    whole.join(300)
    assert whole.exitcode == 0
    chance, kills = random.Random(16), 0
    while kills < 50:
        process = context.Process(target=_live, args=(recipe("killed"),))
        process.start()
        process.join(chance.uniform(0.2, 6.0))
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
        else:
            assert process.exitcode == 0
            shutil.rmtree(tmp_path / "killed")  # at its end: the next life begins another run
    last = context.Process(target=_live, args=(recipe("killed"),))
    last.start()
    last.join(300)
    assert last.exitcode == 0
    for name in ("last/model.safetensors", "best/model.safetensors", "scores.json"):
        assert (tmp_path / "killed/tiny" / name).read_bytes() == (tmp_path / "whole/tiny" / name).read_bytes()
    left = sorted(path.name for path in (tmp_path / "killed/tiny").iterdir() if path.name != "logs")
    assert left == ["best", "checkpoint-38", "checkpoint-40", "last", "scores.json"]
