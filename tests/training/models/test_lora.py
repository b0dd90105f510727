"""Low-rank updates of a Whisper: what learns, what is written, and that a run resumes with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("peft")

from unislu.errors import RecipeError  # noqa: E402
from unislu.sequence import SLUE  # noqa: E402
from unislu.training.config import CorpusConfig, OptimizerConfig, Recipe, TeacherConfig  # noqa: E402
from unislu.training.model_config import LoraConfig, ModelConfig  # noqa: E402
from unislu.training.models.whisper import UnifiedWhisper, load_unified  # noqa: E402
from unislu.training.optimizer import count_learning  # noqa: E402

from ..test_train import Losses, tiny  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults

WIDTH, LAYERS, RANK = 32, 2, 4
LORA = LoraConfig(r=RANK, alpha=8)


def low_rank(backbone: Path, manifest: Path, out: Path, **changes: object) -> Recipe:
    """A recipe whose key `model` has these changes."""
    model = replace(ModelConfig(str(backbone), lora=LORA), **changes)  # type: ignore[arg-type]
    optimizer = OptimizerConfig(lr=1e-2, new_rows_lr=1e-2)
    return tiny(backbone, manifest, out, model=model, optimizer=optimizer)


def moved(run: Losses) -> set[str]:
    """The names of the weights that a run changes."""
    before = {name: value.clone() for name, value in run.model.named_parameters()}
    run.run()
    return {name for name, value in run.model.named_parameters() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("frozen", [True, False])
def test_updates_and_new_rows_learn_and_nothing_else(
    backbone: Path, manifest: Path, tmp_path: Path, frozen: bool
) -> None:
    run = Losses(low_rank(backbone, manifest, tmp_path, freeze_encoder=frozen, freeze_cross_kv=frozen))
    changed = moved(run)
    updates = {name for name, _ in run.model.named_parameters() if "lora_" in name}
    assert changed == updates | {"new_rows"}
    # Two matrices for each of the four projections: of self-attention in both halves, of cross-attention.
    kept = {"encoder_attn.k_proj", "encoder_attn.v_proj"} if frozen else set()
    adapted = LAYERS * (4 + (4 - len(kept)) + (0 if frozen else 4))
    assert len(updates) == 2 * adapted
    assert not any(part in name for name in updates for part in kept)
    assert any(".encoder." in name for name in updates) != frozen
    assert count_learning(run.model)[0] == 2 * adapted * RANK * WIDTH + run.model.new_rows.numel()


def learned(backbone: Path, manifest: Path, out: Path, **changes: object) -> tuple[UnifiedWhisper, Path]:
    """A model that has learned, and its checkpoint."""
    run = Losses(low_rank(backbone, manifest, out, **changes))
    folder = run.run()
    return run.model.eval(), folder


def test_checkpoints_are_plain_models_that_compute_the_same(
    backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    from transformers import WhisperForConditionalGeneration

    lora = replace(LORA, targets=("q_proj", "v_proj", "encoder_attn.out_proj", "fc1"))
    model, folder = learned(backbone, manifest, tmp_path, lora=lora)
    written = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    start = WhisperForConditionalGeneration.from_pretrained(backbone).eval()
    assert {n for n, _ in written.named_parameters()} == {n for n, _ in start.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    mel = torch.randn(2, 80, 3000, generator=generator)
    tokens = torch.randint(0, 300, (2, 9), generator=generator)
    with torch.inference_mode():
        memory = model.encode(mel, torch.tensor([3000, 3000]))
        ours = model.decode(tokens, memory, torch.tensor([1500, 1500])) @ model.embedding().T
        theirs = written(input_features=mel, decoder_input_ids=tokens).logits
        before = start(input_features=mel, decoder_input_ids=tokens).logits
    assert (ours - theirs).abs().max() < 1e-5
    assert (ours[..., : before.shape[2]] - before).abs().max() > 1e-2  # there was something to merge


def test_merging_leaves_the_model_in_training_as_it_was(
    backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    model, _ = learned(backbone, manifest, tmp_path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.merged()
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("pull", [0.0, 50.0])
def test_a_killed_run_goes_on_exactly(backbone: Path, manifest: Path, tmp_path: Path, pull: float) -> None:
    optimizer = OptimizerConfig(lr=1e-2, towards_start=pull)

    def recipe(out: str) -> Recipe:
        known = low_rank(backbone, manifest, tmp_path / out, lora=replace(LORA, dropout=0.3))
        return replace(known, max_steps=6, optimizer=optimizer)

    whole = Losses(recipe("whole"))
    whole.run()
    killed = Losses(recipe("killed"), stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Losses(recipe("killed"))
    resumed.run()
    assert len(whole.losses) == 6 and resumed.losses == whole.losses[4:]
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_pull_towards_the_start_keeps_the_update_small(
    backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    name = "model.decoder.layers.0.self_attn.q_proj.weight"
    start = load_unified(ModelConfig(str(backbone)), SLUE).backbone.state_dict()[name]
    far = []
    for pull in (0.0, 50.0):
        recipe = low_rank(backbone, manifest, tmp_path / str(pull))
        run = Losses(replace(recipe, optimizer=replace(recipe.optimizer, towards_start=pull)))
        run.run()
        far.append(float((run.model.merged().state_dict()[name] - start).norm()))
    assert 0 < far[1] < 0.7 * far[0]


@pytest.mark.parametrize("learns", ["words", "tags", "all"])
def test_every_part_of_a_model_learns_by_updates(
    backbone: Path, manifest: Path, tmp_path: Path, learns: str
) -> None:
    recipe = low_rank(backbone, manifest, tmp_path, learns=learns, freeze_encoder=True)
    if learns != "tags":
        teacher = TeacherConfig(str(backbone), str(tmp_path / "heard"), text="record")
        recipe = replace(recipe, corpora=(*recipe.corpora, CorpusConfig(str(manifest), teacher=teacher)))
    changed = moved(Losses(recipe))
    assert ("new_rows" in changed) == (learns != "words")
    assert changed - {"new_rows"} and all("lora_" in name for name in changed - {"new_rows"})


def test_a_run_goes_on_from_a_merged_checkpoint(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    model, folder = learned(backbone, manifest, tmp_path)
    further = load_unified(ModelConfig(str(folder), lora=LORA), SLUE)
    assert torch.equal(further.new_rows, model.new_rows)
    merged = further.merged().state_dict()  # nothing is learned yet
    assert all(torch.equal(value, merged[name]) for name, value in model.merged().state_dict().items())


def test_a_merged_checkpoint_is_exported(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from unislu.bundle import open_bundle
    from unislu.training.export import Facts, export

    _, folder = learned(backbone, manifest, tmp_path / "runs")
    exported = export(folder, tmp_path / "bundle", Facts("tiny", "1.0", formats=("inline",)))
    assert exported.float32.agreement == 1.0
    assert open_bundle(tmp_path / "bundle").manifest.provenance["recipe"]["model"]["lora"]["r"] == RANK


def test_the_log_says_how_many_weights_learn(
    backbone: Path, manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from unislu.training.train import Run

    run = Run(replace(low_rank(backbone, manifest, tmp_path, freeze_encoder=True), max_steps=1))
    run.run()
    learning = 2 * 8 * LAYERS * RANK * WIDTH + run.model.new_rows.numel()
    every = sum(parameter.numel() for parameter in run.model.parameters())
    assert f"{learning:,} of {every:,} weights learn" in capfd.readouterr().err


def test_mistakes_are_named(backbone: Path) -> None:
    def load(targets: tuple[str, ...], **changes: object) -> None:
        config = ModelConfig(str(backbone), lora=replace(LORA, targets=targets), **changes)  # type: ignore[arg-type]
        load_unified(config, SLUE)

    with pytest.raises(RecipeError, match=r"model\.lora\.targets.* is called o_proj; there are .*out_proj"):
        load(("q_proj", "o_proj"))
    with pytest.raises(RecipeError, match=r"is called encoder\.layers\.0\.fc1"):
        load(("encoder.layers.0.fc1",), freeze_encoder=True)
    with pytest.raises(RecipeError, match=r"model\.lora\.r.*0"):
        LoraConfig(r=0)
    with pytest.raises(RecipeError, match=r"model\.lora\.dropout.*1\.0"):
        LoraConfig(dropout=1.0)
