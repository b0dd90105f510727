"""The papers' curves: their tables by hand, their files, and the command."""

from __future__ import annotations

import csv
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import pytest

from unislu.bundle import REQUIRED_FILES, Manifest
from unislu.cli import main
from unislu.data.records import AnnotatedEntity, Record
from unislu.errors import BundleError, OptionError, RecordError
from unislu.evaluation.curves.bias import bias_figure, bias_table
from unislu.evaluation.curves.figure import save
from unislu.evaluation.curves.formats import format_lengths, format_table
from unislu.evaluation.curves.languages import language_figure, language_table
from unislu.evaluation.curves.length import length_figure, length_table
from unislu.evaluation.curves.negatives import Trained, negatives_figure, negatives_table, trained_with
from unislu.evaluation.question import Gold, Prediction
from unislu.evaluation.score import Judged, judge, score
from unislu.evaluation.sweep import RecordClip, Swept

pytest.importorskip("matplotlib")

JFK = Path(__file__).parents[2] / "examples" / "jfk.flac"


def drawn(paths: Sequence[Path]) -> str:
    """Checks the three files of a figure and returns the SVG."""
    table, svg, png = paths
    assert [path.suffix for path in paths] == [".csv", ".svg", ".png"]
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 10_000
    root = ElementTree.fromstring(svg.read_text())
    assert len(root.findall(".//{http://www.w3.org/2000/svg}path")) > 20
    with table.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) > 1
    return svg.read_text()


def clip(number: int, text: str, *spans: tuple[int, int, str]) -> RecordClip:
    entities = tuple(AnnotatedEntity(start, end, name) for start, end, name in spans)
    return RecordClip(f"c{number}", Path("x.wav"), Record(f"c{number}", text, entities=entities))


def test_bias(tmp_path: Path) -> None:
    clips = [clip(0, "Anna met Bob", (0, 4, "PERSON"), (9, 12, "PERSON"))]
    none, one = (Prediction("c0", "anna met bob", found) for found in ((), (("PERSON", "Anna"),)))
    both = Prediction("c0", "anna met tom", (("PERSON", "anna"), ("PERSON", "tom"), ("ORG", "met")))
    swept = Swept((-2.0, 0.0, 2.0), {"c0": (none, one, both)})
    table = bias_table(clips, swept, "slue")
    every = [row for row in table if row["type"] == "all"]
    assert [row["precision"] for row in every] == [None, 100.0, pytest.approx(100 / 3)]
    assert [row["recall"] for row in every] == [0.0, 50.0, 50.0]
    assert [row["wer"] for row in every] == [0.0, 0.0, pytest.approx(100 / 3)]
    assert {row["type"] for row in table} == {"all", "person", "org"}
    first = drawn(save(table, bias_figure(table, "Bias"), tmp_path / "a", "bias"))
    assert drawn(save(table, bias_figure(table, "Bias"), tmp_path / "b", "bias")) == first
    for entities in (None, ()):
        bare = RecordClip("a", Path("x"), Record("a", "text", entities=entities))
        with pytest.raises(RecordError, match="no record has entities"):
            bias_table([bare], Swept((0.0,), {"a": (none,)}), "slue")


def judged(right: bool) -> Judged:
    words = "one two three"
    golds = [
        Gold("short", words, (("ORG", "one"),), "positive"),
        Gold("long", " ".join([words] * 4), (("ORG", "two"),), "negative"),
    ]
    answers = [
        Prediction("short", words, (("ORG", "one"),), "positive"),
        Prediction(
            "long", golds[1].text if right else words, (("ORG", "two" if right else "one"),), "negative"
        ),
    ]
    return judge(golds, answers, "slue")


