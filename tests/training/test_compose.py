"""A bundle of two decoders: the second scores exactly what the first one's graph would have."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from unislu import load
from unislu.bundle import DECODER, EMBEDDING, TAGGER, open_bundle, write_manifest
from unislu.engines import onnx
from unislu.engines.devices import CPU
from unislu.engines.onnx import OnnxEngine
from unislu.errors import BundleError
from unislu.evaluation.predict import AskOptions
from unislu.evaluation.question import Question
from unislu.evaluation.sweep import read_clips, sweep
from unislu.evaluation.systems import UnisluSystem
from unislu.recognition.recognizer import Recognizer
from unislu.result import Analysis
from unislu.sequence import SLUE
from unislu.training.compose import compose
from unislu.training.export import Facts, Quantize, export, load_checkpoint
from unislu.training.model_config import ModelConfig
from unislu.training.models.whisper import load_unified

from ..factories import write_checkpoint, write_tone


@pytest.fixture(scope="module", params=["int8", "float16"])
def single(backbone: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A bundle with one decoder."""
    folder = tmp_path_factory.mktemp("single")
    write_checkpoint(backbone, folder / "checkpoint")
    facts = Facts("tiny", "1", formats=("inline", "inline-open"))
    return export(folder / "checkpoint", folder / "bundle", facts, request.param).folder


