"""Several seeds, their mean, the trial run, and the command line of both."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from unislu.cli import main
from unislu.data.records import Record, read_records
from unislu.errors import RecipeError, RecordError, TrainingError
from unislu.evaluation.question import Prediction, gold_of
from unislu.sequence import SLUE
from unislu.training.config import CorpusConfig, EvaluationConfig, Recipe, load_recipe
from unislu.training.model_config import ModelConfig
from unislu.training.protocol import Asked
from unislu.training.schema import merge
from unislu.training.scores import averaged, with_slue_score, write_scores
from unislu.training.smoke import make_tiny
from unislu.training.validate import Validator, value_of

pytestmark = pytest.mark.filterwarnings("ignore")

RECIPE = """
name: tiny
model: {backbone: somewhere/huge}
corpora:
  - {manifest: "${NOT_SET}/a/manifest.jsonl", entities: closed}
evaluation:
  manifests: ["${NOT_SET}/dev/manifest.jsonl"]
  test: ["${NOT_SET}/test/manifest.jsonl"]
  metric: wer
smoke:
  model: {backbone: "${TINY}/whisper"}
  max_steps: 2
  batch_size: 4
  evaluation: {every: 2, limit: 2}
"""


def test_seeds_are_averaged(tmp_path: Path) -> None:
    for seed, f1 in ((0, 50.0), (1, 56.0), (2, None)):
        dev = {"wer": 10.0 + seed} | ({} if f1 is None else {"ner.f1": f1})
        write_scores(tmp_path / f"seed-{seed}", {"dev": dev, "test": {"vp": {"wer": 8.0}, "slue": 60.0}})
    mean = averaged(tmp_path, range(3))["mean"]
    assert mean["dev/wer"] == {"mean": 11.0, "std": 1.0, "seeds": 3}
    assert mean["dev/ner.f1"]["mean"] == 53.0 and mean["dev/ner.f1"]["seeds"] == 2
    assert mean["test/vp/wer"]["mean"] == 8.0 and mean["test/slue"]["std"] == 0.0


def test_slue_score_needs_entities_of_one_set_and_sentiments_of_another() -> None:
    voxpopuli, voxceleb = {"wer": 10.58, "ner.f1": 59.61}, {"wer": 13.10, "sa.f1": 59.14}
    found = with_slue_score({"vp": voxpopuli, "vc": voxceleb})
    assert found["slue"] == pytest.approx(68.97, abs=0.01)  # UniSLU's Table 3
    assert "slue" not in with_slue_score({"vp": voxpopuli})


def test_sections_are_merged_key_by_key() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {
        "a": {"b": 3, "c": 2},
        "d": [2],
    }


def test_the_trial_section_is_checked_and_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE + "  wrong_key: 1\n")
    with pytest.raises(RecipeError, match="wrong_key"):
        load_recipe(path, tiny=tmp_path)
    monkeypatch.setenv("NOT_SET", "/data")
    recipe = load_recipe(path)  # not part of the run
    assert recipe.model.backbone == "somewhere/huge" and recipe.max_steps is None  # type: ignore[union-attr]


def test_three_seeds_of_a_trial_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from unislu.training.train import train_seeds

    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    out = train_seeds(path, 2, quiet=True, tiny=make_tiny(tmp_path / "tiny"))
    written = json.loads((out / "scores.json").read_text())
    assert set(written["runs"]) == {"seed-0", "seed-1"}
    assert written["mean"]["test/tiny-corpus/wer"]["seeds"] == 2
    assert (out / "seed-1" / "best" / "unislu.json").exists()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    assert main(["train", str(path), "evaluation.manifests=[]", "evaluation.test=[]", "--smoke", "-q"]) == 0
    assert capsys.readouterr().out.strip().endswith("recipe.yaml: trains")
    assert main(["train", str(path), "--seeds", "0"]) == 2
    assert not list(tmp_path.glob("runs"))


class _Perfect:
    """A predictor that has read the gold."""

    answers = frozenset({"text", "entities", "sentiment"})

    def __init__(self, *manifests: str) -> None:
        self._records = {(m, r.id): r for m in manifests for r in read_records(m)}

    def __call__(self, asked: Sequence[Asked]) -> list[Prediction]:
        return [self._answer(self._records[str(question.clip[0]), question.id]) for question in asked]

    def _answer(self, record: Record) -> Prediction:
        gold = gold_of(record)
        return Prediction(record.id, gold.text, gold.entities, gold.sentiment)

    def to(self, device: str) -> None:
        """Nowhere."""


def test_every_test_manifest_has_figures_of_its_own(tmp_path: Path) -> None:
    """The papers' layout: two folders called `test`, one with entities and one with sentiments."""
    data = make_tiny_data(tmp_path)
    tests = tuple(str(data / name / "test/manifest.jsonl") for name in ("slue-voxpopuli", "slue-voxceleb"))
    dev = tuple(str(data / name / "dev/manifest.jsonl") for name in ("slue-voxpopuli", "slue-voxceleb"))
    evaluation = EvaluationConfig(manifests=dev, test=tests, metric="slue")
    recipe = Recipe("tiny", ModelConfig("nowhere"), (CorpusConfig(dev[0]),), evaluation=evaluation)
    validator = Validator(recipe, SLUE)
    predictor = _Perfect(*dev, *tests)
    found = with_slue_score(validator.test(predictor))
    assert set(found) == {"slue-voxpopuli-test", "slue-voxceleb-test", "slue"}
    assert found["slue-voxpopuli-test"] == {"wer": 0.0, "ner.f1": 100.0, "ner.label_f1": 100.0}
    assert found["slue-voxceleb-test"] == {"wer": 0.0, "sa.f1": 100.0}
    assert found["slue"] == 100.0
    assert value_of(validator.scores(predictor), "slue") == 100.0  # so `best` can be chosen by it


