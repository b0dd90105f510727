"""Every shipped recipe is built and stepped twice on a tiny random model, with golden losses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from unislu.training.config import load_recipe
from unislu.training.model_config import SpeechLlmConfig
from unislu.training.train import Run

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults

RECIPES = Path(__file__).parents[3] / "recipes"
GOLDEN = json.loads((Path(__file__).parent / "golden_losses.json").read_text())
#: Versions of torch add up in other orders.
TOLERANCE = 2e-3
NAMES = sorted(
    str(path.relative_to(RECIPES).with_suffix("")) for path in RECIPES.rglob("*.yaml")
    if "\nsmoke:" in path.read_text()
)  # fmt: skip


class Losses(Run):
    """A run that remembers its losses and writes no state to resume from."""

    losses: list[float]

    def _checkpoint(self) -> None:
        """Not needed for two steps."""

    def _report(self, loss: float, *rest: object) -> None:
        self.losses = [*getattr(self, "losses", []), loss]


def test_every_row_of_the_papers_has_a_recipe() -> None:
    assert set(NAMES) == set(GOLDEN)
    wanted = {
        "unislu": ["small", "medium"],
        "genslu": ["ner-small", "sa-small", "ner-medium", "sa-medium"],
        "slue": ["ner-w2v2-base", "ner-w2v2-large", "ner-whisper-small", "sa-w2v2-base", "sa-whisper-small"],
        "speech-llm": ["whisper-small-qwen2.5-3b", "whisper-small-qwen2.5-7b", "w2v-bert-qwen2.5-3b"],
        "whisperner": ["whisperner", "whisperner-bio", "mit-movie", "mit-restaurant"],
    }
    assert {f"{folder}/{name}" for folder, names in wanted.items() for name in names} <= set(NAMES)


#: Differ from another recipe in figures alone, which a tiny model does not show.
TWINS = ("medium", "large", "7b", "ablation-negatives", "no-dropout", "restaurant")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if any(t in n for t in TWINS) else n for n in NAMES],
)
def test_two_steps(name: str, tiny: Path, tmp_path: Path) -> None:
    overrides = [f"out={tmp_path}", "evaluation.manifests=[]", "evaluation.test=[]"]
    recipe = load_recipe(RECIPES / f"{name}.yaml", overrides, tiny=tiny)
    if isinstance(recipe.model, SpeechLlmConfig):
        pytest.importorskip("peft")
    run = Losses(recipe, quiet=True)
    run.run()
    assert run.losses == pytest.approx(GOLDEN[name], rel=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_paper_values_are_what_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATA", "CACHE", "RUNS", "WHISPER_BASE"):
        monkeypatch.setenv(variable, "/somewhere")
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    assert recipe.name == name.replace("/", "-") or recipe.name == name.rpartition("/")[2] or (
        recipe.name == f"whisperner-{name.rpartition('/')[2]}"
    )  # fmt: skip
    if name.startswith(("unislu/", "genslu/", "slue/ner-whisper", "slue/sa-whisper")):
        assert recipe.optimizer.lr == (2e-5 if name.endswith("medium") or "/medium" in name else 1e-5)
        assert (recipe.epochs, recipe.batch_size, recipe.optimizer.warmup_ratio) == (100, 50, 0.01)
    if name.startswith("speech-llm/"):
        assert isinstance(recipe.model, SpeechLlmConfig)
        first = name.endswith("stage1")
        assert (recipe.epochs, recipe.optimizer.lr) == (2 if first else 50, 2e-4)
        assert (recipe.model.lora is None) == first
        if recipe.model.lora is not None:
            assert (recipe.model.lora.r, recipe.model.lora.alpha, recipe.model.lora.dropout) == (32, 32, 0.05)
            decode = recipe.decode
            assert (decode.temperature, decode.top_p, decode.repetition_penalty) == (0.7, 0.9, 1.2)
    if name in ("whisperner/whisperner", "whisperner/whisperner-bio"):
        assert (recipe.max_steps, recipe.optimizer.lr, recipe.prompts.negatives) == (250_000, 1e-6, 2)
        assert recipe.model.freeze_encoder and recipe.prompts.dropout == 0.1
