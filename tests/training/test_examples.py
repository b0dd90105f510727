"""Examples: what is fed and what is learned, for each state of annotation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from unislu.errors import RecipeError
from unislu.sequence import SLUE, Vocabulary, WhisperTokenizer
from unislu.training.collate import padded_tokens
from unislu.training.config import CorpusConfig, PromptConfig, Recipe
from unislu.training.examples import Example, ExampleMaker, Formats, TrainingCorpus, load_corpora
from unislu.training.loss import IGNORE
from unislu.training.model_config import ModelConfig


@pytest.fixture
def vocabulary(backbone: Path) -> Vocabulary:
    tokenizer = WhisperTokenizer.from_file(backbone / "tokenizer.json")
    return Vocabulary.extend(tokenizer, len(tokenizer.text_bytes) + 40, tokenizer.special_tokens, SLUE)


def recipe_for(manifest: Path, **corpus: object) -> Recipe:
    config = CorpusConfig(str(manifest), **corpus)  # type: ignore[arg-type]
    return Recipe("tiny", ModelConfig("unused"), (config,), prompts=PromptConfig(negatives=1, dropout=0.0))


def make(vocabulary: Vocabulary, manifest: Path, index: int, epoch: int = 0, **corpus: object) -> Example:
    recipe = recipe_for(manifest, **corpus)
    corpora = load_corpora(recipe.corpora)
    example = ExampleMaker(recipe, vocabulary, corpora, Formats.of("inline", vocabulary))(
        corpora[0], corpora[0].records[index], epoch
    )
    assert example is not None
    return example


def learned(example: Example) -> tuple[int, ...]:
    return example.tokens[example.learned_from :]


def test_closed_entities_are_tagged_and_the_prefix_says_so(vocabulary: Vocabulary, manifest: Path) -> None:
    example = make(vocabulary, manifest, 0, entities="closed")
    assert vocabulary["[NER]"] in example.tokens[: example.learned_from]
    assert vocabulary["[PERSON]"] in learned(example) and vocabulary["[/WHEN]"] in learned(example)
    tags = [t for t, part in zip(example.tokens, example.parts, strict=True) if part == 1]
    assert vocabulary["[PLACE]"] in tags


def test_not_annotated_is_not_the_same_as_none_present(vocabulary: Vocabulary, manifest: Path) -> None:
    none_present = make(vocabulary, manifest, 2, entities="closed")
    not_annotated = make(vocabulary, manifest, 3, entities="closed")
    assert vocabulary["[NER]"] in none_present.tokens
    assert vocabulary["[NER]"] not in not_annotated.tokens


def test_sentiment_follows_the_transcript(vocabulary: Vocabulary, manifest: Path) -> None:
    example = make(vocabulary, manifest, 3)
    answer = learned(example)
    after = answer[answer.index(vocabulary["[SA]"]) + 1 : -1]
    assert vocabulary.tokenizer.decode(after) == "Positive"


def test_text_only_learns_the_sentiment_alone(vocabulary: Vocabulary, manifest: Path) -> None:
    example = make(vocabulary, manifest, 4, text_only=True)
    assert example.clip is None
    assert vocabulary.tokenizer.decode(learned(example)[:-1]) == "Negative"


def test_examples_depend_on_seed_epoch_and_record_alone(vocabulary: Vocabulary, manifest: Path) -> None:
    first = [make(vocabulary, manifest, 0, epoch, entities="open") for epoch in range(6)]
    again = [make(vocabulary, manifest, 0, epoch, entities="open") for epoch in range(6)]
    assert first == again
    assert len({example.tokens for example in first}) > 1  # prompts are shuffled anew each epoch


def test_dropped_types_vanish_from_prompt_and_target(vocabulary: Vocabulary, manifest: Path) -> None:
    recipe = replace(recipe_for(manifest, entities="open"), prompts=PromptConfig(negatives=3, dropout=0.5))
    corpora = load_corpora(recipe.corpora)
    maker = ExampleMaker(recipe, vocabulary, corpora, Formats.of("inline", vocabulary))
    names = {"person", "place", "when", "org"}
    for epoch in range(40):
        example = maker(corpora[0], corpora[0].records[0], epoch)
        assert example is not None
        prompt = vocabulary.tokenizer.decode(example.tokens[: example.learned_from])
        answer = vocabulary.tokenizer.decode(learned(example))
        for name in names:
            if name not in prompt:
                assert name not in answer


def test_types_that_a_copy_is_asked_for_are_fed_and_not_learned(
    vocabulary: Vocabulary, manifest: Path
) -> None:
    recipe = recipe_for(manifest, entities="open")
    corpora = load_corpora(recipe.corpora)
    formats = Formats.of("copy", vocabulary)
    assert (formats.closed.name, formats.open.name) == ("copy", "copy-open")
    example = ExampleMaker(recipe, vocabulary, corpora, formats)(corpora[0], corpora[0].records[0], 0)
    assert example is not None
    _, labels, parts, _ = padded_tokens([example], 0)
    whole = list(example.tokens[1:])
    first, last = (whole.index(vocabulary[name]) for name in ("[T/L]", "[NER]"))
    asked = vocabulary.tokenizer.decode(whole[first + 1 : last])
    assert {"person", "place", "when"} <= {name.strip() for name in asked.split(";")}
    assert set(labels[0, first + 1 : last].tolist()) == {IGNORE}
    assert labels[0, first] == vocabulary["[T/L]"] and labels[0, last] == vocabulary["[NER]"]
    assert labels[0, last + 1 :].tolist() == whole[last + 1 :]
    assert set(parts[0, last + 1 :].tolist()) == {1}


def test_mistakes_are_named(vocabulary: Vocabulary, manifest: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(RecipeError, match=r"empty\.jsonl"):
        load_corpora([CorpusConfig(str(empty))])
    with pytest.raises(RecipeError, match="text_only"):
        load_corpora([CorpusConfig(str(manifest), text_only=True, limit=3)])
    corpora = load_corpora([CorpusConfig(str(manifest))])
    record = replace(corpora[0].records[3], sentiment="ecstatic")
    with pytest.raises(RecipeError, match="ecstatic"):
        ExampleMaker(recipe_for(manifest), vocabulary, corpora, Formats.of("inline", vocabulary))(
            corpora[0], record, 0
        )


def test_closed_spans_map_ontonotes_and_drop_what_slue_drops(vocabulary: Vocabulary, manifest: Path) -> None:
    recipe = recipe_for(manifest, entities="closed")
    corpora = load_corpora(recipe.corpora)
    record = corpora[0].records[0]
    assert record.entities is not None
    types = ["gpe", "WORK_OF_ART", "DATE"]
    entities = tuple(replace(e, type=t) for e, t in zip(record.entities, types, strict=True))
    corpus = TrainingCorpus(corpora[0].config, manifest, corpora[0].records)
    example = ExampleMaker(recipe, vocabulary, corpora, Formats.of("inline", vocabulary))(
        corpus, replace(record, entities=entities), 0
    )
    assert example is not None
    assert vocabulary["[PLACE]"] in example.tokens and vocabulary["[WHEN]"] in example.tokens
    assert example.tokens.count(vocabulary["[PERSON]"]) == 0


def prompt_types(vocabulary: Vocabulary, example: Example) -> set[str]:
    """The types an example asks for, read back from its prompt."""
    first = example.tokens.index(vocabulary["<|startofprev|>"]) + 1
    last = example.tokens.index(vocabulary["<|startoftranscript|>"])
    return {name.strip() for name in vocabulary.tokenizer.decode(example.tokens[first:last]).split(",")}


@pytest.fixture
def synonym_corpora(manifest: Path, tmp_path: Path) -> tuple[CorpusConfig, ...]:
    """The corpus with its types renamed, and another whose own types are some of those names."""
    other = tmp_path / "other.jsonl"
    lines = [
        {"id": f"o{number}", "text": "alpha", "entities": [{"start": 0, "end": 5, "type": name}]}
        for number, name in enumerate(["human", "individual", "site", "person", "dish"])
    ]
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    renames = ("PERSON=human|individual", "place=location|site")
    return (
        CorpusConfig(str(manifest), entities="open", rename=renames),
        CorpusConfig(str(other), entities="open"),
    )


def test_synonyms_are_drawn_and_none_of_them_is_a_negative(
    vocabulary: Vocabulary, synonym_corpora: tuple[CorpusConfig, ...]
) -> None:
    prompts = PromptConfig(negatives=4, dropout=0.0)
    recipe = Recipe("tiny", ModelConfig("unused"), synonym_corpora, prompts=prompts)
    corpora = load_corpora(recipe.corpora)
    maker = ExampleMaker(recipe, vocabulary, corpora, Formats.of("inline", vocabulary))
    asked, asked_elsewhere = set(), set()
    for epoch in range(40):
        example = maker(corpora[0], corpora[0].records[0], epoch)  # PERSON, PLACE, WHEN
        assert example is not None
        types = prompt_types(vocabulary, example)
        answer = vocabulary.tokenizer.decode(learned(example))
        for names in ({"person", "human", "individual"}, {"place", "location", "site"}):
            (name,) = types & names
            assert name in answer
        assert {"person", "place"}.isdisjoint(types) and "when" in types
        asked |= types
        elsewhere = maker(corpora[0], corpora[0].records[1], epoch)  # ORG alone
        assert elsewhere is not None
        asked_elsewhere |= prompt_types(vocabulary, elsewhere)
    assert {"human", "individual", "location", "site", "when", "dish"} <= asked
    # They are good negatives where no person and no place is named.
    assert {"human", "individual", "site", "person"} <= asked_elsewhere


def test_a_dropped_type_is_not_denied_under_another_name(
    vocabulary: Vocabulary, synonym_corpora: tuple[CorpusConfig, ...]
) -> None:
    prompts = PromptConfig(negatives=4, dropout=0.9)
    recipe = Recipe("tiny", ModelConfig("unused"), synonym_corpora, prompts=prompts)
    corpora = load_corpora(recipe.corpora)
    maker = ExampleMaker(recipe, vocabulary, corpora, Formats.of("inline", vocabulary))
    for epoch in range(40):
        example = maker(corpora[0], corpora[0].records[0], epoch)
        assert example is not None
        answer = vocabulary.tokenizer.decode(learned(example))
        for name in prompt_types(vocabulary, example) & {"person", "human", "individual", "location", "site"}:
            assert name in answer


@pytest.mark.parametrize("line", ["ORG", "=company", "ORG=", "ORG=company|"])
def test_a_rename_that_names_nothing_is_an_error(line: str) -> None:
    with pytest.raises(RecipeError, match="TYPE=name"):
        CorpusConfig("somewhere", entities="open", rename=(line,))


def tags_of(vocabulary: Vocabulary, manifest: Path, index: int, **corpus: object) -> Example | None:
    recipe = recipe_for(manifest, **corpus)
    recipe = replace(recipe, model=ModelConfig("unused", learns="tags"))
    corpora = load_corpora(recipe.corpora)
    maker = ExampleMaker(recipe, vocabulary, corpora, Formats.of("inline", vocabulary))
    return maker(corpora[0], corpora[0].records[index], 0)


def test_a_tagger_learns_what_there_is_to_choose(vocabulary: Vocabulary, manifest: Path) -> None:
    closed = tags_of(vocabulary, manifest, 0, entities="closed")
    assert closed is not None
    chosen = {
        token for token, ids in zip(learned(closed), closed.allowed, strict=True) if ids and len(ids) > 1
    }
    assert vocabulary["[PERSON]"] in chosen
    assert all(not ids or token in ids for token, ids in zip(learned(closed), closed.allowed, strict=True))
    sentiment = tags_of(vocabulary, manifest, 3)
    assert sentiment is not None and len(learned(sentiment)) == 1
    assert tags_of(vocabulary, manifest, 0) is None or closed.clip is not None


def test_only_formats_with_tags_in_the_transcript_can_learn_tags_alone() -> None:
    with pytest.raises(RecipeError, match=r"model\.learns"):
        ModelConfig("unused", format="suffix", learns="tags")
    with pytest.raises(RecipeError, match=r"model\.learns"):
        ModelConfig("unused", alphabet="plain", learns="tags")
