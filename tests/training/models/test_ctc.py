"""The CTC baseline: SLUE's symbols, greedy decoding, and the loss against transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from unislu.data.records import AnnotatedEntity, Record, read_records  # noqa: E402
from unislu.errors import RecipeError  # noqa: E402
from unislu.recognition.style import normalize  # noqa: E402
from unislu.sequence import SLUE, Prompt, Span, Target  # noqa: E402
from unislu.training.collate import AudioSource, pad_rows  # noqa: E402
from unislu.training.config import CorpusConfig, SpecAugmentConfig  # noqa: E402
from unislu.training.examples import TrainingCorpus  # noqa: E402
from unislu.training.loss import IGNORE  # noqa: E402
from unislu.training.model_config import CtcConfig  # noqa: E402
from unislu.training.models.ctc import (  # noqa: E402
    RAW,
    CtcTagger,
    collapse,
    load_ctc,
    make_example,
    predictor,
)
from unislu.training.models.ctc_text import BLANK, CtcText  # noqa: E402
from unislu.training.models.encoders import AudioBatch, load_encoder  # noqa: E402
from unislu.training.protocol import Asked  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

WORDS = st.lists(st.text("abcxyz'é0", min_size=1, max_size=6), min_size=1, max_size=7)


@st.composite
def targets(draw: st.DrawFn) -> Target:
    words = draw(WORDS)
    spans, start = [], 0
    for word in words:
        if draw(st.booleans()):
            spans.append(Span(start, start + len(word), draw(st.sampled_from(SLUE.entity_types))))
        start += len(word) + 1
    return Target(" ".join(words), tuple(spans))


@settings(max_examples=60)
@given(targets())
def test_what_is_encoded_is_read_back(target: Target) -> None:
    text = CtcText.of([target.text], SLUE.entity_types)
    wanted, spans, _ = normalize(target.text, target.entities or ())
    parsed = text.parse(text.encode(target))
    assert parsed.target == Target(wanted, spans)
    assert not parsed.repairs
    assert CtcText.from_manifest(text.to_manifest()) == text


@given(st.lists(st.integers(0, 60), max_size=40))
def test_any_units_can_be_read(units: list[int]) -> None:
    text = CtcText.of([], SLUE.entity_types)
    parsed = text.parse(collapse(units))
    assert parsed.target.entities is not None
    assert all(0 <= s.start < s.end <= len(parsed.target.text) for s in parsed.target.entities)
    assert {s.type for s in parsed.target.entities} <= set(SLUE.entity_types)


def test_slue_rules_for_broken_symbols() -> None:
    text = CtcText.of([], ("ORG", "PLACE"))
    org, place, close = text.size - 3, text.size - 2, text.size - 1
    letters = {c: text.unit(c) for c in "abc"}
    units = [org, letters["a"], place, letters["b"], close, org, letters["c"]]
    parsed = text.parse([unit for unit in units if unit is not None])
    # An opener inside an open entity discards the earlier one; what is not closed is dropped.
    assert parsed.target == Target("abc", (Span(1, 2, "PLACE"),))
    assert len(parsed.repairs) == 2


def test_collapse_keeps_doubles_that_a_blank_parts() -> None:
    assert collapse([BLANK, 5, 5, BLANK, 5, 6, 6, BLANK]) == [5, 5, 6]


@pytest.mark.parametrize("reduction", ["tokens", "examples"])
def test_loss_is_transformers_loss(tiny: Path, reduction: str) -> None:
    torch.manual_seed(0)
    text = CtcText.of([], ("ORG",))
    model = CtcTagger(load_encoder(str(tiny / "wav2vec2"), "k"), text, CtcConfig("unused")).eval()
    config = transformers.Wav2Vec2Config.from_pretrained(
        tiny / "wav2vec2", vocab_size=text.size, pad_token_id=BLANK, ctc_zero_infinity=True,
        ctc_loss_reduction="sum" if reduction == "tokens" else "mean",
    )  # fmt: skip
    theirs = transformers.Wav2Vec2ForCTC(config).eval()
    theirs.wav2vec2.load_state_dict(model.encoder.module.state_dict(), strict=False)
    theirs.lm_head.load_state_dict(model.head.state_dict())
    rng = torch.Generator().manual_seed(1)
    clips = [torch.randn(n, generator=rng).numpy() for n in (16000, 16000)]
    audio, lengths = pad_rows([model.encoder.features(clip) for clip in clips])
    labels = torch.randint(1, text.size, (2, 12), generator=rng)
    labels[1, 7:] = IGNORE
    expected = theirs(audio, labels=labels).loss
    if reduction == "tokens":
        expected = expected / (labels != IGNORE).sum()
    assert float(model(AudioBatch(audio, lengths, labels), reduction)) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_a_recognisers_head_is_taken_over(tiny: Path, tmp_path: Path) -> None:
    import json

    config = transformers.Wav2Vec2Config.from_pretrained(tiny / "wav2vec2", vocab_size=6)
    theirs = transformers.Wav2Vec2ForCTC(config)
    theirs.save_pretrained(tmp_path)
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "E": 5}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Wav2Vec2CTCTokenizer"}')
    text = CtcText.of([], ("ORG",))
    model = load_ctc(CtcConfig(str(tmp_path)), text)
    for character, row in ((" ", 4), ("e", 5)):
        unit = text.unit(character)
        assert torch.equal(model.head.weight[unit], theirs.lm_head.weight[row])
    assert torch.equal(model.head.weight[BLANK], theirs.lm_head.weight[0])


def test_examples_need_audio_annotation_and_room(tiny: Path) -> None:
    manifest = tiny / "corpus" / "manifest.jsonl"
    record = next(iter(read_records(manifest)))
    corpus = TrainingCorpus(CorpusConfig(str(manifest), entities="closed"), manifest, [record])
    text = CtcText.of([record.text], SLUE.entity_types)

    def made(**changes: object) -> object:
        return make_example(text, SLUE, corpus, Record(**{**vars(record), **changes}), 0)  # type: ignore[arg-type]

    assert made() is not None
    assert made(audio=None) is None
    assert made(entities=None) is None  # "not annotated" must not teach "none present"
    assert made(duration=0.3) is None  # fewer positions than units


def test_ontonotes_types_are_learned_and_slues_answered(tiny: Path, tmp_path: Path) -> None:
    record = Record(
        "r", "anna met the irs in rome at six", audio="0.wav", duration=3.0,
        entities=(AnnotatedEntity(0, 4, "PERSON"), AnnotatedEntity(5, 8, "EVENT"),
                  AnnotatedEntity(9, 16, "ORG"), AnnotatedEntity(20, 24, "PLACE", {"type18": "GPE"}),
                  AnnotatedEntity(28, 31, "TIME")),
    )  # fmt: skip
    corpus = TrainingCorpus(
        CorpusConfig("m", entities="closed"), tiny / "corpus" / "manifest.jsonl", [record]
    )
    text = CtcText.of([record.text], RAW.entity_types)
    assert len(text.types) == 18
    example = make_example(text, RAW, corpus, record, 0)
    assert example is not None
    learned = text.parse(example.tokens).target
    assert [span.type for span in learned.entities or ()] == ["PERSON", "EVENT", "ORG", "GPE", "TIME"]

    model = CtcTagger(load_encoder(str(tiny / "wav2vec2"), "k"), text, CtcConfig("unused"))
    forced = torch.full((1, len(example.tokens) * 2, text.size), -9.0)
    for place, unit in enumerate(example.tokens):
        forced[0, 2 * place, unit] = 9.0
        forced[0, 2 * place + 1, BLANK] = 9.0
    model.log_probabilities = lambda audio, lengths: (forced, torch.tensor([forced.shape[1]]))  # type: ignore[method-assign]
    answering = predictor(model, AudioSource(None, SpecAugmentConfig(), ()), SLUE)
    (answer,) = answering([Asked("r", (corpus.manifest, "0.wav"), Prompt(frozenset({"ner"})))])
    assert answer.text == record.text
    assert answer.entities == (("PERSON", "anna"), ("ORG", "the irs"), ("PLACE", "rome"), ("WHEN", "six"))


def test_slues_types_are_no_ontonotes_types(tiny: Path) -> None:
    record = Record("r", "in rome", audio="0.wav", duration=3.0, entities=(AnnotatedEntity(3, 7, "PLACE"),))
    corpus = TrainingCorpus(
        CorpusConfig("m", entities="closed"), tiny / "corpus" / "manifest.jsonl", [record]
    )
    with pytest.raises(RecipeError, match="--types raw"):
        make_example(CtcText.of([record.text], RAW.entity_types), RAW, corpus, record, 0)


def test_a_character_without_a_unit_is_named() -> None:
    with pytest.raises(RecipeError, match="ß"):
        CtcText.of([], ()).encode(Target("straße"))
