"""A teacher in the recipe: what it hears, what is learned from it, and that the ordinary loop trains it."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from transformers import WhisperForConditionalGeneration  # noqa: E402

from unislu.audio import SAMPLE_RATE, load_audio  # noqa: E402
from unislu.data.speech import write_audio  # noqa: E402
from unislu.errors import RecipeError, RecordError  # noqa: E402
from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer  # noqa: E402
from unislu.training.cache import fill  # noqa: E402
from unislu.training.collate import Batch  # noqa: E402
from unislu.training.config import (  # noqa: E402
    AudioConfig,
    CorpusConfig,
    OptimizerConfig,
    Recipe,
    TeacherConfig,
)
from unislu.training.examples import Example, load_corpora  # noqa: E402
from unislu.training.loss import IGNORE, SoftTargets, batch_loss, distillation_losses  # noqa: E402
from unislu.training.model_config import ModelConfig  # noqa: E402
from unislu.training.models.teacher import LATER, Teacher, run_teachers  # noqa: E402
from unislu.training.models.whisper import load_unified, torch_encoder  # noqa: E402
from unislu.training.teacher_output import (  # noqa: E402
    LONGEST_TEXT,
    TeacherOutput,
    agreement,
    output_file,
    second_file,
)
from unislu.training.train import Run  # noqa: E402

from ..factories import write_tokenizer  # noqa: E402
from .test_train import Losses  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and accelerate warn about their own defaults

WORDS = ModelConfig("", learns="words", freeze_encoder=True, freeze_embeddings=True, freeze_cross_kv=True)


def audio_of(manifest: Path) -> list[dict[str, str]]:
    """Its records without a text."""
    known = map(json.loads, manifest.read_text().splitlines())
    return [{"id": row["id"], "audio": str(manifest.parent / row["audio"])} for row in known]


def trained(
    backbone: Path, folder: Path, lines: list[dict[str, str]], padding: Literal["none", "full"], steps: int
) -> Path:
    """A tiny Whisper that has learned to write the texts of some clips and to end."""
    same = folder / "corpus" / "manifest.jsonl"
    same.parent.mkdir()
    same.write_text("".join(json.dumps(line) + "\n" for line in lines))
    fill(same, folder / "cache", *torch_encoder(str(backbone)), padding=padding)
    recipe = Recipe(
        "speaker", replace(WORDS, backbone=str(backbone)), (CorpusConfig(str(same)),),
        optimizer=OptimizerConfig(lr=1e-2), audio=AudioConfig(padding), max_steps=steps, batch_size=6,
        encoder_cache=str(folder / "cache"), out=str(folder / "runs"),
    )  # fmt: skip
    return Run(recipe, quiet=True).run()


def loud(backbone: Path, folder: Path) -> Path:
    """The same with larger weights: its decoder hears more of the audio."""
    model = WhisperForConditionalGeneration.from_pretrained(backbone)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim > 1 and "embed" not in name:
                weights.mul_(4)
    model.save_pretrained(folder)
    shutil.copyfile(backbone / "tokenizer.json", folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def speaker(backbone: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes one sentence of every padded clip."""
    lines = [{**row, "text": "we met Anna"} for row in audio_of(manifest)]
    return trained(backbone, tmp_path_factory.mktemp("speaker"), lines, "full", 40)


