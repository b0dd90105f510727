"""`audio.padding: full`: training, evaluation and bundles hear and write what Whisper's own code does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
transformers = pytest.importorskip("transformers")

from unislu.audio import load_audio  # noqa: E402
from unislu.bundle import open_bundle  # noqa: E402
from unislu.engines.torch import TorchEngine  # noqa: E402
from unislu.errors import OptionError, RecipeError  # noqa: E402
from unislu.recognition.model import load  # noqa: E402
from unislu.sequence import SLUE, Alphabet, Prompt, Span, Target, get_format  # noqa: E402
from unislu.training.cache import EncoderCache, fill  # noqa: E402
from unislu.training.checkpoint import Checkpoint  # noqa: E402
from unislu.training.checkpoint_system import load_checkpoint_model  # noqa: E402
from unislu.training.collate import pad_rows  # noqa: E402
from unislu.training.config import AudioConfig, CorpusConfig, Recipe  # noqa: E402
from unislu.training.export import Facts, export  # noqa: E402
from unislu.training.model_config import ModelConfig  # noqa: E402
from unislu.training.models.encoders import load_encoder  # noqa: E402
from unislu.training.models.whisper import load_unified, torch_encoder  # noqa: E402
from unislu.training.smoke import make_wav2vec2  # noqa: E402
from unislu.training.train import Run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
FULL = 3000


@pytest.fixture(scope="module")
def published(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as published: no `unislu.json`, and lists of tokens to suppress."""
    folder = tmp_path_factory.mktemp("published") / "whisper"
    shutil.copytree(backbone, folder)
    model = load_unified(ModelConfig(str(folder), alphabet="plain"), SLUE)
    encode = model.vocabulary.tokenizer.encode
    lists = {"suppress_tokens": [*encode("e"), *encode("<"), 10_000], "begin_suppress_tokens": encode("t")}
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(settings | lists))
    return folder


