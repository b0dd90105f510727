"""The student comes closer to its teacher, and what may not move does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from unislu.errors import RecipeError
from unislu.sequence import SLUE
from unislu.training import ears
from unislu.training.ears import TaughtClip, listen, train
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper import load_unified

from ..factories import write_tone


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for number in range(4):
        write_tone(folder / f"{number}.wav", 16_000 + 2_000 * number, 300.0 + 90 * number)
        rows.append({"id": str(number), "audio": f"{number}.wav", "text": "" if number == 3 else "a tone"})
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_student_learns_and_the_rest_stays(
    backbone: Path,
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import WhisperForConditionalGeneration

    monkeypatch.setattr(ears, "LONGEST", 6)  # a random model comes to no end
    monkeypatch.setattr(ears, "_teaches", lambda ids: True)
    cache, out = tmp_path / "cache", tmp_path / "ears"
    count = listen(backbone, cache, [manifest], 4)
    files = sorted(cache.glob("*.npz"))
    assert count == len(files) == 4
    stamps = [file.stat().st_mtime_ns for file in files]
    assert listen(backbone, cache, [manifest], 4) == count  # goes on: nothing is heard twice
    assert [file.stat().st_mtime_ns for file in files] == stamps
    for file in files:
        heard = TaughtClip(**np.load(file))
        assert heard.tokens.shape == heard.logprobs.shape and len(heard.tokens) == len(heard.ids) + 1
        assert (np.exp(heard.logprobs).sum(1) <= 1 + 1e-4).all()
    drift = train(backbone, out, [cache], epochs=80, rate=1e-3)
    assert 0 < drift < 1
    steps = [line for line in capsys.readouterr().err.splitlines() if " KL " in line]
    losses = [float(line.rpartition(" ")[2]) for line in steps]
    assert losses[-1] < losses[0]
    before, after = (
        WhisperForConditionalGeneration.from_pretrained(folder).state_dict() for folder in (backbone, out)
    )
    same = {name for name in before if bool((before[name] == after[name]).all())}
    assert all(name in same for name in before if ".encoder." in name or "embed_tokens" in name)
    assert all(
        name in same for name in before if "encoder_attn.k_proj" in name or "encoder_attn.v_proj" in name
    )
    assert "model.decoder.layers.0.self_attn.q_proj.weight" not in same


def test_loops_and_texts_without_end_teach_nothing() -> None:
    assert ears._teaches([1, 2, 3, 4])
    assert not ears._teaches([1, 2, 3] * 5)
    assert not ears._teaches(list(range(ears.LONGEST)))


def test_an_empty_cache_is_named(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="run `listen` first"):
        train(backbone, tmp_path / "out", [tmp_path / "none"])


def test_given_texts_are_learned_as_they_are(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    assert listen(backbone, tmp_path, [manifest], 4, given=True) == 4
    clips = [TaughtClip(**np.load(file)) for file in sorted(tmp_path.glob("*.npz"))]
    assert sorted(len(clip.ids) for clip in clips)[0] == 0  # the clip without text: the end at once
    for clip in clips:
        assert clip.tokens[:-1, 0].tolist() == clip.ids.tolist()
        assert not clip.logprobs.any() and clip.logprobs.shape == (len(clip.ids) + 1, 1)


def test_an_unpadded_teacher_holds_a_decoder_to_itself(
    backbone: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ears, "LONGEST", 6)
    monkeypatch.setattr(ears, "_teaches", lambda ids: True)
    model = load_unified(ModelConfig(backbone=str(backbone)), SLUE).eval()
    apart = {}
    for unpadded in (True, False):
        cache = tmp_path / str(unpadded)
        listen(backbone, cache, [manifest], 4, unpadded=unpadded)
        clips = [TaughtClip(**np.load(file)) for file in sorted(cache.glob("*.npz"))]
        apart[unpadded] = ears._divergence(model, [clip for clip in clips if len(clip.ids)]).item()
    assert abs(apart[True]) < 1e-5 < apart[False]


def test_bfloat16_learns_the_same(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    listen(backbone, cache, [manifest], 4, given=True)
    batch = [TaughtClip(**np.load(file)) for file in sorted(cache.glob("*.npz"))]
    model = load_unified(ModelConfig(backbone=str(backbone)), SLUE)
    exact, rounded = (ears._divergence(model, batch, bf16=bf16).item() for bf16 in (False, True))
    assert exact > 0.1 and rounded == pytest.approx(exact, rel=0.02)