@pytest.fixture(scope="module")
def pair(single: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose(single, backbone, tmp_path_factory.mktemp("pair"))


def test_a_checkpoint_serves_as_well_as_the_whisper_it_came_from(
    single: Path, pair: Path, backbone: Path, tmp_path: Path
) -> None:
    model = load_unified(ModelConfig(str(backbone), learns="words"), SLUE)
    model.save(tmp_path / "checkpoint", model.describe())
    again = compose(single, tmp_path / "checkpoint", tmp_path / "pair")
    for name in (DECODER, TAGGER):
        assert (again / name).read_bytes() == (pair / name).read_bytes()


def test_a_pair_gets_another_transcriber_and_keeps_its_tagger(
    single: Path, pair: Path, backbone: Path, tmp_path: Path
) -> None:
    model = load_checkpoint(backbone)
    model.model.decoder.layers[0].fc1.weight.data *= 1.5
    shutil.copytree(backbone, tmp_path / "other")
    model.save_pretrained(tmp_path / "other")
    both = compose(single, tmp_path / "other", tmp_path / "both")
    swapped = compose(pair, tmp_path / "other", tmp_path / "swapped")
    assert open_bundle(swapped).manifest == open_bundle(both).manifest != open_bundle(pair).manifest
    for name in (DECODER, TAGGER):
        assert (swapped / name).read_bytes() == (both / name).read_bytes()


def test_scores_are_the_logits_of_the_single_decoder(single: Path, pair: Path) -> None:
    one, two = open_bundle(single), open_bundle(pair)
    two.verify()
    assert one.tagger is None and two.tagger == pair / TAGGER
    before = OnnxEngine(one.encoder, one.decoder, threads=1)
    after = OnnxEngine(two.encoder, two.decoder, threads=1, tagger=two.tagger)
    assert after.tags and not before.tags
    mel = np.random.default_rng(0).standard_normal((1, 80, 60)).astype(np.float32)
    encoded = [engine.encode(mel, np.array([60])) for engine in (before, after)]
    tokens, wanted = np.array([3, 5, 8, 13, 21], np.int64), np.array([2, 3, 5, 7, 11], np.int64)
    expected, state = [], before.start(encoded[0])
    for token in tokens:
        logits, state = before.step(np.array([[token]]), state)
        expected.append(logits[0, wanted].copy())
    state = after.start(encoded[1])
    first = after.score(tokens, state, wanted)
    np.testing.assert_allclose(first, np.stack(expected), rtol=2e-2, atol=2e-2)
    after.cut(state, 2)
    again = after.score(tokens[2:], state, wanted)
    np.testing.assert_allclose(again, first[2:], rtol=2e-2, atol=2e-2)


def test_a_kept_binding_gives_the_scores_of_a_new_one(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other numbers of tokens, a cut, and caches that have grown: all bits are those of a fresh binding."""
    monkeypatch.setattr(onnx, "ROOM", 4)
    found = open_bundle(pair)
    engine = OnnxEngine(found.encoder, found.decoder, threads=1, tagger=found.tagger)
    mel = np.random.default_rng(0).standard_normal((1, 80, 60)).astype(np.float32)
    encoded, wanted = engine.encode(mel, np.array([60])), np.array([2, 3, 5, 7, 11], np.int64)
    kept, renewed = engine.start(encoded), engine.start(encoded)
    for tokens, length in (([3, 5, 8], 2), ([13], 3), ([21, 34, 55, 2, 4], 6), ([9, 1], 8)):
        fed = np.array(tokens, np.int64)
        renewed.scores = None
        expected = engine.score(fed, renewed, wanted)
        np.testing.assert_array_equal(engine.score(fed, kept, wanted), expected)
        engine.cut(kept, length)
        engine.cut(renewed, length)
    assert kept.queries.shape[1] > 4


def test_what_lies_behind_a_shorter_clip_of_a_batch_is_not_read(pair: Path) -> None:
    found = open_bundle(pair)
    engine = OnnxEngine(found.encoder, found.decoder, threads=1, tagger=found.tagger)
    mel = np.random.default_rng(0).standard_normal((2, 80, 100)).astype(np.float32)
    tokens, wanted = np.array([3, 5, 8, 13], np.int64), np.array([2, 3, 5, 7, 11], np.int64)
    scores = []
    for filled in (0, 99):
        state = engine.select(engine.start(engine.encode(mel, np.array([60, 100]))), [0], [0])
        for name, cache in state.encoded.bound.items():
            if name.startswith(("cross_key", "cross_value")):
                assert cache.shape[2] == 50
                cache[:, :, 30:] = filled
        scores.append(engine.score(tokens, state, wanted))
    np.testing.assert_array_equal(*scores)
    assert np.ptp(scores[0], axis=0).min() > 0


def test_more_tokens_than_positions_of_audio_are_scored(pair: Path) -> None:
    """Whether they are fed at once or one by one."""
    found = open_bundle(pair)
    engine = OnnxEngine(found.encoder, found.decoder, threads=1, tagger=found.tagger)
    mel = np.random.default_rng(0).standard_normal((1, 80, 8)).astype(np.float32)
    encoded, wanted = engine.encode(mel, np.array([8])), np.array([2, 3, 5, 7, 11], np.int64)
    tokens = np.arange(3, 12)
    whole, single = engine.start(encoded), engine.start(encoded)
    expected = [engine.score(tokens[place : place + 1], single, wanted)[0] for place in range(len(tokens))]
    np.testing.assert_allclose(engine.score(tokens, whole, wanted), expected, rtol=2e-2, atol=2e-2)


def test_the_manifest_counts_what_the_second_decoder_adds(single: Path, pair: Path, backbone: Path) -> None:
    before, after = open_bundle(single).manifest, open_bundle(pair).manifest
    assert before.parameters is not None and after.parameters is not None
    decoder = load_checkpoint(backbone).model.decoder
    width, rows = decoder.embed_tokens.weight.shape[1], after.vocabulary["size"]
    # The keys and values that both attend to are made once; the embedding has the bundle's tokens.
    projections = 2 * width * width + width
    layers = [sum(p.numel() for p in layer.parameters()) - projections for layer in decoder.layers]
    rest = decoder.embed_positions.weight.numel() + 2 * width
    assert after.parameters - before.parameters == rows * width + sum(layers) + rest


def test_the_transcript_is_the_whispers_whatever_is_asked(pair: Path, tmp_path: Path) -> None:
    clip = tmp_path / "tone.wav"
    write_tone(clip, 32_000, 440.0)
    model = load(pair, threads=1)
    results = [
        model.analyze(clip, **asked)
        for asked in (
            {"tasks": ("asr",)},
            {},
            {"entities": ["person"]},
            {"entities": ["drug", "person"], "bias": 3.0},
        )
    ]
    assert len({result.text for result in results}) == 1


def test_caches_of_a_device_make_no_difference(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = []
    for number, pitch in enumerate((440.0, 700.0, 180.0)):
        clips.append(tmp_path / f"{number}.wav")
        write_tone(clips[-1], 32_000 - 4_000 * number, pitch)
    expected = list(load(pair, threads=1).analyze_many(clips))
    # The CPU taken for a device; see tests/engines/conftest.py.
    monkeypatch.setattr("unislu.engines.onnx.MEMORY", {CPU: "cpu"})
    monkeypatch.setattr("unislu.engines.onnx.CPU", "none")
    found = list(load(pair, threads=1).analyze_many(clips))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Analysis) and isinstance(other, Analysis) and one.text
        assert (one.text, one.entities, one.sentiment) == (other.text, other.entities, other.sentiment)


@pytest.mark.parametrize("types", [None, ("drug", "person")])
def test_what_is_measured_is_what_is_served(
    pair: Path, tmp_path: Path, types: tuple[str, ...] | None
) -> None:
    clip = tmp_path / "tone.wav"
    record = {"id": "r", "text": "a", "audio": "tone.wav", "duration": write_tone(clip, 32_000, 440.0)}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(record) + "\n")
    served = load(pair, threads=1).analyze(clip, tasks=("asr", "ner"), entities=types, bias=2.0)
    found = tuple((entity.type, entity.text) for entity in served.entities or ())
    assert served.text and found
    system = UnisluSystem.open(pair, AskOptions(bias=2.0), threads=1)
    (answer,) = system.answers([Question("r", clip, ("asr", "ner"), types)])
    assert (answer.text, answer.entities) == (served.text, found)
    swept = sweep(
        Recognizer.open(pair, threads=1), read_clips([tmp_path / "manifest.jsonl"]), (0.0, 2.0), types
    )
    (answers,) = swept.answers.values()
    assert (answers[1].text, answers[1].entities) == (served.text, found)


def test_what_does_not_fit_together_is_refused(
    single: Path, pair: Path, backbone: Path, tmp_path: Path
) -> None:
    shutil.copytree(single, tmp_path / "float32")
    write_manifest(tmp_path / "float32", replace(open_bundle(single).manifest, quantization="float32"))
    with pytest.raises(BundleError, match="its weights are float32"):
        compose(tmp_path / "float32", backbone, tmp_path / "out")
    other = tmp_path / "whisper"
    shutil.copytree(backbone, other)
    text = (other / "tokenizer.json").read_text(encoding="utf-8")
    (other / "tokenizer.json").write_text(text.replace('"a":', '"ä":', 1), encoding="utf-8")
    with pytest.raises(BundleError, match="has no token"):
        compose(single, other, tmp_path / "out")


@pytest.mark.parametrize("quantize", ["int8", "float16"])
def test_an_embedding_that_did_not_learn_is_kept_once(
    backbone: Path, tmp_path: Path, quantize: Quantize
) -> None:
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(write_checkpoint(backbone, tmp_path / "tags"))
    released = load_checkpoint(backbone).model.decoder.embed_tokens.weight.detach()
    model.model.decoder.embed_tokens.weight.data[: len(released)] = released
    model.save_pretrained(tmp_path / "tags")
    facts = Facts("tiny", "1", formats=("inline", "inline-open"))
    single = export(tmp_path / "tags", tmp_path / "single", facts, quantize).folder
    pair = open_bundle(compose(single, backbone, tmp_path / "pair"))
    pair.verify()
    assert EMBEDDING in pair.manifest.files
    # Each decoder reads its rows: the first those of text, the tagger those of its own tokens as well.
    mel = np.random.default_rng(0).standard_normal((1, 80, 60)).astype(np.float32)
    tokens, wanted = [3, pair.manifest.vocabulary["tokens"]["[<]"], 5], np.array([2, 3, 350], np.int64)
    alone, both = (
        OnnxEngine(bundle.encoder, bundle.decoder, threads=1, tagger=bundle.tagger)
        for bundle in (open_bundle(single), pair)
    )
    expected, _ = alone.step(np.array([tokens]), alone.start(alone.encode(mel, np.array([60]))))
    found = both.score(np.array(tokens), both.start(both.encode(mel, np.array([60]))), wanted)
    np.testing.assert_allclose(found[-1], expected[0, wanted], rtol=2e-2, atol=2e-2)
    (tmp_path / "pair" / EMBEDDING).unlink()
    with pytest.raises(BundleError, match=f"{EMBEDDING}: is missing"):
        open_bundle(tmp_path / "pair")
