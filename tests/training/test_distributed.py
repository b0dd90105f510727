"""Several processes train as one does; corpora in shards; a kill costs the steps since a checkpoint."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("fsspec")

from unislu.errors import RecipeError  # noqa: E402
from unislu.training.config import CorpusConfig, Recipe, load_recipe  # noqa: E402
from unislu.training.distributed import own_part, weight_of  # noqa: E402
from unislu.training.examples import Example, TrainingCorpus, load_corpora  # noqa: E402
from unislu.training.shards import (  # noqa: E402
    Reference,
    ShardPlan,
    clip_source,
    fetched,
    in_shards,
    write_shards,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults

HERE = Path(__file__).parent
TOLERANCE = 1e-4
"""Relative: sums in another order, in float32, over some steps of AdamW."""


def example(number: int, tokens: int) -> Example:
    return Example(f"e{number}", tuple(range(tokens)), (0,) * tokens, 2, None)


def test_parts_of_a_batch_are_the_batch() -> None:
    batch = [example(number, 5 + number) for number in range(7)]
    parts = [own_part(batch, rank, 3, "tokens") for rank in range(3)]
    assert sorted(e.id for part, _ in parts for e in part) == [e.id for e in batch]
    assert sum(weight for _, weight in parts) == weight_of(batch, "tokens") == sum(3 + n for n in range(7))
    assert sum(own_part(batch, rank, 3, "examples")[1] for rank in range(3)) == 7
    nobody, weight = own_part(batch[:1], 2, 3, "tokens")
    assert nobody == batch[:1] and weight == 0.0  # takes part in the step, and counts nothing


def recipe_file(folder: Path, backbone: Path, manifest: Path, **changes: Any) -> Path:
    values = {
        "name": "tiny",
        "model": {"backbone": str(backbone)},
        "corpora": [{"manifest": str(manifest), "weight": 3.0, "entities": "closed", "loss": "dynamic"}],
        "optimizer": {"lr": 1e-3, "new_rows_lr": 1e-2},
        "max_steps": 6,
        "batch_size": 4,
        "accumulate": 2,
        "checkpoint_every": 2,
        "out": str(folder),
        **changes,
    }
    path = folder / "recipe.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))  # JSON is YAML
    return path


def launch(recipe: Path, losses: Path, *more: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    """The run through `accelerate launch`, as users start it."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]),
        "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0",
    }
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--cpu",
        "--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--main_process_ip", "127.0.0.1", "--main_process_port", "0",
        str(HERE / "recorded_run.py"), str(recipe), str(losses), *more,
    ]  # fmt: skip
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_two_processes_and_a_kill_give_the_curve_of_one(
    backbone: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    from recorded_run import Recorded, read

    alone = recipe_file(tmp_path / "one", backbone, manifest)
    Recorded(load_recipe(alone), tmp_path / "one.txt").run()
    expected = read(tmp_path / "one.txt")
    assert len(expected) == 6

    recipe = recipe_file(tmp_path / "two", backbone, manifest)
    killed = launch(recipe, tmp_path / "two.txt", "6")
    assert killed.returncode != 0
    before = read(tmp_path / "two.txt")
    assert max(before) == 5 and (tmp_path / "two" / "tiny" / "checkpoint-4" / "state.json").exists()
    (tmp_path / "two.txt").rename(tmp_path / "before.txt")
    done = launch(recipe, tmp_path / "two.txt")
    assert done.returncode == 0, done.stderr[-2000:]
    after = read(tmp_path / "two.txt")
    assert set(after) == {5, 6}  # goes on behind the checkpoint
    for step, (loss, lr) in [*before.items(), *after.items()]:
        assert loss == pytest.approx(expected[step][0], rel=TOLERANCE)
        assert lr == pytest.approx(expected[step][1])
    assert (tmp_path / "two" / "tiny" / "last" / "model.safetensors").exists()


@pytest.fixture
def index(manifest: Path, tmp_path: Path) -> Path:
    """The corpus in three shards of two clips each."""
    assert write_shards([manifest], str(tmp_path / "shards"), clips=2) == 3
    return tmp_path / "shards" / "index.jsonl"


def test_shards_are_tar_files_that_hold_every_clip(manifest: Path, index: Path) -> None:
    (corpus,) = load_corpora([CorpusConfig(str(index), entities="closed")])
    assert in_shards([corpus])
    fetched.cache_clear()
    originals = {path.read_bytes() for path in manifest.parent.glob("*.wav")}
    clips = [clip_source(index, str(record.audio)) for record in corpus.records]
    assert set(clips) == originals and len(clips) == 6
    assert fetched.cache_info().misses == 3  # each shard is fetched once
    with tarfile.open(index.parent / "shard-000000.tar") as tar:
        names = tar.getnames()
        assert names == ["000000000.json", "000000000.wav", "000000001.json", "000000001.wav"]
        told = json.loads(tar.extractfile(names[0]).read())  # type: ignore[union-attr]
        assert told["id"] == corpus.records[0].id and told["text"] == corpus.records[0].text


def plan(corpora: list[TrainingCorpus], rank: int, processes: int, **changes: Any) -> ShardPlan:
    from unislu.training.model_config import ModelConfig

    values: dict[str, Any] = {"name": "x", "model": ModelConfig("x"), "corpora": (corpora[0].config,)}
    recipe = Recipe(**{**values, "batch_size": 2, **changes})

    def make(corpus: TrainingCorpus, record: Any, epoch: int) -> Example:
        tokens = (0,) * (4 + len(record.text))
        return Example(record.id, tokens, tokens, 2, (corpus.manifest, record.audio))

    return ShardPlan(recipe, corpora, make, rank, processes)


def shards_of(batches: list[list[Example]]) -> set[str]:
    return {str(e.clip[1]).partition("#")[0] for batch in batches for e in batch if e.clip}


def test_processes_read_different_shards_and_take_as_many_steps(index: Path) -> None:
    corpora = load_corpora([CorpusConfig(str(index), weight=2.0, entities="closed")])
    first, second = (plan(corpora, rank, 2).batches(0) for rank in range(2))
    assert len(first) == len(second) == 6
    seen = [e.id for batch in [*first, *second] for e in batch]
    assert sorted(seen) == sorted(2 * [record.id for record in corpora[0].records])
    assert first == plan(corpora, 0, 2).batches(0) != plan(corpora, 0, 2).batches(1)
    whole = plan(corpora, 0, 1).batches(0)
    assert shards_of(whole) == {f"shard-00000{n}.tar" for n in range(3)}


def test_shards_that_do_not_go_round_are_refused(index: Path) -> None:
    corpora = load_corpora([CorpusConfig(str(index), entities="closed")])
    with pytest.raises(RecipeError, match="3 shards do not fill a batch of each of 4 processes"):
        plan(corpora, 0, 4, batch_size=4).batches(0)
    with pytest.raises(RecipeError, match="cannot be shared by 2"):
        plan(corpora, 0, 2, batch_size=3)


def test_a_run_trains_from_shards(backbone: Path, index: Path, tmp_path: Path) -> None:
    from unislu.training.train import Run

    recipe = load_recipe(recipe_file(tmp_path, backbone, index, max_steps=2, accumulate=1))
    assert Run(recipe, quiet=True).run().name == "last"


@pytest.mark.slow
def test_two_processes_train_from_shards(backbone: Path, index: Path, tmp_path: Path) -> None:
    sizes = {"max_steps": 3, "batch_size": 2, "accumulate": 1}
    done = launch(recipe_file(tmp_path, backbone, index, **sizes), tmp_path / "losses.txt")
    assert done.returncode == 0, done.stderr[-2000:]
    assert len((tmp_path / "losses.txt").read_text().splitlines()) == 3


def test_shards_in_object_storage(manifest: Path, tmp_path: Path) -> None:
    import fsspec

    write_shards([manifest], "memory://corpus", clips=4)
    index = tmp_path / "index.jsonl"
    index.write_bytes(fsspec.filesystem("memory").cat_file("/corpus/index.jsonl"))
    (corpus,) = load_corpora([CorpusConfig(str(index), entities="closed")])
    audio = random.Random(0).choice(corpus.records).audio
    reference = Reference.parse(str(audio))
    assert reference is not None and reference.shard.startswith("memory://corpus/shard-00000")
    data = clip_source(index, str(audio))
    assert isinstance(data, bytes) and data[:4] == b"RIFF"