def test_test_manifests_are_opened_before_training(tmp_path: Path) -> None:
    data = make_tiny_data(tmp_path)
    manifest = str(data / "slue-voxpopuli/test/manifest.jsonl")

    def opened(*tests: str) -> Validator:
        evaluation = EvaluationConfig(test=tests)
        corpora = (CorpusConfig(manifest),)
        return Validator(Recipe("tiny", ModelConfig("nowhere"), corpora, evaluation=evaluation), SLUE)

    with pytest.raises(RecordError, match="cannot be read"):
        opened(manifest, str(tmp_path / "gone" / "manifest.jsonl"))
    with pytest.raises(RecipeError, match=r"evaluation.test': .*is listed twice"):
        opened(manifest, f"{data}/slue-voxpopuli/../slue-voxpopuli/test/manifest.jsonl")
    silent = tmp_path / "silent.jsonl"
    silent.write_text('{"id": "a", "text": "x"}\n')
    with pytest.raises(RecipeError, match="holds no record with audio"):
        opened(str(silent))


def test_an_unknown_metric_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    with pytest.raises(RecipeError, match=r"evaluation.metric"):
        load_recipe(path, ["evaluation.metric=ner.f2"], tiny=tmp_path)


def test_a_failed_seed_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unislu.training import train

    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    run = train.Run.run

    def broken(self: train.Run) -> Path:
        if self.recipe.seed == 1:
            raise RuntimeError("out of memory")
        return run(self)

    with monkeypatch.context() as patched, pytest.raises(TrainingError, match=r"1 of 3 seeds failed.* is 1 "):
        patched.setattr(train.Run, "run", broken)
        train.train_seeds(path, 3, quiet=True, tiny=make_tiny(tmp_path / "tiny"))
    scores = tmp_path / "tiny" / "runs" / "tiny" / "scores.json"
    assert set(json.loads(scores.read_text())["runs"]) == {"seed-0", "seed-2"}
    train.train_seeds(path, 3, quiet=True, tiny=tmp_path / "tiny")  # goes on with what is missing
    assert set(json.loads(scores.read_text())["runs"]) == {"seed-0", "seed-1", "seed-2"}