def test_length(tmp_path: Path) -> None:
    table = length_table({"a": judged(True), "b": judged(False)}, (5, 10))
    found = {(row["system"], row["words"]): row for row in table}
    assert [row["words"] for row in table][:4] == ["< 5", "5–9", "≥ 10", "all"]
    assert found["a", "all"]["ner_f1"] == 100.0 and found["b", "all"]["ner_f1"] == 50.0
    assert found["b", "≥ 10"]["wer"] == 75.0 and found["b", "≥ 10"]["ner_f1"] == 0.0
    assert found["b", "5–9"]["utterances"] == 0 and found["b", "5–9"]["wer"] is None
    # (100 - 75 + 0 + 100) / 3: one negative, called negative, is a macro-F1 of 100
    assert found["b", "≥ 10"]["slue_score"] == pytest.approx(125 / 3)
    drawn(save(table, length_figure(table, "Length"), tmp_path, "length"))
    with pytest.raises(OptionError, match="edges"):
        length_table({"a": judged(True)}, (10, 5))


def test_negatives(tmp_path: Path) -> None:
    scores = [
        score([Gold("a", "x", (("org", "x"),))], [Prediction("a", t, (("org", t),))], "slue") for t in "xy"
    ]
    models = {
        "none": (Trained(0, 0.0), scores[1]), "two": (Trained(2, 0.1), scores[0]),
        "again": (Trained(2, 0.1), scores[1]),
    }  # fmt: skip
    table = negatives_table(models)
    assert [(row["model"], row["negatives"], row["f1"]) for row in table] == [
        ("none", 0, 0.0),
        ("again", 2, 0.0),
        ("two", 2, 100.0),
    ]
    drawn(save(table, negatives_figure(table, "Negatives"), tmp_path, "negatives"))


def test_what_a_model_was_trained_with() -> None:
    vocabulary = {"size": 1, "tokens": {}, "entity_types": [], "sentiments": []}
    files = dict.fromkeys(REQUIRED_FILES, "0" * 64)
    recipe = {"recipe": {"prompts": {"negatives": 2, "dropout": 0.1}}}
    manifest = Manifest("m", "1", ("inline",), vocabulary, files, provenance=recipe)
    assert trained_with(manifest, "m") == Trained(2, 0.1)
    with pytest.raises(BundleError, match="bare: its provenance does not say"):
        trained_with(Manifest("m", "1", ("inline",), vocabulary, files), "bare")


def test_languages(tmp_path: Path) -> None:
    scores = score([Gold("a", "hola", (("org", "hola"),))], [Prediction("a", "hola", ())], "slue")
    table = language_table({"es": scores})
    assert table[0] | {"label_f1": 0.0} == {
        "language": "es", "utterances": 1, "f1": 0.0, "precision": None, "recall": 0.0, "label_f1": 0.0,
        "wer": 0.0, "profile": "slue",
    }  # fmt: skip
    drawn(save(table, language_figure(table, "Languages"), tmp_path, "languages"))


def test_formats_cost_tokens(manifest: Path, embedded_vocabulary: object) -> None:
    from unislu.data.records import read_records

    records = list(read_records(manifest))
    lengths = format_lengths(records, embedded_vocabulary)  # type: ignore[arg-type]
    assert list(lengths) == ["transcript", "inline", "suffix", "inline-open", "bio"]
    # a pair of tags costs two tokens; without entities `inline` is the transcript
    pairs = zip(lengths["transcript"], lengths["inline"], records, strict=True)
    assert all(tags[1] - plain[1] == 2 * len(r.entities or ()) for plain, tags, r in pairs)
    table = {(row["format"], row["words"]): row for row in format_table(lengths)}
    assert table["transcript", "all"]["times_transcript"] == 1.0
    assert table["bio", "all"]["mean"] > table["inline-open", "all"]["mean"]  # type: ignore[operator]
    with pytest.raises(RecordError, match="no record has annotated entities"):
        format_lengths([Record("a", "text")], embedded_vocabulary)  # type: ignore[arg-type]