@pytest.fixture(scope="module")
def trained(backbone: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(
        "padded", ModelConfig(str(backbone)), (CorpusConfig(str(manifest), entities="closed"),),
        audio=AudioConfig("full"), max_steps=2, batch_size=3, out=str(tmp_path_factory.mktemp("runs")),
    )  # fmt: skip
    return Run(recipe, quiet=True).run()


def test_a_training_batch_is_what_whispers_extractor_gives(backbone: Path, manifest: Path) -> None:
    recipe = Recipe(
        "x", ModelConfig(str(backbone)), (CorpusConfig(str(manifest)),), audio=AudioConfig("full")
    )
    run = Run(recipe, quiet=True)
    examples = run.plan.batches(0)[0][:2]
    batch = run.system.collate(examples)
    extractor = transformers.WhisperFeatureExtractor()
    clips = [run.source.samples(example) for example in examples]
    expected = extractor(clips, sampling_rate=16_000, return_tensors="pt")["input_features"]
    assert batch.mel is not None and batch.mel.shape == expected.shape == (2, 80, FULL)
    assert torch.allclose(batch.mel, expected, atol=1e-4)
    assert batch.lengths.tolist() == [FULL, FULL]
    # The silence is heard, not masked: the states are those of Hugging Face's own encoder.
    own = run.model.eval().encode(batch.mel, batch.lengths)
    theirs = run.model.backbone.model.encoder(expected).last_hidden_state
    assert torch.allclose(own, theirs, atol=1e-4)


def test_checkpoint_bundle_and_training_transcribe_the_same(
    trained: Path, manifest: Path, tmp_path: Path
) -> None:
    assert Checkpoint.read(trained).padding == "full"
    export(trained, tmp_path / "bundle", Facts("padded"))
    assert open_bundle(tmp_path / "bundle").manifest.audio.padding == "full"
    clip = manifest.parent / "3.wav"
    served = load(tmp_path / "bundle", threads=1).analyze(clip)
    direct = load_checkpoint_model(trained).analyze(clip)
    assert served.text == direct.text and served.segments == direct.segments
    words = [word for segment in served.segments for word in segment.words or ()]
    assert all(0 <= word.start <= word.end <= served.duration for word in words)


def test_the_default_stays_true_length(backbone: Path, manifest: Path) -> None:
    recipe = Recipe("x", ModelConfig(str(backbone)), (CorpusConfig(str(manifest)),))
    run = Run(recipe, quiet=True)
    batch = run.system.collate(run.plan.batches(0)[0])
    assert batch.mel is not None and batch.mel.shape[2] < 200
    assert "padding" not in Checkpoint(backbone).to_dict()


def test_suppress_lists_hold_except_for_delimiters(published: Path, tmp_path: Path) -> None:
    export(published, tmp_path / "bundle", Facts("plain"), alphabet="plain")
    model = load(tmp_path / "bundle", threads=1)
    decoder = open_bundle(tmp_path / "bundle").manifest.decoder
    encode = model.vocabulary.tokenizer.encode
    assert decoder.suppress == tuple(encode("e"))  # neither `<`, which opens, nor what is no token
    assert decoder.begin_suppress == tuple(encode("t"))
    assert open_bundle(tmp_path / "bundle").manifest.audio.padding == "full"


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("beam", [1, 3])
def test_suppressed_tokens_are_not_written(
    published: Path, manifest: Path, constrained: bool, beam: int
) -> None:
    model = load_checkpoint_model(published)
    engine = model.recognizer.engine
    assert isinstance(engine, TorchEngine)
    encode = model.vocabulary.tokenizer.encode
    (never,), (not_first,) = encode("e"), encode("t")
    prefer = torch.zeros(engine.vocab_size)
    prefer[never], prefer[not_first] = 90.0, 80.0
    project = engine.model.proj_out.forward
    engine.model.proj_out.forward = lambda hidden: project(hidden) + prefer
    clip = load_audio(manifest.parent / "0.wav")
    from unislu.recognition.request import Request

    recognizer = model.recognizer
    plan = recognizer.resolve(Request(tasks=("asr",), words=False))
    step = replace(
        plan.passes[0],
        options=replace(plan.passes[0].options, beam=beam, constrained=constrained, guard_repetition=False),
    )
    (found,) = recognizer.decode(recognizer.encode([clip]), step)
    assert never not in found.ids
    assert found.ids[0] != not_first and set(found.ids[1:4]) == {not_first}


def test_lists_are_left_alone_where_audio_has_its_own_length(published: Path, manifest: Path) -> None:
    recipe = Recipe("x", ModelConfig(str(published)), (CorpusConfig(str(manifest), entities="closed"),))
    recognizer = Run(recipe, quiet=True).system.predictor()._recognizer  # type: ignore[attr-defined]
    assert recognizer.manifest.decoder.suppress == () and recognizer.manifest.audio.padding == "none"


def test_the_first_word_has_no_blank_as_published(published: Path) -> None:
    config = ModelConfig(str(published), format="inline-open", alphabet="plain", leading_blank=False)
    vocabulary = load_unified(config, SLUE).vocabulary
    fmt = get_format("inline-open", vocabulary, Alphabet.PLAIN, leading_blank=False)
    prompt = Prompt(frozenset({"ner"}), ("person",))
    for text, spans, written in (
        ("we met Anna", (Span(7, 11, "person"),), "we met <person>Anna<person>>"),
        ("Anna met us", (Span(0, 4, "person"),), "<person>Anna<person>> met us"),
    ):
        target = Target(text, spans)
        ids = fmt.render(target, prompt).ids
        assert vocabulary.tokenizer.decode(ids) == written
        assert list(ids[:-1]) == vocabulary.tokenizer.encode(written)  # as the published code encodes
        assert fmt.parse(ids, prompt).target == target
        grammar = fmt.grammar(prompt)
        state = grammar.start()
        for id_ in ids:
            allowed = grammar.allowed(state)
            assert id_ in allowed.ids or (allowed.text and id_ in vocabulary.text_ids)
            state = grammar.advance(state, id_)
    with pytest.raises(OptionError, match="leading_blank"):
        get_format("inline", vocabulary, Alphabet.ATOMIC, leading_blank=False)
    with pytest.raises(RecipeError, match=r"model\.leading_blank"):
        ModelConfig("x", leading_blank=False)


def test_a_small_head_gets_the_clips_own_positions(backbone: Path) -> None:
    encoder = load_encoder(str(backbone), "k").eval()
    encoder.use_padding("full")
    generator = np.random.default_rng(0)
    clips = [0.1 * generator.standard_normal(n).astype(np.float32) for n in (16_000, 24_050)]
    hidden, lengths = encoder(*pad_rows([encoder.features(clip) for clip in clips]))
    extractor = transformers.WhisperFeatureExtractor()
    mel = extractor(clips, sampling_rate=16_000, return_tensors="pt")["input_features"]
    expected = encoder.module(mel).last_hidden_state
    assert lengths.tolist() == [51, 76]  # of 20 ms each, the last one silence
    for row, length in enumerate(lengths.tolist()):
        assert torch.allclose(hidden[row, :length], expected[row, :length], atol=1e-4)
    assert not hidden[0, 51:].any()


def test_only_whispers_encoder_is_padded(tmp_path: Path) -> None:
    encoder = load_encoder(str(make_wav2vec2(tmp_path / "w")), "k")
    with pytest.raises(RecipeError, match=r"audio\.padding"):
        encoder.use_padding("full")


def test_a_cache_is_of_one_padding(backbone: Path, manifest: Path, tmp_path: Path) -> None:
    encode, d = torch_encoder(str(backbone))
    assert fill(manifest, tmp_path, encode, d, padding="full") == 6
    cache = EncoderCache(tmp_path, "full")
    assert cache.length(f"{manifest.parent.name}/0.wav") == FULL // 2
    with pytest.raises(RecipeError, match="tools cache --padding none"):
        EncoderCache(tmp_path)
    with pytest.raises(RecipeError, match="another padding"):
        fill(manifest, tmp_path, encode, d)
    recipe = Recipe(
        "x", ModelConfig(str(backbone), freeze_encoder=True), (CorpusConfig(str(manifest)),),
        audio=AudioConfig("full"), encoder_cache=str(tmp_path),
    )  # fmt: skip
    run = Run(recipe, quiet=True)
    batch = run.system.collate(run.plan.batches(0)[0])
    assert batch.memory is not None and batch.memory.shape[1] == FULL // 2
