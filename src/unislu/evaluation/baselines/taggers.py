"""Taggers: spaCy, GLiNER, NuNER Zero and GNER, each through its own package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from unislu.errors import BundleNotFoundError, OptionError
from unislu.evaluation.baselines.parts import (
    Pairs,
    PartSetting,
    TorchPart,
    is_local,
    limit_threads,
    needed,
)
from unislu.evaluation.provenance import installed
from unislu.evaluation.wer import align
from unislu.sequence.labels import ONTONOTES_TO_SLUE, SLUE, normalize_type

CLOSED_NAMES: Mapping[str, str] = {
    "LAW": "law",
    "NORP": "nationality or religious or political group",
    "ORG": "organization",
    "PERSON": "person",
    "PLACE": "location",
    "QUANT": "number or quantity",
    "WHEN": "date or time",
}
"""The names that zero-shot taggers get in place of SLUE's tags, which mean nothing to them."""

ONTONOTES_NAMES: Mapping[str, tuple[str, ...]] = {
    "person": ("PERSON",), "people": ("PERSON",), "name": ("PERSON",),
    "organization": ("ORG",), "company": ("ORG",), "institution": ("ORG",),
    "place": ("GPE", "LOC", "FAC"), "location": ("GPE", "LOC", "FAC"), "country": ("GPE",), "city": ("GPE",),
    "number": ("CARDINAL",), "quant": ("CARDINAL", "ORDINAL", "QUANTITY", "MONEY", "PERCENT"),
    "when": ("DATE", "TIME"), "nationality": ("NORP",), "facility": ("FAC",),
}  # fmt: skip
"""Open types that mean OntoNotes types. Any other means the label of the same name (`work-of-art`), if there
is one.
"""


class Spacy:
    """An installed spaCy pipeline with OntoNotes' types, mapped to the requested ones."""

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model`: the name or the folder of a pipeline. Raises `BundleNotFoundError`: not installed."""
        spacy = needed("spacy", "spacy")
        # Only what entities need: the other parts of a pipeline would only cost time.
        unused = ["tagger", "parser", "attribute_ruler", "lemmatizer", "senter", "morphologizer"]
        try:
            self._model = spacy.load(model, exclude=unused)
        except OSError as error:
            raise BundleNotFoundError(
                f"spacy:{model}: no such pipeline; install one: python -m spacy download en_core_web_sm"
            ) from error
        labels = [
            label for part in ("ner", "entity_ruler") for label in self._model.pipe_labels.get(part, ())
        ]
        other = sorted(set(labels) - set(ONTONOTES_TO_SLUE))
        if other or not labels:
            raise OptionError(
                f"spacy:{model}: its entity labels {other or 'are none'} are not OntoNotes'; "
                "give a pipeline such as en_core_web_sm"
            )

    def tag(self, text: str, types: tuple[str, ...] | None) -> Pairs:
        """Its entities as SLUE's types, or as the requested open types that it knows."""
        if types is None:
            found = [(ONTONOTES_TO_SLUE.get(e.label_), e.text) for e in self._model(text).ents]
        else:
            wanted = {label: name for name in reversed(types) for label in _ontonotes(name)}
            found = [(wanted.get(e.label_), e.text) for e in self._model(text).ents]
        return tuple((name, phrase) for name, phrase in found if name is not None)

    @cached_property
    def parameters(self) -> int | None:
        """All weights of its networks."""
        total = 0
        for _, part in self._model.pipeline:
            if hasattr(part, "model"):
                for node in part.model.walk():
                    total += sum(node.get_param(n).size for n in node.param_names if node.has_param(n))
        return total

    @property
    def facts(self) -> Mapping[str, Any]:
        """Pipeline and versions."""
        meta = self._model.meta
        return {"model": f"{meta['lang']}_{meta['name']} {meta['version']}", **installed("spacy")}


def _ontonotes(name: str) -> tuple[str, ...]:
    """The OntoNotes labels that an open type refers to."""
    normal = normalize_type(name)
    return ONTONOTES_NAMES.get(normal, (normal.upper().replace("-", "_"),))


class Gliner(TorchPart):
    """GLiNER: zero-shot spans by their likeness to the types' names."""

    merge = False
    packages = ("gliner", "torch")

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model`: a folder, or a name on the hub."""
        package = needed("gliner", "gliner")
        limit_threads(setting.threads)
        self._name, self._options = model, {"threshold": setting.threshold}
        self._model = package.GLiNER.from_pretrained(model, local_files_only=is_local(model))
        self._model.eval()

    def tag(self, text: str, types: tuple[str, ...] | None) -> Pairs:
        """Entities above the threshold."""
        asked = _asked(types)
        found = self._model.predict_entities(text, list(asked), **self._options)
        spans = [(item["start"], item["end"], item["label"]) for item in found]
        if self.merge:
            spans = _merged(sorted(spans))
        return tuple((asked[label], text[start:end]) for start, end, label in spans)


class Nuner(Gliner):
    """NuNER Zero: GLiNER's network classifying tokens, so that neighbours of one type are one entity.

    For `NuNER_Zero-span`, which finds whole spans, use `gliner`.
    """

    merge = True


def _asked(types: tuple[str, ...] | None) -> dict[str, str]:
    """The names to request, in lower case and with blanks, and the type that each stands for."""
    if types is None:
        return {CLOSED_NAMES[tag]: tag for tag in SLUE.entity_types}
    return {normalize_type(name).replace("-", " "): name for name in types}


def _merged(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Neighbours of one type with at most one character between them, as one."""
    merged: list[tuple[int, int, str]] = []
    for start, end, label in spans:
        if merged and merged[-1][2] == label and start - merged[-1][1] <= 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), label)
        else:
            merged.append((start, end, label))
    return merged


