"""The vocabulary and the model that the tests of the pipeline share."""

from __future__ import annotations

import pytest

from unislu.recognition.model import Model
from unislu.sequence import SLUE, Vocabulary

from .scripted import ROWS, make, tokenizer


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    words = tokenizer()
    return Vocabulary.extend(words, ROWS, words.special_tokens, SLUE)


@pytest.fixture
def model(vocabulary: Vocabulary) -> Model:
    return make(vocabulary)[0]