def test_formats_of_what_models_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tokens of the default bundle, with its entities and without, are those of its rendered answer."""
    from unislu.recognition.model import load
    from unislu.sequence import Prompt, Span, Target, get_format

    manifest = tmp_path / "manifest.jsonl"
    record = {"id": "a", "text": "and so my fellow americans", "audio": str(JFK), "entities": []}
    manifest.write_text(json.dumps(record) + "\n")
    command = ["curve", "formats", str(manifest), "--model", "ours=default", "--entities", "closed"]
    assert main([*command, "-q", "--threads", "1", "-o", str(tmp_path / "out")]) == 0
    with Path(capsys.readouterr().out.splitlines()[0]).open(encoding="utf-8", newline="") as file:
        found = {row["format"]: row for row in csv.DictReader(file) if row["words"] == "all"}
    model = load(threads=1)
    for name, tasks in (("transcript", ("asr",)), ("ours", ("asr", "ner"))):
        heard = model.analyze(JFK, tasks=tasks, words=False)
        spans = tuple(Span(e.start_char, e.end_char, e.type) for e in heard.entities or ())
        target = Target(heard.text, spans if "ner" in tasks else None)
        prompt = Prompt(frozenset(tasks) - {"asr"})
        rendered = get_format("inline", model.vocabulary).render(target, prompt).ids
        assert float(found[name]["mean"]) == len(rendered)
        assert name == "transcript" or spans or not heard.text
    assert main([*command, "--model", "ours=x", "-o", str(tmp_path / "out")]) == 2
    assert "--model ours=x: 'ours' is listed twice" in capsys.readouterr().err


@pytest.fixture(scope="module")
def embedded_vocabulary() -> object:
    """Whisper's own tokens, from the embedded bundle."""
    from unislu.bundle import open_bundle
    from unislu.sequence import Vocabulary, WhisperTokenizer

    bundle = open_bundle()
    return Vocabulary.from_manifest(WhisperTokenizer.from_file(bundle.tokenizer), bundle.manifest.vocabulary)


def test_the_command_writes_the_files(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curve", "formats", str(manifest), "-o", str(tmp_path / "out")]) == 0
    drawn([Path(line) for line in capsys.readouterr().out.splitlines()])

    answers = tmp_path / "answers.jsonl"
    lines = [{"id": f"r{n}", "text": "we met anna", "entities": [], "sentiment": "neutral"} for n in range(4)]
    answers.write_text("\n".join(map(json.dumps, lines)) + "\n")
    command = ["curve", "length", str(manifest), "--profile", "slue", "-o", str(tmp_path / "out")]
    assert main([*command, "--run", f"ours={answers}", "--edges", "5"]) == 0
    drawn([Path(line) for line in capsys.readouterr().out.splitlines()])
    assert main([*command, "--run", f"a={answers}", "--run", f"a={answers}"]) == 2
    assert "'a' is listed twice" in capsys.readouterr().err
    assert main([*command, "--run", str(tmp_path)]) == 1
    assert "no predictions of tones" in capsys.readouterr().err
    assert main(["curve", "languages", "manifest.jsonl", "-o", str(tmp_path)]) == 2
    assert "give CODE=MANIFEST" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # torch warns about itself
def test_negatives_of_trained_models(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["curve", "negatives", str(manifest), "--profile", "slue", "--limit", "2", "-q"]
    assert main([*command, "--model", str(checkpoint), "-o", str(tmp_path / "bare")]) == 1
    assert "its provenance does not say with how many negatives" in capsys.readouterr().err

    models = []
    for negatives in (0, 2):
        folder = tmp_path / f"model-{negatives}"
        shutil.copytree(checkpoint, folder)
        known = json.loads((folder / "unislu.json").read_text())
        known["provenance"]["recipe"] = {"prompts": {"negatives": negatives, "dropout": 0.1}}
        (folder / "unislu.json").write_text(json.dumps(known))
        models += ["--model", str(folder)]
    assert main([*command, *models, "-o", str(tmp_path / "out")]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    drawn(paths)
    with paths[0].open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["model"], row["negatives"]) for row in found] == [("model-0", "0"), ("model-2", "2")]
    assert all(row["utterances"] == "2" and row["wer"] for row in found)