_WORD = re.compile(r"\w+(?:[-_'’]\w+)*|\S")
_TAGGED = re.compile(r"(\S+?)\(([BI]-[^()]+|O)\)")
# The exact instruction that the published GNER models were trained with.
_INSTRUCTION = (
    "Please analyze the sentence provided, identifying the type of entity for each word on a token-by-token "
    "basis.\nOutput format is: word_1(label_1), word_2(label_2), ...\n"
    "We'll use the BIO-format to label the entities, where:\n"
    "1. B- (Begin) indicates the start of a named entity.\n"
    "2. I- (Inside) is used for words within a named entity but are not the first word.\n"
    "3. O (Outside) denotes words that are not part of a named entity.\n"
)


class Gner(TorchPart):
    """GNER on an encoder-decoder (flan-t5): the sentence again, each word with its BIO tag."""

    def __init__(self, model: str, setting: PartSetting) -> None:
        """`model`: a folder, or a name on the hub. Raises `OptionError` for a model without an encoder."""
        config = needed("transformers", "transformers").AutoConfig
        if not config.from_pretrained(model, local_files_only=is_local(model)).is_encoder_decoder:
            raise OptionError(f"gner:{model}: is not an encoder-decoder; give one of the GNER-T5 models")
        self._load("AutoModelForSeq2SeqLM", model, setting)

    def tag(self, text: str, types: tuple[str, ...] | None) -> Pairs:
        """The entities of its tags, as far as its words match the text."""
        asked = _asked(types)
        words = list(_WORD.finditer(text))
        sentence = " ".join(word.group() for word in words)
        question = (
            f"{_INSTRUCTION}\nUse the specific entity tags: {', '.join(asked)} and O.\nSentence: {sentence}"
        )
        torch = needed("torch", "torch")
        inputs = self._tokenizer(question, return_tensors="pt")
        with torch.inference_mode():
            ids = self._model.generate(inputs["input_ids"], max_new_tokens=640, do_sample=False)[0]
        answer = self._tokenizer.decode(ids, skip_special_tokens=True)
        spans = read_bio(answer, [word.group() for word in words], asked)
        return tuple((label, text[words[a].start() : words[b - 1].end()]) for a, b, label in spans)


def read_bio(answer: str, words: Sequence[str], asked: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """Entities in an answer such as `in(O) new(B-city) york(I-city)`: first word, word after the last, type.

    Words that the model left out, repeated or changed are handled by alignment; types that were not requested
    are dropped. `asked`: the type that each name in the prompt stands for.
    """
    tagged = _TAGGED.findall(answer)
    edits = align([word.lower() for word in words], [word.lower() for word, _ in tagged])
    labels = ["O"] * len(words)
    for edit in edits:
        if edit.operation == "hit" and edit.reference is not None and edit.hypothesis is not None:
            labels[edit.reference] = tagged[edit.hypothesis][1]
    spans: list[tuple[int, int, str]] = []
    for place, label in enumerate(labels):
        name = asked.get(label[2:].strip())
        if name is None:
            continue
        if label[0] == "I" and spans and spans[-1][1:] == (place, name):
            spans[-1] = (spans[-1][0], place + 1, name)
        else:
            spans.append((place, place + 1, name))
    return spans
