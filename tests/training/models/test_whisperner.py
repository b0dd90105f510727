"""WhisperNER: the plain alphabet of the published checkpoint, up to a bundle, and how negatives are drawn."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
transformers = pytest.importorskip("transformers")

from unislu.audio import load_audio  # noqa: E402
from unislu.audio.features import log_mel  # noqa: E402
from unislu.bundle import open_bundle  # noqa: E402
from unislu.data.prompts import open_prompt  # noqa: E402
from unislu.data.similar import neighbours  # noqa: E402
from unislu.decoding.decoder import Decoder  # noqa: E402
from unislu.decoding.options import DecodeOptions  # noqa: E402
from unislu.engines.onnx import OnnxEngine  # noqa: E402
from unislu.errors import BundleError, MissingDependencyError, RecipeError  # noqa: E402
from unislu.recognition.model import load  # noqa: E402
from unislu.sequence import SLUE, Alphabet, Prompt, Span, Target, get_format  # noqa: E402
from unislu.training.checkpoint import tokenizer_file_of  # noqa: E402
from unislu.training.config import CorpusConfig, PromptConfig, Recipe  # noqa: E402
from unislu.training.examples import ExampleMaker, Formats, load_corpora  # noqa: E402
from unislu.training.export import Facts, export  # noqa: E402
from unislu.training.model_config import ModelConfig  # noqa: E402
from unislu.training.models.predict import predict  # noqa: E402
from unislu.training.models.whisper import load_unified  # noqa: E402
from unislu.training.train import Run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

PLAIN = ModelConfig("", format="inline-open", alphabet="plain")


@pytest.fixture(scope="module")
def released(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder as whisper-ner is published: Whisper's vocabulary, no `unislu.json`."""
    folder = tmp_path_factory.mktemp("released") / "whisper-ner"
    shutil.copytree(tiny / "whisper", folder)
    return folder


