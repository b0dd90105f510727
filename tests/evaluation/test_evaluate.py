"""A tiny random model evaluated whole, as a checkpoint and as a bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from unislu.cli.systems import open_unislu
from unislu.errors import BundleError, BundleNotFoundError, OptionError, RecordError
from unislu.evaluation.evaluate import Evaluation, EvaluationSettings, evaluate, protocol_of
from unislu.evaluation.predict import AskOptions, read_datasets
from unislu.sequence import SLUE
from unislu.training.checkpoint import is_checkpoint
from unislu.training.checkpoint_system import load_checkpoint_model

from .conftest import write_corpus

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn about their own defaults


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unislu.training.export import Facts, export

    out = tmp_path_factory.mktemp("bundle")
    export(checkpoint, out, Facts("tiny", formats=("inline", "inline-open")))
    return out


def run(
    model: Path, out: Path, manifests: list[Path], settings: EvaluationSettings | None = None
) -> Evaluation:
    system = open_unislu(model, AskOptions(bias=0.5), threads=1)
    sets = read_datasets(manifests)
    return evaluate(
        system,
        sets,
        settings or EvaluationSettings(samples=20),
        out,
        labels=system.model.entity_types,
        quiet=True,
    )


def test_checkpoint_and_bundle_answer_alike(checkpoint: Path, bundle: Path, tmp_path: Path) -> None:
    closed = write_corpus(tmp_path / "closed")
    opened = write_corpus(tmp_path / "opened", {name: f"my {name}" for name in SLUE.entity_types})
    assert is_checkpoint(checkpoint) and not is_checkpoint(bundle)
    both = [run(m, tmp_path / m.name, [closed, opened]) for m in (checkpoint, bundle)]
    for name in ("closed", "opened"):
        one, two = (e.parts[name].judged for e in both)
        assert [u.hypothesis for u in one.utterances] == [u.hypothesis for u in two.utterances]
        assert any(u.hypothesis for u in one.utterances)
        assert [u.prediction.entities for u in one.utterances] == [
            u.prediction.entities for u in two.utterances
        ]
        assert both[0].parts[name].scores.words == both[1].parts[name].scores.words
    found = both[1]
    assert (found.parts["closed"].protocol, found.parts["opened"].protocol) == ("closed", "open")
    # Entities of a closed set and of open types are never added up; words and sentiments are.
    assert set(found.pools) == {"sentiment", "all"}
    assert found.pools["all"].scores.entities is None
    assert found.pools["all"].scores.utterances == 8
    assert found.group("closed") is found.parts["closed"]
    assert found.slue_score is not None or found.parts["closed"].scores.entities.micro.f1 is None  # type: ignore[union-attr]
    assert all(part.rtfx is not None and part.rtfx > 0 for part in found.parts.values())
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["profile"] == "unislu"


def test_an_evaluation_is_not_computed_twice(
    checkpoint: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(checkpoint, tmp_path / "out", [manifest])

    def never(*_: object, **__: object) -> object:
        raise AssertionError("asked again")

    monkeypatch.setattr("unislu.recognition.model.Model.analyze_many", never)
    again = run(checkpoint, tmp_path / "out", [manifest])
    assert again.parts["tones"].scores == first.parts["tones"].scores
    with pytest.raises(OptionError, match="other questions"):
        run(checkpoint, tmp_path / "out", [manifest], EvaluationSettings(entities="open"))


def test_a_type_outside_the_closed_set_is_named(tmp_path: Path) -> None:
    mixed = read_datasets([write_corpus(tmp_path / "mixed", {"ORG": "ORGG"})])[0]
    labels = SLUE.entity_types
    for wanted in ("auto", "closed"):
        with pytest.raises(RecordError, match=r"mixed.*'orgg' is outside the label set LAW.*--entities open"):
            protocol_of(mixed, wanted, labels)  # type: ignore[arg-type]
    assert protocol_of(mixed, "open", labels) == "open"
    assert protocol_of(mixed, "auto", None) == "open"
    other = read_datasets([write_corpus(tmp_path / "other", {n: f"my {n}" for n in labels})])[0]
    assert protocol_of(other, "auto", labels) == "open"
    with pytest.raises(RecordError, match="outside the label set"):
        protocol_of(other, "closed", labels)


def test_a_published_checkpoint_writes_open_types_in_plain_text(
    checkpoint: Path, tmp_path: Path, manifest: Path
) -> None:
    published = tmp_path / "published"
    shutil.copytree(checkpoint, published)
    (published / "unislu.json").unlink()
    model = load_checkpoint_model(published)
    assert (model.manifest.alphabet, model.manifest.formats) == ("plain", ("inline-open",))
    assert model.entity_types == ()
    found = run(published, tmp_path / "out", [manifest])
    assert found.parts["tones"].protocol == "open" and found.parts["tones"].scores.entities is not None


def test_bad_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match="so no checkpoint"):
        load_checkpoint_model(tmp_path)
    shutil.copytree(checkpoint, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").rename(tmp_path / "copy" / "pytorch_model.bin")
    with pytest.raises(BundleError, match=r"neither model\.safetensors nor"):
        load_checkpoint_model(tmp_path / "copy")


def test_bad_settings() -> None:
    with pytest.raises(OptionError, match="5 sentiment classes"):
        EvaluationSettings(classes=5)
    with pytest.raises(OptionError, match="0 bootstrap samples"):
        EvaluationSettings(samples=0)