@pytest.fixture(scope="module")
def fickle(backbone: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes one sentence of a clip, and another one when it begins with silence."""
    folder = tmp_path_factory.mktemp("fickle")
    lines = []
    for row in audio_of(manifest):
        later = folder / f"{row['id']}.wav"
        samples = np.concatenate([np.zeros(round(LATER * SAMPLE_RATE)), load_audio(Path(row["audio"]))])
        write_audio(later, samples.astype(np.float32), SAMPLE_RATE)
        lines.append({**row, "text": "we met Anna"})
        lines.append({"id": f"{row['id']}-later", "audio": str(later), "text": "he reads the report"})
    return trained(loud(backbone, folder / "loud"), folder, lines, "none", 100)


def taught(
    backbone: Path, manifest: Path, out: Path, teacher: TeacherConfig | None, **changes: object
) -> Recipe:
    values: dict[str, object] = {
        "name": "student", "model": replace(WORDS, backbone=str(backbone)),
        "corpora": (CorpusConfig(str(manifest), teacher=teacher),), "optimizer": OptimizerConfig(lr=1e-3),
        "max_steps": 6, "batch_size": 3, "checkpoint_every": 2, "reduction": "examples", "out": str(out),
    }  # fmt: skip
    return Recipe(**(values | changes))  # type: ignore[arg-type]


def examples(run: Run) -> list[Example]:
    return sorted((e for batch in run.plan.batches(0) for e in batch), key=lambda e: e.id)


# -- the loss


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_divergence_by_hand(temperature: float) -> None:
    # Four rows: three tokens of text, and a tag that does not count.
    student, teacher = [1.0, 0.0, -1.0, 5.0], [0.0, 2.0, 1.0]
    ours = [math.exp(x / temperature) for x in student[:3]]
    theirs = [math.exp(x / temperature) for x in teacher]
    p, q = ([x / sum(values) for x in values] for values in (theirs, ours))
    apart = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    found = distillation_losses(
        torch.ones(1, 1, 1),
        (torch.tensor(student)[:, None],),
        SoftTargets(
            torch.tensor([[True]]), torch.tensor([[1, 2, 0]]), torch.tensor([[p[1], p[2], p[0]]]).log(),
            torch.tensor([temperature]), torch.tensor([0.5]),
        ),
        torch.tensor([True, True, True, False]),
        words=True,
    )  # fmt: skip
    assert found.item() == pytest.approx(0.5 * temperature**2 * apart, rel=1e-5)


def test_a_tag_counts_only_as_what_else_could_follow() -> None:
    text = torch.tensor([True, True, False])
    targets = SoftTargets(
        torch.tensor([[True]]), torch.tensor([[0, 1]]), torch.tensor([[0.3, 0.7]]).log(),
        torch.ones(1), torch.ones(1),
    )  # fmt: skip

    def loss(tag: float, words: bool) -> float:
        rows = (torch.tensor([[1.0], [2.0]]), torch.tensor([[tag]]))
        return float(distillation_losses(torch.ones(1, 1, 1), rows, targets, text, words))

    assert loss(-4.0, True) == loss(4.0, True)
    share = math.exp(4) / (math.exp(1) + math.exp(2) + math.exp(4))
    assert loss(4.0, False) - loss(4.0, True) == pytest.approx(-math.log(1 - share), rel=1e-5)


def test_a_factor_scales_an_example() -> None:
    losses, labels = torch.tensor([[1.0, 3.0], [5.0, 0.0]]), torch.tensor([[7, 7], [7, IGNORE]])
    parts = torch.zeros(2, 2, dtype=torch.long)
    scaled = batch_loss(losses, labels, parts, parts[:, 0], "examples", torch.tensor([1.0, 0.3]))
    assert scaled.item() == pytest.approx((2 + 0.3 * 5) / 2)


# -- what a teacher hears


def test_its_own_text_and_distribution_are_kept(speaker: Path, manifest: Path, tmp_path: Path) -> None:
    teacher = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    corpora = load_corpora([CorpusConfig(str(manifest), teacher=teacher)])
    student = load_unified(ModelConfig(str(speaker)), SLUE).vocabulary
    run_teachers(corpora, student, quiet=True)
    files = [output_file(teacher, manifest, record) for record in corpora[0].records]
    end = student["<|endoftext|>"]
    for file in files:
        output = TeacherOutput.read(file)
        assert student.tokenizer.decode(output.ids.tolist()) == " we met Anna" and output.flaw is None
        assert output.tokens[:, 0].tolist() == [*output.ids, end]
        assert output.tokens.shape == output.logprobs.shape == (len(output.ids) + 1, 32)
        assert (np.exp(output.logprobs).sum(1) <= 1 + 1e-4).all()
    stamps = [file.stat().st_mtime_ns for file in files]
    files[2].unlink()
    run_teachers(corpora, student, quiet=True)  # hears what is missing, and nothing twice
    again = [file.stat().st_mtime_ns for file in files]
    assert [a == b for a, b in zip(stamps, again, strict=True)] == [n != 2 for n in range(6)]
    assert TeacherOutput.read(files[2]).flaw is None


def output(ids: list[int], no_speech: float = 0.0) -> TeacherOutput:
    rows = len(ids) + 1
    return TeacherOutput(
        np.array(ids, np.int64), np.zeros((rows, 1), np.int64), np.zeros((rows, 1), np.float32), no_speech
    )


def test_loops_texts_without_end_and_silence_teach_nothing() -> None:
    assert output([1, 2, 3, 4]).flaw is None and output([1]).flaw is None
    assert output([1, 2, 3] * 5).flaw == "loop"
    assert output(list(range(LONGEST_TEXT))).flaw == "no end"
    assert output([]).flaw == "no speech"
    assert output([1, 2, 3, 4], no_speech=0.7).flaw == "no speech"


def fates(teacher: TeacherConfig, manifest: Path) -> dict[str, int]:
    """What becomes of a corpus's clips under a teacher."""
    student = load_unified(ModelConfig(teacher.backbone), SLUE).vocabulary
    corpora = load_corpora([CorpusConfig(str(manifest), teacher=teacher)])
    return dict(run_teachers(corpora, student, quiet=True))


def test_a_text_that_changes_with_silence_before_it_is_not_learned(
    fickle: Path, speaker: Path, manifest: Path, tmp_path: Path
) -> None:
    unsure = TeacherConfig(str(fickle), str(tmp_path / "heard"), padding="none")
    sure = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    assert fates(unsure, manifest) == {"no agreement": 6}
    assert fates(sure, manifest) == {"learned": 6}
    texts = {file.read_text() for file in (tmp_path / "heard").rglob("*.txt")}
    assert texts == {" he reads the report", " we met Anna"}
    with pytest.raises(RecipeError, match="none of the 6 records gives an example"):
        Run(taught(fickle, manifest, tmp_path / "runs", unsure), quiet=True).run()
    # No second text is asked for where it does not count.
    for config in (replace(unsure, agreement=0.0), replace(unsure, text="record")):
        alone = replace(config, cache=str(tmp_path / "alone"))
        assert fates(alone, manifest) == ({"learned": 6} if config.text == "own" else {})
    assert not list((tmp_path / "alone").rglob("*.txt"))


def test_a_second_text_is_added_to_an_older_cache(
    speaker: Path, manifest: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    teacher = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    fates(replace(teacher, agreement=0.0), manifest)
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "heard").rglob("*.npz")}
    assert fates(teacher, manifest) == {"learned": 6}
    assert stamps == {file: file.stat().st_mtime_ns for file in (tmp_path / "heard").rglob("*.npz")}
    records = load_corpora([CorpusConfig(str(manifest))])[0].records
    files = [second_file(output_file(teacher, manifest, record)) for record in records]
    assert {file.read_text() for file in files} == {" we met Anna"}
    files[0].write_text(" we met Berlin")  # two of three words
    files[1].write_text(" We met ANNA!")
    run = Run(taught(speaker, manifest, tmp_path / "runs", teacher))
    assert [example.id for example in examples(run)] == ["r1", "r2", "r3", "r4", "r5"]
    assert "clips with a teacher's own text: learned 5, no agreement 1" in capfd.readouterr().err
    lenient = replace(teacher, agreement=0.6)
    assert len(examples(Run(taught(speaker, manifest, tmp_path / "runs", lenient), quiet=True))) == 6