@pytest.fixture(scope="module")
def bundle(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain") / "bundle"
    export(released, out, Facts("whisper-ner"), alphabet="plain")
    return out


def test_nothing_is_added_to_the_published_vocabulary(released: Path) -> None:
    model = load_unified(replace(PLAIN, backbone=str(released)), SLUE)
    rows = model.backbone.model.decoder.embed_tokens.weight.shape[0]
    assert model.vocabulary.size == rows and len(model.new_rows) == 0
    assert "[NER]" not in model.vocabulary
    target = Target("the astronaut explored", (Span(4, 13, "occupation"),))
    rendered = get_format("inline-open", model.vocabulary, Alphabet.PLAIN).render(
        target, Prompt(frozenset({"ner"}), ("occupation",))
    )
    text = model.vocabulary.tokenizer.decode(rendered.ids)
    assert text == " the <occupation>astronaut<occupation>> explored"


def test_it_trains_on_and_keeps_its_alphabet(released: Path, tiny: Path, tmp_path: Path) -> None:
    corpus = CorpusConfig(str(tiny / "corpus" / "manifest.jsonl"), entities="open", sentiment=False)
    recipe = Recipe("plain", replace(PLAIN, backbone=str(released), freeze_encoder=True), (corpus,),
                    max_steps=2, batch_size=3, out=str(tmp_path))  # fmt: skip
    checkpoint = Run(recipe, quiet=True).run()
    assert json.loads((checkpoint / "unislu.json").read_text())["alphabet"] == "plain"
    with pytest.raises(RecipeError, match=r"model\.alphabet"):
        load_unified(ModelConfig(str(checkpoint)), SLUE)
    answers = list(predict(checkpoint, tiny / "corpus" / "manifest.jsonl", entities="open"))
    assert [answer.id for answer in answers] == [f"t{n}" for n in range(6)]
    assert all(answer.entities is not None for answer in answers)
    out = tmp_path / "bundle"
    export(checkpoint, out, Facts("plain"))
    assert open_bundle(out).manifest.alphabet == "plain"


def test_the_published_folder_becomes_a_bundle(bundle: Path, released: Path, tmp_path: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert (manifest.alphabet, manifest.formats) == ("plain", ("inline-open",))
    with pytest.raises(BundleError, match=r"unislu\.json"):
        export(released, tmp_path / "b", Facts("x"))  # atomic tokens need a checkpoint of ours


def test_the_bundle_transcribes_open_types(bundle: Path, tiny: Path) -> None:
    model = load(bundle, threads=1)
    heard = model.analyze(tiny / "corpus" / "0.wav", entities=["city", "person"], bias=-50.0)
    assert heard.entities == () and heard.sentiment is None and heard.text is not None


def test_a_bias_opens_and_keeps_from_opening(bundle: Path, tiny: Path) -> None:
    found = open_bundle(bundle)
    engine = OnnxEngine(found.encoder, found.decoder, threads=1)
    vocabulary = load(bundle, threads=1).vocabulary
    fmt = get_format("inline-open", vocabulary, Alphabet.PLAIN)
    prompt = Prompt(frozenset({"ner"}), ("city",))
    starts = set(fmt.grammar(prompt).biased_openers()["city"])
    mel = log_mel(load_audio(tiny / "corpus" / "0.wav"))
    encoded = engine.encode(mel[None], np.array([mel.shape[1]]))
    for bias, opens in ((60.0, True), (-60.0, False)):
        options = DecodeOptions(bias=bias, guard_repetition=False)
        (decoded,) = Decoder(engine, vocabulary).decode(encoded, fmt, prompt, [2.0], options)
        assert (decoded.ids[0] in starts) == opens
        text = vocabulary.tokenizer.decode(decoded.ids)
        # Inside the entity nothing is biased: its words are not interrupted by a second opener.
        assert text.lstrip().startswith("<city>") == opens and text.count("<city>") == int(opens)


def test_the_bias_touches_every_token_that_opens(bundle: Path) -> None:
    model = load(bundle, threads=1)
    fmt = get_format("inline-open", model.vocabulary, Alphabet.PLAIN)
    prompt = Prompt(frozenset({"ner"}), ("city",))
    starts = fmt.grammar(prompt).biased_openers()["city"]
    written = {model.vocabulary.tokenizer.text_bytes[token] for token in starts}
    # ` <` comes after a word, `<` at the start or inside one; a closer's `<` is not among them, by place.
    assert {b"<"} <= written and all(b"<" in piece for piece in written)
    assert all(b"<city".startswith(piece.lstrip(b" ")) for piece in written)


def test_a_tokenizer_of_older_files_is_converted(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(tiny / "whisper", folder)
    raw = json.loads((folder / "tokenizer.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(raw["model"]["vocab"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in raw["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    added = {token["content"]: token["id"] for token in raw["added_tokens"]}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "WhisperTokenizer"}')
    (folder / "tokenizer.json").unlink()
    from unislu.sequence import WhisperTokenizer

    first, again = (WhisperTokenizer.from_file(tokenizer_file_of(str(f))) for f in (tiny / "whisper", folder))
    assert again.encode(" we met Anna") == first.encode(" we met Anna")
    assert {
        n: i for n, i in again.special_tokens.items() if n in first.special_tokens
    } == first.special_tokens


def test_neighbours_share_words_and_are_never_oneself() -> None:
    texts = ["flights to boston on monday", "flights from boston on friday", "play some jazz music",
             "play jazz tonight", "flights to boston on monday"]  # fmt: skip
    found = neighbours(texts)
    assert found[0][0] == 4 and found[4][0] == 0 and found[2][0] == 3
    assert all(number not in some for number, some in enumerate(found))
    assert neighbours([]) == [] and neighbours(["alone"]) == [[]]


def test_a_missing_embedding_package_is_named() -> None:
    try:
        import sentence_transformers  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="pip install sentence-transformers"):
            neighbours(["a", "b"], "some/model")


def test_random_types_are_as_many_as_a_random_examples(tiny: Path) -> None:
    target = Target("in Rome", (Span(3, 7, "city"),))
    others = [("a", "b", "c")]
    universe = [f"t{n}" for n in range(50)]
    drawn = open_prompt(target, others, random.Random(0), negatives=1, dropout=0.0, universe=universe)
    negatives = set(drawn.types) - {"city"}
    assert len(negatives) == 3 and negatives <= set(universe)


@pytest.mark.parametrize("strategy", ["random-sample", "random-type", "hard"])
def test_no_strategy_names_what_is_present(tiny: Path, strategy: str) -> None:
    corpus = CorpusConfig(str(tiny / "corpus" / "manifest.jsonl"), entities="open", sentiment=False)
    model = load_unified(ModelConfig(str(tiny / "whisper"), format="inline-open"), SLUE)
    recipe = Recipe("x", ModelConfig("unused"), (corpus,),
                    prompts=PromptConfig(negatives=3, dropout=0.5, strategy=strategy))  # type: ignore[arg-type]  # fmt: skip
    corpora = load_corpora(recipe.corpora)
    formats = Formats.of("inline-open", model.vocabulary)
    maker = ExampleMaker(recipe, model.vocabulary, corpora, formats)
    for epoch in range(8):
        for record in corpora[0].records:
            example = maker(corpora[0], record, epoch)
            assert example is not None
            prompt = model.vocabulary.tokenizer.decode(example.tokens[: example.learned_from])
            asked = {name.strip() for name in prompt.split(",")} - {""}
            answer = formats.open.parse(
                example.tokens[example.learned_from :],
                Prompt(frozenset({"ner"}), tuple(sorted(asked)) or None),
            )
            wanted = {e.type.lower() for e in record.entities or ()}
            found = {span.type for span in answer.target.entities or ()}
            assert found == wanted & asked  # what is asked for and present is always tagged
