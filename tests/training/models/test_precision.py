"""bfloat16 and gradient checkpointing: the same steps, computed more cheaply."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch

from unislu.training.config import load_recipe
from unislu.training.train import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults

RECIPES = Path(__file__).parents[3] / "recipes"
GOLDEN = json.loads((Path(__file__).parent / "golden_losses.json").read_text())
#: One of each kind of model, and of loss, that this machine's torch trains without further packages.
KINDS = ("unislu/small", "default-base/ears", "slue/ner-w2v2-base", "slue/sa-w2v2-base")


class Losses(Run):
    """A run that remembers its losses and what its layers compute, and writes no state to resume from."""

    losses: list[float]

    def _checkpoint(self) -> None:
        """Not needed for two steps."""

    def _report(self, loss: float, *rest: object) -> None:
        self.losses = [*getattr(self, "losses", []), loss]


def stepped(name: str, tiny: Path, out: Path, *overrides: str) -> tuple[Losses, set[Any], int]:
    """A run of two steps, the dtypes that linear layers gave, and how often one layer was computed."""
    quiet = [f"out={out}", "evaluation.manifests=[]", "evaluation.test=[]"]
    run = Losses(load_recipe(RECIPES / f"{name}.yaml", [*quiet, *overrides], tiny=tiny), quiet=True)
    modules = list(run.model.modules())
    dtypes: set[Any] = set()
    calls: list[None] = []
    for linear in (module for module in modules if isinstance(module, torch.nn.Linear)):
        linear.register_forward_hook(lambda _module, _inputs, output: dtypes.add(output.dtype))
    attention = [m for m in modules if type(m).__name__.endswith("Attention")]
    attention[-1].register_forward_hook(lambda *_: calls.append(None))
    run.run()
    return run, dtypes, len(calls)


@pytest.mark.parametrize("name", KINDS)
def test_bf16_is_close_to_float32(name: str, tiny: Path, tmp_path: Path) -> None:
    run, dtypes, _ = stepped(name, tiny, tmp_path, "precision=bf16")
    assert torch.bfloat16 in dtypes
    assert all(math.isfinite(loss) for loss in run.losses)
    assert run.losses == pytest.approx(GOLDEN[name], rel=3e-2)
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", KINDS)
def test_layers_computed_again_give_the_same_losses(name: str, tiny: Path, tmp_path: Path) -> None:
    once, dtypes, calls = stepped(name, tiny, tmp_path / "once")
    assert dtypes == {torch.float32}
    again, _, twice = stepped(name, tiny, tmp_path / "again", "gradient_checkpointing=true")
    assert again.losses == pytest.approx(once.losses, rel=1e-5)
    assert twice > calls > 0