def test_agreement_is_in_words_of_the_first_text() -> None:
    assert agreement(" Twenty people, came.", " 20 people came") == 1.0
    assert agreement("we met the old man", "we met an old man") == pytest.approx(0.8)
    assert agreement("thanks", "six six six") == 0.0
    assert agreement("(music)", "(music)") == 0.0
    with pytest.raises(RecipeError, match=r"teacher\.agreement 1\.5 is not a share"):
        CorpusConfig("x", teacher=TeacherConfig("x", "y", agreement=1.5))


def test_what_nobody_says_gives_no_example(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    # A random model comes to no end.
    recipe = taught(backbone, manifest, tmp_path, TeacherConfig(str(backbone), str(tmp_path / "heard")))
    with pytest.raises(RecipeError, match="none of the 6 records gives an example"):
        Run(recipe, quiet=True).run()


def test_a_clip_that_cannot_be_read_is_left_out(
    backbone: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "corpus" / "manifest.jsonl"
    broken.parent.mkdir()
    (broken.parent / "bad.wav").write_bytes(b"RIFF")
    lines = manifest.read_text().replace('"audio": "', f'"audio": "{manifest.parent}/').splitlines()
    broken.write_text("\n".join([*lines[:2], '{"id": "bad", "text": "so", "audio": "bad.wav"}']) + "\n")
    teacher = TeacherConfig(str(backbone), str(tmp_path / "heard"), text="record")
    run = Run(taught(backbone, broken, tmp_path / "runs", teacher), quiet=True)
    assert [e.id for e in examples(run)] == ["r0", "r1"]
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if "left out" in line and "bad.wav" in line]


def test_a_teacher_that_cannot_teach_is_named(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    tokenizer = WhisperTokenizer.from_file(backbone / "tokenizer.json")
    vocabulary = Vocabulary.extend(tokenizer, len(tokenizer.text_bytes) + 40, tokenizer.special_tokens, SLUE)
    with pytest.raises(RecipeError, match=r"teacher\.backbone: cannot load .*nowhere"):
        Teacher(str(tmp_path / "nowhere"), vocabulary)
    write_tokenizer(tmp_path / "tokenizer.json", ["another language"], 300)
    other = WhisperTokenizer.from_file(tmp_path / "tokenizer.json")
    student = Vocabulary.extend(other, len(other.text_bytes) + 40, other.special_tokens, SLUE)
    with pytest.raises(RecipeError, match="other text tokens"):
        Teacher(str(backbone), student)


# -- what a student learns


def loss_of(run: Run) -> float:
    return float(run.model(run.system.collate(examples(run)), "examples"))


def test_a_student_that_is_its_teacher_has_nothing_to_learn(
    backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    losses = {}
    for padding, temperature in (("none", 1.0), ("none", 2.0), ("full", 1.0)):
        teacher = TeacherConfig(
            str(backbone), str(tmp_path / "heard"), temperature=temperature, padding=padding, text="record"  # type: ignore[arg-type]
        )  # fmt: skip
        run = Run(taught(backbone, manifest, tmp_path / "runs", teacher), quiet=True)
        losses[padding, temperature] = abs(loss_of(run))
    assert losses["none", 1.0] < 1e-5 and losses["none", 2.0] < 1e-5 < losses["full", 1.0]


def test_its_own_text_takes_the_place_of_the_records(speaker: Path, manifest: Path, tmp_path: Path) -> None:
    teacher = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    run = Run(taught(speaker, manifest, tmp_path / "runs", teacher), quiet=True)
    tokenizer = run.model.vocabulary.tokenizer
    for example in examples(run):
        assert tokenizer.decode(example.tokens[example.learned_from :]) == " we met Anna"
        assert example.soft is not None
        assert example.soft.places == tuple(range(example.learned_from, len(example.tokens)))


def test_audio_without_transcripts_serves(speaker: Path, manifest: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain" / "manifest.jsonl"
    plain.parent.mkdir()
    plain.write_text("".join(json.dumps(row) + "\n" for row in audio_of(manifest)))
    teacher = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    assert len(examples(Run(taught(speaker, plain, tmp_path / "runs", teacher), quiet=True))) == 6
    led = replace(teacher, text="record")
    with pytest.raises(RecordError, match="field `text`: is missing"):
        Run(taught(speaker, plain, tmp_path / "runs", led), quiet=True)


def test_tags_are_learned_beside_a_teacher_of_words(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    teacher = TeacherConfig(str(backbone), str(tmp_path / "heard"), padding="none", text="record")
    corpus = CorpusConfig(str(manifest), entities="closed", teacher=teacher)
    model = replace(WORDS, backbone=str(backbone), learns="all")
    run = Run(
        taught(backbone, manifest, tmp_path / "runs", teacher, model=model, corpora=(corpus,)), quiet=True
    )
    tagged, _, _, felt, *_ = found = examples(run)
    vocabulary = run.model.vocabulary
    assert tagged.soft is not None and felt.soft is not None
    words = [tagged.tokens[place] for place in tagged.soft.places]
    assert vocabulary.tokenizer.decode(words[:-1]) == " we met Anna in Berlin on Monday"
    assert words[-1] == vocabulary["<|endoftext|>"]
    # The sentiment follows: its words are not the transcript's, and neither is the end.
    assert vocabulary.tokenizer.decode([felt.tokens[p] for p in felt.soft.places]) == " what a wonderful day"
    batch = run.system.collate(found)
    assert isinstance(batch, Batch) and batch.soft is not None
    by_text = batch.labels[batch.soft.places]
    assert set(by_text.tolist()) <= vocabulary.text_ids | {vocabulary["<|endoftext|>"]}
    assert (batch.labels[~batch.soft.places] == vocabulary["[PERSON]"]).any()
    # Without a teacher the record's words are learned as well; with itself as teacher only what is no word.
    plain = run.model(replace(batch, soft=None))
    assert 0 < float(run.model(batch)) < float(plain)


def test_only_text_competes_where_words_are_learned(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    recipe = taught(backbone, manifest, tmp_path, None, corpora=(CorpusConfig(str(manifest)),))
    run = Run(recipe, quiet=True)
    before = loss_of(run)
    with torch.no_grad():
        run.model.new_rows += 1.0
    assert loss_of(run) == before
    assert not run.model.new_rows.requires_grad


def test_the_divergence_falls_and_frozen_parts_stay(
    speaker: Path, backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    teacher = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    run = Losses(taught(backbone, manifest, tmp_path / "runs", teacher, max_steps=40))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.run()
    assert sum(run.losses[-3:]) < 0.5 * sum(run.losses[:3])
    moved = {name for name, value in run.model.state_dict().items() if not torch.equal(value, before[name])}
    frozen = (".encoder.", "embed_tokens", "encoder_attn.k_proj", "encoder_attn.v_proj", "new_rows")
    assert moved and not any(part in name for name in moved for part in frozen)


def test_a_killed_run_goes_on_exactly_where_it_was(
    speaker: Path, backbone: Path, manifest: Path, tmp_path: Path
) -> None:
    teacher = TeacherConfig(str(speaker), str(tmp_path / "heard"))
    whole = Losses(taught(backbone, manifest, tmp_path / "whole", teacher))
    whole.run()
    killed = Losses(taught(backbone, manifest, tmp_path / "killed", teacher), stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Losses(taught(backbone, manifest, tmp_path / "killed", teacher))
    resumed.run()
    assert len(whole.losses) == 6 and resumed.losses == whole.losses[4:]
