"""Recipes: what is accepted, and that every mistake names its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from unislu.errors import RecipeError
from unislu.training.config import load_recipe

RECIPE = """
name: tiny
model: {backbone: somewhere, freeze_encoder: true}
corpora:
  - {manifest: "${CORPUS}/manifest.jsonl", weight: 0.5, entities: closed}
optimizer: {lr: 1e-4}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORPUS", "/corpora/a")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_values_variables_and_numbers(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.corpora[0].manifest == "/corpora/a/manifest.jsonl"
    assert loaded.optimizer.lr == 1e-4  # YAML itself reads 1e-4 as a string
    assert loaded.model.freeze_encoder and not loaded.model.freeze_embeddings


def test_a_recipe_names_what_lies_beside_it(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = load_recipe(recipe, ["prompts.table=${HERE}/types.yml"]).prompts.table
    assert table == str(tmp_path / "types.yml")
    shipped = Path(__file__).parents[2] / "recipes" / "default-base"
    monkeypatch.chdir(tmp_path)  # and from no folder of the repository
    for variable in ("DATA", "CACHE", "RUNS"):
        monkeypatch.setenv(variable, "/somewhere")
    for name in ("tags", "tags-2"):
        table = load_recipe(shipped / f"{name}.yaml").prompts.table
        assert table is not None and Path(table).samefile(shipped / "types.yml")


def test_overrides_reach_lists_and_nested_keys(recipe: Path) -> None:
    loaded = load_recipe(
        recipe, ["corpora.0.weight=2", "optimizer.decay=cosine", "max_steps=3", "evaluation.manifests=[a, b]"]
    )
    assert loaded.corpora[0].weight == 2.0
    assert loaded.optimizer.decay == "cosine"
    assert loaded.max_steps == 3
    assert loaded.evaluation.manifests == ("a", "b")


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("modle.format=inline", "modle"),
        ("model.format=csv", "model.format"),
        ("model={backbone: b, format: copy, alphabet: plain}", "'model.alphabet': the format copy"),
        ("corpora.0.wieght=1", "corpora.0.wieght"),
        ("corpora.7.weight=1", "corpora.7.weight"),
        ("optimizer.lr=fast", "optimizer.lr"),
        ("optimizer.lr=0", "optimizer.lr"),
        ("batch_size=-1", "batch_size"),
        ("batch_size=true", "batch_size"),
        ("epochs=nan", "epochs"),
        ("prompts.dropout=1.5", "prompts.dropout"),
        ("optimizer.towards_start=-1", "optimizer.towards_start"),
        ("optimizer.towards_start=nan", "optimizer.towards_start"),
        ("corpora.0.loss_weight=0", "loss_weight 0.0"),
        ("corpora.0.teacher={backbone: b}", "cache"),
        ("corpora.0.teacher={backbone: b, cache: c, pading: none}", "corpora.0.teacher.pading"),
        ("corpora.0.teacher={backbone: b, cache: c, padding: half}", "corpora.0.teacher.padding"),
        (
            "corpora.0.teacher={backbone: b, cache: c, text: record, temperature: 0}",
            "teacher.temperature 0.0",
        ),
        ("corpora.0.teacher={backbone: b, cache: c, text: record, weight: nan}", "teacher.weight nan"),
        ("corpora.0.teacher={backbone: b, cache: c}", "own text has no entities"),
        ("corpora=[]", "corpora"),
        ("noequals", "noequals"),
    ],
)
def test_mistakes_name_the_key(recipe: Path, override: str, word: str) -> None:
    with pytest.raises(RecipeError, match=word.replace(".", r"\.")):
        load_recipe(recipe, [override])


@pytest.mark.parametrize(
    "model", ["{backbone: b, learns: tags}", "{backbone: b, alphabet: plain}", "{kind: ctc, backbone: b}"]
)
@pytest.mark.parametrize("key", ["teacher={backbone: b, cache: c, text: record}", "loss_weight=0.5"])
def test_a_teacher_needs_a_model_that_learns_words(recipe: Path, model: str, key: str) -> None:
    with pytest.raises(RecipeError, match=f"{key.partition('=')[0]} needs a model of kind whisper"):
        load_recipe(recipe, [f"model={model}", f"corpora.0.{key}"])


def test_an_unset_variable_is_named(recipe: Path) -> None:
    with pytest.raises(RecipeError, match="NOT_SET_HERE"):
        load_recipe(recipe, ["out=${NOT_SET_HERE}/runs"])


def test_a_cache_needs_a_frozen_encoder(recipe: Path) -> None:
    with pytest.raises(RecipeError, match="freeze_encoder"):
        load_recipe(recipe, ["encoder_cache=somewhere", "model.freeze_encoder=false"])


@pytest.mark.parametrize("content", [b"- a list", b"a: [unclosed", b"", b"RIFF\xff\xfe"])
def test_files_that_are_no_recipe(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        load_recipe(path)
    with pytest.raises(RecipeError, match=r"missing\.yaml"):
        load_recipe(tmp_path / "missing.yaml")


def test_shipped_recipes_load(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("WHISPER_BASE", "DATA", "RUNS", "CACHE"):
        monkeypatch.setenv(variable, "/somewhere")
    recipes = sorted((Path(__file__).parents[2] / "recipes").rglob("*.yaml"))
    assert recipes
    for path in recipes:
        assert load_recipe(path).corpora
