"""Every kind of checkpoint answers through one function, and as a system of `unislu evaluate`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

from unislu.cli.systems import open_system
from unislu.data.records import read_records
from unislu.errors import BundleError, OptionError
from unislu.evaluation.evaluate import EvaluationSettings, evaluate
from unislu.evaluation.predict import AskOptions, questions, read_datasets
from unislu.evaluation.question import Question
from unislu.evaluation.systems import UnisluSystem
from unislu.sequence import Prompt, Span, Target
from unislu.sequence.reader import Parsed
from unislu.training.config import CorpusConfig, DecodeConfig, EvaluationConfig, OptimizerConfig, Recipe
from unislu.training.model_config import (
    AnyModel,
    ClassifierConfig,
    CtcConfig,
    LoraConfig,
    ModelConfig,
    SpeechLlmConfig,
)
from unislu.training.models.predict import load_predictor, predict
from unislu.training.models.whisper_system import prediction
from unislu.training.train import Run
from unislu.training.validate import flatten

from ...factories import write_tone

pytestmark = pytest.mark.filterwarnings("ignore")

KINDS = ("whisper", "ctc", "classifier", "speech-llm")
ANSWERS = {"whisper": "tes", "ctc": "te", "classifier": "s", "speech-llm": "tes"}


@pytest.fixture(scope="module")
def checkpoints(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("runs")
    manifest = str(tiny / "corpus" / "manifest.jsonl")
    models: dict[str, AnyModel] = {
        "whisper": ModelConfig(str(tiny / "whisper"), format="suffix"),
        "ctc": CtcConfig(str(tiny / "wav2vec2")),
        "classifier": ClassifierConfig(str(tiny / "wav2vec2")),
        "speech-llm": SpeechLlmConfig(str(tiny / "w2v-bert"), str(tiny / "qwen2"), stride=8, adapter_width=8,
                                      lora=LoraConfig(r=2)),
    }  # fmt: skip
    corpora = (CorpusConfig(manifest, entities="closed"),)
    recipes = {
        kind: Recipe(kind, model, corpora, max_steps=1, batch_size=3) for kind, model in models.items()
    }
    return {kind: Run(replace(recipe, out=str(out)), quiet=True).run() for kind, recipe in recipes.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_predictions(kind: str, checkpoints: dict[str, Path], tiny: Path) -> None:
    manifest = tiny / "corpus" / "manifest.jsonl"
    records = list(read_records(manifest))[:2]
    answers = list(predict(checkpoints[kind], manifest, records))
    assert [answer.id for answer in answers] == ["t0", "t1"]
    for answer in answers:
        given = ((answer.text, "t"), (answer.entities, "e"), (answer.sentiment, "s"))
        assert "".join(letter for value, letter in given if value is not None) == ANSWERS[kind]
    # One clip alone is answered as it is among others.
    (alone,) = predict(checkpoints[kind], manifest, records[1:])
    assert replace(alone, sentiment_scores=None) == replace(answers[1], sentiment_scores=None)
    assert (alone.sentiment_scores or {}) == pytest.approx(answers[1].sentiment_scores or {}, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_systems_of_evaluate(kind: str, checkpoints: dict[str, Path], tiny: Path) -> None:
    system, types = open_system(str(checkpoints[kind]), AskOptions())
    assert "PERSON" in types and system.facts["engine"] == "torch"
    question = Question("t0", tiny / "corpus" / "0.wav", ("asr", "ner", "sa"))
    (answer,) = system.answers([question])
    assert answer.id == "t0" and answer.duration == pytest.approx(2.0) and answer.seconds


def test_what_cannot_be(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"unislu\.json"):
        load_predictor(tmp_path)
    with pytest.raises(OptionError, match="ctc"):
        open_system(str(checkpoints["ctc"]), AskOptions(beam=5))
    from unislu.training.export import Facts, export

    with pytest.raises(BundleError, match="of kind classifier"):
        export(checkpoints["classifier"], tmp_path / "bundle", Facts("x"))


def scored(tmp_path: Path, tiny: Path, kind: str, model: AnyModel, **decode: Any) -> tuple[Path, Recipe]:
    """A run that has learned something, and its scores of the test manifests."""
    data = tiny / "data"
    names = {"ctc": ["slue-voxpopuli"], "classifier": ["slue-voxceleb"]}.get(kind)
    tests = tuple(
        str(data / name / "test/manifest.jsonl") for name in names or ["slue-voxpopuli", "slue-voxceleb"]
    )
    recipe = Recipe(
        kind, model, (CorpusConfig(str(tiny / "corpus" / "manifest.jsonl"), entities="closed"),),
        max_steps=60, batch_size=6, optimizer=OptimizerConfig(lr=5e-3, new_rows_lr=1e-2),
        evaluation=EvaluationConfig(test=tests), decode=DecodeConfig(**decode), out=str(tmp_path),
    )  # fmt: skip
    return Run(recipe, quiet=True).run(), recipe


@pytest.mark.parametrize("kind", ["whisper", "ctc", "classifier", "speech-llm"])
def test_every_kind_computes_in_bfloat16(kind: str, checkpoints: dict[str, Path], tiny: Path) -> None:
    manifest = tiny / "corpus" / "manifest.jsonl"
    (dataset,) = read_datasets([str(manifest)], 2)
    system, _ = open_system(str(checkpoints[kind]), AskOptions(), precision="bf16")
    assert system.facts["precision"] == "bf16"
    assert [answer.id for answer in system.answers(questions(dataset))] == ["t0", "t1"]
    with pytest.raises(OptionError, match="a processor computes in fp32 or bf16"):
        open_system(str(checkpoints[kind]), AskOptions(), precision="fp16")


@pytest.mark.parametrize(
    ("kind", "decode"),
    [("whisper", {"beam": 5}), ("whisper", {}), ("ctc", {}), ("classifier", {}), ("speech-llm", {})],
)
def test_evaluate_gives_the_scores_of_the_run(
    kind: str, decode: dict[str, Any], tiny: Path, tmp_path: Path
) -> None:
    models: dict[str, AnyModel] = {
        "whisper": ModelConfig(str(tiny / "whisper"), format="suffix"),
        "ctc": CtcConfig(str(tiny / "wav2vec2")),
        "classifier": ClassifierConfig(str(tiny / "wav2vec2")),
        "speech-llm": SpeechLlmConfig(str(tiny / "w2v-bert"), str(tiny / "qwen2"), stride=8, adapter_width=8,
                                      lora=LoraConfig(r=2)),
    }  # fmt: skip
    checkpoint, recipe = scored(tmp_path, tiny, kind, models[kind], **decode)
    system, labels = open_system(str(checkpoint), AskOptions())
    datasets = read_datasets(recipe.evaluation.test)
    found = evaluate(
        system,
        datasets,
        EvaluationSettings(recipe.evaluation.profile),
        tmp_path / "report",
        labels=labels,
        quiet=True,
    )
    expected = json.loads((checkpoint.parent / "scores.json").read_text())["test"]
    assert set(expected) - {"slue"} == {f"{name}-test" for name in KNOWN[kind]}
    for name, part in found.parts.items():
        figures = expected[name if len(datasets) > 1 else f"{KNOWN[kind][0]}-test"]
        own = flatten(part.scores)
        assert {figure: own[figure] for figure in figures} == pytest.approx(figures)


KNOWN = {
    "whisper": ["slue-voxpopuli", "slue-voxceleb"], "ctc": ["slue-voxpopuli"],
    "classifier": ["slue-voxceleb"], "speech-llm": ["slue-voxpopuli", "slue-voxceleb"],
}  # fmt: skip


def test_a_clip_that_is_too_long_is_transcribed_in_windows(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    write_tone(tmp_path / "long.wav", 16_000 * 42, 300)
    write_tone(tmp_path / "short.wav", 16_000, 300)
    system, _ = open_system(str(checkpoints["whisper"]), AskOptions())
    questions = [Question(name, tmp_path / f"{name}.wav", ("asr",)) for name in ("long", "short")]
    answers = list(system.answers(questions))
    assert [answer.id for answer in answers] == ["long", "short"]
    assert [answer.duration for answer in answers] == pytest.approx([42.0, 1.0])


def test_options_change_the_decoding_of_the_recipe(checkpoints: dict[str, Path]) -> None:
    own, _ = open_system(str(checkpoints["whisper"]), AskOptions())
    assert own.facts["decode"]["beam"] == 1 and own.facts["decode"]["constrained"] is False
    other, _ = open_system(str(checkpoints["whisper"]), AskOptions(beam=3, constrained=True))
    assert other.facts["decode"]["beam"] == 3 and other.facts["decode"]["constrained"] is True
    with pytest.raises(OptionError, match="a checkpoint runs on cpu, cuda, auto"):
        open_system(str(checkpoints["whisper"]), AskOptions(), device="coreml")
    biased, _ = open_system(str(checkpoints["whisper"]), AskOptions(bias=1.0))
    assert isinstance(biased, UnisluSystem)


def test_both_ways_to_score_a_list() -> None:
    """What the transcript does not hold is dropped, or scored as the papers do; each by its name."""
    prompt = Prompt(frozenset({"ner"}))
    parsed = Parsed(Target("a b", (Span(0, 1, "ORG"),)), listed=(("ORG", "a"), ("PLACE", "nowhere")))
    assert prediction("x", parsed, prompt).entities == (("ORG", "a"),)
    assert prediction("x", parsed, prompt, None, "listed").entities == parsed.listed
    assert prediction("x", Parsed(parsed.target), prompt, None, "listed").entities == (("ORG", "a"),)
    assert prediction("x", parsed, Prompt(frozenset({"sa"})), None, "listed").entities is None
