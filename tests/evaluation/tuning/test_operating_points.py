"""Solving biases on curves, and putting them into a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from unislu.bundle import (
    DEFAULT_PATH,
    REQUIRED_FILES,
    Bundle,
    Manifest,
    hash_files,
    open_bundle,
    write_manifest,
)
from unislu.cli import main
from unislu.cli.tune import read_target
from unislu.errors import OptionError, RecordError
from unislu.evaluation.ner import Counts
from unislu.evaluation.operating_points import (
    Metric,
    Point,
    WantedShare,
    best_reachable,
    check_targets,
    solve,
    solve_type,
    type_counts,
    wilson,
)
from unislu.evaluation.profiles import profile
from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.tune import TuneOptions, check_destination, store, tune
from unislu.recognition.model import Model

# bias -> (right, wrong, missed): recall rises, precision falls, as with a real bias
CURVE = [
    Point(-2.0, Counts(2, 0, 8)), Point(-1.0, Counts(5, 1, 5)), Point(0.0, Counts(7, 3, 3)),
    Point(1.0, Counts(8, 8, 2)), Point(2.0, Counts(9, 21, 1)),
]  # fmt: skip


def target(metric: Metric, share: float, name: str = "person") -> WantedShare:
    return WantedShare(name, metric, share)


def test_a_recall_takes_the_most_precise_bias_that_reaches_it() -> None:
    # 0.7 at 0 and 0.8 at 1: the line between them is at 0.75 in the middle
    found = solve_type(CURVE, [target("recall", 0.75)])
    assert found.reachable and found.bias == pytest.approx(0.5)


def test_a_precision_takes_the_bias_that_finds_most() -> None:
    # 5/6 at -1, 7/10 at 0
    found = solve_type(CURVE, [target("precision", 0.8)])
    assert found.reachable
    assert found.bias == pytest.approx(-1 + (5 / 6 - 0.8) / (5 / 6 - 0.7))


def test_both_at_once_must_both_hold() -> None:
    both = [target("recall", 0.7), target("precision", 0.7)]
    assert solve_type(CURVE, both).bias == 0.0
    assert not solve_type(CURVE, [target("recall", 0.8), target("precision", 0.8)]).reachable


def test_out_of_reach_comes_as_near_as_it_can() -> None:
    found = solve_type(CURVE, [target("recall", 0.98)])
    assert (found.reachable, found.bias) == (False, 2.0)
    best = best_reachable(CURVE, target("recall", 0.98))
    assert best is not None and best.counts.recall == 90.0
    nothing = [Point(0.0, Counts(0, 0, 3))]
    assert best_reachable(nothing, target("precision", 0.5)) is None


def test_nothing_predicted_is_no_precision() -> None:
    assert not target("precision", 0.5).met(Counts(0, 0, 4))


def test_the_joint_run_is_what_counts() -> None:
    """Beside other types recall is lower than on the curve: the bias moves on until it is reached."""
    runs: list[Mapping[str, float]] = []

    def run(bias: Mapping[str, float]) -> Mapping[str, Counts]:
        runs.append(dict(bias))
        return {"person": Counts(8, 9, 2) if bias["person"] >= 1 else Counts(7, 4, 3)}

    solved = solve({"person": CURVE}, [target("recall", 0.75)], run)
    assert [r["person"] for r in runs] == [pytest.approx(0.5), 1.0]
    assert (solved.unmet, solved.bias, solved.rounds) == ((), {"person": 1.0}, 2)


def test_what_no_run_reaches_is_unmet_and_the_best_run_is_kept() -> None:
    found = iter([Counts(6, 1, 4), Counts(7, 1, 3), Counts(5, 1, 5), Counts(4, 1, 6)])
    wanted = [target("recall", 0.75)]
    solved = solve({"person": CURVE}, wanted, lambda bias: {"person": next(found)}, rounds=4)
    assert solved.unmet == tuple(wanted)
    assert solved.counts["person"].recall == 70.0
    assert solved.rounds == 3  # at the curve's end there is nowhere to go


def test_types_are_moved_apart() -> None:
    def run(bias: Mapping[str, float]) -> Mapping[str, Counts]:
        place = {p.bias: p.counts for p in CURVE}
        return {name: place.get(value, Counts(1, 1, 9)) for name, value in bias.items()}

    wanted = [target("recall", 0.7), target("precision", 1.0, "org")]
    solved = solve({"person": CURVE, "org": CURVE}, wanted, run)
    assert solved.bias == {"person": 0.0, "org": -2.0} and not solved.unmet


def test_counts_by_phrase_and_by_label() -> None:
    golds = [Gold("a", "", (("PERSON", "Anna Smith"), ("ORG", "Bundestag"))), Gold("b", "x", None)]
    answers = [Prediction("a", "", (("person", "anna smyth"), ("org", "bundestag")))]
    exact = type_counts(golds, answers, profile("slue"))
    assert exact["person"] == Counts(0, 1, 1) and exact["org"] == Counts(1, 0, 0)
    assert type_counts(golds, answers, profile("slue"), "label")["person"] == Counts(1, 0, 0)


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ([], OptionError, "no target"),
        ([target("recall", 0.9, "drug")], OptionError, "drug:recall=0.9: the type is not requested"),
        ([target("recall", 0.9, "law")], RecordError, r"has no law; it has org \(1\)"),
        ([target("recall", 0.9, "org"), target("recall", 0.8, "ORG")], OptionError, "given 2 times"),
    ],
)
def test_targets_that_cannot_be_solved(
    targets: list[WantedShare], error: type[Exception], message: str
) -> None:
    golds = [Gold("a", "", (("ORG", "council"),))]
    with pytest.raises(error, match=message):
        check_targets(targets, ["LAW", "ORG"], golds)


@pytest.mark.parametrize(
    "text", ["person", "person:recall", "person=0.9", ":recall=0.9", "person:f1=0.9", "person:recall=x",
             "person:recall=98", "person:recall=0", "person:recall=nan"],
)  # fmt: skip
def test_targets_that_cannot_be_read(text: str) -> None:
    with pytest.raises(OptionError, match="target"):
        read_target(text)


def test_targets_are_read() -> None:
    assert read_target("Phone Number:recall=.98") == WantedShare("phone-number", "recall", 0.98)


def test_wilson_by_hand() -> None:
    low, high = wilson(9, 10) or (0, 0)
    assert low == pytest.approx(0.5958, abs=1e-4) and high == pytest.approx(0.9821, abs=1e-4)
    assert wilson(0, 0) is None


VOCABULARY = {"size": 10, "tokens": {}, "entity_types": ["PERSON"], "sentiments": ["Positive"]}
POINT = {"bias": {"person": 1.5}, "entities": None, "met": True}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of nonsense files with a true manifest."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in REQUIRED_FILES:
        (folder / name).write_bytes(name.encode())
    write_manifest(folder, Manifest("tiny", "1", ("inline",), VOCABULARY, hash_files(folder)))
    return open_bundle(folder)


def test_a_point_is_stored_and_the_hashes_hold(bundle: Bundle) -> None:
    store(bundle, "privacy", POINT, None)
    again = open_bundle(bundle.path)
    again.verify()
    assert again.manifest.operating_points == {"privacy": POINT}
    store(again, "strict", POINT, None)
    assert set(open_bundle(bundle.path).manifest.operating_points) == {"privacy", "strict"}
    assert sorted(p.name for p in bundle.path.iterdir()) == sorted(["manifest.json", *REQUIRED_FILES])


def test_a_copy_leaves_the_first_bundle_alone(bundle: Bundle, tmp_path: Path) -> None:
    before = (bundle.path / "manifest.json").read_bytes()
    copy = store(bundle, "privacy", POINT, tmp_path / "deep" / "copy")
    open_bundle(copy).verify()
    assert "privacy" in open_bundle(copy).manifest.operating_points
    assert (bundle.path / "manifest.json").read_bytes() == before


def test_what_cannot_be_written_is_refused_before_the_work(bundle: Bundle, tmp_path: Path) -> None:
    embedded = Bundle(DEFAULT_PATH, bundle.manifest)
    with pytest.raises(OptionError, match=r"the embedded bundle cannot be changed; .* -o FOLDER"):
        check_destination(embedded, None)
    check_destination(embedded, tmp_path / "new")
    with pytest.raises(OptionError, match="exists already"):
        check_destination(bundle, tmp_path)
    check_destination(bundle, None)


@pytest.mark.parametrize("options", [{"name": " "}, {"match": "words"}, {"limit": 0}])
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        TuneOptions([target("recall", 0.9)], **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def real_bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained model as a bundle."""
    pytest.importorskip("onnx")
    from unislu.training.export import Facts, export

    folder = tmp_path_factory.mktemp("tuned") / "bundle"
    export(checkpoint, folder, Facts("tiny", formats=("inline", "inline-open")))
    return folder


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns about itself
def test_from_the_command_line_to_an_analysis(
    real_bundle: Path,
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "tuned"
    command = ["tune", str(real_bundle), str(manifest), "--name", "privacy", "-o", str(out), "--threads", "1",
               "--match", "label", "--from", "-4", "--to", "4", "--step", "4"]  # fmt: skip
    assert main([*command, "--target", "person:precision=1"]) == 1
    printed = capsys.readouterr()
    assert "person:precision=1 is not met" in printed.out and "not stored" in printed.err
    assert not out.exists()

    # The sweeps are kept: other targets decode nothing again, and a point that is stored clears them away.
    kept = sorted(tmp_path.glob("privacy-*.sweep*.jsonl"))
    before = {path: path.read_text() for path in kept}
    assert len(kept) == 2 and f"the sweep is kept in {kept[-1].name}" in printed.err
    assert main([*command, "--target", "person:precision=0.99"]) == 1
    assert f"goes on from {kept[-1].name}" in capsys.readouterr().err
    assert {path: path.read_text() for path in kept} == before

    assert main([*command, "--target", "person:precision=1", "--allow-unmet", "-q"]) == 1
    assert not [path for path in kept if path.exists()]
    point = json.loads((out / "manifest.json").read_text())["operating_points"]["privacy"]
    assert point["met"] is False and point["targets"][0]["met"] is False
    assert point["data"][0]["name"] == "tones/manifest.jsonl" and len(point["curve"]["person"]["bias"]) == 3
    assert str(tmp_path) not in json.dumps(point)
    capsys.readouterr()

    clip = str(manifest.parent / "0.wav")
    analyze = ["analyze", clip, "--bundle", str(out), "--threads", "1", "-q", "--format", "json"]
    assert main([*analyze, "--operating-point", "privacy"]) == 0
    assert json.loads(capsys.readouterr().out)["entities"] is not None
    assert main([*analyze, "--operating-point", "secrecy"]) == 2
    assert "operating point 'secrecy': this bundle has privacy" in capsys.readouterr().err
    assert main([*analyze, "--operating-point", "privacy", "--entities", "drug"]) == 2
    assert "was tuned on the closed set, but open types are requested" in capsys.readouterr().err


def test_a_target_that_is_met(
    model: Model, manifest: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real decoder and pipeline: more bias, more organisations, until all are found."""
    monkeypatch.setattr("unislu.evaluation.tune.load", lambda bundle, threads: model)
    wanted = [WantedShare("org", "recall", 1.0), WantedShare("place", "recall", 1.0)]
    said: list[str] = []
    tuned = tune(None, [manifest], TuneOptions(wanted, "all", profile="slue", match="label"), said.append)
    assert tuned.met and not tuned.best
    assert tuned.point["bias"]["org"] == pytest.approx(0.25 + tuned.solved.bias["org"])
    assert [t["reached"] for t in tuned.point["targets"]] == [1.0, 1.0]

    store(bundle, "all", tuned.point, None)
    stored = open_bundle(bundle.path).manifest.operating_points
    tuned_model = Model(
        model.recognizer.engine, model.vocabulary, replace(model.manifest, operating_points=stored)
    )
    sources = [str(manifest.parent / f"{number}.wav") for number in range(4)]
    heard = list(tuned_model.analyze_many(sources, tasks=("ner",), operating_point="all"))
    same = list(model.analyze_many(sources, tasks=("ner",), bias=tuned.solved.bias))
    assert [a.entities for a in heard] == [a.entities for a in same]
