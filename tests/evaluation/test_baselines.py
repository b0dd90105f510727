"""Baselines: their specification, their parts on tiny models built here, and the records they give."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unislu.errors import BundleNotFoundError, MissingDependencyError, OptionError, RecordError
from unislu.evaluation.baselines import is_baseline, open_baseline
from unislu.evaluation.baselines.parts import PartSetting
from unislu.evaluation.baselines.taggers import CLOSED_NAMES, Gner, Spacy, _merged, read_bio
from unislu.evaluation.predict import questions, read_datasets
from unislu.evaluation.question import Question
from unislu.sequence import SLUE

WORDS = "anna smith met the council in berlin on monday it was good bad fine person location".split()


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("magic", "unknown part 'magic'; the parts are faster-whisper, whisper, transcripts, spacy"),
        ("spacy+vader", "begin with one recogniser"),
        ("whisper+whisper", "begin with one recogniser"),
        ("whisper+spacy+gliner", "'gliner' is a second tagger"),
        ("whisper+vader+sentiment", "'sentiment' is a second classifier"),
        ("", "unknown part ''"),
    ],
)
def test_specifications_that_name_no_pipeline(specification: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        open_baseline(specification)


def test_what_is_a_baseline() -> None:
    assert is_baseline("faster-whisper:base+spacy") and is_baseline("transcripts:a.jsonl")
    assert not is_baseline("default") and not is_baseline("runs/whisper/best")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingDependencyError, match="pip install faster-whisper"):
        open_baseline("faster-whisper:base")


def test_a_model_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: Any, **options: Any) -> Any:
        raise OSError("Got: ConnectError:\nno network")

    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=offline))
    with pytest.raises(BundleNotFoundError, match=r"^faster-whisper:huge: .*Error: no network\); check"):
        open_baseline("faster-whisper:huge")


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    """Predictions of another system for the four tones."""
    texts = ["We met Anna Smith in Berlin on Monday.", "It was wonderful, I love it!", "", "It was horrible."]
    lines = [
        json.dumps({"id": f"r{n}", "text": text, "duration": 0.5 + 0.05 * n, "seconds": 2.0})
        for n, text in enumerate(texts)
    ]
    path = tmp_path / "asr.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def asked(manifest: Path) -> list[Question]:
    return questions(read_datasets([manifest])[0])


def test_transcripts_that_exist_count_with_their_time(transcripts: Path, manifest: Path) -> None:
    system = open_baseline(f"transcripts:{transcripts}")
    found = list(system.answers(asked(manifest)))
    assert [p.id for p in found] == ["r0", "r1", "r2", "r3"]
    assert found[0].text == "We met Anna Smith in Berlin on Monday."
    assert found[0].entities is None and found[0].sentiment is None
    assert found[0].duration == 0.5 and 2.0 <= (found[0].seconds or 0) < 3.0
    assert str(transcripts.parent) not in json.dumps(system.facts)


def test_a_transcript_that_is_missing_is_named(transcripts: Path, manifest: Path) -> None:
    transcripts.write_text(transcripts.read_text().splitlines()[0] + "\n")
    system = open_baseline(f"transcripts:{transcripts}")
    with pytest.raises(RecordError, match=r"asr\.jsonl: has no transcript of 'r1'"):
        list(system.answers(asked(manifest)))
    with pytest.raises(BundleNotFoundError, match="no such file"):
        open_baseline("transcripts:nowhere.jsonl")


def test_vader(transcripts: Path, manifest: Path) -> None:
    pytest.importorskip("vaderSentiment")
    system = open_baseline(f"transcripts:{transcripts}+vader")
    found = [p.sentiment for p in system.answers(asked(manifest))]
    assert found == ["neutral", "positive", None, "negative"]  # nothing was said in the third
    with pytest.raises(OptionError, match="VADER takes no model"):
        open_baseline(f"transcripts:{transcripts}+vader:large")


@pytest.fixture
def spacy_folder(tmp_path: Path) -> Path:
    """A pipeline of rules with OntoNotes labels."""
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    rules = {"PERSON": "Anna Smith", "GPE": "Berlin", "DATE": "Monday", "EVENT": "It"}
    ruler.add_patterns([{"label": label, "pattern": text} for label, text in rules.items()])
    pipeline.to_disk(tmp_path / "rules")
    return tmp_path / "rules"


def test_spacy_in_the_closed_set_and_for_open_types(
    spacy_folder: Path, transcripts: Path, manifest: Path
) -> None:
    system = open_baseline(f"transcripts:{transcripts}+spacy:{spacy_folder}")
    found = list(system.answers(asked(manifest)))
    assert found[0].entities == (("PERSON", "Anna Smith"), ("PLACE", "Berlin"), ("WHEN", "Monday"))
    assert found[1].entities == ()  # SLUE drops events
    tagger = Spacy(str(spacy_folder), PartSetting())
    assert tagger.tag("It met Anna Smith in Berlin", ("location", "event", "drug")) == (
        ("event", "It"),
        ("location", "Berlin"),
    )
    assert tagger.parameters == 0


def test_spacy_pipelines_that_do_not_fit(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    with pytest.raises(BundleNotFoundError, match="no such pipeline"):
        Spacy("en_core_web_nowhere", PartSetting())
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(OptionError, match="are not OntoNotes'"):
        Spacy(str(tmp_path / "blank"), PartSetting())


def test_bio_answers_are_aligned_with_the_text() -> None:
    words = "anna smith met the council in new york".split()
    names = {"person": "PERSON", "location": "PLACE", "organization": "ORG"}
    answer = (
        "anna(B-person) smith(I-person) met(O) the(O) council(B-organization) in(O) new(B-location) "
        "york(I-location)"
    )
    assert read_bio(answer, words, names) == [(0, 2, "PERSON"), (4, 5, "ORG"), (6, 8, "PLACE")]
    # a word left out, one invented, an unknown type, an inside without a beginning
    messy = "Anna(B-person) met(O) quickly(O) the(O) council(B-animal) in(O) new(I-location) york(I-location)"
    assert read_bio(messy, words, names) == [(0, 1, "PERSON"), (6, 8, "PLACE")]
    twins = "anna(B-person) smith(B-person)"
    assert read_bio(twins, words[:2], names) == [(0, 1, "PERSON"), (1, 2, "PERSON")]
    assert read_bio("no tags at all", words, names) == []


def test_neighbouring_tokens_of_one_type_are_one_entity() -> None:
    spans = [(0, 4, "person"), (5, 10, "person"), (12, 15, "person"), (15, 18, "place")]
    assert _merged(spans) == [(0, 10, "person"), (12, 15, "person"), (15, 18, "place")]


def test_every_closed_type_has_a_name_to_ask_for() -> None:
    assert set(CLOSED_NAMES) == set(SLUE.entity_types)
    assert len(set(CLOSED_NAMES.values())) == len(CLOSED_NAMES)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A word-level tokenizer as transformers saves one."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = ["<pad>", "</s>", "<unk>", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    words = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_a_transformer_as_classifier(
    tokenizer: Any, tmp_path: Path, transcripts: Path, manifest: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, id2label={0: "Negative", 1: "Neutral", 2: "Positive"},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    for saved in (model, tokenizer):
        saved.save_pretrained(tmp_path / "bert")
    system = open_baseline(f"transcripts:{transcripts}+sentiment:{tmp_path / 'bert'}", PartSetting(threads=1))
    found = list(system.answers(asked(manifest)))
    scores = found[0].sentiment_scores or {}
    assert set(scores) == {"negative", "neutral", "positive"} and sum(scores.values()) == pytest.approx(1)
    assert found[0].sentiment == max(scores, key=lambda name: scores[name]) and found[2].sentiment is None

    model.config.id2label = {0: "LABEL_0", 1: "neutral", 2: "positive"}
    model.save_pretrained(tmp_path / "bert")
    with pytest.raises(OptionError, match="its label 'label_0' is none of"):
        open_baseline(f"transcripts:{transcripts}+sentiment:{tmp_path / 'bert'}")


@pytest.mark.filterwarnings("ignore")
def test_gner_on_a_random_t5(tokenizer: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        decoder_start_token_id=0, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    for saved in (transformers.T5ForConditionalGeneration(config), tokenizer):
        saved.save_pretrained(tmp_path / "t5")
    tagger = Gner(str(tmp_path / "t5"), PartSetting())
    found = tagger.tag("anna smith met the council", ("person", "location"))
    assert all(name in ("person", "location") for name, _ in found)
    assert tagger.parameters and tagger.facts["model"] == "t5"
    bert = transformers.BertConfig(vocab_size=8)
    bert.save_pretrained(tmp_path / "bert")
    with pytest.raises(OptionError, match="is not an encoder-decoder"):
        Gner(str(tmp_path / "bert"), PartSetting())


@pytest.mark.filterwarnings("ignore")
def test_whisper_as_published(checkpoint: Path, manifest: Path, tmp_path: Path) -> None:
    """A random Whisper of the right make: the transcript is noise, the record is not."""
    transformers = pytest.importorskip("transformers")
    config = transformers.WhisperConfig(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=24,
        bos_token_id=1, eos_token_id=1, pad_token_id=1, decoder_start_token_id=3, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    folder = tmp_path / "whisper"
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    _plain_tokenizer(folder)
    system = open_baseline(f"whisper:{folder}", PartSetting(threads=1))
    found = list(system.answers(asked(manifest)))
    assert [p.duration for p in found] == pytest.approx([0.5, 0.55, 0.6, 0.65])
    assert all(isinstance(p.text, str) and (p.seconds or 0) > 0 for p in found)
    assert system.facts["parameters"] > 0 and system.name == "whisper whisper"
    import wave

    with wave.open(str(manifest.parent / "0.wav"), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x01" * 8_000 * 31)
    with pytest.raises(RecordError, match=r"lasts 31\.0 s, Whisper takes at most 30 s"):
        list(system.answers(asked(manifest)))


def _plain_tokenizer(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = ["<unk>", "</s>", *WORDS]
    words = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_gliner_on_a_random_model(tokenizer: Any, tmp_path: Path) -> None:
    gliner = pytest.importorskip("gliner")
    transformers = pytest.importorskip("transformers")
    backbone = transformers.BertConfig(
        vocab_size=len(tokenizer) + 2, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    config = gliner.GLiNERConfig(
        model_name=str(tmp_path / "backbone"), hidden_size=16, encoder_config=backbone.to_dict(), max_width=4
    )
    for saved in (transformers.BertModel(backbone), tokenizer):
        saved.save_pretrained(tmp_path / "backbone")
    model = gliner.GLiNER.from_config(config)
    model.save_pretrained(tmp_path / "gliner")
    for name in ("gliner", "nuner"):
        path = tmp_path / "asr.jsonl"
        path.write_text(json.dumps({"id": "a", "text": "anna smith met the council in berlin"}) + "\n")
        system = open_baseline(
            f"transcripts:{path}+{name}:{tmp_path / 'gliner'}", PartSetting(threshold=0.01)
        )
        question = Question("a", path, ("asr", "ner"), ("person", "restaurant-name"))
        (found,) = system.answers([question])
        assert found.entities and {name for name, _ in found.entities} <= {"person", "restaurant-name"}
        assert all(phrase in "anna smith met the council in berlin" for _, phrase in found.entities)