def make_tiny_data(folder: Path) -> Path:
    """The corpora of a trial run, as the papers' lie."""
    return make_tiny(folder / "tiny") / "data"


def test_rows_of_several_sets_with_entities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """WhisperNER's tables: F1 and word error rate of each set, and their means."""
    movie = {"mit-movie-test": {"wer": 2.0, "ner.f1": 80.0, "ner.label_f1": 90.0}}
    restaurant = {"mit-restaurant-test": {"wer": 4.0, "ner.f1": 70.0, "ner.label_f1": 80.0}}
    for name, test in (("movie", movie), ("restaurant", restaurant), ("both", {**movie, **restaurant})):
        write_scores(tmp_path / name, {"dev": {}, "test": test})
    row = ",".join(str(tmp_path / name) for name in ("movie", "restaurant"))
    trained = ["--trained", f"two={row}", "--trained", str(tmp_path / "both")]
    assert main(["compare", *trained, "-o", str(tmp_path / "table")]) == 0
    head, _, *rows, _, note = capsys.readouterr().out.splitlines()
    assert head == (
        "| system | seeds | mit-movie-test F1 | mit-movie-test WER | mit-restaurant-test F1 "
        "| mit-restaurant-test WER | average F1 | average WER |"
    )
    figures = "| 1 | 80.00 | 2.00 | 70.00 | 4.00 | 75.00 | 3.00 |"
    assert rows == [f"| two {figures}", f"| both {figures}"] and "VP" not in note
    assert "mit-movie-test/ner.f1" in (tmp_path / "table" / "compare.csv").read_text().splitlines()[0]


def test_separate_models_are_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        parts = {
            "ner": {"slue-voxpopuli-test": {"wer": 10.0 + seed, "ner.f1": 60.0, "ner.label_f1": 70.0}},
            "asr": {"slue-voxceleb-test": {"wer": 13.0}},
            "sa": {"slue-voxceleb-test": {"sa.f1": 58.0 + seed}},
        }
        for name, test in parts.items():
            write_scores(tmp_path / name / f"seed-{seed}", {"dev": {}, "test": test})
        whole = {**parts["ner"], "vc": {"wer": 1.0}}
        write_scores(tmp_path / "one" / f"seed-{seed}", {"dev": {}, "test": whole})
    for name in ("ner", "asr", "sa", "one"):
        write_scores(tmp_path / name, averaged(tmp_path / name, range(3)))
    joined = ",".join(str(tmp_path / name) for name in ("ner", "asr", "sa"))
    rows = ["--trained", f"SLUE={joined}", "--trained", str(tmp_path / "one")]
    assert main(["compare", *rows, "-o", str(tmp_path / "table")]) == 0
    table = capsys.readouterr().out
    score = statistics.fmean((100 - (10 + n + 13) / 2 + 60 + 58 + n) / 3 for n in range(3))
    assert "| SLUE | 3 | 11.00 ± 1.00 | 13.00 ± 0.00 | 60.00 ± 0.00 | 70.00 ± 0.00 | 59.00 ± 1.00 |" in table
    assert f"| {score:.2f} ± 0.17 |" in table
    assert "| one | 3 | 11.00 ± 1.00 | - |" in table
    assert (tmp_path / "table" / "compare.csv").read_text().startswith("system,seeds,wer_entities,")
    assert main(["compare", "--trained", f"{joined},{tmp_path / 'one'}"]) == 2
    assert "two runs give ner.f1 of slue-voxpopuli-test" in capsys.readouterr().err
    assert main(["compare", "--trained", str(tmp_path)]) == 2
    assert "give the folder of a finished" in capsys.readouterr().err
    assert main(["compare", "--trained", joined, "--run", "x"]) == 2
